// Package licences proves which files of Redpanda's modules a package links that
// are under the Redpanda Community License instead of an open source licence.
//
// It looks at files, not at modules: github.com/redpanda-data/connect/v4 holds
// both kinds side by side, so a new import of a public component, or a new
// version of the module, can bring in files of the other kind unnoticed.
package licences

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// watchedModules begin the paths of the modules whose files are looked at.
	watchedModules = "github.com/redpanda-data/"

	// headerBytes is how much of a file is searched for the name of its licence.
	headerBytes = 1 << 10
)

// markers are what the header of a file under the Redpanda Community License
// holds, as licenses/rcl_header.go.txt of the module prescribes, and variants.
var markers = []string{"Redpanda Community License", "Redpanda Enterprise", "licenses/rcl.md", "Redpanda Community\n"}

// File is a linked file that is under the Redpanda Community License.
type File struct {
	// Path is the import path of the file's module with the path inside it.
	Path string
	// Chain is a shortest chain of imports by which the package reaches it.
	Chain []string
}

func (f File) String() string {
	return f.Path + "\n    imported by " + strings.Join(f.Chain, "\n             -> ")
}

// Unnamed returns the files that notice does not name.
func Unnamed(files []File, notice string) []File {
	var unnamed []File
	for _, f := range files {
		if !slices.Contains(strings.Fields(notice), f.Path) {
			unnamed = append(unnamed, f)
		}
	}
	return unnamed
}

// Build says for what a package is built: its files depend on it.
type Build struct {
	GOOS string
	Tags string
}

// listedPackage is what `go list -json` tells about a package.
type listedPackage struct {
	ImportPath string
	Dir        string
	Module     *struct{ Path, Dir string }
	Imports    []string
	GoFiles    []string
	CgoFiles   []string
	SFiles     []string
	EmbedFiles []string
	Error      *struct{ Err string }
}

func (p listedPackage) files() []string {
	return slices.Concat(p.GoFiles, p.CgoFiles, p.SFiles, p.EmbedFiles)
}

// Community returns the files under the Redpanda Community License which
// pkg links in the given build, sorted by path. dir is a directory of the
// module to look from. Where a package cannot be loaded, it returns an error
// besides what it has found in the others: only without an error is the list
// complete.
func Community(ctx context.Context, dir string, build Build, pkg string) ([]File, error) {
	packages, err := list(ctx, dir, build, pkg)
	if err != nil {
		return nil, err
	}
	chains := shortestChains(packages, pkg)

	var found []File
	var broken error
	for _, p := range packages {
		if p.Error != nil {
			broken = errors.Join(broken, fmt.Errorf("loading %s: %s", p.ImportPath, p.Error.Err))
		}
		if p.Module == nil || !strings.HasPrefix(p.Module.Path, watchedModules) {
			continue
		}
		for _, name := range p.files() {
			file := filepath.Join(p.Dir, name)
			marked, err := isMarked(file)
			if err != nil {
				return nil, err
			}
			if !marked {
				continue
			}
			rel, err := filepath.Rel(p.Module.Dir, file)
			if err != nil {
				return nil, err
			}
			found = append(found, File{
				Path:  path.Join(p.Module.Path, filepath.ToSlash(rel)),
				Chain: chains[p.ImportPath],
			})
		}
	}
	slices.SortFunc(found, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return found, broken
}

func list(ctx context.Context, dir string, build Build, pkg string) (map[string]listedPackage, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-tags", build.Tags,
		"-json=ImportPath,Dir,Module,Imports,GoFiles,CgoFiles,SFiles,EmbedFiles,Error", pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS="+build.GOOS)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("listing what %s links: %w\n%s", pkg, err, stderr.String())
	}
	packages := map[string]listedPackage{}
	for dec := json.NewDecoder(&stdout); ; {
		var p listedPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what %s links: %w", pkg, err)
		}
		packages[p.ImportPath] = p
	}
}

// shortestChains returns for each package the way from root to it.
func shortestChains(packages map[string]listedPackage, root string) map[string][]string {
	chains := map[string][]string{root: {root}}
	for queue := []string{root}; len(queue) > 0; queue = queue[1:] {
		for _, next := range packages[queue[0]].Imports {
			if _, seen := chains[next]; !seen {
				chains[next] = append(slices.Clone(chains[queue[0]]), next)
				queue = append(queue, next)
			}
		}
	}
	return chains
}

func isMarked(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, fmt.Errorf("looking for the licence of a linked file: %w", err)
	}
	defer func() { _ = f.Close() }()
	header, err := io.ReadAll(io.LimitReader(f, headerBytes))
	if err != nil {
		return false, fmt.Errorf("looking for the licence of a linked file: %w", err)
	}
	return slices.ContainsFunc(markers, func(marker string) bool {
		return bytes.Contains(header, []byte(marker))
	}), nil
}

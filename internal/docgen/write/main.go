// Command write brings the reference pages of the components up to date.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/docgen"
	_ "github.com/benthos-ebp/benthos-ebp/plugins"
)

func main() {
	dir := flag.String("dir", docgen.Dir, "the directory of the pages; what else is in it is removed")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir string) error {
	pages, err := docgen.Pages(service.GlobalEnvironment())
	if err != nil {
		return err
	}
	// Pages of components that are gone must go too.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for name, page := range pages {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}

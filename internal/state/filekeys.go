package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Keys implements Store. The name of a record may be missing from a listing while the
// record is replaced; that of its lock, once made, stays. So whatever is written during the
// first listing is found in the second.
func (f *File) Keys(ctx context.Context, prefix string) ([]string, error) {
	names := map[string]bool{}
	for _, in := range []struct {
		directory string
		suffixes  []string
	}{{"records", []string{".json", ".json" + nextSuffix}}, {"locks", []string{".write"}}} {
		entries, err := os.ReadDir(filepath.Join(f.dir, in.directory))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, f.explain("listing the state", err)
		}
		for _, entry := range entries {
			for _, suffix := range in.suffixes {
				if name, ok := strings.CutSuffix(entry.Name(), suffix); ok {
					names[name] = true
					break
				}
			}
		}
	}
	var keys []string
	for name := range names {
		if !mayBegin(name, url.QueryEscape(prefix)) {
			continue
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("listing the state: %w", ended(ctx))
		}
		key, there, err := f.keyOf(ctx, name, prefix)
		if err != nil {
			return nil, err
		}
		if there && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// shortenedName is one that ends with the digest of a key that was too long.
var shortenedName = regexp.MustCompile(`^.*-[0-9a-f]{64}$`)

func shortened(name string) bool { return len(name) == longestName && shortenedName.MatchString(name) }

// mayBegin reports whether a name can be that of a key whose escaped text begins with prefix.
func mayBegin(name, prefix string) bool {
	if shortened(name) {
		prefix = prefix[:min(len(prefix), longestName-65)]
	}
	return strings.HasPrefix(name, prefix)
}

// keyOf returns the key of the record with that name, and whether there is one.
func (f *File) keyOf(ctx context.Context, name, prefix string) (key string, there bool, err error) {
	path := filepath.Join(f.dir, "records", name+".json")
	begun, err := putBegun(path) // first: meanwhile it may take the record's place
	if err != nil {
		return "", false, f.explain("reading the state", err)
	}
	_, err = os.Lstat(path)
	switch {
	case err == nil:
		return f.keyIn(path, name, prefix)
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, f.explain("reading the state", err)
	case !begun:
		return "", false, nil
	}
	// The first put of that record. Get completes it, if it is a whole one.
	key, ok, err := f.keyIn(path+nextSuffix, name, prefix)
	if errors.Is(err, ErrDamaged) || err == nil && !ok {
		return "", false, nil // what it holds was never a record
	}
	if err != nil {
		return "", false, err
	}
	if _, err = f.Get(ctx, key); errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return "", false, err
	}
	return key, true, nil
}

// keyIn returns the key of a file with that name. A name that was shortened does not tell
// it, but what is in the file does. Where that is damaged the name itself will do, if it is
// a key that begins with prefix and by which Get finds the file.
func (f *File) keyIn(path, named, prefix string) (key string, ok bool, err error) {
	if shortened(named) {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", false, nil // it was deleted meanwhile
		}
		if err != nil {
			return "", false, f.explain("reading the state", err)
		}
		if key, ok := keyIn(data, func(key string) bool { return name(key) == named }); ok {
			return key, true, nil
		}
	}
	key, err = url.QueryUnescape(named)
	switch {
	case err == nil && name(key) == named && (strings.HasPrefix(key, prefix) || !shortened(named)):
		return key, true, nil
	case shortened(named):
		return "", false, damaged(path, errors.New("it does not say whose record it is, and its name is too short for that"))
	}
	return "", false, nil // the file of somebody else: no key has that name
}

// Delete implements Store.
//
// It is a put of nothing, and killed at any moment it leaves the record whole or none. What
// is beside the record goes first, for good, after settle has completed it if it was a put:
// once the record is gone, a leftover of a first version would be taken for one.
func (f *File) Delete(ctx context.Context, key string, expected Version) error {
	if _, err := f.Get(ctx, key); err != nil {
		return err // without making a lock for it
	}
	unlock, err := f.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := f.settle(key)
	if err != nil {
		return err
	}
	if current.Version != expected {
		return ErrConflict
	}
	for _, files := range deletion(f.path(key)) {
		if err := removeForGood(files...); err != nil {
			return f.explain("deleting a record of the state", err)
		}
	}
	return nil
}

// deletion are the files of a record in the order in which they are removed.
func deletion(path string) [][]string {
	return [][]string{{path + nextSuffix, path + reserveSuffix}, {path}}
}

// removeForGood removes files of one directory. A power cut does not bring them back.
func removeForGood(files ...string) error {
	removed := false
	for _, file := range files {
		err := os.Remove(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed = removed || err == nil
	}
	if !removed {
		return nil
	}
	return syncDirectory(filepath.Dir(files[0]))
}

package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

const (
	directoryMode = 0o700
	fileMode      = 0o600
	// fileFormat is the layout of a record file. A reader that meets a newer one
	// reports it rather than guess.
	fileFormat = 1
	// lockPoll is how often a waiting process looks whether a lock is free.
	lockPoll = 20 * time.Millisecond
)

// File is a Store in a directory of this machine: one file per record, mode 0600 in
// directories of mode 0700, replaced atomically and synced to the disk. Locks are
// those of the operating system and die with the process that holds them, so a
// killed process never leaves one behind. The directory must be on a local disk:
// locks and renames of network file systems do not promise enough.
type File struct{ dir string }

var _ Store = (*File)(nil)

// NewFile returns the store in dir, which is made at the first write.
func NewFile(dir string) *File { return &File{dir: filepath.Clean(dir)} }

// String implements Store.
func (f *File) String() string { return "file:" + f.dir }

// Close implements Store.
func (*File) Close() error { return nil }

// envelope is what a record file holds. The digest tells a file that was cut short
// or edited by hand from a good one.
type envelope struct {
	Format  int     `json:"format"`
	Key     string  `json:"key"`
	Version Version `json:"version"`
	Digest  string  `json:"sha256"`
	Value   []byte  `json:"value"`
}

func (e envelope) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%d\n", e.Format, e.Key, e.Version)
	h.Write(e.Value)
	return hex.EncodeToString(h.Sum(nil))
}

// longestName keeps file names under the 255 bytes that file systems allow.
const longestName = 180

// name turns a key into a file name, different for different keys.
func name(key string) string {
	escaped := url.QueryEscape(key)
	if len(escaped) <= longestName {
		return escaped
	}
	sum := sha256.Sum256([]byte(key))
	return escaped[:longestName-65] + "-" + hex.EncodeToString(sum[:])
}

func (f *File) path(key string) string {
	return filepath.Join(f.dir, "records", name(key)+".json")
}

// Get implements Store.
func (f *File) Get(_ context.Context, key string) (Record, error) {
	data, err := os.ReadFile(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, fmt.Errorf("reading state: %w", err)
	}
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return Record{}, fmt.Errorf("%w: %s is not a whole record (%d bytes)", ErrDamaged, f.path(key), len(data))
	}
	switch {
	case e.Format != fileFormat:
		return Record{}, fmt.Errorf("%w: %s has format %d, this program reads %d", ErrDamaged, f.path(key), e.Format, fileFormat)
	case e.Key != key:
		return Record{}, fmt.Errorf("%w: %s holds the record %q, not %q", ErrDamaged, f.path(key), e.Key, key)
	case e.Digest != e.digest() || e.Version == 0:
		return Record{}, fmt.Errorf("%w: the digest of %s does not match its content", ErrDamaged, f.path(key))
	}
	return Record{Value: e.Value, Version: e.Version}, nil
}

// Put implements Store.
func (f *File) Put(ctx context.Context, key string, value []byte, expected Version) (Version, error) {
	lease, err := f.Lease(ctx, "write "+key)
	if err != nil {
		return 0, err
	}
	defer lease.Release()
	current, err := f.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	if current.Version != expected {
		return 0, ErrConflict
	}
	e := envelope{Format: fileFormat, Key: key, Version: expected + 1, Value: value}
	e.Digest = e.digest()
	data, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("encoding state: %w", err)
	}
	if err := replace(f.path(key), data); err != nil {
		return 0, fmt.Errorf("writing state: %w", err)
	}
	return e.Version, nil
}

// replace writes a file so that a crash leaves the old or the new one: a temporary
// file beside it, synced, renamed over it, and the rename itself synced.
func replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, directoryMode); err != nil {
		return err
	}
	t, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(fileMode))
	if err != nil {
		return err
	}
	defer func() { _ = t.Cleanup() }()
	if _, err := t.Write(data); err != nil {
		return err
	}
	if err := t.CloseAtomicallyReplace(); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lease implements Store with a lock of the operating system.
func (f *File) Lease(ctx context.Context, lease string) (Lease, error) {
	dir := filepath.Join(f.dir, "locks")
	if err := os.MkdirAll(dir, directoryMode); err != nil {
		return nil, fmt.Errorf("making the directory of locks: %w", err)
	}
	lock := flock.New(filepath.Join(dir, name(lease)+".lock"), flock.SetPermissions(fileMode))
	ok, err := lock.TryLockContext(ctx, lockPoll)
	if err != nil {
		return nil, fmt.Errorf("waiting for the lock %s: %w", lock.Path(), err)
	}
	if !ok {
		return nil, fmt.Errorf("waiting for the lock %s: %w", lock.Path(), context.Cause(ctx))
	}
	return newLocalLease(func() { _ = lock.Unlock() }), nil
}

// Now implements Store: processes of one machine share its clock.
func (*File) Now(context.Context) (time.Time, error) { return time.Now(), nil }

// Reserve implements Store.
func (f *File) Reserve(context.Context, string, int) error { return nil }

// SetAside implements Store.
func (f *File) SetAside(_ context.Context, key string) (string, error) {
	aside := f.path(key) + ".aside"
	err := os.Rename(f.path(key), aside)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotFound
	}
	return aside, err
}

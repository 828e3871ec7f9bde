package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

const (
	directoryMode = 0o700
	fileMode      = 0o600
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

// Now implements Store: processes of one machine share its clock.
func (*File) Now(context.Context) (time.Time, error) { return time.Now(), nil }

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

// Get implements Store. It waits for a Put of that key that is under way, and completes
// one whose process was killed.
func (f *File) Get(ctx context.Context, key string) (Record, error) {
	r, err := f.read(key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Record{}, err
	}
	begun, nextErr := putBegun(f.path(key))
	if nextErr != nil {
		return Record{}, f.explain("reading the state", nextErr)
	}
	if !begun {
		return r, err
	}
	unlock, err := f.lock(ctx, key)
	if err != nil {
		return Record{}, err
	}
	defer unlock()
	return f.settle(key)
}

// read returns the record as it is on the disk.
func (f *File) read(key string) (Record, error) {
	data, err := os.ReadFile(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, f.explain("reading the state", err)
	}
	r, err := unseal(key, data)
	if err != nil {
		return Record{}, damaged(f.path(key), err)
	}
	if info, err := os.Stat(f.path(key)); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&^fileMode != 0 {
		_ = os.Chmod(f.path(key), fileMode) // it was copied without its mode
	}
	return r, nil
}

// Put implements Store.
func (f *File) Put(ctx context.Context, key string, value []byte, expected Version) (Version, error) {
	unlock, err := f.lock(ctx, key)
	if err != nil {
		return 0, err
	}
	defer unlock()
	current, err := f.settle(key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	if current.Version != expected {
		return 0, ErrConflict
	}
	data, err := seal(key, expected+1, value)
	if err != nil {
		return 0, err
	}
	if err := f.makeDirectory("records"); err != nil {
		return 0, err
	}
	if err := writeNext(f.path(key), data); err != nil {
		return 0, f.explain("writing the state", err)
	}
	return expected + 1, nil
}

// Reserve implements Store. Another Put of the same key uses the space up. File systems
// that never write in place, such as btrfs and zfs, may need more space all the same.
func (f *File) Reserve(ctx context.Context, key string, size int) error {
	unlock, err := f.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	// A put that a killed process began is completed first: its token would be erased.
	if _, err := f.settle(key); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	needed, err := sealedSize(key, size)
	if err != nil {
		return err
	}
	if err := f.makeDirectory("records"); err != nil {
		return err
	}
	if err := reserveNext(f.path(key), needed); err != nil {
		return f.explain(fmt.Sprintf("keeping %d bytes for the state", needed), err)
	}
	return nil
}

// SetAside implements Store. What a killed process left of a put goes along, since it
// may be the newest there is, but under a name that no reader looks at.
func (f *File) SetAside(ctx context.Context, key string) (string, error) {
	path := f.path(key)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if begun, _ := putBegun(path); !begun {
			return "", ErrNotFound
		}
	}
	unlock, err := f.lock(ctx, key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := f.settle(key); errors.Is(err, ErrNotFound) {
		return "", ErrNotFound
	}
	aside, err := freeName(path)
	if err != nil {
		return "", f.explain("setting a record aside", err)
	}
	// The put first: with the record gone it could be taken for a first one.
	if err := os.Rename(path+nextSuffix, aside+nextSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", f.explain("setting a record aside", err)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", f.explain("setting a record aside", err)
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return "", f.explain("setting a record aside", err)
	}
	return aside, nil
}

// freeName returns a name beside path that nothing has yet.
func freeName(path string) (string, error) {
	stamp := path + ".aside-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	for i := 0; ; i++ {
		aside := stamp
		if i > 0 {
			aside += fmt.Sprintf("-%d", i)
		}
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, nil
		} else if err != nil {
			return "", err
		}
	}
}

// Lease implements Store with a lock of the operating system.
func (f *File) Lease(ctx context.Context, lease string) (Lease, error) {
	unlock, err := f.acquire(ctx, name(lease)+".lock")
	if err != nil {
		return nil, err
	}
	return newLocalLease(unlock), nil
}

// TryLease implements Store.
func (f *File) TryLease(ctx context.Context, lease string) (Lease, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("taking the lease %q: %w", lease, ended(ctx))
	}
	lock, err := f.newLock(name(lease) + ".lock")
	if err != nil {
		return nil, err
	}
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, f.explain("taking a lock of the state", err)
	case !ok:
		return nil, nil
	}
	return newLocalLease(func() { _ = lock.Unlock() }), nil
}

// lock keeps all others from writing a record. Its name cannot be that of a lease.
func (f *File) lock(ctx context.Context, key string) (unlock func(), err error) {
	return f.acquire(ctx, name(key)+".write")
}

func (f *File) acquire(ctx context.Context, file string) (unlock func(), err error) {
	lock, err := f.newLock(file)
	if err != nil {
		return nil, err
	}
	ok, err := lock.TryLockContext(ctx, lockPoll)
	switch {
	case ctx.Err() != nil && !ok:
		return nil, fmt.Errorf("waiting for the lock %s: %w", lock.Path(), ended(ctx))
	case err != nil:
		return nil, f.explain("taking a lock of the state", err)
	}
	return func() { _ = lock.Unlock() }, nil
}

func (f *File) newLock(file string) (*flock.Flock, error) {
	if err := f.makeDirectory("locks"); err != nil {
		return nil, err
	}
	return flock.New(filepath.Join(f.dir, "locks", file), flock.SetPermissions(fileMode)), nil
}

// makeDirectory makes a directory of the store, and sees to it that a power cut does not
// take it away again together with what is in it.
func (f *File) makeDirectory(sub string) error {
	dir := filepath.Join(f.dir, sub)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, directoryMode); err != nil {
		return f.explain("making the directory of the state", err)
	}
	for _, parent := range []string{f.dir, filepath.Dir(f.dir)} {
		// Not every directory above may be opened; its file system then sees to it.
		if err := syncDirectory(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return f.explain("making the directory of the state", err)
		}
	}
	return nil
}

package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testKey = "tokens/x"

// newFileAt returns a file store with a record of some version under testKey.
func newFileAt(t *testing.T, version Version) *File {
	t.Helper()
	f := NewFile(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, f.makeDirectory("records"))
	for v := range version {
		_, err := f.Put(t.Context(), testKey, fmt.Appendf(nil, "value %d", v+1), v)
		require.NoError(t, err)
	}
	return f
}

// leave writes NAME.next as a killed process would have left it.
func leave(t *testing.T, f *File, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.path(testKey)+nextSuffix, data, 0o600))
}

func sealed(t *testing.T, key string, version Version, value string) []byte {
	t.Helper()
	data, err := seal(key, version, []byte(value))
	require.NoError(t, err)
	return data
}

func TestOnlyAWholePutOfTheNextVersionIsCompleted(t *testing.T) {
	whole := sealed(t, testKey, 3, "value 3")
	edited := []byte(strings.Replace(string(whole), `"version":3`, `"version":4`, 1))
	cases := map[string]struct {
		left    []byte
		version Version
	}{
		"whole":                     {whole, 3},
		"in reserved space":         {append(append([]byte{}, whole...), make([]byte, 4000)...), 3},
		"over a longer leftover":    {append(append([]byte{}, whole...), `","value":"eHh4"}`...), 3},
		"empty":                     {[]byte{}, 2},
		"reserved":                  {make([]byte, 4000), 2},
		"of the record's version":   {sealed(t, testKey, 2, "other"), 2},
		"of an older version":       {sealed(t, testKey, 1, "older"), 2},
		"of a version too far away": {sealed(t, testKey, 4, "value 4"), 2},
		"of another key":            {sealed(t, "tokens/y", 3, "value 3"), 2},
		"edited":                    {edited, 2},
	}
	for n := range whole {
		cases[fmt.Sprintf("cut to %d bytes", n)] = struct {
			left    []byte
			version Version
		}{whole[:n], 2}
		cases[fmt.Sprintf("cut to %d bytes in reserved space", n)] = struct {
			left    []byte
			version Version
		}{append(append([]byte{}, whole[:n]...), make([]byte, 4000-n)...), 2}
	}
	f := newFileAt(t, 2)
	record, err := os.ReadFile(f.path(testKey))
	require.NoError(t, err)
	for name, c := range cases {
		require.NoError(t, os.WriteFile(f.path(testKey), record, 0o600))
		leave(t, f, c.left)
		for range 2 {
			r, err := f.Get(t.Context(), testKey)
			require.NoError(t, err, name)
			assert.Equal(t, c.version, r.Version, name)
			assert.Equal(t, fmt.Sprintf("value %d", c.version), string(r.Value), name)
		}
		// Whatever is there, the next put goes through.
		_, err := f.Put(t.Context(), testKey, []byte("more"), c.version)
		require.NoError(t, err, name)
		r, err := f.Get(t.Context(), testKey)
		require.NoError(t, err, name)
		assert.Equal(t, "more", string(r.Value), name)
		_, err = os.Stat(f.path(testKey) + nextSuffix)
		assert.ErrorIs(t, err, fs.ErrNotExist, name)
	}
}

func TestAFirstPutThatWasInterruptedIsCompleted(t *testing.T) {
	f := newFileAt(t, 0)
	leave(t, f, sealed(t, testKey, 2, "of a record that somebody removed"))
	_, err := f.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
	leave(t, f, sealed(t, testKey, 1, "first"))
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, "first", string(r.Value))
}

func TestPutAndReserveCompleteWhatWasInterruptedFirst(t *testing.T) {
	f := newFileAt(t, 2)
	leave(t, f, sealed(t, testKey, 3, "value 3"))
	_, err := f.Put(t.Context(), testKey, []byte("late"), 2)
	require.ErrorIs(t, err, ErrConflict, "a put that had arrived was overwritten")
	leave(t, f, sealed(t, testKey, 4, "value 4"))
	require.NoError(t, f.Reserve(t.Context(), testKey, 1000))
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, "value 4", string(r.Value), "a put that had arrived was erased")
}

func TestAReaderWaitsForALiveWriterAsLongAsItsContextDoes(t *testing.T) {
	f := newFileAt(t, 2)
	unlock, err := f.lock(t.Context(), testKey)
	require.NoError(t, err)
	leave(t, f, sealed(t, testKey, 3, "value 3"))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	_, err = f.Get(ctx, testKey)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.EqualValues(t, 3, r.Version)

	// Space that is reserved is no writer.
	require.NoError(t, f.Reserve(t.Context(), testKey, 1000))
	unlock, err = f.lock(t.Context(), testKey)
	require.NoError(t, err)
	defer unlock()
	ctx, cancel = context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	_, err = f.Get(ctx, testKey)
	require.NoError(t, err)
}

func TestWhatIsSetAsideDoesNotComeBack(t *testing.T) {
	f := newFileAt(t, 0)
	require.NoError(t, os.WriteFile(f.path(testKey), []byte("not a record"), 0o600))
	next := sealed(t, testKey, 1, "would be the first after no record")
	leave(t, f, next)
	_, err := f.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorIs(t, f.Reserve(t.Context(), testKey, 10), ErrDamaged)
	where, err := f.SetAside(t.Context(), testKey)
	require.NoError(t, err)
	_, err = f.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
	aside, err := os.ReadFile(where)
	require.NoError(t, err)
	assert.Equal(t, "not a record", string(aside))
	kept, err := os.ReadFile(where + nextSuffix)
	require.NoError(t, err, "it may hold the newest token")
	assert.Equal(t, next, kept)
}

func TestSpaceIsReservedForTheWholeEnvelopeOfAValue(t *testing.T) {
	f := newFileAt(t, 1)
	for _, size := range []int{0, 1, 2, 3, 1000, 32 << 10, 100_001} {
		require.NoError(t, f.Reserve(t.Context(), testKey, size))
		reserved, err := os.Stat(f.path(testKey) + nextSuffix)
		require.NoError(t, err)
		most, err := seal(testKey, ^Version(0), make([]byte, size))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, reserved.Size(), int64(len(most)), size)
		blocks := reserved.Sys().(*syscall.Stat_t).Blocks * 512
		assert.GreaterOrEqual(t, blocks, reserved.Size(), "the file has holes")
		assert.EqualValues(t, 0o600, reserved.Mode().Perm())
	}
	// The record does not keep the space.
	_, err := f.Put(t.Context(), testKey, []byte("short"), 1)
	require.NoError(t, err)
	info, err := os.Stat(f.path(testKey))
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(300))
}

func TestARecordOfTheFirstVersionOfTheProgramIsRead(t *testing.T) {
	f := newFileAt(t, 0)
	// As it was written before there were other stores than files.
	old := `{"format":1,"key":"tokens/x","version":4,"sha256":"cefd033239dcf2d723217a3fbbfb7c6843057be7d8438c508ca43b4de38eb8b9","value":"eyJhIjoxfQ=="}`
	require.NoError(t, os.WriteFile(f.path(testKey), []byte(old), 0o600))
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, Record{Value: []byte(`{"a":1}`), Version: 4}, r)
}

func TestNobodyElseCanReadTheFiles(t *testing.T) {
	old := syscall.Umask(0) // the modes are ours, not the user's
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "deep", "state")
	s := NewFile(dir)
	key := "tokens/é/" + strings.Repeat("long ", 100)
	_, err := s.Put(t.Context(), key, []byte("x"), 0)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(t.Context(), key, 1000))
	_, err = s.SetAside(t.Context(), key)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(t.Context(), key, 1000))
	lease, err := s.Lease(t.Context(), key)
	require.NoError(t, err)
	lease.Release()
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		n++
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
	assert.Greater(t, n, 6)
}

func TestAPathThatIsNoDirectoryIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		s := NewFile(dir)
		_, err := s.Put(t.Context(), testKey, []byte("x"), 0)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		assert.ErrorContains(t, err, file)
		assert.ErrorContains(t, err, "name a directory")
		_, err = s.Get(t.Context(), testKey)
		require.ErrorIs(t, err, syscall.ENOTDIR, "it was taken for a store without that record")
		_, err = s.Lease(t.Context(), testKey)
		require.ErrorIs(t, err, syscall.ENOTDIR)
	}
}

func TestAReservationIsNotMadeWhereAPutWouldNotBe(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may do everything: .ci/run runs this as somebody else too")
	}
	dir := t.TempDir()
	s := NewFile(dir)
	require.NoError(t, s.Reserve(t.Context(), testKey, 100)) // by one that did not come further
	records := filepath.Join(dir, "records")
	require.NoError(t, os.Chmod(records, 0o500))
	t.Cleanup(func() { _ = os.Chmod(records, 0o700) })
	err := s.Reserve(t.Context(), testKey, 100)
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "with mode 0700")
}

func TestADirectoryOfSomebodyElseIsSaid(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may do everything: .ci/run runs this as somebody else too")
	}
	f := newFileAt(t, 1)
	require.NoError(t, os.Chmod(filepath.Join(f.dir, "records"), 0o500))
	_, err := f.Put(t.Context(), testKey, []byte("x"), 1)
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.ErrorContains(t, err, "the directory "+f.dir+" and all in it must belong to that user")
	_, err = f.Get(t.Context(), testKey)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(f.dir, "records"), 0o700))
}

func TestEveryErrorOfAFileSaysWhatToDoAndStaysItself(t *testing.T) {
	f := NewFile("/var/lib/ebp")
	for cause, advice := range map[error]string{
		syscall.EROFS:       "mount it writable",
		syscall.ENOSPC:      "make room",
		syscall.EDQUOT:      "make room",
		syscall.EACCES:      "the directory /var/lib/ebp and all in it must belong",
		syscall.EPERM:       "the directory /var/lib/ebp and all in it must belong",
		syscall.ENOTDIR:     "name a directory",
		syscall.EIO:         "the disk fails",
		errors.New("other"): "other",
	} {
		err := f.explain("writing the state", &fs.PathError{Op: "open", Path: "/var/lib/ebp/x", Err: cause})
		require.ErrorIs(t, err, cause)
		assert.ErrorContains(t, err, advice)
		assert.ErrorContains(t, err, "writing the state: open /var/lib/ebp/x: ")
	}
}

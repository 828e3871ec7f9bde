package state

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// smallDisk is a file system of its own, so small that it can be filled.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a file system of one's own needs root and the right to mount: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fill leaves no block of a disk free.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "somebody's data")
	f, err := os.Create(path)
	require.NoError(t, err)
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}

func TestAFullDiskFailsAPutAndKeepsTheRecord(t *testing.T) {
	dir := smallDisk(t)
	f := NewFile(filepath.Join(dir, "state"))
	value := bytes.Repeat([]byte("v"), 20_000)
	_, err := f.Put(t.Context(), testKey, value, 0)
	require.NoError(t, err)
	empty := fill(t, dir)
	for range 3 {
		_, err = f.Put(t.Context(), testKey, bytes.Repeat([]byte("w"), 20_000), 1)
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, f.path(testKey))
		assert.ErrorContains(t, err, "make room")
		_, err = os.Stat(f.path(testKey) + nextSuffix)
		assert.ErrorIs(t, err, os.ErrNotExist, "it takes space on a full disk")
		require.ErrorIs(t, f.Reserve(t.Context(), testKey, 20_000), syscall.ENOSPC)
		_, err = os.Stat(f.path(testKey) + nextSuffix)
		assert.ErrorIs(t, err, os.ErrNotExist, "it takes space on a full disk")
		r, err := f.Get(t.Context(), testKey)
		require.NoError(t, err)
		assert.Equal(t, Record{Value: value, Version: 1}, r)
	}
	empty()
	_, err = f.Put(t.Context(), testKey, []byte("x"), 1)
	require.NoError(t, err)
}

func TestWhatSpaceWasReservedForIsSavedOnAFullDisk(t *testing.T) {
	for _, first := range []bool{true, false} {
		dir := smallDisk(t)
		f := NewFile(filepath.Join(dir, "state"))
		version := Version(0)
		if !first {
			v, err := f.Put(t.Context(), testKey, []byte("x"), 0)
			require.NoError(t, err)
			version = v
		}
		const size = 32 << 10
		require.NoError(t, f.Reserve(t.Context(), testKey, size))
		fill(t, dir)
		value := bytes.Repeat([]byte{0xff}, size)
		_, err := f.Put(t.Context(), testKey, value, version)
		require.NoError(t, err)
		r, err := NewFile(f.dir).Get(t.Context(), testKey)
		require.NoError(t, err)
		assert.Equal(t, Record{Value: value, Version: version + 1}, r)
	}
}

func TestAReadOnlyDiskIsSaidAndCanBeRead(t *testing.T) {
	dir := smallDisk(t)
	f := NewFile(filepath.Join(dir, "state"))
	_, err := f.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	defer func() { require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "")) }()
	for key, version := range map[string]Version{testKey: 1, "a new one": 0} {
		_, err = f.Put(t.Context(), key, []byte("y"), version)
		require.ErrorIs(t, err, syscall.EROFS)
		assert.ErrorContains(t, err, f.dir)
		assert.ErrorContains(t, err, "mount it writable")
		require.ErrorIs(t, f.Reserve(t.Context(), key, 10), syscall.EROFS)
	}
	_, err = f.SetAside(t.Context(), testKey)
	require.ErrorIs(t, err, syscall.EROFS)
	_, err = f.Lease(t.Context(), "a lease")
	require.ErrorIs(t, err, syscall.EROFS)
	_, err = NewFile(filepath.Join(dir, "another")).Put(t.Context(), testKey, []byte("y"), 0)
	require.ErrorIs(t, err, syscall.EROFS)
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, "x", string(r.Value))
}

func TestAFullDiskFailsASaveAndKeepsTheDigests(t *testing.T) {
	dir := smallDisk(t)
	f, path := savedSet(t, filepath.Join(dir, "state"), 500)
	set := openSet(t, f, "set")
	assert.Equal(t, [2]int64{0, 500}, counted(t, set, 1))
	empty := fill(t, dir)
	many := make([]DigestEntry, 3000)
	for i := range many {
		many[i] = entry(fmt.Sprint("more ", i), i)
	}
	for range 3 {
		err := set.Save(t.Context(), 2, many)
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, "make room")
		assert.Equal(t, [2]int64{0, 500}, counted(t, set, 1))
	}
	require.ErrorIs(t, openSet(t, f, "another").Save(t.Context(), 1, many), syscall.ENOSPC)
	empty()
	require.NoError(t, set.Save(t.Context(), 2, many))
	assert.Equal(t, [2]int64{500, 3500}, counted(t, set, 2))
}

func TestDigestsOnAReadOnlyDiskSaySo(t *testing.T) {
	dir := smallDisk(t)
	f, _ := savedSet(t, filepath.Join(dir, "state"), 10)
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for _, name := range []string{"set", "another"} {
		err := openSet(t, f, name).Save(t.Context(), 2, []DigestEntry{entry("a", 1)})
		require.ErrorIs(t, err, syscall.EROFS)
		assert.ErrorContains(t, err, "mount it writable")
	}
}

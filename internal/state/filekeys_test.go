package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// beside is what processes may have left beside a record of version 2.
func beside(t *testing.T) map[string][]byte {
	t.Helper()
	whole := sealed(t, testKey, 3, "value 3")
	return map[string][]byte{
		"nothing":              nil,
		"reserved":             make([]byte, 4000),
		"half":                 whole[:len(whole)/2],
		"of the first version": sealed(t, testKey, 1, "value 1"),
		"of this version":      sealed(t, testKey, 2, "another value 2"),
		"of a version to come": sealed(t, testKey, 4, "value 4"),
	}
}

func TestADeleteThatIsKilledAtAnyStepLeavesTheRecordOrNothing(t *testing.T) {
	for name, left := range beside(t) {
		t.Run(name, func(t *testing.T) {
			f := newFileAt(t, 2)
			if left != nil {
				leave(t, f, left)
			}
			require.NoError(t, os.WriteFile(f.path(testKey)+reserveSuffix, make([]byte, 100), 0o600))
			r, err := f.settle(testKey)
			require.NoError(t, err)
			require.EqualValues(t, 2, r.Version)
			gone := false
			for _, files := range deletion(f.path(testKey)) {
				for _, file := range files {
					require.NoError(t, removeForGood(file))
					gone = gone || file == f.path(testKey)
					keys, err := f.Keys(t.Context(), "")
					require.NoError(t, err)
					r, err := f.Get(t.Context(), testKey)
					if gone {
						require.ErrorIs(t, err, ErrNotFound)
						require.Empty(t, keys)
						continue
					}
					require.NoError(t, err)
					require.Equal(t, Record{Value: []byte("value 2"), Version: 2}, r)
					require.Equal(t, []string{testKey}, keys)
				}
			}
			require.True(t, gone)
			_, err = f.Put(t.Context(), testKey, []byte("new"), 0)
			require.NoError(t, err)
		})
	}
}

func TestDeleteTakesAllOfARecordWithIt(t *testing.T) {
	for name, left := range beside(t) {
		f := newFileAt(t, 2)
		if left != nil {
			leave(t, f, left)
		}
		require.NoError(t, f.Delete(t.Context(), testKey, 2), name)
		files, err := os.ReadDir(filepath.Join(f.dir, "records"))
		require.NoError(t, err)
		assert.Empty(t, files, name)
		_, err = f.Get(t.Context(), testKey)
		require.ErrorIs(t, err, ErrNotFound, name)
	}
}

func TestDeleteCompletesAPutThatHadArrivedFirst(t *testing.T) {
	f := newFileAt(t, 2)
	leave(t, f, sealed(t, testKey, 3, "value 3"))
	require.ErrorIs(t, f.Delete(t.Context(), testKey, 2), ErrConflict)
	r, err := f.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, "value 3", string(r.Value))
	leave(t, f, sealed(t, testKey, 4, "value 4"))
	require.NoError(t, f.Delete(t.Context(), testKey, 4))

	f = newFileAt(t, 0)
	leave(t, f, sealed(t, testKey, 1, "first"))
	require.NoError(t, f.Delete(t.Context(), testKey, 1))
	_, err = f.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestKeysCountsAFirstPutThatAKilledProcessHasBegun(t *testing.T) {
	for _, key := range []string{testKey, "not UTF-8 \xff", strings.Repeat("é", 500), strings.Repeat("\xff", 500)} {
		f := newFileAt(t, 0)
		next := f.path(key) + nextSuffix
		for _, left := range [][]byte{{}, make([]byte, 100), []byte("{"), sealed(t, key, 2, "of another"), sealed(t, key, 1, "half")[:60], sealed(t, "other", 1, "x")} {
			require.NoError(t, os.WriteFile(next, left, 0o600))
			keys, err := f.Keys(t.Context(), "")
			require.NoError(t, err)
			require.Empty(t, keys, "%.20q", left)
		}
		require.NoError(t, os.WriteFile(next, sealed(t, key, 1, "first"), 0o600))
		keys, err := f.Keys(t.Context(), key[:2])
		require.NoError(t, err)
		require.Equal(t, []string{key}, keys)
		r, err := f.Get(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, "first", string(r.Value))
	}
}

func TestKeysNeedsNoLocksAndOverlooksFilesOfOthers(t *testing.T) {
	f := newFileAt(t, 1)
	require.NoError(t, os.RemoveAll(filepath.Join(f.dir, "locks"))) // a copy of the records alone
	for _, name := range []string{"a b.json", "%zz.json", "readme.txt", "x.json.reserve", "é.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(f.dir, "records", name), []byte("x"), 0o600))
	}
	keys, err := f.Keys(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, []string{testKey}, keys)
	_, err = os.Stat(filepath.Join(f.dir, "locks"))
	assert.ErrorIs(t, err, os.ErrNotExist, "something was made by reading")
}

func TestKeysAndDeleteSayThatAPathIsNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	f := NewFile(file)
	_, err := f.Keys(t.Context(), "")
	require.ErrorIs(t, err, syscall.ENOTDIR, "it was taken for an empty store")
	require.ErrorIs(t, f.Delete(t.Context(), testKey, 1), syscall.ENOTDIR)
	_, err = f.TryLease(t.Context(), testKey)
	require.ErrorIs(t, err, syscall.ENOTDIR)
}

// deleteForever puts a record three times and deletes it, again and again, and prints what
// is done: its version, 0 for none.
func deleteForever(s Store, _ string) error {
	f, ctx := s.(*File), context.Background()
	r, err := f.Get(ctx, testKey)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	version := r.Version
	for {
		if version < 3 {
			version, err = f.Put(ctx, testKey, bytes.Repeat([]byte{'0' + byte(version+1)}, 5000), version)
		} else if err = f.Delete(ctx, testKey, version); err == nil {
			version = 0
		}
		if err == nil {
			err = f.Reserve(ctx, testKey, 6000)
		}
		if err != nil {
			return err
		}
		fmt.Println(version)
	}
}

func TestKilledDeletesBringNothingOlderBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	location := place(t, "file")
	s := open(t, location)
	version := Version(0)
	for round := range 40 {
		cmd, printed := process(t, "delete forever", location, "")
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(20+round) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, line := range strings.Fields(printed.String()) {
			require.Len(t, line, 1, printed.String())
			version = Version(line[0] - '0')
		}
		r, err := s.Get(t.Context(), testKey)
		if err != nil {
			require.ErrorIs(t, err, ErrNotFound)
		} else {
			require.Equal(t, bytes.Repeat([]byte{'0' + byte(r.Version)}, 5000), r.Value)
		}
		require.Contains(t, []Version{version, (version + 1) % 4}, r.Version, "neither what was done last nor what came next")
		version = r.Version
	}
}

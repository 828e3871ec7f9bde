package state

import (
	"context"
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

// savedSet returns a closed set of n entries in a directory, and its file.
func savedSet(t *testing.T, dir string, n int) (f *File, path string) {
	t.Helper()
	f = NewFile(dir)
	set, err := f.Digests(t.Context(), "set")
	require.NoError(t, err)
	entries := make([]DigestEntry, n)
	for i := range entries {
		entries[i] = entry(fmt.Sprintf("key %06d", i), i)
	}
	require.NoError(t, set.Save(t.Context(), 1, entries))
	require.NoError(t, set.Close())
	return f, set.(*fileDigests).path
}

func TestADamagedSetIsReportedAndNeverTakenForAnEmptyOne(t *testing.T) {
	const entries = 2000
	dir := t.TempDir()
	f, path := savedSet(t, dir, entries)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	other, err := f.Digests(t.Context(), "another set")
	require.NoError(t, err)
	require.NoError(t, other.Save(t.Context(), 1, []DigestEntry{entry("a", 1)}))
	require.NoError(t, other.Close())
	foreign, err := os.ReadFile(other.(*fileDigests).path)
	require.NoError(t, err)

	changed := func(at int, by ...byte) []byte {
		return append(append(append([]byte{}, whole[:at]...), by...), whole[at+len(by):]...)
	}
	contents := map[string][]byte{
		"empty":       {},
		"zeros":       make([]byte, len(whole)),
		"text":        []byte(strings.Repeat("something else\n", 1000)),
		"another set": foreign,
		"newer":       changed(60, 0, 0, 0, 9),
		"no format":   changed(60, 0, 0, 0, 0),
	}
	const page = 4096
	require.Greater(t, len(whole), 20*page)
	for _, size := range []int{1, 99, 100, 512, page, page + 1, len(whole) / 2, len(whole) - page} {
		contents[fmt.Sprintf("cut to %d", size)] = whole[:size]
	}
	for at := page; at < len(whole); at += page {
		contents[fmt.Sprintf("zeros at %d", at)] = changed(at, make([]byte, page)...)
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, content, 0o600))
			set := openSet(t, f, "set")
			_, n, err := set.Count(t.Context(), 2)
			require.ErrorIs(t, err, ErrDamaged, "counted as %d", n)
			assert.ErrorContains(t, err, path)
			found := []DigestEntry{}
			for after := ""; ; {
				page, err := set.Unseen(t.Context(), 2, after, 100)
				if err != nil {
					require.ErrorIs(t, err, ErrDamaged)
					break
				}
				require.NotEmpty(t, page, "it ended well after %d entries", len(found))
				found = append(found, page...)
				after = page[len(page)-1].Key
			}
		})
	}
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	assert.Equal(t, [2]int64{entries, entries}, counted(t, openSet(t, f, "set"), 2), "a backup does not help")
}

func TestASetThatIsGoneWithoutItsLogIsDamaged(t *testing.T) {
	f, path := savedSet(t, t.TempDir(), 10)
	require.NoError(t, os.Remove(path))
	assert.Equal(t, [2]int64{0, 0}, counted(t, openSet(t, f, "set"), 1), "all of it was removed")
	require.NoError(t, os.WriteFile(path+"-wal", []byte("x"), 0o600))
	set := openSet(t, f, "set")
	_, err := set.Lookup(t.Context(), []string{"a"})
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorIs(t, set.Save(t.Context(), 1, []DigestEntry{entry("a", 1)}), ErrDamaged)
}

func TestASetWhoseMakerWasKilledIsMadeByTheNext(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "digests"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "digests", "set.sqlite.new"), []byte("half"), 0o600))
	assert.Equal(t, [2]int64{0, 0}, counted(t, openSet(t, NewFile(dir), "set"), 1))
	f, path := savedSet(t, dir, 10)
	assert.Equal(t, [2]int64{0, 10}, counted(t, openSet(t, f, "set"), 1))
	_, err := os.Stat(path + ".new")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNobodyElseCanReadDigests(t *testing.T) {
	old := syscall.Umask(0) // the modes are ours, not the user's
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "deep", "state")
	set := openSet(t, NewFile(dir), "set")
	for sweep := range int64(3) {
		require.NoError(t, set.Save(t.Context(), sweep, []DigestEntry{entry("a", 1)}))
	}
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		n++
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
	assert.GreaterOrEqual(t, n, 7, "with the log and its index")
}

func TestNoDirectoryIsMadeByReadingDigests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	set := openSet(t, NewFile(dir), "set")
	assert.Equal(t, []Digest{{}}, lookup(t, set, "a"))
	require.NoError(t, set.Save(t.Context(), 1, []DigestEntry{{Key: "a"}}))
	require.NoError(t, set.Remove(t.Context(), 1, []string{"a"}))
	require.NoError(t, set.Drop(t.Context()))
	_, err := os.Stat(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDigestsWorkInADirectoryOfAnyName(t *testing.T) {
	for _, name := range []string{"a?mode=memory", "a#b", "100%41", "with space é", "a&b=c"} {
		f, path := savedSet(t, filepath.Join(t.TempDir(), name), 10)
		assert.Equal(t, [2]int64{0, 10}, counted(t, openSet(t, f, "set"), 1))
		_, err := os.Stat(path)
		assert.NoError(t, err)
	}
}

func TestASaveWaitsForAnotherAsLongAsItsContextDoes(t *testing.T) {
	f, path := savedSet(t, t.TempDir(), 10)
	set := openSet(t, f, "set")
	assert.Equal(t, [2]int64{0, 10}, counted(t, set, 1))
	db, err := openSQLite(path, "WAL")
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `DELETE FROM entries`)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	require.ErrorIs(t, set.Save(ctx, 2, []DigestEntry{entry("b", 1)}), context.DeadlineExceeded)
	assert.Less(t, time.Since(begun), 5*time.Second)
	assert.Equal(t, [2]int64{0, 10}, counted(t, set, 1), "a reader is not kept waiting, and sees nothing unfinished")
	saved := make(chan error)
	go func() { saved <- set.Save(t.Context(), 2, []DigestEntry{entry("b", 1)}) }()
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-saved)
	assert.Equal(t, [2]int64{10, 11}, counted(t, set, 2))
}

func TestDropGivesTheSpaceBackAndHarmsNobodyWhoHasTheSetOpen(t *testing.T) {
	f, path := savedSet(t, t.TempDir(), 5000)
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	require.Greater(t, size(), int64(300_000))
	other := openSet(t, f, "set")
	assert.Equal(t, [2]int64{0, 5000}, counted(t, other, 1))
	set, err := f.Digests(t.Context(), "set")
	require.NoError(t, err)
	require.NoError(t, set.Drop(t.Context()))
	require.NoError(t, set.Close())
	require.NoError(t, other.Save(t.Context(), 1, []DigestEntry{entry("a", 1)}))
	require.NoError(t, other.Close())
	assert.Less(t, size(), int64(50_000))
	assert.Equal(t, [2]int64{0, 1}, counted(t, openSet(t, f, "set"), 1), "what was saved after it went with it")
}

func TestASetThatIsClosedIsNotUsed(t *testing.T) {
	f, _ := savedSet(t, t.TempDir(), 1)
	set, err := f.Digests(t.Context(), "set")
	require.NoError(t, err)
	require.NoError(t, set.Close())
	require.NoError(t, set.Close())
	require.ErrorIs(t, set.Save(t.Context(), 1, []DigestEntry{entry("a", 1)}), errClosed)
}

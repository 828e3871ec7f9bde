package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Run as a child, this binary appends to a counter until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STATE_TEST_COUNT_IN"); dir != "" {
		countForever(dir)
	}
	os.Exit(m.Run())
}

func countForever(dir string) {
	store, ctx := NewFile(dir), context.Background()
	for {
		r, err := store.Get(ctx, "count")
		if err != nil && !errors.Is(err, ErrNotFound) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(r.Value)))
		next := fmt.Sprintf("%d%s", n+1, strings.Repeat(" ", 20_000)) // several disk pages
		if _, err := store.Put(ctx, "count", []byte(next), r.Version); err == nil {
			fmt.Println(n + 1)
		} else if !errors.Is(err, ErrConflict) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func stores(t *testing.T) map[string]Store {
	return map[string]Store{"memory": NewMemory(), "file": NewFile(t.TempDir())}
}

func TestOneOfTwoWritersOfAVersionWins(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			_, err := s.Get(ctx, "a/b")
			require.ErrorIs(t, err, ErrNotFound)
			v1, err := s.Put(ctx, "a/b", []byte("one"), 0)
			require.NoError(t, err)
			_, err = s.Put(ctx, "a/b", []byte("another"), 0)
			require.ErrorIs(t, err, ErrConflict)

			var wg sync.WaitGroup
			var mu sync.Mutex
			won := 0
			for i := range 20 {
				wg.Go(func() {
					if _, err := s.Put(ctx, "a/b", fmt.Appendf(nil, "writer %d", i), v1); err == nil {
						mu.Lock()
						won++
						mu.Unlock()
					} else {
						assert.ErrorIs(t, err, ErrConflict)
					}
				})
			}
			wg.Wait()
			assert.Equal(t, 1, won)
		})
	}
}

func TestALeaseHasOneHolder(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			lease, err := s.Lease(t.Context(), "tokens")
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond)
			defer cancel()
			_, err = s.Lease(ctx, "tokens")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = s.Lease(t.Context(), "others")
			require.NoError(t, err)
			lease.Release()
			again, err := s.Lease(t.Context(), "tokens")
			require.NoError(t, err)
			again.Release()
		})
	}
}

func TestADamagedRecordIsReportedAndNeverReplaced(t *testing.T) {
	ctx := t.Context()
	s := NewFile(t.TempDir())
	_, err := s.Put(ctx, "tokens/x", []byte(`{"refresh_token":"secret"}`), 0)
	require.NoError(t, err)
	path := s.path("tokens/x")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	damaged := map[string][]byte{
		"empty":       {},
		"half":        whole[:len(whole)/2],
		"bit flipped": []byte(strings.Replace(string(whole), `"version":1`, `"version":7`, 1)),
		"newer":       []byte(strings.Replace(string(whole), `"format":1`, `"format":9`, 1)),
		"other key":   []byte(strings.Replace(string(whole), "tokens/x", "tokens/y", 1)),
		"not JSON":    []byte("hello"),
	}
	for name, data := range damaged {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, data, 0o600))
			_, err := s.Get(ctx, "tokens/x")
			require.ErrorIs(t, err, ErrDamaged)
			assert.NotContains(t, err.Error(), "secret")
			for _, expected := range []Version{0, 1, 7} {
				_, err = s.Put(ctx, "tokens/x", []byte("{}"), expected)
				require.Error(t, err)
			}
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, data, now)
		})
	}
}

func TestNobodyElseCanReadTheFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "state")
	s := NewFile(dir)
	_, err := s.Put(t.Context(), "tokens/é/"+strings.Repeat("long ", 100), []byte("x"), 0)
	require.NoError(t, err)
	n := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		n++
		assert.Zero(t, info.Mode().Perm()&0o077, path)
		return nil
	}))
	assert.Greater(t, n, 3)
}

func TestKilledWritersLeaveAWholeRecordAndNoLock(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	dir := t.TempDir()
	s := NewFile(dir)
	last := 0
	for round := range 15 {
		var children []*exec.Cmd
		var outs []*strings.Builder
		for range 2 {
			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), "STATE_TEST_COUNT_IN="+dir)
			out := &strings.Builder{}
			c.Stdout, c.Stderr = out, out
			require.NoError(t, c.Start())
			children, outs = append(children, c), append(outs, out)
		}
		time.Sleep(time.Duration(20+round*7) * time.Millisecond)
		for _, c := range children {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
		confirmed := last
		for _, out := range outs {
			lines := strings.Fields(out.String())
			for _, l := range lines {
				n, err := strconv.Atoi(l)
				require.NoError(t, err, out.String())
				confirmed = max(confirmed, n)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		r, err := s.Get(ctx, "count")
		if errors.Is(err, ErrNotFound) {
			require.Zero(t, confirmed)
			cancel()
			continue
		}
		require.NoError(t, err)
		n, err := strconv.Atoi(strings.TrimSpace(string(r.Value)))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, n, confirmed, "a write that returned was lost")
		assert.EqualValues(t, n, r.Version, "a version was written twice")
		lease, err := s.Lease(ctx, "write count")
		require.NoError(t, err, "a killed process left its lock")
		lease.Release()
		cancel()
		last = n
	}
	assert.Positive(t, last)
}

func TestLocationsThatAreNotKnownAreExplainedWithoutTheirPassword(t *testing.T) {
	_, err := Open("postgres://user:hunter2@host/db")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
	_, err = Open("file:")
	require.ErrorContains(t, err, "names no directory")
	for _, location := range []string{"file:/tmp/x", "file:///tmp/x"} {
		s, err := Open(location)
		require.NoError(t, err)
		assert.Equal(t, "file:/tmp/x", s.String())
	}
}

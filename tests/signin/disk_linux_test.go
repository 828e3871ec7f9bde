package signin

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// smallDisk is a file system of its own, so small that it can be filled.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a file system of one's own needs root and the right to mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return dir
}

// fill leaves no byte of a disk, and returns what makes room again.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "somebody's data")
	f, err := os.Create(path)
	require.NoError(t, err)
	for block := make([]byte, 4096); ; {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	return func() { require.NoError(t, os.Remove(path)) }
}

func TestADiskThatIsFullBeforeARenewalUsesNoTokenUp(t *testing.T) {
	dir := smallDisk(t)
	s := startSandbox(t, sandbox.Options{AccessTokenLifetime: time.Second})
	store := state.NewFile(filepath.Join(dir, "state"))
	source := auth.NewSource(signIn(t, s, store, s.NewRefreshToken(), &log{}))
	require.NoError(t, source.Renew(t.Context()))
	empty := fill(t, dir)
	before := len(s.TokenEvents())
	for range 3 {
		err := source.Renew(t.Context())
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.ErrorContains(t, err, dir, "the sentence does not say where")
	}
	assert.Len(t, s.TokenEvents(), before, "a token was used that its successor could not be saved for")
	empty()
	require.NoError(t, source.Renew(t.Context()))
	require.NoError(t, closeSource(source))
	assert.Zero(t, s.Replays())
}

func TestADiskThatFillsUpDuringARenewalLosesNoToken(t *testing.T) {
	dir := smallDisk(t)
	s := startSandbox(t, sandbox.Options{AccessTokenLifetime: time.Second})
	store := state.NewFile(filepath.Join(dir, "state"))
	seed := s.NewRefreshToken()
	source := auth.NewSource(signIn(t, s, store, seed, &log{}))
	require.NoError(t, source.Renew(t.Context()))
	var empty func()
	s.SetFault(func(sandbox.Call) *sandbox.Fault { empty = fill(t, dir); return nil })
	require.NoError(t, source.Renew(t.Context()), "the space that was kept for the token was not there")
	s.SetFault(nil)
	// The process dies with the disk still full: the newest token is on it.
	status, err := auth.Inspect(t.Context(), signIn(t, s, store, "", nil))
	require.NoError(t, err)
	assert.True(t, status.SignedIn)
	assert.True(t, status.Interrupted.IsZero())
	empty()
	next := auth.NewSource(signIn(t, s, state.NewFile(filepath.Join(dir, "state")), "", &log{}))
	require.NoError(t, next.Renew(t.Context()))
	require.NoError(t, closeSource(next))
	assert.Zero(t, s.Replays())
}

func TestAStateThatCannotBeWrittenIsSaidAndUsesNoTokenUp(t *testing.T) {
	dir := smallDisk(t)
	s := startSandbox(t, sandbox.Options{AccessTokenLifetime: time.Second})
	store := state.NewFile(filepath.Join(dir, "state"))
	first := auth.NewSource(signIn(t, s, store, s.NewRefreshToken(), &log{}))
	require.NoError(t, first.Renew(t.Context()))
	require.NoError(t, closeSource(first))
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	before := len(s.TokenEvents())
	second := auth.NewSource(signIn(t, s, store, "", &log{}))
	err := second.Renew(t.Context())
	require.Error(t, err)
	assert.True(t, errors.Is(err, syscall.EROFS), "%v", err)
	assert.ErrorContains(t, err, dir)
	require.NoError(t, closeSource(second))
	assert.Len(t, s.TokenEvents(), before)
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	third := auth.NewSource(signIn(t, s, store, "", &log{}))
	require.NoError(t, third.Renew(t.Context()))
	require.NoError(t, closeSource(third))
	assert.Zero(t, s.Replays())
}

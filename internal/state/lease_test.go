package state

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALeaseHasOneHolder(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		lease, err := s.Lease(t.Context(), "tokens")
		require.NoError(t, err)
		assert.True(t, lease.Held(shortLease/2))
		ctx, cancel := context.WithTimeout(t.Context(), 80*time.Millisecond)
		defer cancel()
		_, err = s.Lease(ctx, "tokens")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		other, err := s.Lease(t.Context(), "others")
		require.NoError(t, err)
		other.Release()
		lease.Release()
		assert.False(t, lease.Held(0))
		again, err := s.Lease(t.Context(), "tokens")
		require.NoError(t, err)
		lease.Release() // of the earlier holder: it changes nothing
		ctx, cancel = context.WithTimeout(t.Context(), 80*time.Millisecond)
		defer cancel()
		_, err = s.Lease(ctx, "tokens")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.True(t, again.Held(0))
		again.Release()
	})
}

func TestAClosedStoreHasReleasedItsLeases(t *testing.T) {
	for _, kind := range []string{"redis", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			location := place(t, kind)
			s, err := Open(location) // with leases of 30 s
			require.NoError(t, err)
			lease, err := s.Lease(t.Context(), "tokens")
			require.NoError(t, err)
			require.NoError(t, s.Close())
			assert.False(t, lease.Held(0))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			again, err := open(t, location).Lease(ctx, "tokens")
			require.NoError(t, err)
			again.Release()
			lease.Release()
			assert.Zero(t, prolonging(), "something is left that prolongs a lease")
		})
	}
}

func TestAServerGivesALeaseToOneHolderAndToAnotherOnceItRanOut(t *testing.T) {
	for _, kind := range []string{"redis", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			s := open(t, place(t, kind)).(leaseServer)
			ctx := t.Context()
			take := func(holder string, d time.Duration) bool {
				taken, err := s.takeLease(ctx, "tokens", holder, d)
				require.NoError(t, err)
				return taken
			}
			prolong := func(holder string) bool {
				held, err := s.prolongLease(ctx, "tokens", holder, time.Minute)
				require.NoError(t, err)
				return held
			}
			assert.False(t, prolong("a"), "it was never taken")
			assert.True(t, take("a", time.Minute))
			assert.True(t, take("a", time.Minute), "an answer was lost, and it is asked again")
			assert.True(t, prolong("a"))
			assert.False(t, take("b", time.Minute))
			assert.False(t, prolong("b"))
			require.NoError(t, s.dropLease(ctx, "tokens", "b"))
			assert.False(t, take("b", time.Minute), "somebody freed the lease of another")
			require.NoError(t, s.dropLease(ctx, "tokens", "a"))
			assert.True(t, take("b", 50*time.Millisecond))
			time.Sleep(60 * time.Millisecond)
			assert.True(t, take("c", time.Minute), "it should have run out")
			assert.False(t, prolong("b"))
			assert.True(t, prolong("c"))
		})
	}
}

// prolonging counts the goroutines that prolong leases.
func prolonging() int {
	buffer := make([]byte, 1<<20)
	return strings.Count(string(buffer[:runtime.Stack(buffer, true)]), "(*timedLease).prolong(")
}

// fakeServer keeps leases by the clock of the test.
type fakeServer struct {
	mu      sync.Mutex
	holder  string
	expires time.Time
	down    error // what every call fails with
	deaf    bool  // calls are not answered, but done
	asked   int
}

func (f *fakeServer) answer() error {
	if f.deaf {
		return errors.New("the connection was closed")
	}
	return f.down
}

func (f *fakeServer) takeLease(_ context.Context, _, holder string, d time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return false, f.down
	}
	free := f.holder == "" || f.holder == holder || time.Now().After(f.expires)
	if free {
		f.holder, f.expires = holder, time.Now().Add(d)
	}
	return free, f.answer()
}

func (f *fakeServer) prolongLease(_ context.Context, _, holder string, d time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.down != nil {
		return false, f.down
	}
	if f.holder != holder {
		return false, nil
	}
	f.expires = time.Now().Add(d)
	return true, f.answer()
}

func (f *fakeServer) dropLease(_ context.Context, _, holder string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	if f.holder == holder {
		f.holder = ""
	}
	f.deaf = false
	return nil
}

func (*fakeServer) String() string { return "fake://server" }

func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// withLease runs a test with a lease of 30 s that was just taken, in time of its own.
func withLease(t *testing.T, test func(f *fakeServer, all *leases, lease Lease)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{}
		all := newLeases(f)
		lease, err := all.lease(t.Context(), "tokens")
		require.NoError(t, err)
		test(f, all, lease)
		lease.Release()
		assert.Zero(t, prolonging())
	})
}

func TestALeaseIsProlongedAsLongAsItIsHeld(t *testing.T) {
	withLease(t, func(f *fakeServer, all *leases, lease Lease) {
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			assert.True(t, lease.Held(19*time.Second))
			assert.False(t, lease.Held(30*time.Second), "nobody knows that")
		}
		assert.Equal(t, 60, f.asked)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := all.lease(ctx, "tokens")
		require.ErrorIs(t, err, context.DeadlineExceeded, "it was taken from a live holder")
		assert.True(t, lease.Held(time.Second))
	})
}

func TestALeaseThatCouldNotBeProlongedIsNotHeld(t *testing.T) {
	withLease(t, func(f *fakeServer, _ *leases, lease Lease) {
		f.set(func() { f.down = errors.New("no route to host") })
		time.Sleep(25 * time.Second)
		assert.True(t, lease.Held(4*time.Second))
		assert.False(t, lease.Held(6*time.Second))
		time.Sleep(5 * time.Second)
		assert.False(t, lease.Held(0), "somebody else may have it")
		// Nobody had it meanwhile: it is ours again.
		f.set(func() { f.down = nil })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		assert.True(t, lease.Held(20*time.Second))
	})
}

func TestALeaseThatSomebodyElseHadIsLostForGood(t *testing.T) {
	withLease(t, func(f *fakeServer, _ *leases, lease Lease) {
		f.set(func() { f.holder = "somebody else" })
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.False(t, lease.Held(0))
		lease.Release()
		assert.Equal(t, "somebody else", f.holder, "the lease of another was released")
	})
}

func TestALeaseWhoseAnswerWasLostIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{deaf: true}
		_, err := newLeases(f).lease(t.Context(), "tokens")
		require.ErrorContains(t, err, "the connection was closed")
		assert.Empty(t, f.holder, "nobody can have it for 30 s")
		f.set(func() { f.deaf = true })
		_, err = newLeases(f).tryLease(t.Context(), "tokens")
		require.ErrorContains(t, err, "the connection was closed")
		assert.Empty(t, f.holder, "nobody can have it for 30 s")
	})
}

func TestALeaseThatWasTriedForIsProlongedAndClosedLikeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{}
		all := newLeases(f)
		lease, err := all.tryLease(t.Context(), "tokens")
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.True(t, lease.Held(19*time.Second))
		other, err := all.tryLease(t.Context(), "tokens")
		require.NoError(t, err)
		assert.Nil(t, other)
		all.close()
		assert.False(t, lease.Held(0))
		_, err = all.tryLease(t.Context(), "tokens")
		require.ErrorIs(t, err, errClosed)
		assert.Empty(t, f.holder)
		assert.Zero(t, prolonging())
	})
}

func TestWhoWaitsForALeaseGetsItSoonAfterItsRelease(t *testing.T) {
	withLease(t, func(_ *fakeServer, all *leases, lease Lease) {
		got := make(chan time.Time)
		go func() {
			next, err := all.lease(context.Background(), "tokens")
			assert.NoError(t, err)
			got <- time.Now()
			next.Release()
		}()
		time.Sleep(time.Minute)
		released := time.Now()
		lease.Release()
		assert.LessOrEqual(t, (<-got).Sub(released), longestPoll)
	})
}

func TestNoLeaseIsTakenFromAStoreThatIsClosed(t *testing.T) {
	withLease(t, func(f *fakeServer, all *leases, lease Lease) {
		all.close()
		assert.False(t, lease.Held(0))
		assert.Empty(t, f.holder)
		_, err := all.lease(context.Background(), "tokens")
		require.ErrorIs(t, err, errClosed)
		assert.Empty(t, f.holder)
	})
}

package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// localLease is a lease that lasts until it is released or the process ends.
type localLease struct {
	released atomic.Bool
	free     func()
}

func newLocalLease(free func()) *localLease { return &localLease{free: free} }

// Held implements Lease.
func (l *localLease) Held(time.Duration) bool { return !l.released.Load() }

// Release implements Lease.
func (l *localLease) Release() {
	if !l.released.Swap(true) {
		l.free()
	}
}

const (
	// leaseTime is for how long a lease of a server is taken and prolonged: that long after
	// its holder's process was killed it is free.
	leaseTime = 30 * time.Second
	// releaseTime bounds Release where the server does not answer. The lease is then free
	// once its time has run out.
	releaseTime = 3 * time.Second
	// Whoever waits for a lease asks again after shortestPoll to longestPoll.
	shortestPoll = 20 * time.Millisecond
	longestPoll  = 60 * time.Millisecond
)

// leaseServer is a server whose leases run out by its own clock. What it does for a
// holder may be done twice, when an answer was lost.
type leaseServer interface {
	// takeLease gives holder the lease for d if it is free, or holder's already.
	takeLease(ctx context.Context, name, holder string, d time.Duration) (taken bool, err error)
	// prolongLease makes d from now of what is left, and says whether it was holder's.
	prolongLease(ctx context.Context, name, holder string, d time.Duration) (held bool, err error)
	// dropLease frees the lease if it is holder's.
	dropLease(ctx context.Context, name, holder string) error
	String() string
}

// leases are those that a process holds of one server.
type leases struct {
	server leaseServer
	time   time.Duration // leaseTime, or less in a test

	mu     sync.Mutex
	open   map[*timedLease]struct{}
	closed bool

	ended chan struct{} // closed by close
	late  sync.WaitGroup
}

func newLeases(server leaseServer) *leases {
	return &leases{server: server, time: leaseTime, open: map[*timedLease]struct{}{}, ended: make(chan struct{})}
}

// lease waits for a lease and takes it.
func (l *leases) lease(ctx context.Context, name string) (Lease, error) {
	holder := randomWord()
	for {
		if lease, err := l.take(ctx, name, holder); lease != nil || err != nil {
			return lease, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(shortestPoll + mathrand.N(longestPoll-shortestPoll)):
		}
	}
}

// tryLease takes a lease if it is free now, and returns nil, nil if it is not.
func (l *leases) tryLease(ctx context.Context, name string) (Lease, error) {
	return l.take(ctx, name, randomWord())
}

// take asks for a lease once.
func (l *leases) take(ctx context.Context, name, holder string) (Lease, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("waiting for the lease %q in %s: %w", name, l.server, ended(ctx))
	}
	asked := time.Now()
	taken, err := l.server.takeLease(ctx, name, holder, l.time)
	switch {
	case err != nil:
		l.giveBack(name, holder) // it may have been taken, and the answer lost
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for the lease %q in %s: %w", name, l.server, ended(ctx))
		}
		return nil, err
	case !taken:
		return nil, nil
	}
	return l.start(name, holder, asked)
}

// giveBack frees a lease. Where the server is away that is tried again in the background
// for as long as the lease would last: nobody should have to wait for its end.
func (l *leases) giveBack(name, holder string) {
	if l.drop(name, holder) == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.late.Add(1)
	go func() {
		defer l.late.Done()
		end := time.Now().Add(l.time)
		for time.Now().Before(end) {
			select {
			case <-l.ended:
				return
			case <-time.After(longestPoll + mathrand.N(l.time/30+1)):
			}
			if l.drop(name, holder) == nil {
				return
			}
		}
	}()
}

func (l *leases) drop(name, holder string) error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	return l.server.dropLease(ctx, name, holder)
}

var errClosed = errors.New("the state is closed")

func (l *leases) start(name, holder string, asked time.Time) (Lease, error) {
	ctx, cancel := context.WithCancel(context.Background())
	t := &timedLease{leases: l, name: name, holder: holder, asked: asked, stop: cancel, stopped: make(chan struct{})}
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.open[t] = struct{}{}
	}
	l.mu.Unlock()
	if closed {
		cancel()
		l.giveBack(name, holder)
		return nil, errClosed
	}
	go t.prolong(ctx)
	return t, nil
}

// close releases what is still held.
func (l *leases) close() {
	l.mu.Lock()
	if !l.closed {
		close(l.ended)
	}
	l.closed = true
	var open []*timedLease
	for t := range l.open {
		open = append(open, t)
	}
	l.mu.Unlock()
	for _, t := range open {
		t.Release()
	}
	l.late.Wait()
}

// timedLease is a lease that the server ends unless it is prolonged.
type timedLease struct {
	leases       *leases
	name, holder string
	stop         context.CancelFunc
	stopped      chan struct{} // closed when prolong has ended
	release      sync.Once

	mu    sync.Mutex
	asked time.Time // when the last request that gave us the lease was about to be sent
	lost  bool
}

// Held implements Lease. The server counts from a later moment than we do, so it is
// never the first to think that the lease has run out.
func (t *timedLease) Held(d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost {
		return false
	}
	now, left := time.Now(), t.leases.time-d
	// By the steady clock, whatever the other is set to; and by the other as well, since
	// the steady one stands still while a machine sleeps.
	return now.Sub(t.asked) < left && now.Round(0).Sub(t.asked.Round(0)) < left
}

// Release implements Lease.
func (t *timedLease) Release() {
	t.release.Do(func() {
		t.lose()
		t.stop()
		<-t.stopped
		t.leases.giveBack(t.name, t.holder)
		t.leases.mu.Lock()
		delete(t.leases.open, t)
		t.leases.mu.Unlock()
	})
}

func (t *timedLease) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost = true
}

// prolong asks for more time when a third of it has passed, and more often while the
// server does not answer. It ends with the lease.
func (t *timedLease) prolong(ctx context.Context) {
	defer close(t.stopped)
	third := t.leases.time / 3
	for pause := third; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		held, asked, err := t.askForMore(ctx, third)
		switch {
		case err != nil:
			pause = third / 5
		case !held:
			// Its time ran out while the server could not be reached, or the server forgot
			// it. Somebody else may have had it since, even if it is free again.
			t.lose()
			return
		default:
			t.mu.Lock()
			t.asked = asked
			t.mu.Unlock()
			pause = third
		}
	}
}

func (t *timedLease) askForMore(ctx context.Context, atMost time.Duration) (held bool, asked time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	asked = time.Now()
	held, err = t.leases.server.prolongLease(ctx, t.name, t.holder, t.leases.time)
	return held, asked, err
}

// randomWord is one that nobody else has.
func randomWord() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// Package quota is a pace and a daily count of calls that every goroutine and every
// process with the same store and account name shares. EBP allows one call per second
// and 10,000 a day (L9780).
//
// What it promises, each with a test:
//
//   - Two calls are never released by Wait or Try nearer to each other than 1/PerSecond,
//     stretched by 1.5 %, whichever processes they are in. Time is the store's clock,
//     so hosts whose own clocks differ keep one pace.
//   - A place is reserved by compare-and-set of one small record, and then waited for.
//     It holds for a moment only: who wakes too late to use it takes another, so that
//     a slow machine makes calls later and never nearer. Who gives up waiting gives the
//     place back, if nobody reserved after it.
//   - The count of the day survives restarts and kill -9: a call is counted before it
//     is made, never after. A crash counts up to a block of calls that were not made; a
//     call is never made uncounted, unless the store loses its record.
//   - No more than PerMinute calls are released in any 60 seconds.
//   - With the clock set back nobody waits longer than for the places that were
//     reserved, and the count of the day stays. With the clock set forward these places
//     are forgotten at most.
//   - With a limit of the day alone calls are reserved in blocks, without a write for
//     each; without limits the store is not used.
//   - Where the store cannot be reached or its record is damaged, no call is made.
//   - When the server asks for a pause or says that the day is used up, all processes
//     hold their calls. Its word comes before the count, and teaches when the day turns;
//     until then that is midnight UTC.
//
// Processes may set different limits for one account: each obeys its own, on the one
// record. A process without PerSecond and PerMinute takes no places, so that the pace
// of others does not see its calls; the count of the day has them all.
package quota

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Limits are what a subscription may do. 0 stands for no limit.
type Limits struct {
	PerSecond         float64
	PerMinute, PerDay int
}

// Config is what an Account is made of.
type Config struct {
	// Name is that of the account, a part of the key of its record: "quota/NAME".
	Name string
	Limits
	Store state.Store
	// WaitWhenExhausted waits for the next day when the calls of the day are used up.
	// Otherwise that is an ExhaustedError.
	WaitWhenExhausted bool
	// Warn, where set, is told what a person should know: once for each day that is used
	// up, once for each time that the store stops answering.
	Warn func(format string, args ...any)
}

// Account is a process's use of an account. It may be used by many goroutines at once,
// and there may be several of one account in a process.
type Account struct {
	config    Config
	key       string
	interval  time.Duration // between two calls, 0 for none
	blocks    bool          // the day is the only limit
	unlimited bool

	// turn is held by the one call that is being placed, until it is released: the others
	// wait in the order in which they came, and the process has one place reserved at most,
	// so that another process need not wait for all of them.
	turn chan struct{}
	// writing is held by the one that changes the record, so that the goroutines of a
	// process do not conflict with each other.
	writing chan struct{}
	failing time.Time // since when the store does not answer; guarded by writing
	asked   atomic.Int64
	left    atomic.Int64

	mu     sync.Mutex
	block  block
	local  pause
	warned time.Time // the day that was warned of
	timing timing

	// For tests.
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error
	released func(time.Time)
}

// margin stretches the time between two calls, so that the delays of the network,
// which are never quite the same, do not bring two calls closer together at the
// server than it allows. It costs one call in seventy.
const margin = 1.015

// New returns the account. It does not use the store yet.
func New(c Config) *Account {
	if c.Warn == nil {
		c.Warn = func(string, ...any) {}
	}
	a := &Account{
		config: c, key: "quota/" + c.Name,
		blocks:    c.PerDay > 0 && c.PerSecond <= 0 && c.PerMinute <= 0,
		unlimited: c.PerDay <= 0 && c.PerSecond <= 0 && c.PerMinute <= 0,
		turn:      make(chan struct{}, 1), writing: make(chan struct{}, 1),
		now: time.Now, sleep: sleep, released: func(time.Time) {},
	}
	if c.PerSecond > 0 {
		a.interval = time.Duration(float64(time.Second) * margin / c.PerSecond)
	}
	a.timing = newTiming(a.interval)
	a.left.Store(int64(c.PerDay))
	return a
}

// Wait returns nil when the call may be made, which takes a place and counts it. It
// returns ctx's error when that ends first, an ExhaustedError when the day is used up
// and it is not to wait for the next, and a NotCountedError or a DamagedError when the
// call cannot be counted. After an error no call may be made.
func (a *Account) Wait(ctx context.Context) error { return a.WaitPrepared(ctx, nil) }

// WaitPrepared is Wait for a caller that has something to get ready, such as an access
// token, which would otherwise delay the call beyond its place: prepare is called shortly
// before the call may be made, more than once if its turn comes later than expected, unless
// it need not wait at all. An error of prepare gives the place up, and is returned.
func (a *Account) WaitPrepared(ctx context.Context, prepare func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.atOnce() {
		return nil
	}
	q := request{begun: a.now(), prepare: prepare, prepared: a.now()}
	if err := take(ctx, a.turn); err != nil {
		return err
	}
	defer func() { <-a.turn }()
	for {
		err := a.prepare(ctx, &q)
		var v verdict
		if err == nil {
			v, err = a.place(ctx, &q)
		}
		switch {
		case err != nil:
		case v.wait > 0:
			if err = a.onRefusal(v); err == nil {
				err = a.sleep(ctx, min(v.wait, longestSleep))
			}
		default:
			var released bool
			if released, err = a.await(ctx, v, &q); released {
				return nil
			}
		}
		if err != nil {
			a.giveBack(ctx, q.ticket)
			return err
		}
	}
}

// Try takes a place if one is free now, and returns 0. Otherwise it returns how long to
// wait before the next try, and takes nothing. Calls that Wait go first: while they use
// all of the pace, Try finds no place. Its errors are those of Wait.
func (a *Account) Try(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if a.atOnce() {
		return 0, nil
	}
	q := request{begun: a.now(), onlyNow: true}
	for {
		v, err := a.place(ctx, &q)
		switch {
		case err != nil:
		case v.wait > 0:
			a.giveBack(ctx, q.ticket) // where it had one, and the server asked for a pause
			return min(v.wait, longestSleep), a.onRefusal(v)
		default:
			var released bool
			if released, err = a.await(ctx, v, &q); released {
				return 0, nil
			}
		}
		if err != nil {
			a.giveBack(ctx, q.ticket)
			return 0, err
		}
	}
}

// Remaining returns how many calls of the day are left as last seen, -1 without a limit
// of the day. It does not look.
func (a *Account) Remaining() int {
	if a.config.PerDay <= 0 {
		return -1
	}
	n := int(a.left.Load())
	if a.blocks {
		a.mu.Lock()
		if a.block.asked == a.asked.Load() {
			n += a.block.left
		}
		a.mu.Unlock()
	}
	return n
}

// Close gives back what was reserved in a block and not used. The account can still be
// used, and closed again.
func (a *Account) Close(ctx context.Context) error { return a.returnBlock(ctx) }

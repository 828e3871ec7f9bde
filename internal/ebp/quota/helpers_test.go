package quota

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

// testStore is a store in memory whose clock can be set and that can fail.
type testStore struct {
	state.Store
	ahead atomic.Int64 // of this machine's clock, in nanoseconds
	delay func()       // taken before and after whatever is asked of it
	fail  func() error
	// after, where it returns an error, fails a Put that was written.
	after func() error
	used  atomic.Int64 // how often anything was asked
	puts  atomic.Int64
}

func newTestStore() *testStore { return &testStore{Store: state.NewMemory()} }

func (s *testStore) begin() error {
	s.used.Add(1)
	s.pause()
	if s.fail != nil {
		return s.fail()
	}
	return nil
}

func (s *testStore) pause() {
	if s.delay != nil {
		s.delay()
	}
}

func (s *testStore) Get(ctx context.Context, key string) (state.Record, error) {
	if err := s.begin(); err != nil {
		return state.Record{}, err
	}
	defer s.pause()
	return s.Store.Get(ctx, key)
}

func (s *testStore) Put(ctx context.Context, key string, value []byte, v state.Version) (state.Version, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.pause()
	s.puts.Add(1)
	v, err := s.Store.Put(ctx, key, value, v)
	if err == nil && s.after != nil {
		err = s.after()
	}
	return v, err
}

func (s *testStore) Now(context.Context) (time.Time, error) {
	if err := s.begin(); err != nil {
		return time.Time{}, err
	}
	defer s.pause()
	return time.Now().Add(time.Duration(s.ahead.Load())), nil
}

func (s *testStore) set(ahead time.Duration) { s.ahead.Add(int64(ahead)) }

// read returns the record as the next process will find it.
func read(t *testing.T, s state.Store) *record {
	t.Helper()
	stored, err := s.Get(context.Background(), "quota/test")
	require.NoError(t, err)
	r, err := decode(stored.Value)
	require.NoError(t, err)
	return r
}

func account(s state.Store, l Limits) *Account { return New(Config{Name: "test", Limits: l, Store: s}) }

// patient is an account that waits for the next day.
func patient(s state.Store, l Limits) *Account {
	return New(Config{Name: "test", Limits: l, Store: s, WaitWhenExhausted: true})
}

// log is the times at which calls were released, as the very last look at the clock
// before Wait or Try returned has it.
type log struct {
	mu    sync.Mutex
	times []time.Time
}

func (l *log) watch(accounts ...*Account) {
	for _, a := range accounts {
		a.released = func(time.Time) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.times = append(l.times, time.Now())
		}
	}
}

func (l *log) sorted() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := slices.Clone(l.times)
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// closest returns the least time in which n+1 calls were released.
func closest(times []time.Time, n int) time.Duration {
	least := 1000 * time.Hour
	for i := n; i < len(times); i++ {
		least = min(least, times[i].Sub(times[i-n]))
	}
	return least
}

// callFor makes calls with several goroutines of each account until ctx ends.
func callFor(t *testing.T, ctx context.Context, goroutines int, accounts ...*Account) (calls int) { //nolint:revive // t first, as everywhere
	var n atomic.Int64
	var wg sync.WaitGroup
	for _, a := range accounts {
		for range goroutines {
			wg.Go(func() {
				for {
					err := a.Wait(ctx)
					if ctx.Err() != nil && err != nil {
						assert.ErrorIs(t, err, ctx.Err())
						return
					}
					if !assert.NoError(t, err) {
						return
					}
					n.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return int(n.Load())
}

func stores(t *testing.T) map[string]state.Store {
	return map[string]state.Store{"memory": state.NewMemory(), "file": state.NewFile(t.TempDir())}
}

// warnings collects what an account warns of.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) warn(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, fmt.Sprintf(format, args...))
}

func (w *warnings) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.texts, "\n")
}

var errDown = errors.New("connection refused")

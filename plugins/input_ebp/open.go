package input_ebp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// openLists are the lists whose acknowledgements still count, and the leases they are
// under. They outlive the schedule: acknowledgements come while the input is closed.
type openLists struct {
	mu     sync.Mutex
	lists  map[*sweep.List]struct{}
	leases map[state.Lease]struct{}
}

func (o *openLists) list(l *sweep.List) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lists == nil {
		o.lists = map[*sweep.List]struct{}{}
	}
	o.lists[l] = struct{}{}
}

func (o *openLists) lease(l state.Lease) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leases == nil {
		o.leases = map[state.Lease]struct{}{}
	}
	o.leases[l] = struct{}{}
}

func (o *openLists) release(l state.Lease) {
	o.mu.Lock()
	delete(o.leases, l)
	o.mu.Unlock()
	l.Release()
}

func (o *openLists) forget(l *sweep.List) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.lists, l)
}

// closingTime bounds how long a closing input waits for its cursors to be written.
const closingTime = 5 * time.Second

// close writes what is acknowledged, and only then gives up the leases.
func (o *openLists) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	for l := range o.lists {
		err = errors.Join(err, l.Close(ctx))
	}
	for l := range o.leases {
		l.Release()
	}
	o.lists, o.leases = nil, nil
	return err
}

// shut closes a list.
func (in *input) shut(ctx context.Context, l *sweep.List) {
	in.open.forget(l)
	if err := l.Close(ctx); err != nil && !errors.Is(err, sweep.ErrTaken) {
		in.log.Warnf("%v", err)
	}
}

// sayEvery is how often a person is told of what keeps being so.
const sayEvery = time.Minute

// sayAgain tells of a state that cannot be written to, now and then.
func (in *input) sayAgain(err error) {
	if time.Since(in.said) > sayEvery {
		in.said = time.Now()
		in.log.Warnf("%v", err)
	}
}

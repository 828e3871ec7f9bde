package input_ebp

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// forgetful is a store that once loses a lease, as one that was away for too long.
type forgetful struct {
	state.Store
	lose atomic.Bool
}

type forgottenLease struct {
	state.Lease
	store *forgetful
	lost  bool
}

// Held implements state.Lease.
func (l *forgottenLease) Held(d time.Duration) bool {
	l.lost = l.lost || l.store.lose.Swap(false)
	return !l.lost && l.Lease.Held(d)
}

// TryLease implements state.Store.
func (f *forgetful) TryLease(ctx context.Context, name string) (state.Lease, error) {
	l, err := f.Store.TryLease(ctx, name)
	if l == nil || err != nil {
		return nil, err
	}
	return &forgottenLease{Lease: l, store: f}, nil
}

// A page is on its way when the lease is lost. Whoever reads on reads the rows again: the
// page must not come after a newer version of them.
func TestAPageOfALostLeaseIsNotDeliveredAfterANewerVersion(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 30})
	in, err := newInput(t, w.config(t, "resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name]\nfolders: [\"3691\"]\nmode: incremental\ncursor: c\ninterval: 1s\n"))
	require.NoError(t, err)
	f := &forgetful{Store: state.NewFile(t.TempDir())}
	in.store, in.giveBack = f, func() { _ = f.Close() }
	require.NoError(t, in.Connect(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, refuse, err := in.ReadBatch(ctx)
	require.NoError(t, err)
	f.lose.Store(true)
	require.Eventually(t, func() bool { return !f.lose.Load() }, time.Minute, 10*time.Millisecond)
	require.NoError(t, w.sandbox.Exec(`UPDATE f3691_Customer SET "Name" = 'newer', sysModifiedDate = ?`, time.Now().Format("2006-01-02T15:04:05")))
	time.Sleep(50 * time.Millisecond) // the visit ends
	require.NoError(t, refuse(ctx, errors.New("refused")))

	b, ack, err := in.ReadBatch(ctx)
	require.NoError(t, err)
	for _, m := range b {
		require.Contains(t, payload(t, m), "newer")
	}
	require.NoError(t, ack(ctx, nil))
	quiet, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	_, _, err = in.ReadBatch(quiet)
	require.ErrorIs(t, err, context.DeadlineExceeded, "nothing of the first page comes again")
}

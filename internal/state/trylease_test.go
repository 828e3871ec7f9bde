package state

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALeaseIsTakenIfItIsFree(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		for range 3 {
			lease, err := s.TryLease(ctx, "cursors/a")
			require.NoError(t, err)
			require.NotNil(t, lease)
			assert.True(t, lease.Held(shortLease/2))
			begun := time.Now()
			other, err := s.TryLease(ctx, "cursors/a")
			require.NoError(t, err)
			require.Nil(t, other)
			assert.Less(t, time.Since(begun), shortLease)
			other, err = s.TryLease(ctx, "cursors/b")
			require.NoError(t, err)
			require.NotNil(t, other)
			other.Release()
			lease.Release()
			assert.False(t, lease.Held(0))
		}
		lease, err := s.Lease(ctx, "cursors/a")
		require.NoError(t, err)
		other, err := s.TryLease(ctx, "cursors/a")
		require.NoError(t, err)
		require.Nil(t, other, "it was taken from a live holder")
		lease.Release()
	})
}

func TestOfManyWhoTryOneGetsTheLease(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		var wg sync.WaitGroup
		got := make(chan Lease, 12)
		for range 12 {
			wg.Go(func() {
				lease, err := s.TryLease(t.Context(), "cursors/a")
				assert.NoError(t, err)
				if lease != nil {
					got <- lease
				}
			})
		}
		wg.Wait()
		require.Len(t, got, 1)
		(<-got).Release()
	})
}

func TestAContextThatHasEndedEndsTheNewCallsToo(t *testing.T) {
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			s := open(t, place(t, kind))
			version, err := s.Put(t.Context(), "k", []byte("v"), 0)
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("the pipeline stops")
			cancel(cause)
			_, err = s.TryLease(ctx, "k")
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, cause)
			_, err = s.Keys(ctx, "")
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, s.Delete(ctx, "k", version), context.Canceled)
			if d, ok := s.(Digester); ok {
				set, err := d.Digests(t.Context(), "set")
				require.NoError(t, err)
				defer set.Close()
				assert.ErrorIs(t, set.Save(ctx, 1, []DigestEntry{{Key: "k", Digest: Digest{1}}}), context.Canceled)
			}
			_, err = s.Get(t.Context(), "k")
			require.NoError(t, err)
		})
	}
}

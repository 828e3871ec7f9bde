package incremental

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// The first comparison takes what start_from left out for known, and nothing else.
func TestAnEditAfterTheStartArrivesThoughEverythingIsCompared(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "start_from: now\nreconcile_every: 1h")
	s.readAll(t, fields)
	s.clock.advance(5 * time.Minute)
	s.edited(t, 3, "changed since", s.clock.Now())
	n := 0
	for range 3 {
		for _, m := range s.readAll(t, fields) {
			if strings.Contains(m.payload, "changed since") {
				n++
			}
		}
		s.clock.advance(5 * time.Minute)
	}
	assert.Equal(t, 1, n, "the edit after start_from: now")
}

// Nothing was acknowledged before the pipeline was stopped: now is still the moment when
// it was started first.
func TestTheStartDoesNotMoveBeforeAnythingIsAcknowledged(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "start_from: now")
	var refused atomic.Int64
	st := s.start(t, fields, func(b service.MessageBatch) error { refused.Add(1); return errors.New("away") })
	until(t, "a refusal", func() bool { return refused.Load() > 0 })
	s.clock.advance(time.Hour)
	s.edited(t, 3, "changed since", s.clock.Now())
	s.clock.advance(time.Hour)
	s.edited(t, 5, "changed later", s.clock.Now())
	st.stop()
	s.clock.advance(time.Hour)
	var all string
	for range 2 {
		for _, m := range s.readAll(t, fields) {
			all += m.payload
		}
	}
	assert.Contains(t, all, "changed since")
	assert.Contains(t, all, "changed later")
}

// One dossier fails night after night, and the other one is read each time.
func TestADossierThatFailsDoesNotKeepTheOthersFromBeingReadAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 30, Folders: 3})
	ids := s.FolderIDs("gescom")[:2]
	fields := "resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name]\nfolders: [" + quotedList(ids) + "]\nmode: full\ncursor: nightly\n"
	require.Len(t, s.readAll(t, fields), 60)
	require.Len(t, s.readAll(t, fields), 60)
	s.SetFault(func(c sandbox.Call) *sandbox.Fault {
		if c.Folder != ids[1] {
			return nil
		}
		return &sandbox.Fault{Status: http.StatusForbidden, Body: []byte(`{"title":"x","message":"no rights"}`)}
	})
	for i := range 4 {
		got, log := s.readBadly(t, fields)
		assert.Len(t, got, 30, "night %d %s", i, log)
	}
}

// Two processes share a full read; the next one reads everything again.
func TestAFullReadThatWasSharedIsReadWholeTheNextTime(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 60, Folders: 21, Latency: 60 * time.Millisecond})
	ids := s.FolderIDs("gescom")[:20]
	fields := "resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name]\nfolders: [" + quotedList(ids) + "]\nmode: full\ncursor: nightly\npage_size: 10\n"
	var mu sync.Mutex
	n := [2]int{}
	take := func(i int) func(service.MessageBatch) error {
		return func(b service.MessageBatch) error { mu.Lock(); defer mu.Unlock(); n[i] += len(b); return nil }
	}
	a := s.start(t, fields, take(0))
	b := s.start(t, fields, take(1))
	a.wait()
	b.wait()
	t.Logf("night 1: %v", n)
	require.Equal(t, 1200, n[0]+n[1])
	assert.Len(t, s.readAll(t, fields), 1200, "night 2")
}

// What an unfinished sweep has delivered comes again after a rewind.
func TestRewindGoesBackBehindTheSweepUnderWay(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "page_size: 20\ncheckpoint_limit: 20")
	got := 0
	stop := make(chan struct{})
	var once sync.Once
	st := s.start(t, fields, func(b service.MessageBatch) error {
		got += len(b)
		if got >= 120 {
			once.Do(func() { close(stop) })
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
	<-stop
	st.stop()
	store, err := state.Open(s.state)
	require.NoError(t, err)
	to, _ := sweep.ParseStamp("2000-01-01")
	_, err = sweep.RewindCursor(t.Context(), store, "customers", "", to)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	dated := s.number(t, "SELECT COUNT(*) FROM f"+folder+"_Customer WHERE COALESCE(sysModifiedDate, sysCreatedDate) >= '2000-01-01T00:00:00'")
	assert.GreaterOrEqual(t, len(s.readAll(t, fields)), dated)
}

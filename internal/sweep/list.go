package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Kind is what happened to a record.
type Kind string

// Kinds. Upsert is used where it is not known whether the record was there before.
const (
	Upsert   Kind = "upsert"
	Insert   Kind = "insert"
	Update   Kind = "update"
	Delete   Kind = "delete"
	SweepEnd Kind = "sweep_end"
)

// Change is a record with what happened to it. Raw of a deleted one is an object of its
// key columns.
type Change struct {
	paging.Record
	Kind Kind
}

// Batch is what one call brought. Ack has to be called once all its changes are delivered;
// batches may be acknowledged in any order, from any goroutine.
type Batch struct {
	Changes []Change
	// Read is how many records the call returned, delivered or not.
	Read int
	// Total is how many the sweep has to read, -1 where EBP does not say.
	Total int
	// Started is the start of the sweep.
	Started time.Time
	// End says of a batch that ends a sweep what the sweep did; it has one change, of the
	// kind SweepEnd, without a record.
	End *Counts
	Ack func()
}

// List reads one list again and again. Step and Close are not for several goroutines, the
// functions Batch.Ack are.
type List struct {
	job     Job
	caller  *counting
	clock   clock
	keeper  *keeper // nil where nothing is kept
	digests state.Digests

	// The sweep under way, as far as it was read.
	phase  phase
	cur    *current
	sweep  int64
	reader paging.Reader
	ahead  *paging.Page // read already and not looked at
	floor  Floor
	old    versions
	built  builder
	calls  int64 // of earlier processes
	after  string
	ended  bool // the marker was sent
	warned bool // of dates in the future

	mu    sync.Mutex
	rec   *record // as far as it was acknowledged
	marks []*mark // handed out and not acknowledged up to there, in order
}

type phase int

const (
	between phase = iota
	reading
	deleting
	marking
	completing
)

// mark is a place in a sweep, with what has to be stored once everything before it is
// acknowledged.
type mark struct {
	acked   bool
	current *current
	step    step
}

// Open takes up the cursor of a list, or begins one. It makes no call to EBP.
func Open(ctx context.Context, job Job) (*List, error) {
	l := &List{job: job, caller: &counting{Caller: job.Caller}, clock: clock{zone: job.Zone, lookback: job.Lookback}}
	fresh := &record{Cursor: job.Cursor, Profile: job.Profile, Folder: job.Spec.Folder, List: job.list(), Config: job.config()}
	l.rec = fresh
	if job.Cursor == "" {
		return l, nil
	}
	rec, version, err := load(ctx, job.Store, fresh)
	if err != nil {
		return nil, err
	}
	l.keeper = &keeper{store: job.Store, unit: fresh.unit(), version: version, wake: job.Wake}
	forget := false
	if rec != nil {
		if l.rec, forget, err = l.reconfigured(rec, fresh); err != nil {
			return nil, err
		}
	}
	if !job.needsDigests() {
		return l, nil
	}
	d, ok := job.Store.(state.Digester)
	if !ok {
		return nil, fmt.Errorf("%s keeps no digests of records, which comparing needs: use a state that is a directory (file:) or Postgres", job.Store)
	}
	if l.digests, err = d.Digests(ctx, fresh.unit()); err != nil {
		return nil, stateError("opening the digests of the cursor "+job.Cursor, err)
	}
	if forget {
		if err := l.digests.Drop(ctx); err != nil {
			_ = l.digests.Close()
			return nil, err
		}
	}
	l.keeper.digests = l.digests
	return l, nil
}

// load reads a cursor; nil where there is none.
func load(ctx context.Context, store state.Store, want *record) (*record, state.Version, error) {
	stored, err := store.Get(ctx, want.key())
	if errors.Is(err, state.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, stateError("reading the cursor "+want.Cursor, err)
	}
	rec, err := decode(stored.Value)
	if err == nil {
		err = rec.sameAs(want)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the cursor %s (the record %q in %s): %w; bring it back from a backup, or begin anew after: benthos-ebp cursor reset %s", want.Cursor, want.key(), store, err, want.Cursor)
	}
	return rec, stored.Version, nil
}

// reconfigured returns the cursor to use where the configuration may have changed, and
// whether what it remembers is to be forgotten.
func (l *List) reconfigured(rec, fresh *record) (_ *record, forget bool, err error) {
	differences := rec.Config.differences(fresh.Config)
	if len(differences) == 0 {
		return rec, false, nil
	}
	out := *rec
	switch l.job.OnConfigChange {
	case Restart:
		l.job.Log.Warnf("the cursor %s of %s begins anew, since its configuration changed (on_config_change: restart): %s", rec.Cursor, l.what(), phrases(differences))
		out = *fresh
		out.Sweeps = rec.Sweeps // numbers are not used twice
		return &out, true, nil
	case Keep:
		l.job.Log.Warnf("the cursor %s of %s is kept though its configuration changed (on_config_change: keep): %s", rec.Cursor, l.what(), phrases(differences))
		out.Config = fresh.Config
		if rec.Config.Mode != fresh.Config.Mode || rec.Config.Resource != fresh.Config.Resource {
			out.Current = nil
		}
		return &out, false, nil
	}
	return nil, false, fmt.Errorf("%w: the cursor %s of %s: %s; give the new configuration a cursor of its own, or decide with on_config_change: restart (read everything again) or keep (go on from where it is)",
		ErrConfigChanged, rec.Cursor, l.what(), phrases(differences))
}

func phrases(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += "; "
		}
		out += s
	}
	return out
}

// what names the list for people.
func (l *List) what() string {
	s := l.job.list()
	if l.job.Spec.Folder != "" {
		s += " of folder " + l.job.Spec.Folder
	}
	return s
}

// Take takes a dossier of a cursor for this process, or returns nil where another has it.
func Take(ctx context.Context, store state.Store, cursor, profile, folder string) (state.Lease, error) {
	return store.TryLease(ctx, leaseName(cursor, profile, folder))
}

// Last returns the run, the start and the end of the last complete sweep, zero before it.
func (l *List) Last() (run, started, ended time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rec.Last == nil {
		return
	}
	return l.rec.Last.Run, l.rec.Last.Started, l.rec.Last.Ended
}

// Interrupted returns the run of a sweep that was interrupted, zero if there is none.
func (l *List) Interrupted() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rec.Current == nil {
		return time.Time{}
	}
	return l.rec.Current.Run
}

// Rejoin says of an interrupted or new sweep which run it belongs to.
func (l *List) Rejoin(run time.Time) { l.job.Run = run }

// Read reports whether the sweep under way was read to its end, so that Step makes no call
// before the next one.
func (l *List) Read() bool { return l.phase > reading }

// Settled reports whether everything that Step returned is acknowledged and stored.
func (l *List) Settled() bool {
	l.mu.Lock()
	waiting := len(l.marks) > 0
	l.mu.Unlock()
	return !waiting && (l.keeper == nil || l.keeper.clean() || l.held() != nil)
}

// Step makes the next call of a sweep, or of the next sweep, and returns what there is to
// deliver; a batch without changes needs no Ack. It returns io.EOF when the sweep is
// complete and its cursor stored, and ErrPending when it has to wait for Wake. After any
// other error Step may be called again, but for ErrTaken.
func (l *List) Step(ctx context.Context) (*Batch, error) {
	if err := l.held(); err != nil {
		return nil, err
	}
	switch l.phase {
	case between:
		if err := l.begin(ctx); err != nil {
			return nil, err
		}
		l.phase = reading
		return l.page(ctx)
	case reading:
		return l.page(ctx)
	case deleting:
		return l.deletions(ctx)
	case marking:
		return l.mark()
	}
	if l.keeper != nil && !l.keeper.clean() {
		return nil, ErrPending
	}
	l.phase = between
	return nil, io.EOF
}

// longestBehind is for how long a list is read on while its cursor cannot be written: what
// is acknowledged meanwhile would be delivered again.
const longestBehind = 10 * time.Second

// held reports why nothing more is to be read for now.
func (l *List) held() error {
	if l.keeper == nil {
		return nil
	}
	since, err := l.keeper.failing()
	switch {
	case errors.Is(err, ErrTaken):
		return err
	case err != nil && since > longestBehind:
		return fmt.Errorf("%w: %s is not read on while its cursor cannot be written: %w", ErrPending, l.what(), err)
	}
	return nil
}

// page reads the next page of the sweep.
func (l *List) page(ctx context.Context) (*Batch, error) {
	page, err := l.ahead, error(nil)
	l.ahead = nil
	if page == nil {
		page, err = l.reader.Next(ctx)
	}
	if errors.Is(err, io.EOF) {
		l.phase = marking
		if l.cur.Kind == kindChanges || l.cur.Kind == kindReconcile {
			l.phase, l.after = deleting, ""
		}
		return l.Step(ctx)
	}
	if err != nil {
		return nil, err
	}
	m := &mark{}
	changes, err := l.sift(ctx, page, m)
	if err != nil {
		l.ahead = page // it is looked at again
		return nil, err
	}
	l.cur.Counts.Records += int64(len(page.Records))
	l.cur.Position = l.reader.Position()
	return l.hand(changes, len(page.Records), page.Total, m), nil
}

// hand hands changes over, or acknowledges the mark itself where there are none.
func (l *List) hand(changes []Change, read, total int, m *mark) *Batch {
	for _, c := range changes {
		switch c.Kind {
		case Insert:
			l.cur.Counts.Inserts++
		case Update:
			l.cur.Counts.Updates++
		case Delete:
			l.cur.Counts.Deletes++
		case SweepEnd:
			l.cur.Counts.Delivered--
		}
		l.cur.Counts.Delivered++
	}
	l.cur.Counts.Calls = l.calls + l.caller.calls.Load()
	l.cur.Window = l.built.snapshot()
	here := *l.cur // acknowledgements come from other goroutines
	m.current, m.step.sweep, m.step.size = &here, l.sweep, len(changes)
	l.mu.Lock()
	l.marks = append(l.marks, m)
	l.mu.Unlock()
	if len(changes) == 0 {
		l.acked(m)
	}
	return &Batch{Changes: changes, Read: read, Total: total, Started: l.cur.Started, Ack: sync.OnceFunc(func() { l.acked(m) })}
}

// acked moves the cursor to the last mark before which everything is acknowledged.
func (l *List) acked(m *mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.acked = true
	n := 0
	for ; n < len(l.marks) && l.marks[n].acked; n++ {
		l.advance(l.marks[n])
	}
	l.marks = l.marks[n:]
	if n > 0 && l.job.Wake != nil {
		l.job.Wake()
	}
}

// advance makes a mark part of the cursor and has it written. l.mu is held.
func (l *List) advance(m *mark) {
	rec := *l.rec
	rec.Sweeps, rec.Current = m.step.sweep, m.current
	l.store(&rec, m.step)
}

// store makes rec the cursor and has it written. l.mu is held.
func (l *List) store(rec *record, s step) {
	l.rec = rec
	if l.keeper != nil {
		s.record = rec
		l.keeper.put(s)
	}
}

// pending reports whether something is not acknowledged, or, where it matters, not stored.
func (l *List) pending() bool {
	l.mu.Lock()
	waiting := len(l.marks) > 0
	l.mu.Unlock()
	return waiting || l.digests != nil && !l.keeper.clean()
}

// mark ends a sweep: with a last message where that is wanted, and in the cursor.
func (l *List) mark() (*Batch, error) {
	if l.pending() {
		return nil, ErrPending
	}
	if l.job.Marker && !l.ended {
		l.ended = true
		b := l.hand([]Change{{Kind: SweepEnd}}, 0, -1, &mark{})
		counts := l.cur.Counts
		b.End = &counts
		return b, nil
	}
	l.complete()
	l.phase = completing
	return l.Step(context.Background())
}

// complete makes the end of the sweep part of the cursor.
func (l *List) complete() {
	l.cur.Counts.Calls = l.calls + l.caller.calls.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	rec := *l.rec
	s := step{sweep: l.sweep}
	rec.Sweeps, rec.Current = l.sweep, nil
	rec.Last = &completed{Kind: l.cur.Kind, Run: l.cur.Run, Started: l.cur.Started, Ended: time.Now().UTC(), Counts: l.cur.Counts}
	switch l.cur.Kind {
	case kindIncremental:
		if rec.Bounds.Floor.IsZero() {
			rec.Reconciled = l.cur.Started // everything was read
		}
		s.drop = []window{rec.Window}
		rec.Bounds, rec.Window = l.cur.Next, l.built.snapshot()
	case kindReconcile:
		rec.Reconciled = l.cur.Started
	case kindChanges:
		rec.Held, rec.Confirmed = nil, 0
	}
	l.store(&rec, s)
	l.cur, l.reader, l.old = nil, nil, nil
}

// Close waits until the cursor is written, or ctx ends.
func (l *List) Close(ctx context.Context) error {
	if l.keeper == nil {
		return nil
	}
	err := l.keeper.close(ctx)
	if l.digests != nil {
		err = errors.Join(err, l.digests.Close())
	}
	return err
}

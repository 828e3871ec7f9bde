package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

// begin starts a sweep, or goes on with one that was interrupted.
func (l *List) begin(ctx context.Context) error {
	l.mu.Lock()
	rec := l.rec
	l.mu.Unlock()
	l.caller.calls.Store(0)
	l.calls, l.ended, l.ahead = 0, false, nil
	if rec.Current != nil && l.fits(rec.Current.Kind) {
		return l.resume(ctx, rec)
	}
	now := time.Now().UTC()
	l.cur = &current{Kind: l.nextKind(rec, now), Run: l.job.Run, Started: now}
	l.sweep = rec.Sweeps + 1
	l.built = builder{window: window{Sweep: l.sweep}}
	if l.cur.Kind != kindIncremental {
		l.built = builder{}
		return l.open(l.spec(rec.Bounds.Floor, nil))
	}
	if l.job.Start != (Start{}) && rec.Last == nil && rec.Bounds.Floor.IsZero() {
		return l.start(ctx, rec)
	}
	if l.keeper != nil && !l.keeper.clean() {
		return ErrPending // see start
	}
	if err := l.remember(ctx, rec); err != nil {
		return err
	}
	return l.fix(ctx, rec.Bounds)
}

// fits reports whether a sweep of that kind can be gone on with.
func (l *List) fits(k kind) bool {
	switch l.job.Mode {
	case Incremental:
		return k == kindIncremental || k == kindReconcile && l.digests != nil
	case Changes:
		return k == kindChanges
	}
	return k == kindFull
}

func (l *List) nextKind(rec *record, now time.Time) kind {
	switch l.job.Mode {
	case Changes:
		return kindChanges
	case Full:
		return kindFull
	}
	if l.job.ReconcileEvery > 0 && rec.Last != nil && (rec.Reconciled.After(now) || !now.Before(rec.Reconciled.Add(l.job.ReconcileEvery))) {
		// One that lies in the future was noted by a clock that was wrong.
		return kindReconcile
	}
	return kindIncremental
}

// resume goes on with a sweep from the place up to which all is acknowledged.
func (l *List) resume(ctx context.Context, rec *record) error {
	c := *rec.Current
	l.cur, l.sweep, l.calls = &c, rec.Sweeps, c.Counts.Calls
	l.built = builder{window: c.Window, full: c.Window.Chunks == mostChunks}
	if c.Kind == kindIncremental {
		if err := l.remember(ctx, rec); err != nil {
			return err
		}
	}
	err := l.open(l.spec(rec.Bounds.Floor, c.Position))
	if errors.Is(err, paging.ErrPosition) {
		return fmt.Errorf("the cursor %s of %s: %w", rec.Cursor, l.what(), err)
	}
	return err
}

// remember loads the versions that the sweeps before have delivered.
func (l *List) remember(ctx context.Context, rec *record) (err error) {
	l.old = nil
	if rec.Window.Chunks > 0 || len(rec.Window.Tail) > 0 {
		l.old, err = rec.Window.load(ctx, l.job.Store, rec.unit())
	}
	return err
}

// spec is the list as the sweep under way reads it.
func (l *List) spec(floor Floor, from *paging.Position) paging.Spec {
	s := l.job.Spec
	s.From, l.floor = from, floor
	switch l.cur.Kind {
	case kindIncremental:
		s.Dates = true
		s.Where = filter.And(s.Where, floor.condition(s.Operation.ModifiedColumn))
	case kindReconcile:
		s.Dates, s.KeyObjects = true, true
	case kindChanges:
		s.KeyObjects = true
	}
	return s
}

func (l *List) open(s paging.Spec) (err error) {
	l.reader, err = paging.New(l.caller, s)
	return err
}

// Promise says in a sentence what is guaranteed of the reads of a job, and whether that is
// everything. It makes no call.
func Promise(job Job) (promise string, everything bool, err error) {
	reader, err := paging.New(job.Caller, job.Spec)
	if err != nil {
		return "", false, err
	}
	return reader.Promise(), reader.ByKey(), nil
}

// fix reads the first page of an incremental sweep and fixes what the floor of the next
// one will be. The sweep starts when the page is asked for. Where the greatest date has to
// be asked for afterwards, it may be later than the start by the time that took, which the
// floor is lowered by.
func (l *List) fix(ctx context.Context, b Bounds) error {
	spec := l.spec(b.Floor, nil)
	if err := l.open(spec); err != nil {
		return err
	}
	asked := time.Now()
	page, err := l.reader.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	at := l.reader.Date()
	if at.IsZero() {
		at = asked
	}
	limit := StampAt(at, l.job.Zone)
	if setBack(at, l.job.Zone, l.job.Lookback) {
		limit = limit.add(time.Hour) // dates of the hour that comes twice are no future
	}
	found, took := Stamp{}, time.Duration(0)
	switch {
	case page == nil:
	case page.Total == len(page.Records):
		found = l.greatestOf(page.Records, limit)
	default:
		if found, err = l.greatest(ctx, spec, b.Floor, page.Total, limit); err != nil {
			return err
		}
		// By every clock: the steady one stands still while a machine sleeps.
		now := time.Now()
		took = max(now.Sub(asked), now.Round(0).Sub(asked.Round(0)), l.caller.date.Sub(at)).Truncate(time.Second) + time.Second
	}
	l.cur.Next = l.clock.next(b, found, at, took)
	l.ahead = page
	return nil
}

// greatestOf returns the greatest effective date of records that is not after limit.
func (l *List) greatestOf(records []paging.Record, limit Stamp) Stamp {
	var out Stamp
	for i := range records {
		d := effective(&records[i])
		if limit.Before(d) {
			l.warnOfFuture(records[i].Key, d, limit)
		} else if out.Before(d) {
			out = d
		}
	}
	return out
}

// sensibleFuture is how far a date may be ahead of EBP's own clock before a person is
// told: the machines behind EBP have clocks of their own.
const sensibleFuture = 5 * time.Minute

func (l *List) warnOfFuture(key string, d, now Stamp) {
	if l.warned || !now.add(sensibleFuture).Before(d) {
		return
	}
	l.warned = true
	l.job.Log.Warnf("%s: record %s has the date %s, which is in the future for EBP (%s): it is read by every sweep until then, and delivered once", l.what(), key, d, now)
}

// greatest asks EBP for the greatest effective date, not after limit, of the rows that
// spec selects, which lie above floor. total is how many those are.
func (l *List) greatest(ctx context.Context, spec paging.Spec, floor Floor, total int, limit Stamp) (Stamp, error) {
	op := spec.Operation
	found, err := l.last(ctx, spec, op.ModifiedColumn, total)
	if err != nil {
		return Stamp{}, err
	}
	d := Stamp{}
	if found != nil {
		d, _ = ParseStamp(found.Modified)
	}
	if limit.Before(d) {
		l.warnOfFuture(found.Key, d, limit)
		sensible := spec
		sensible.Where = filter.And(spec.Where, filter.Compare(op.ModifiedColumn, filter.LowerOrEqual, filter.Date, limit.String()))
		if found, err = l.last(ctx, sensible, op.ModifiedColumn, -1); err != nil {
			return Stamp{}, err
		}
		d = Stamp{}
		if found != nil {
			d, _ = ParseStamp(found.Modified)
		}
	}
	// Rows that were never modified count by their creation.
	above := Bounds{Floor: floor}
	above.raise(Floor{At: d, Exclusive: true})
	never := spec
	never.Where = filter.And(l.job.Spec.Where, filter.Compare(op.ModifiedColumn, filter.IsNull, ""),
		above.Floor.compare(createdColumn), filter.Compare(createdColumn, filter.LowerOrEqual, filter.Date, limit.String()))
	if found, err = l.last(ctx, never, createdColumn, -1); err != nil {
		return Stamp{}, err
	}
	if found != nil {
		if c, ok := ParseStamp(found.Created); ok && d.Before(c) {
			d = c
		}
	}
	return d, nil
}

// last returns the last record in the order of a column with dates.
func (l *List) last(ctx context.Context, spec paging.Spec, column string, total int) (*paging.Record, error) {
	// Only its dates are wanted, and a record may have pictures.
	if spec.Operation.TakesColumns() {
		spec.Columns = []string{column}
	}
	spec.Dates = true
	r, err := paging.Greatest(ctx, l.caller, spec, column, total)
	if err != nil {
		return nil, fmt.Errorf("looking for the greatest %s of %s: %w", column, l.what(), err)
	}
	return r, nil
}

// start fixes where a new cursor begins, and has that stored before anything is read: what
// is modified from then on must not be passed over by a process that begins later.
func (l *List) start(ctx context.Context, rec *record) error {
	floor, err := l.startFloor(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := *rec
	changed.Bounds.Floor = floor
	l.store(&changed, step{sweep: rec.Sweeps})
	return ErrPending
}

func (l *List) startFloor(ctx context.Context) (Floor, error) {
	if !l.job.Start.Now {
		return Floor{At: l.job.Start.At}, nil
	}
	limit := StampAt(time.Now(), l.job.Zone)
	d, err := l.greatest(ctx, l.spec(Floor{}, nil), Floor{}, -1, limit)
	if err != nil {
		return Floor{}, err
	}
	if d.IsZero() {
		return Floor{At: limit.add(-certainlyOld - l.job.Lookback)}, nil
	}
	return Floor{At: d.add(-l.job.Lookback)}, nil
}

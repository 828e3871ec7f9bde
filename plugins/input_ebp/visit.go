package input_ebp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// visit reads the lists of one dossier once, in turn. While one is read those before it
// wait for their last acknowledgements.
type visit struct {
	in       *input
	schedule *schedule
	dossier  *dossier
	lease    state.Lease // nil without a cursor
	left     []tableSpec // not begun
	opening  string      // the table that was tried last
	reading  *listRun
	waits    []*listRun // read to their end and not acknowledged to it
	retry    *retry
	readyAt  time.Time
	waiting  bool // until woken
	due      time.Time
	failed   error
}

// listRun is one sweep of a list.
type listRun struct {
	*sweep.List
	dossier  *dossier
	table    tableSpec
	maker    *maker
	progress *progress
	broken   bool        // it failed, and only its acknowledgements are waited for
	left     atomic.Bool // before its acknowledgements had come: they do not count any more
}

// visit takes a dossier. It returns nil where another process has it.
func (in *input) visit(ctx context.Context, s *schedule, d *dossier) (*visit, error) {
	v := &visit{in: in, schedule: s, dossier: d, left: in.conf.tables, retry: newRetry(in)}
	if in.cursor == "" {
		return v, nil
	}
	var err error
	v.lease, err = sweep.Take(ctx, in.store, in.cursor, in.conf.connection.Profile, d.id)
	if err != nil || v.lease == nil {
		return nil, err
	}
	in.open.lease(v.lease)
	return v, nil
}

// leaseMargin is how long a lease must still last for a step to be made.
const leaseMargin = 2 * time.Second

// step makes the next call of the visit, if there is anything to do. It reports whether
// the visit is over, and returns errors that would meet every list.
func (v *visit) step(ctx context.Context) (over bool, err error) {
	if v.lease != nil && !v.lease.Held(leaseMargin) {
		v.in.log.Warnf("%s: the lease of the cursor could not be prolonged in time; another process may go on with it", v.what())
		v.later(lookAgain)
		return true, nil
	}
	for _, l := range slices.Clone(v.waits) {
		if err := v.stepList(ctx, l); err != nil {
			return false, err
		}
	}
	if v.reading == nil {
		if err := v.next(ctx); err != nil {
			return false, err
		}
	}
	if v.reading != nil {
		return false, v.stepList(ctx, v.reading)
	}
	if len(v.left) > 0 {
		return false, nil // it is tried again
	}
	if len(v.waits) == 0 {
		return true, nil
	}
	v.wait()
	return false, nil
}

func (v *visit) what() string {
	if v.dossier.id == "" {
		return v.in.conf.op.Resource()
	}
	return v.in.conf.op.Resource() + " of folder " + v.dossier.id
}

// later has the dossier visited again after a while.
func (v *visit) later(d time.Duration) { v.due = time.Now().Add(d) }

// wait does nothing until somebody acknowledges, or a while has passed.
func (v *visit) wait() { v.waiting, v.readyAt = true, time.Now().Add(lookAgain) }

// next opens the next list that is due.
func (v *visit) next(ctx context.Context) error {
	for len(v.left) > 0 && v.reading == nil {
		table := v.left[0]
		v.left = v.left[1:]
		if v.opening != table.table {
			v.retry.nextCall()
			v.opening = table.table
		}
		l, err := sweep.Open(ctx, v.in.job(table, v.dossier.id))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if wait, again := v.retry.after(err); again {
				v.in.log.Warnf("%v; trying again in %s", err, wait)
				v.left, v.readyAt = append([]tableSpec{table}, v.left...), time.Now().Add(wait)
				return nil
			}
			v.fail(err)
			if errors.Is(err, sweep.ErrConfigChanged) {
				return err // it was made for another pipeline, and so were the others
			}
			continue
		}
		l.Rejoin(v.schedule.run)
		v.in.open.list(l)
		if due := v.dueAgain(l); !due.IsZero() {
			v.sooner(due)
			v.in.shut(ctx, l)
			continue
		}
		v.reading = &listRun{List: l, dossier: v.dossier, table: table, progress: newProgress(v.in, v.dossier.id, table.table)}
	}
	if v.reading == nil && len(v.waits) == 0 && v.in.conf.interval > 0 && v.due.IsZero() {
		v.later(v.in.conf.interval)
	}
	return nil
}

// dueAgain returns when a list has to be read again, if it need not be read now: another
// process has done so, or this one before it was started again.
func (v *visit) dueAgain(l *sweep.List) time.Time {
	run, started, ended := l.Last()
	if v.in.cursor == "" || started.IsZero() || !l.Interrupted().IsZero() {
		return time.Time{}
	}
	if interval := v.in.conf.interval; interval > 0 {
		// A start in the future was noted by a clock that was wrong.
		if due := started.Add(interval); due.After(time.Now()) && !started.After(time.Now()) {
			return due
		}
		return time.Time{}
	}
	if v.dossier.elsewhere && ended.After(v.schedule.run) || v.in.conf.mode == string(sweep.Full) && run.Equal(v.schedule.run) {
		return ended // it is done for this run
	}
	return time.Time{}
}

// sooner has the dossier visited again when the first of its lists is due.
func (v *visit) sooner(due time.Time) {
	if v.in.conf.interval > 0 && (v.due.IsZero() || due.Before(v.due)) {
		v.due = due
	}
}

// stepList makes the next call for a list.
func (v *visit) stepList(ctx context.Context, l *listRun) error {
	if l.broken {
		if l.Settled() {
			v.close(ctx, l)
		}
		return nil
	}
	batch, err := l.Step(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		v.retry.succeeded()
		if err := v.hand(ctx, l, batch); err != nil {
			return err
		}
		if l.Read() {
			v.read(l)
		}
		return nil
	case errors.Is(err, io.EOF):
		l.progress.finished()
		_, started, _ := l.Last()
		v.sooner(started.Add(v.in.conf.interval))
		v.in.metrics.complete(v.dossier.id, l.table.table, started)
		v.close(ctx, l)
		return nil
	case errors.Is(err, sweep.ErrPending):
		if l.Read() {
			v.read(l)
		} else {
			if err != sweep.ErrPending { //nolint:errorlint // with a reason that a person should know
				v.in.sayAgain(err)
			}
			v.wait()
		}
		return nil
	case errors.Is(err, sweep.ErrTaken):
		v.in.log.Warnf("%s: %v; leaving it there", v.what(), err)
		v.close(ctx, l)
		v.later(lookAgain)
		return nil
	}
	if wait, again := v.retry.after(err); again {
		v.in.log.Warnf("%v; trying again in %s", err, wait)
		v.readyAt = time.Now().Add(wait)
		return nil
	}
	v.fail(err)
	l.broken = true
	v.read(l)
	if endsSweep(err) {
		return err
	}
	return nil
}

// hand delivers what a step brought.
func (v *visit) hand(ctx context.Context, l *listRun, b *sweep.Batch) error {
	in := v.in
	l.progress.page(b)
	if len(b.Changes) == 0 {
		return nil
	}
	if l.maker == nil {
		l.maker = newMaker(in, b.Started, v.dossier.id, l.table.table)
	}
	l.maker.prepare(b)
	if err := in.deliver(ctx, &delivery{batch: b, maker: l.maker, run: l}); err != nil {
		return err
	}
	if b.End == nil {
		in.metrics.records.Incr(int64(len(b.Changes)), in.conf.op.Product(), in.conf.op.Resource(), l.maker.table, v.dossier.id)
	}
	return nil
}

// read lets the next list be read while this one waits for its acknowledgements.
func (v *visit) read(l *listRun) {
	if v.reading == l {
		v.reading = nil
		v.waits = append(v.waits, l)
	}
}

// fail notes what could not be read. It does not keep the rest from being read.
func (v *visit) fail(err error) {
	v.in.log.Errorf("%v", err)
	if v.failed == nil || errors.Is(err, sweep.ErrConfigChanged) {
		v.failed = fmt.Errorf("%w: %w", errIncomplete, err)
		if exitCodeOf(err) != connection.ExitConfig {
			v.failed = errIncomplete
		}
	}
}

// surrender reads nothing more, and waits for the acknowledgements of what was read.
func (v *visit) surrender() {
	v.left = nil
	if v.reading != nil {
		v.read(v.reading)
	}
	for _, l := range v.waits {
		l.broken = true
	}
}

// close closes a list that is done.
func (v *visit) close(ctx context.Context, l *listRun) {
	if v.reading == l {
		v.reading = nil
	}
	v.waits = slices.DeleteFunc(v.waits, func(o *listRun) bool { return o == l })
	if !l.Settled() {
		l.left.Store(true)
	}
	v.in.shut(ctx, l.List)
}

// abandon gives the dossier back. What is not acknowledged will be delivered again.
func (v *visit) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), leaseMargin)
	defer cancel()
	if v.reading != nil {
		v.close(ctx, v.reading)
	}
	for len(v.waits) > 0 {
		v.close(ctx, v.waits[0])
	}
	if v.lease != nil {
		v.in.open.release(v.lease)
	}
}

// job is a list of a dossier, as package sweep takes it.
func (in *input) job(table tableSpec, folder string) sweep.Job {
	c := in.conf
	return sweep.Job{
		Cursor: in.cursor, Profile: c.connection.Profile, Store: in.store, Caller: in.client,
		Spec: paging.Spec{
			Operation: c.op, Folder: folder, Table: table.table, Columns: table.columns, Parameters: c.parameters,
			PageSize: in.pageSize(table.table), AllowOffset: c.allowOffset, Passes: c.passes, Warn: in.log.Warnf,
		},
		Source: c.connection.Source(), Mode: sweep.Mode(c.mode), OnConfigChange: sweep.ConfigChange(c.onConfigChange),
		Start: c.startFrom, Lookback: c.lookback, ReconcileEvery: c.reconcileEvery, Zone: c.connection.TimeZone,
		Marker: c.sweepMarker, TooMany: c.maxDeletions.exceeded, Log: in.log, Wake: in.wake,
	}
}

package input_ebp

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// schedule decides what to read next. Dossiers are visited when they are due; those that
// are visited take turns, a call each, so that a large one does not keep the others
// waiting. Everything happens in the goroutine that calls work.
//
// With a cursor, a visit holds the lease of the dossier. Other processes with that cursor
// pass it by, and look again soon: a process that was killed leaves its lease after half a
// minute at most, and the next one goes on where its acknowledgements ended.
type schedule struct {
	in       *input
	run      time.Time // when this run began
	listedAt time.Time // when the dossiers were last listed
	dossiers []*dossier
	visits   []*visit
	turn     int
	failed   error // the worst of what could not be read in this run
}

// dossier is one dossier, or what stands for it where there are none.
type dossier struct {
	id    string
	due   time.Time
	done  bool // of a run that reads once
	visit *visit
	// elsewhere: another process is reading it.
	elsewhere bool
}

const (
	// mostVisits is how many dossiers take turns.
	mostVisits = 16
	// lookAgain is when to look whether another process is done with a dossier, or gone.
	lookAgain = 3 * time.Second
	// longestIdle is how long to sleep at most when nothing is due.
	longestIdle = time.Minute
)

func newSchedule(in *input) *schedule {
	return &schedule{in: in, run: time.Now().UTC()}
}

// work reads what is due until ctx ends; without an interval, until everything was read
// once. It returns an error that would meet every list, and what could not be read where
// everything is read once.
func (s *schedule) work(ctx context.Context) error {
	for {
		if err := s.list(ctx); err != nil {
			if ctx.Err() == nil {
				s.in.log.Errorf("finding the dossiers to read: %v", err)
			}
			return s.giveUp(ctx, err)
		}
		s.begin(ctx)
		if err := s.step(ctx); err != nil {
			return s.giveUp(ctx, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.wakeUp()
		if s.in.conf.interval == 0 && s.finished() {
			return s.over(ctx)
		}
		if s.ready(time.Now()) != nil {
			continue
		}
		if err := s.sleep(ctx); err != nil {
			return err
		}
	}
}

// giveUp ends all visits once what they have read is answered for. Their dossiers are due
// when work is called again. When ctx ends, the input is closed, which ends them.
func (s *schedule) giveUp(ctx context.Context, err error) error {
	for _, v := range s.visits {
		v.surrender()
	}
	for len(s.visits) > 0 && ctx.Err() == nil {
		v := s.ready(time.Now())
		if v == nil {
			if s.sleep(ctx) != nil {
				break
			}
			continue
		}
		over, _ := v.step(ctx) // nothing is read any more
		if over {
			s.end(v)
			v.dossier.due, v.dossier.done = time.Time{}, false
		}
	}
	return err
}

// list learns which dossiers there are, again and again where that is asked of EBP.
func (s *schedule) list(ctx context.Context) error {
	again := s.in.conf.everyFolder() && s.in.conf.interval > 0 && time.Since(s.listedAt) >= s.in.conf.interval
	if !s.listedAt.IsZero() && !again {
		return nil
	}
	ids, err := s.in.dossiers(ctx)
	if err != nil {
		return err
	}
	first := s.listedAt.IsZero()
	s.listedAt = time.Now()
	known := map[string]*dossier{}
	for _, d := range s.dossiers {
		known[d.id] = d
	}
	s.dossiers = s.dossiers[:0:0]
	for _, id := range ids {
		d := known[id]
		if d == nil {
			d = &dossier{id: id}
			if !first {
				s.in.log.Infof("dossier %s is new", id)
			}
		}
		s.dossiers = append(s.dossiers, d)
	}
	if first {
		return s.rejoin(ctx)
	}
	return nil
}

// rejoin goes on with a full read that was interrupted, or that another process has begun:
// what it has read to the end is not read again.
func (s *schedule) rejoin(ctx context.Context) error {
	if !s.runs() {
		return nil
	}
	run, joined, err := sweep.JoinRun(ctx, s.in.store, s.in.cursor, s.in.conf.connection.Profile, s.run)
	if err != nil {
		return err
	}
	if joined {
		s.in.log.Infof("going on with the read that began at %s", run.Local().Format(time.DateTime))
		s.run = run
	}
	return nil
}

// runs reports whether what is read belongs to a run that the state knows.
func (s *schedule) runs() bool {
	return s.in.conf.mode == string(sweep.Full) && s.in.cursor != "" && s.in.conf.interval == 0
}

// over ends the run: the next one reads everything again, also what could not be read.
func (s *schedule) over(ctx context.Context) error {
	if s.runs() {
		if err := sweep.EndRun(ctx, s.in.store, s.in.cursor, s.in.conf.connection.Profile, s.run); err != nil {
			s.in.log.Warnf("%v", err)
		}
	}
	return s.failed
}

// begin begins the visits that are due.
func (s *schedule) begin(ctx context.Context) {
	now := time.Now()
	for _, d := range s.dossiers {
		if len(s.visits) >= mostVisits || ctx.Err() != nil {
			return
		}
		if d.visit != nil || d.done || d.due.After(now) {
			continue
		}
		if s.in.flight.has(d) { // of a visit that was cut short; newer records must not overtake them
			d.due = now.Add(lookAgain)
			continue
		}
		v, err := s.in.visit(ctx, s, d)
		switch {
		case err != nil && ctx.Err() == nil:
			s.in.log.Warnf("taking folder %q of the cursor %s: %v; trying again in %s", d.id, s.in.cursor, err, lookAgain)
			d.due = now.Add(lookAgain)
		case v == nil:
			d.due, d.elsewhere = now.Add(lookAgain), true
		default:
			d.visit = v
			s.visits = append(s.visits, v)
		}
	}
}

// ready returns the next visit in turn that has something to do.
func (s *schedule) ready(now time.Time) *visit {
	for range s.visits {
		s.turn = (s.turn + 1) % len(s.visits)
		if v := s.visits[s.turn]; !v.readyAt.After(now) {
			return v
		}
	}
	return nil
}

// step has the next visit make a call. It returns errors that would meet every list.
func (s *schedule) step(ctx context.Context) error {
	v := s.ready(time.Now())
	if v == nil {
		return nil
	}
	over, err := v.step(ctx)
	if err != nil {
		return err
	}
	if over {
		s.end(v)
	}
	return nil
}

// end ends a visit that has nothing left to do.
func (s *schedule) end(v *visit) {
	v.abandon() // nothing is open any more but the lease
	s.visits = slices.DeleteFunc(s.visits, func(o *visit) bool { return o == v })
	d := v.dossier
	d.visit, d.elsewhere, d.due = nil, false, v.due
	if s.in.conf.interval == 0 && v.due.IsZero() {
		d.done = true
		if v.failed != nil && (s.failed == nil || exitCodeOf(v.failed) == connection.ExitConfig) {
			s.failed = v.failed
		}
	}
}

// finished reports whether every dossier was read.
func (s *schedule) finished() bool {
	return !slices.ContainsFunc(s.dossiers, func(d *dossier) bool { return !d.done })
}

// sleep waits until something is due, or a visit is woken.
func (s *schedule) sleep(ctx context.Context) error {
	next := time.Now().Add(longestIdle)
	for _, v := range s.visits {
		if v.readyAt.Before(next) {
			next = v.readyAt
		}
	}
	if len(s.visits) < mostVisits {
		for _, d := range s.dossiers {
			if d.visit == nil && !d.done && d.due.Before(next) {
				next = d.due
			}
		}
	}
	if listing := s.listedAt.Add(s.in.conf.interval); s.in.conf.everyFolder() && s.in.conf.interval > 0 && listing.Before(next) {
		next = listing
	}
	t := time.NewTimer(time.Until(next))
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.in.woken:
		s.in.wake() // for wakeUp
		s.wakeUp()
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// wakeUp has those look again that wait for acknowledgements, if there were any.
func (s *schedule) wakeUp() {
	select {
	case <-s.in.woken:
	default:
		return
	}
	for _, v := range s.visits {
		if v.waiting {
			v.waiting, v.readyAt = false, time.Time{}
		}
	}
}

// errIncomplete ends a run in which something could not be read; what it was is in the
// log.
var errIncomplete = errors.New("the read is incomplete")

package sweep

import (
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

// Floor is the effective date above which a sweep reads. The zero Floor is everything,
// rows without any date included.
type Floor struct {
	At        Stamp `json:"at"`
	Exclusive bool  `json:"exclusive,omitempty"`
}

// IsZero reports whether everything is above the floor.
func (f Floor) IsZero() bool { return f.At.IsZero() }

// below reports whether a row of that date is read.
func (f Floor) below(d Stamp) bool {
	switch {
	case f.IsZero():
		return true
	case d.IsZero():
		return false
	case f.Exclusive:
		return f.At.Before(d)
	}
	return !d.Before(f.At)
}

// lower reports whether f lets rows through that g does not.
func (f Floor) lower(g Floor) bool {
	if f.IsZero() || g.IsZero() {
		return f.IsZero() && !g.IsZero()
	}
	return f.At.Before(g.At) || f.At == g.At && !f.Exclusive && g.Exclusive
}

// createdColumn holds the date of the creation in every table (tables.tsv).
const createdColumn = "sysCreatedDate"

// condition selects the rows above the floor, and may select others that were modified
// before they were created; nil for all. modified is the column with the date of the last
// modification. It is short, since it travels in a URL of limited length.
func (f Floor) condition(modified string) filter.Node {
	if f.IsZero() {
		return nil
	}
	return filter.Or(f.compare(modified), f.compare(createdColumn))
}

// compare selects the rows with a date in a column that is above the floor.
func (f Floor) compare(column string) filter.Node {
	switch {
	case f.IsZero():
		return filter.Compare(column, filter.IsNotNull, "")
	case f.Exclusive:
		return filter.Compare(column, filter.Upper, filter.Date, f.At.String())
	}
	return filter.Compare(column, filter.UpperOrEqual, filter.Date, f.At.String())
}

// effective is the date by which a row counts, zero if it has none.
func effective(r *paging.Record) Stamp {
	text := r.Modified
	if text == "" {
		text = r.Created
	}
	s, _ := ParseStamp(text)
	return s
}

// Seen is a greatest date, with the time at which it was seen first.
type Seen struct {
	Value Stamp     `json:"value"`
	At    time.Time `json:"at"`
}

// Bounds are what a list has read up to: from where the next sweep reads, and what decides
// on the sweep after it.
type Bounds struct {
	Floor Floor `json:"floor"`
	// Greatest is the greatest effective date that was ever visible at the start of a
	// sweep, dates in the future left out.
	Greatest Stamp `json:"greatest"`
	// Waiting are values that were the greatest and are not settled yet.
	Waiting []Seen `json:"waiting,omitempty"`
}

// clock is what decides on bounds beside the rows.
type clock struct {
	zone     *time.Location
	lookback time.Duration
}

const (
	// certainlyOld is how old a date must be to be old in every time zone: whatever zone
	// EBP's clock is in, it is not further from ours.
	certainlyOld = 26 * time.Hour
	// leastSettling is for how long a value waits at least: dates have whole seconds, so
	// more rows of a second may come while it lasts.
	leastSettling = 2 * time.Second
)

// next returns what holds after the sweep that starts at an instant, if it is complete.
// found is the greatest effective date that was visible among the rows above the floor
// within the time took after that, zero if there was none. The floor never sinks.
func (c clock) next(b Bounds, found Stamp, at time.Time, took time.Duration) Bounds {
	out := Bounds{Floor: b.Floor, Greatest: b.Greatest}
	if out.Greatest.Before(found) {
		out.Greatest = found
	}
	if out.Greatest.IsZero() {
		// Nothing has a date. What will get one gets it from a clock that is not further
		// from ours than any time zone is.
		out.raise(Floor{At: StampAt(at, c.zone).add(-certainlyOld - c.lookback)})
		return out
	}
	settled := Stamp{}
	settling := max(c.lookback, leastSettling)
	if out.Greatest.Before(StampAt(at, c.zone).add(-certainlyOld - settling)) {
		settled = out.Greatest
	}
	waiting := b.Waiting
	if n := len(waiting); n == 0 || waiting[n-1].Value.Before(out.Greatest) {
		waiting = append(waiting[:n:n], Seen{out.Greatest, at.Add(took).UTC()})
	}
	for _, w := range waiting {
		if settled.Before(w.Value) && !at.Before(w.At.Add(settling)) {
			settled = w.Value
		}
	}
	for _, w := range waiting {
		if settled.Before(w.Value) {
			out.Waiting = append(out.Waiting, w)
		}
	}
	if setBack(at, c.zone, c.lookback) {
		// Nothing is settled before the order of dates can be trusted again.
		if !settled.IsZero() {
			out.Waiting = append([]Seen{{settled, at.Add(took).UTC()}}, out.Waiting...)
		}
		out.raise(Floor{At: out.Greatest.add(-c.lookback - took - time.Hour)})
		return out
	}
	out.raise(Floor{At: out.Greatest.add(-c.lookback - took)})
	if !settled.IsZero() {
		out.raise(Floor{At: settled, Exclusive: true})
	}
	return out
}

// raise lifts the floor, and never lowers it.
func (b *Bounds) raise(f Floor) {
	if b.Floor.lower(f) {
		b.Floor = f
	}
}

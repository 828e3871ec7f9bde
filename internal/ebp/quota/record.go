package quota

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

const (
	recordFormat = 1
	day          = 24 * time.Hour
	// bucketLength is how finely calls are remembered for the limit of a minute.
	bucketLength = 5 * time.Second
	// clockTolerance is how far the store's clock may go back unnoticed. Less than that is
	// no clock that was set, and waiting it out harms nobody.
	clockTolerance = time.Second
)

// record is what all processes share. Its times are the store's.
type record struct {
	Format int `json:"format"`
	// ID is another one after the record was begun anew and after its times were moved:
	// tickets from before are then void.
	ID string `json:"id"`
	// Last is when the record was last written.
	Last time.Time `json:"last"`
	// Place is the last moment at which the newest place can be used. The next free one
	// follows after the interval of whoever takes it.
	Place time.Time `json:"place,omitzero"`
	// Hold is until when the server asked for a pause, Until when it said the day would be
	// used up.
	Hold  time.Time `json:"hold,omitzero"`
	Until time.Time `json:"exhausted_until,omitzero"`
	// DayEnd is when the count begins anew.
	DayEnd time.Time `json:"day_end"`
	Used   int       `json:"used"`
	// Recent counts the calls of the last minute.
	Recent []bucket `json:"recent,omitempty"`
}

// bucket counts the places whose last moment is in the 5 seconds from At.
type bucket struct {
	At    int64 `json:"at"` // seconds since 1970
	Calls int   `json:"calls"`
}

func (b bucket) end() time.Time { return time.Unix(b.At, 0).Add(bucketLength) }

func bucketOf(t time.Time) int64 {
	length := int64(bucketLength / time.Second)
	s := t.Unix()
	return s - ((s%length)+length)%length
}

func newID() string { return rand.Text()[:8] }

func decode(value []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("%w: it is not the JSON of a count", state.ErrDamaged)
	}
	switch {
	case r.Format != recordFormat:
		return nil, fmt.Errorf("%w: it has format %d, this program reads %d", state.ErrDamaged, r.Format, recordFormat)
	case r.Used < 0 || r.DayEnd.IsZero() || r.Last.IsZero() || slices.ContainsFunc(r.Recent, func(b bucket) bool { return b.Calls < 0 }):
		return nil, fmt.Errorf("%w: its numbers cannot be", state.ErrDamaged)
	}
	return r, nil
}

// settle brings the record to the time now, whatever happened to the clock. It reports
// whether times were moved, which has to be written: else a record that nobody changes
// would be moved along with every look at it.
func (r *record) settle(now time.Time) (moved bool) {
	if r.ID == "" { // begun just now
		r.Format, r.ID, r.Last = recordFormat, newID(), now
	}
	if back := r.Last.Sub(now); back > clockTolerance {
		r.shift(back)
		moved = true
	}
	if r.DayEnd.IsZero() {
		r.DayEnd = now.Truncate(day).Add(day) // midnight UTC
	}
	if ahead := r.DayEnd.Sub(now); ahead > day {
		r.DayEnd = r.DayEnd.Add(-(ahead - 1) / day * day)
	}
	if passed := now.Sub(r.DayEnd); passed >= 0 {
		r.Used = 0
		r.DayEnd = r.DayEnd.Add((passed/day + 1) * day)
	}
	if !r.Until.After(now) {
		r.Until = time.Time{}
	}
	if !r.Hold.After(now) {
		r.Hold = time.Time{}
	}
	r.Recent = slices.DeleteFunc(r.Recent, func(b bucket) bool {
		return b.Calls == 0 || !b.end().Add(time.Minute).After(now)
	})
	if now.After(r.Last) {
		r.Last = now
	}
	return moved
}

// shift moves everything that is a distance from the last write, rather than a time of
// the calendar, with a clock that was set back.
func (r *record) shift(back time.Duration) {
	if !r.Until.IsZero() && r.Until.Equal(r.DayEnd) {
		r.DayEnd = r.DayEnd.Add(-back)
	}
	for _, t := range []*time.Time{&r.Last, &r.Place, &r.Hold, &r.Until} {
		if !t.IsZero() {
			*t = t.Add(-back)
		}
	}
	whole := int64(back/bucketLength) * int64(bucketLength/time.Second) // less, so that none leaves early
	for i := range r.Recent {
		r.Recent[i].At -= whole
	}
	r.ID = newID()
}

// clock is a reading of the store's clock: it showed now at some moment between before
// and after, by this machine's clock.
type clock struct {
	now           time.Time
	before, after time.Time
}

// ticket is a place: the call may be made between start and end by the store's clock.
type ticket struct {
	id         string
	dayEnd     time.Time
	start, end time.Time
	previous   time.Time // the place before it
	// By this machine's clock: at from it is certainly start or later, and until until it
	// is certainly not later than end.
	from, until time.Time
	seen        time.Time // when the record was
	asked       int64     // how often the server had asked for a pause
}

// rules are what a request wants of the record.
type rules struct {
	Limits
	interval time.Duration
	onlyNow  bool
	lead     time.Duration // what writing the record may take
	slack    time.Duration // how late a sleeper may wake up
}

// refusal says why no call at all may be made now, wait 0 if it may.
func (r *record) refusal(now time.Time, perDay int) verdict {
	switch {
	case !r.Until.IsZero():
		return verdict{wait: r.Until.Sub(now), exhausted: true, until: r.Until, dayEnd: r.DayEnd, byServer: true}
	case perDay > 0 && r.Used >= perDay:
		return verdict{wait: r.DayEnd.Sub(now), exhausted: true, until: r.DayEnd, dayEnd: r.DayEnd}
	case !r.Hold.IsZero():
		return verdict{wait: r.Hold.Sub(now)}
	}
	return verdict{}
}

// take reserves the next free place and counts its call, or says how long to wait.
func (r *record) take(c clock, w rules) (*ticket, verdict) {
	if v := r.refusal(c.now, w.PerDay); v.wait > 0 {
		return nil, v
	}
	start := c.now
	if w.interval > 0 && !r.Place.IsZero() {
		start = later(start, r.Place.Add(w.interval))
	}
	if w.PerMinute > 0 {
		// Not reserved ahead: others, with another limit, need not wait that long.
		if free := r.minuteFree(w.PerMinute); free.After(start) {
			return nil, verdict{wait: free.Sub(c.now)}
		}
	}
	if ahead := start.Sub(c.now); w.onlyNow && ahead > 0 {
		return nil, verdict{wait: ahead}
	}
	// The place lasts from start to end: for a sleeper to wake up in it, for the record to
	// be written if it begins at once, and for what is not known of the store's clock.
	end := later(start, c.now.Add(w.lead)).Add(w.slack + c.after.Sub(c.before))
	if end.After(r.DayEnd) {
		// It might be made in the next day, which would not have counted it.
		return nil, verdict{wait: max(r.DayEnd.Sub(c.now), time.Millisecond)}
	}
	t := &ticket{
		id: r.ID, dayEnd: r.DayEnd, start: start, end: end, previous: r.Place,
		from: c.after.Add(start.Sub(c.now)), until: c.before.Add(end.Sub(c.now)), seen: c.after,
	}
	r.Place = later(r.Place, end)
	r.Used++
	r.count(end)
	return t, verdict{}
}

// minuteFree returns when a call finds fewer than limit others in the minute before.
func (r *record) minuteFree(limit int) time.Time {
	sum := 0
	for _, b := range slices.Backward(r.Recent) {
		if sum += b.Calls; sum >= limit {
			return b.end().Add(time.Minute)
		}
	}
	return time.Time{}
}

func (r *record) find(t time.Time) (int, bool) {
	return slices.BinarySearchFunc(r.Recent, bucketOf(t), func(b bucket, at int64) int { return int(b.At - at) })
}

func (r *record) count(t time.Time) {
	i, ok := r.find(t)
	if !ok {
		r.Recent = slices.Insert(r.Recent, i, bucket{At: bucketOf(t)})
	}
	r.Recent[i].Calls++
}

// putBack frees a place that was not used, and reports whether that changes anything.
func (r *record) putBack(t *ticket) bool {
	if t.id != r.ID {
		return false
	}
	if r.Place.Equal(t.end) {
		r.Place = t.previous
	}
	if i, ok := r.find(t.end); ok && r.Recent[i].Calls > 0 {
		r.Recent[i].Calls--
	}
	r.uncount(1, t.dayEnd)
	return true
}

// uncount takes back calls that were counted in the day that ends at dayEnd.
func (r *record) uncount(n int, dayEnd time.Time) bool {
	if n == 0 || !r.DayEnd.Equal(dayEnd) {
		return false
	}
	r.Used = max(0, r.Used-n)
	return true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

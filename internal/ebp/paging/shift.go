package paging

import (
	"context"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// row is a record of an answer with what it is known by.
type row struct {
	Record
	id     digest // of the key, or of the bytes where there is none
	keyed  bool
	sorted uint32 // hash of the value it is sorted by, 0 where that is the key
	bytes  digest // of its bytes
}

// identify cuts an answer into rows. A key that comes twice in one answer tells records
// apart no more: from there on all are known by their bytes alone.
func (o *offsetReader) identify(in []records.Record) []row {
	page := o.page(in, o.total)
	rows := make([]row, len(in))
	here := make(map[string]bool, len(in))
	for _, r := range page.Records {
		if here[r.Key] && r.Key != "" && !o.keyless {
			o.keyless = true
			o.Warn("%s: several records have the key %s: where rows move while it is read some may come twice", o.what(), r.Key)
		}
		here[r.Key] = true
	}
	for i, r := range page.Records {
		w := row{Record: r, bytes: digestOf(ofBytes, r.Raw)}
		if w.keyed = r.Key != "" && !o.keyless; w.keyed {
			w.id = digestOf(ofKey, r.Key)
		} else {
			w.id = w.bytes
		}
		if o.sortedAt >= 0 && o.sortedAt < len(in[i].Fields) {
			w.sorted = hashOf(in[i].Fields[o.sortedAt])
		}
		rows[i] = w
	}
	return rows
}

// fits reports whether a page that begins with this row may be taken.
func (o *offsetReader) fits(first row) bool {
	if o.at == 0 || o.blind {
		return true
	}
	if !first.keyed {
		return first.bytes == o.lastRow
	}
	sorted, known := o.seen[first.id]
	return known && sorted == first.sorted
}

// repeated reports whether the i-th row of a page was returned before.
func (o *offsetReader) repeated(i int, w row) bool {
	if !w.keyed {
		return i == 0 && o.at > 0 && !o.blind && w.bytes == o.lastRow
	}
	_, known := o.seen[w.id]
	return known
}

// count returns how many rows of a page were not met in this pass.
func (o *offsetReader) count(rows []row) int {
	n := 0
	for i, w := range rows {
		if !o.repeated(i, w) {
			n++
		}
	}
	return n
}

// take notes the rows of a page and returns those that were not returned before.
func (o *offsetReader) take(rows []row, fits bool) []Record {
	var out []Record
	fresh := 0
	for i, w := range rows {
		repeated := o.repeated(i, w)
		if w.keyed {
			o.seen[w.id] = w.sorted
		}
		if repeated {
			continue
		}
		fresh++
		if !w.keyed {
			if o.multiple() {
				w.id = o.passes.numbered(w.bytes)
				o.seen[w.id] = 0
			}
		} else {
			o.remember(w.id)
		}
		if !o.passes.returned(w.id) {
			out = append(out, w.Record)
		}
	}
	o.lastRow = rows[len(rows)-1].bytes
	o.width = max(o.width, len(rows))
	// Overlapping with what came last, and bringing more, is not what a server does that
	// sends the same page again.
	o.honoured = o.honoured || o.at > 0 && !o.blind && fits && fresh > 0
	o.repair.taken(fresh, o.at+len(rows))
	return out
}

// recentKept is how many of the records taken last a Position holds: rows may move by so
// many while nobody reads before records are returned twice.
const recentKept = 400

func (o *offsetReader) remember(d digest) {
	if len(o.recent) >= 2*recentKept {
		o.recent = append(o.recent[:0], o.recent[len(o.recent)-recentKept:]...)
	}
	o.recent = append(o.recent, d)
}

// repair counts what was done about rows that moved.
type repair struct {
	steps  int // back, that count
	back   int // since the last page was taken
	reach  int // the furthest position that was read up to
	stale  int // pages in a row that brought nothing
	told   bool
	warned bool
}

const (
	// mostSteps is how many steps back are allowed for beside one for each page.
	mostSteps = 20
	// mostStale is after how many pages without a new record it is asked whether the
	// server still takes notice of the position.
	mostStale = 10
)

// taken notes that a page up to a position was taken.
func (r *repair) taken(fresh, end int) {
	r.reach, r.back = max(r.reach, end), 0
	if r.stale++; fresh > 0 {
		r.stale = 0
	}
}

// warn tells a person something once per read.
func (r *repair) warn(o *offsetReader, format string, args ...any) {
	if !r.warned {
		r.warned = true
		o.Warn(format, args...)
	}
}

// mayStepBack reports whether to look for the place where a page fits, instead of taking
// it as it is.
//
// Where the order is ours and total, each repair brings what had moved. Only one that
// brings nothing counts against the bound, so that a server that does not do what it says
// is not asked for ever. Where the order may be another one at every call, each step
// counts: there are at most as many of them as pages, and mostSteps more. A record without
// a key cannot be looked for further than a page back: the page there is returned again,
// rather than lost.
func (o *offsetReader) mayStepBack(first row) bool {
	r := &o.repair
	if len(first.Raw) > 0 && !first.keyed && r.back > 0 {
		return false
	}
	if r.steps < mostSteps+r.reach/max(o.width, 1) {
		return true
	}
	r.warn(o, "%s is in another order at every call, or changes all the time: it is read on without looking for rows that moved, and some may be missing until the next read", o.what())
	return false
}

// stepBack moves the position back by a page less the overlap, and at least to the last of
// total records where that is known.
func (o *offsetReader) stepBack(total int) {
	r := &o.repair
	if !r.told {
		r.told = true
		o.Warn("%s changes while it is read by position: rows have moved, and the reader steps back to what it knows so that none is missing", o.what())
	}
	if !o.unique || o.keyless || r.back == 0 && r.stale > 0 {
		r.steps++
	}
	r.back++
	o.at -= max(o.width-1, 1)
	if total > 0 {
		o.at = min(o.at, total-1)
	}
	o.at = max(o.at, 0)
}

// farAway is a position behind the end of every list.
const farAway = 1_000_000_000

// heeded asks whether the server takes notice of the position: whether there is nothing
// far behind the end. A page that brings nothing new, or does not fit, may be the page
// that such a server sends whatever it is asked.
func (o *offsetReader) heeded(ctx context.Context) (bool, error) {
	p, _, err := o.read(ctx, farAway)
	if err != nil {
		return false, err
	}
	return len(p.Records) == 0, nil
}

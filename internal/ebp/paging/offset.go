package paging

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// offsetReader reads by position: Offset and Limit, or take and skip. Each page begins
// with the last record of the page before, and is taken only if it does begin with a
// record that is known: one that was taken before and is sorted by the same value still.
// Otherwise rows moved towards the start, some of them past the position, and the reader
// steps back by a page and asks again.
//
// Why nothing is lost that way, in a list that is sorted by a value that no two rows
// share. Let h be the greatest value of all rows taken. Then at any time every row that
// exists throughout, with an unchanged value up to h, was taken:
//
//   - A page at position 0 holds all rows from the least on, up to the last of the page.
//   - Any other page begins with a known row of value v, and v is at most h. What sorts
//     before that row is below v and was taken; what follows it without a gap, up to the
//     last row of the page, is in the page.
//
// An answer is one state of the list. So whatever is inserted, deleted or changed between
// two calls only decides where the next page begins, and that is checked. The list is at
// its end when a page that is taken reaches the total, or holds nothing but the overlap:
// then h is the greatest value of all, and every row was taken. Rows that come again are
// not returned again.
//
// What a row was sorted by is part of what makes it known: a row that was taken, and then
// given a greater value, says nothing of the rows before it.
//
// Stepping back ends at a known row or at position 0, so a repair costs a call for each
// page of rows that were deleted, and one or two more. In an order that is not ours the
// argument holds as long as the order stays the same. As it may be another one at every
// call, stepping back is bounded there (see mayStepBack).
type offsetReader struct {
	*requests
	order    string // value of the sort parameter that we chose; "" = another order
	sorted   string // name of the member that it is sorted by, "" if not known
	sortedAt int    // place of that member in layout.Fields, -1 if it is of the key or not known
	unique   bool   // no two rows share that value
	withKey  bool   // columns of the key are asked for
	fallback bool   // it should have been read by key

	at       int  // position to ask for
	blind    bool // the page there does not begin with a record that was taken
	total    int  // of the first page, -1 if not known
	done     bool
	failure  error // to return once what was read is
	width    int   // most records that a page had
	honoured bool  // the server takes notice of the position: it was seen to
	keyless  bool  // keys turned out not to tell records apart

	seen    memory   // taken in this pass
	recent  []digest // the last of them, for Position
	lastRow digest   // of the bytes of the last record taken
	repair  repair
	passes  passes
}

// newOffsetReader returns a reader from the start. ordered asks for the catalog's
// order where the user has chosen none.
func newOffsetReader(r *requests, ordered bool) *offsetReader {
	o := &offsetReader{requests: r, total: -1, sortedAt: -1, withKey: true, seen: memory{}}
	sort := r.Operation.SortParameter()
	if sort == "" {
		return o
	}
	for name, v := range r.Parameters {
		if strings.EqualFold(name, sort) && len(v) > 0 {
			o.sorted = v[0][strings.LastIndexByte(v[0], '.')+1:]
		}
	}
	if o.sorted == "" && ordered && !hasFold(r.Parameters, sort) {
		o.order, o.sorted, o.unique = r.Operation.DefaultOrder, r.Operation.DefaultOrder, true
		if t := r.Operation.TableOf(r.Table); t != nil {
			o.order, o.sorted = r.column(t.Order), t.Order
			o.unique = r.known && len(t.Key) == 1
		}
	}
	if o.sorted != "" && !slices.ContainsFunc(r.key, func(k string) bool { return strings.EqualFold(k, o.sorted) }) {
		o.sortedAt = r.field(o.sorted)
	}
	return o
}

// Promise implements Reader.
func (o *offsetReader) Promise() string {
	out := "read by position"
	promised := ", each page overlapping the last: every record that exists throughout, whose sort value is unique and unchanged, is read once"
	if o.sorted != "" {
		out += ", ordered by " + o.sorted
	} else {
		out += " in the server's own order"
		promised = ", each page overlapping the last: every record that exists throughout is read once as long as that order stays the same"
	}
	out += promised
	switch {
	case o.unique:
	case o.Passes > 1:
		out += "; read until " + itoa(o.Passes) + " passes in a row agree"
	default:
		out += " (passes: 2 makes up for an order that is not)"
	}
	return out
}

// ByKey implements Reader.
func (o *offsetReader) ByKey() bool { return false }

func (o *offsetReader) build(at, size int) ebp.Request {
	req := o.request(o.withKey)
	op := o.Operation
	if op.Paging == catalog.PagingTakeSkip {
		req.Query.Set(catalog.ParamTake, itoa(size))
		req.Query.Set(catalog.ParamSkip, itoa(at))
	} else {
		req.Query.Set(catalog.ParamLimit, itoa(size))
		req.Query.Set(catalog.ParamOffset, itoa(at))
	}
	if o.order != "" {
		req.Query.Set(op.SortParameter(), o.order)
	}
	return req
}

// read asks for the page at a position.
func (o *offsetReader) read(ctx context.Context, at int) (*records.Page, int, error) {
	ask := func() (*records.Page, int, error) {
		return o.fetch(ctx, func(size int) ebp.Request { return o.build(at, size) })
	}
	p, size, err := ask()
	var refused *apierror.Error
	if o.order != "" && at == 0 && errors.As(err, &refused) && refused.Status == http.StatusBadRequest && o.Operation.Table == "" && !o.Operation.TakesTable() {
		// Which fields a Hubbix list sorts by is not documented: ours may be none.
		asked := o.order
		o.order = ""
		if p, size, err = ask(); err != nil {
			o.order = asked
			return nil, size, err
		}
		o.ownOrder()
		o.Warn("%s does not sort by %s (%v): reading it in the server's own order", o.what(), asked, refused)
	}
	return p, size, err
}

// ownOrder notes that the order is the server's.
func (o *offsetReader) ownOrder() { o.order, o.sorted, o.sortedAt, o.unique = "", "", -1, false }

// Next implements Reader.
func (o *offsetReader) Next(ctx context.Context) (*Page, error) {
	for !o.done {
		if err := o.failure; err != nil {
			o.failure = nil
			return nil, err
		}
		fresh, err := o.step(ctx)
		if err != nil {
			return nil, err
		}
		if len(fresh) > 0 {
			o.moved = true
			return &Page{Records: fresh, Total: o.total}, nil
		}
	}
	return nil, io.EOF
}

// step asks for a page, and takes it or steps back. It returns what was not returned
// before, and changes nothing when it fails.
func (o *offsetReader) step(ctx context.Context) ([]Record, error) {
	cut, size, err := o.read(ctx, o.at)
	if err != nil {
		return nil, err
	}
	n := len(cut.Records)
	if n == 0 {
		return nil, o.empty(cut.Total)
	}
	rows := o.identify(cut.Records)
	fits, fresh := o.fits(rows[0]), o.count(rows)
	// A server that takes no notice of the position does not send less there.
	o.honoured = o.honoured || o.at > 0 && !o.blind && fits && n == 1 && o.width > 1
	suspicious := !o.honoured && (!fits || fresh == 0) || fresh == 0 && o.repair.stale%mostStale == mostStale-1
	if o.at > 0 && suspicious {
		heeded, err := o.heeded(ctx)
		if err != nil {
			return nil, err
		}
		if !heeded {
			if n >= size {
				o.Warn("%s takes no notice of the position: its first page is taken for the whole list of %d records", o.what(), len(o.seen))
			}
			o.endPass(true)
			return nil, nil
		}
		o.honoured = true
	}
	if !fits && o.mayStepBack(rows[0]) {
		o.stepBack(-1)
		return nil, nil
	}
	if o.at == 0 && o.total < 0 {
		o.total = cut.Total
	}
	out := o.take(rows, fits)
	o.advance(n, size, cut.Total)
	return out, nil
}

// empty decides what a page without records means.
func (o *offsetReader) empty(total int) error {
	switch {
	case total > o.at:
		return o.complain("EBP says there are %d records and returned none from position %d on", total, o.at)
	case o.at == 0 || o.blind || !o.mayStepBack(row{}):
		o.endPass(o.at == 0)
		return nil
	}
	// The record at the end of the last page is not where it was.
	o.stepBack(total)
	return nil
}

// advance moves on after a page of n records that was taken. Only a total that is met
// exactly ends the list: one that was passed contradicts what came.
//
// Where the answer does not say how many records there are, a page that is not full may
// have been capped by the server: the list ends when nothing but the overlap comes. A
// server that takes no notice of take sends more than was asked for: that is everything.
func (o *offsetReader) advance(n, size, total int) {
	end := o.at + n
	overlap := o.at > 0 && !o.blind && n == 1
	switch {
	case total == end, total < 0 && n > size:
		o.endPass(o.at == 0)
		return
	case overlap && size > 1 && total <= end:
		o.endPass(false)
		return
	}
	// A page of one record has none to overlap with beside what it brings.
	if n > 1 {
		o.at, o.blind = end-1, false
		return
	}
	if size == 1 || total > end || o.blind {
		o.repair.warn(o, "pages of %s hold a single record and cannot overlap: it is complete as long as nothing is inserted or deleted meanwhile", o.what())
	}
	o.at, o.blind = end, true
}

package paging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// offsetReader reads by position: Offset and Limit, or take and skip.
type offsetReader struct {
	*requests
	order   string // value of the sort parameter that we chose; "" = the server's order
	offset  int
	total   int // of the first page
	done    bool
	last    []records.Record // of the last page, where there is no total
	withKey bool
	before  map[string]bool // keys of the last page
	moved   bool            // a person was told that rows moved
}

// newOffsetReader returns a reader from the start. ordered asks for the catalog's
// order where the user has chosen none.
func newOffsetReader(r *requests, ordered bool) *offsetReader {
	o := &offsetReader{requests: r, total: -1}
	if sort := r.Operation.SortParameter(); ordered && sort != "" && !hasFold(r.Parameters, sort) {
		o.order = r.Operation.DefaultOrder
		if t := r.Operation.TableOf(r.Table); t != nil {
			o.order = r.column(t.Order)
		}
	}
	return o
}

func (o *offsetReader) Promise() string {
	if o.order != "" {
		return "read by position, ordered by " + o.order + ": complete as long as nothing is inserted or deleted meanwhile"
	}
	return "read by position in the server's own order: complete as long as nothing is inserted, deleted or changed meanwhile"
}

func (o *offsetReader) ByKey() bool { return false }

func (o *offsetReader) build(size int) ebp.Request {
	req := o.request(o.withKey)
	op := o.Operation
	if op.Paging == catalog.PagingTakeSkip {
		req.Query.Set(catalog.ParamTake, itoa(size))
		req.Query.Set(catalog.ParamSkip, itoa(o.offset))
	} else {
		req.Query.Set(catalog.ParamLimit, itoa(size))
		req.Query.Set(catalog.ParamOffset, itoa(o.offset))
	}
	if o.order != "" {
		req.Query.Set(op.SortParameter(), o.order)
	}
	return req
}

func (o *offsetReader) Next(ctx context.Context) (*Page, error) {
	if o.done {
		return nil, io.EOF
	}
	p, size, err := o.fetch(ctx, o.build)
	var refused *apierror.Error
	if o.order != "" && o.offset == 0 && errors.As(err, &refused) && refused.Status == http.StatusBadRequest && o.Operation.Table == "" && !o.Operation.TakesTable() {
		// Which fields a Hubbix list sorts by is not documented: ours may be none.
		asked := o.order
		o.order = ""
		if p, size, err = o.fetch(ctx, o.build); err == nil {
			o.Warn("%s does not sort by %s (%v): reading it in the server's own order", o.what(), asked, refused)
		}
	}
	if err != nil {
		return nil, err
	}
	if o.offset == 0 {
		o.total = p.Total
	}
	if p.Total >= 0 {
		err = o.advance(p)
	} else {
		o.advanceBlind(p, size)
	}
	if err != nil {
		return nil, err
	}
	if len(p.Records) == 0 {
		o.done = true
		return nil, io.EOF
	}
	page := o.page(p.Records, o.total)
	o.notice(page)
	return page, nil
}

// notice tells a person when a record of the last page comes again: rows have moved,
// and what moved the other way was passed over.
func (o *offsetReader) notice(p *Page) {
	keys := make(map[string]bool, len(p.Records))
	for _, r := range p.Records {
		if r.Key == "" {
			return
		}
		if o.before[r.Key] && !o.moved {
			o.moved = true
			o.Warn("%s changed while it was read by position: record %s came twice, and others may be missing until the next read", o.what(), r.Key)
		}
		keys[r.Key] = true
	}
	o.before = keys
}

// advance moves on where the answer says how many records there are. Only a total that
// is met exactly ends the list: one that was passed contradicts what came, or rows were
// deleted meanwhile, and the next page tells.
func (o *offsetReader) advance(p *records.Page) error {
	n := len(p.Records)
	if n == 0 && p.Total > o.offset {
		return fmt.Errorf("reading %s: EBP says there are %d records and returned none from position %d on", o.what(), p.Total, o.offset)
	}
	o.offset += n
	o.done = o.offset == p.Total
	return nil
}

// advanceBlind moves on where it does not say: until an empty page, since a page that
// is not full may have been capped by the server. A server that takes no notice of take
// sends more than was asked for: that is everything. One that takes no notice of skip
// sends the same page again.
func (o *offsetReader) advanceBlind(p *records.Page, size int) {
	n := len(p.Records)
	if o.offset > 0 && n == len(o.last) && sameRecords(p.Records, o.last) {
		if n >= size {
			o.Warn("%s takes no notice of the position: its first page is taken for the whole list of %d records", o.what(), o.offset)
		}
		p.Records = nil
		o.done = true
		return
	}
	o.offset += n
	o.last = p.Records
	o.done = n == 0 || n > size
}

func sameRecords(a, b []records.Record) bool {
	for i := range a {
		if !bytes.Equal(a[i].Raw, b[i].Raw) {
			return false
		}
	}
	return true
}

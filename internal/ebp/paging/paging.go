// Package paging reads whole lists. Which rows a reader promises to return depends on
// how the list can be read, and every Reader says so (Reader.Promise):
//
//   - By key: each page asks for the keys after the last one read. No insert, delete
//     or change of another row moves a row in or out of what is still to come, so
//     every record that exists throughout is returned once.
//   - By offset: a row inserted or deleted before the current position moves all that
//     follow. Every record is returned once if nothing is inserted or deleted, and the
//     order stays the same, while the list is read.
//   - At once: one answer holds everything.
//
// Keys are compared by the server alone: its collation and the order of its GUIDs are
// not ours. The client only ever asks whether two keys are the same bytes.
package paging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
)

// Caller makes calls; *ebp.Client does.
type Caller interface {
	Do(ctx context.Context, r ebp.Request) (*ebp.Answer, error)
	URLBytes(r ebp.Request) int
	MaxURLBytes() int
}

// PageSize is how many records a page asks for. It shrinks when an answer is larger
// than allowed, and stays so: share one between the reads of the same table.
type PageSize struct{ n atomic.Int64 }

// NewPageSize returns a size to begin with.
func NewPageSize(n int) *PageSize {
	p := &PageSize{}
	p.n.Store(int64(n))
	return p
}

// Get returns the size.
func (p *PageSize) Get() int { return int(p.n.Load()) }

func (p *PageSize) halve(from int) { p.n.CompareAndSwap(int64(from), int64(max(1, from/2))) }

// Spec says what to read.
type Spec struct {
	Operation *catalog.Operation
	Folder    string
	// Table is the table of a generic query.
	Table string
	// Columns are the columns wanted, all if empty. The key's are added.
	Columns []string
	// Parameters are further query parameters.
	Parameters url.Values
	PageSize   *PageSize
	// AllowOffset reads on by offset where reading by key turns out not to work.
	AllowOffset bool
	// Warn is told of what a person should know about a read that goes on.
	Warn func(format string, args ...any)
}

// Record is a record with what is known of it.
type Record struct {
	// Raw are its bytes as they were sent; part of the answer's memory.
	Raw []byte
	// Key identifies it: the key as text, for several key columns a JSON array; ""
	// where the list has none.
	Key string
	// Modified is the date of its last modification as EBP writes it, "" where it
	// has none or the column was not asked for.
	Modified string
}

// Page is a page of records.
type Page struct {
	Records []Record
	// Total is how many records the whole list held when it began to be read, -1 where
	// the API does not say.
	Total int
}

// Reader reads a list page by page. It is not for several goroutines.
type Reader interface {
	// Next returns the next page, never an empty one, and io.EOF after the last. An
	// error of a call leaves the reader where it was: Next may be called again.
	Next(ctx context.Context) (*Page, error)
	// Promise says in a sentence what is guaranteed of this read.
	Promise() string
	// ByKey reports whether it is read by key, or at once: whether what others insert
	// and delete meanwhile can move nothing out of sight.
	ByKey() bool
}

// New returns the reader for a list. It makes no call.
func New(c Caller, s Spec) (Reader, error) {
	op := s.Operation
	if op.Kind != catalog.KindList {
		return nil, fmt.Errorf("%s is no list", op.Name)
	}
	if s.PageSize == nil {
		s.PageSize = NewPageSize(catalog.MaxPageSize)
	}
	if s.Warn == nil {
		s.Warn = func(string, ...any) {}
	}
	r := newRequests(c, s)
	switch {
	case op.TakesWhere() && len(r.key) > 0:
		return newKeyReader(r), nil
	case op.Paging == catalog.PagingNone:
		return &onceReader{requests: r}, nil
	default:
		return newOffsetReader(r, true), nil
	}
}

// requests builds and makes the calls of one read.
type requests struct {
	Spec
	caller Caller
	key    []string // columns that identify a row, unprefixed; empty if unknown
	layout records.Layout
	prefix string // "Item." when columns of other tables are asked for
	types  []catalog.ColumnType
	known  bool      // the table is one of the catalog
	asked  [2]string // values of Columns, without and with the key
}

func newRequests(c Caller, s Spec) *requests {
	op := s.Operation
	r := &requests{Spec: s, caller: c, key: op.Key}
	if t := op.TableOf(s.Table); t != nil {
		r.key, r.known = t.Key, len(t.Products) > 0
		for _, k := range t.Key {
			col, _ := t.Column(k)
			r.types = append(r.types, col.Type)
		}
	}
	for _, col := range s.Columns {
		if strings.Contains(col, ".") {
			// Then the main table's columns want its name too (L1900).
			r.prefix = s.Table
			if r.prefix == "" {
				r.prefix = op.Table
			}
			r.prefix += "."
		}
	}
	if len(s.Columns) > 0 {
		r.asked = [2]string{r.columnList(nil), r.columnList(r.key)}
	}
	r.layout = records.Layout{Keys: op.Records.Keys, Fields: append(append([]string{}, r.key...), op.ModifiedColumn)}
	switch op.Paging {
	case catalog.PagingOffsetLimit:
		r.layout.Total = "paging.total" // L1742
	case catalog.PagingTakeSkip:
		r.layout.Total = op.Total
	}
	return r
}

// column writes a column of the main table as it must be sent.
func (r *requests) column(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return r.prefix + name
}

// columns returns the value of Columns, with those of the key or without.
func (r *requests) columns(withKey bool) string {
	if withKey {
		return r.asked[1]
	}
	return r.asked[0]
}

func (r *requests) columnList(also []string) string {
	var out []string
	asked := map[string]bool{}
	for _, c := range append(append([]string{}, r.Columns...), also...) {
		c = r.column(strings.TrimSpace(c))
		if !asked[strings.ToLower(c)] {
			asked[strings.ToLower(c)] = true
			out = append(out, c)
		}
	}
	return strings.Join(out, ",")
}

// request returns the parts of a call that all pages share.
func (r *requests) request(withKey bool) ebp.Request {
	op, q := r.Operation, url.Values{}
	for k, v := range r.Parameters {
		q[k] = v
	}
	if op.TakesTable() {
		q.Set(catalog.ParamTable, r.Table)
	}
	if op.TakesColumns() && len(r.Columns) > 0 {
		q.Set(catalog.ParamColumns, r.columns(withKey))
	}
	if p, ok := op.Parameter(catalog.ParamDuration); ok && !hasFold(q, p.Name) {
		coverEverything(q, p.Name)
	}
	return ebp.Request{Operation: op, Folder: r.Folder, Query: q}
}

func hasFold(q url.Values, name string) bool {
	for k := range q {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// coverEverything asks for documents of all dates. EBP selects those with
// DATEDIFF(day, DocumentDate, ToDate) < Duration (L2157), which has no lower bound:
// every document dated after ToDate has a negative difference.
func coverEverything(q url.Values, duration string) {
	if !hasFold(q, "ToDate") {
		q.Set("ToDate", "1800-01-01T00:00:00")
	}
	// 273 years: back beyond the first date that SQL Server's datetime knows, 1753,
	// which stands for "no date" in places.
	q.Set(duration, "100000")
}

// fetch makes a call that asks for size records and cuts its answer. When the answer
// is too large it asks for half as many, and remembers.
func (r *requests) fetch(ctx context.Context, build func(size int) ebp.Request) (p *records.Page, size int, err error) {
	for {
		size = r.PageSize.Get()
		a, err := r.caller.Do(ctx, build(size))
		var tooLarge *transport.TooLargeError
		if errors.As(err, &tooLarge) && size > 1 && r.Operation.Paging != catalog.PagingNone {
			r.PageSize.halve(size)
			r.Warn("an answer of %s with %d records was over %d bytes: reading on with %d records a page (fewer columns would cost fewer calls)",
				r.what(), size, tooLarge.Limit, r.PageSize.Get())
			continue
		}
		if err != nil {
			return nil, size, err
		}
		if a.Status == http.StatusNoContent {
			return &records.Page{Total: 0}, size, nil
		}
		p, err := records.Split(a.Body, r.layout)
		if err != nil {
			return nil, size, fmt.Errorf("reading %s: %w", r.what(), err)
		}
		return p, size, nil
	}
}

// what names the list for people.
func (r *requests) what() string {
	s := r.Operation.Resource()
	if r.Table != "" {
		s += " " + r.Table
	}
	if r.Folder != "" {
		s += " of folder " + r.Folder
	}
	return s
}

// page turns cut records into a page. The texts of all its keys and dates are parts of
// one string.
func (r *requests) page(in []records.Record, total int) *Page {
	p := &Page{Records: make([]Record, len(in)), Total: total}
	ends := make([][2]int, len(in))
	var text []byte
	for i, rec := range in {
		p.Records[i].Raw = rec.Raw
		if len(rec.Fields) > 0 {
			text = appendKey(text, rec.Fields[:len(r.key)])
			ends[i][0] = len(text)
			text, _ = records.AppendText(text, rec.Fields[len(r.key)])
		}
		ends[i][1] = len(text)
	}
	all, start := string(text), 0
	for i := range p.Records {
		if ends[i][1] > start {
			p.Records[i].Key = all[start:ends[i][0]]
			p.Records[i].Modified = all[ends[i][0]:ends[i][1]]
		}
		start = ends[i][1]
	}
	return p
}

// appendKey appends the key of a record as text: one column's value itself, several as
// a JSON array, nothing when one is missing.
func appendKey(dst []byte, fields [][]byte) []byte {
	if len(fields) == 1 {
		dst, _ = records.AppendText(dst, fields[0])
		return dst
	}
	for _, f := range fields {
		if len(f) == 0 {
			return dst
		}
	}
	for i, f := range fields {
		dst = append(dst, "[,"[min(i, 1)])
		dst = append(dst, f...)
	}
	if len(fields) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// onceReader reads a list that has no pages.
type onceReader struct {
	*requests
	done bool
}

func (o *onceReader) Promise() string { return "one answer holds the whole list" }

func (o *onceReader) ByKey() bool { return true }

func (o *onceReader) Next(ctx context.Context) (*Page, error) {
	if o.done {
		return nil, io.EOF
	}
	p, _, err := o.fetch(ctx, func(int) ebp.Request { return o.request(false) })
	if err != nil {
		return nil, err
	}
	o.done = true
	if len(p.Records) == 0 {
		return nil, io.EOF
	}
	return o.page(p.Records, len(p.Records)), nil
}

func itoa(n int) string { return strconv.Itoa(n) }

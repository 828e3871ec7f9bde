// Package paging reads whole lists. Which rows a reader promises to return depends on
// how the list can be read, and every Reader says so (Reader.Promise):
//
//   - By key: each page asks for the keys after the last one read. No insert, delete
//     or change of another row moves a row in or out of what is still to come, so
//     every record that exists throughout is returned once.
//   - By position: a row inserted or deleted before the current position moves all that
//     follow. Each page overlaps the last by one record, which shows whether rows moved,
//     and the reader steps back until it stands among what it knows. Every record that
//     exists throughout is returned once, provided that no other shares the value by which
//     the list is sorted and that this value stays as it is. Where no such order can be
//     asked for, reading until several passes agree makes up for it (Spec.Passes).
//   - At once: one answer holds everything.
//
// Keys are compared by the server alone: its collation and the order of its GUIDs are
// not ours. The client only ever asks whether two keys are the same bytes.
//
// A read can be gone on with elsewhere and later: Reader.Position says where it stands,
// Spec.From takes it up.
package paging

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
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
	// Where selects the rows of the list; nil for all. Only operations that take a
	// WhereCondition have one. Its columns are those of the main table, without its name:
	// the name is added where the reader adds it to its own, beside dotted columns.
	Where filter.Node
	// Dates asks for the columns of the last modification and of the creation as well, so
	// that Record.Modified and Record.Created are known.
	Dates bool
	// KeyObjects fills Record.KeyObject.
	KeyObjects bool
	PageSize   *PageSize
	// AllowOffset reads on by offset where reading by key turns out not to work.
	AllowOffset bool
	// Passes is how many passes in a row have to agree before a list that is read by
	// position, in an order that is not total, counts as read; 0 and 1: one pass is all.
	Passes int
	// From is where to go on: what Reader.Position returned, maybe in another process.
	// nil: at the beginning.
	From *Position
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
	// Created is the date of its creation, "" where it has none or Spec.Dates is not set.
	Created string
	// KeyObject is a JSON object of its key columns, named as in the catalog and with the
	// values as they were sent; nil where Key is "" or Spec.KeyObjects is not set.
	KeyObject []byte
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
	// error leaves the reader where it was: Next may be called again.
	Next(ctx context.Context) (*Page, error)
	// Promise says in a sentence what is guaranteed of this read.
	Promise() string
	// ByKey reports whether it is read by key, or at once: whether what others insert
	// and delete meanwhile can move nothing out of sight.
	ByKey() bool
	// Position is where the read stands, after the last page that Next returned: what
	// follows is what a reader that begins From it returns. It is an independent copy,
	// and nil only as long as there was neither a page nor a From.
	Position() *Position
	// Date is the Date header of the last answer, zero where there was none.
	Date() time.Time
}

// New returns the reader for a list. It makes no call. Its error wraps ErrPosition where
// s.From is no place to go on from.
func New(c Caller, s Spec) (Reader, error) {
	r, err := newRequests(c, s)
	if err != nil {
		return nil, err
	}
	if s.From != nil {
		return r.resume(&s.From.place)
	}
	switch r.way() {
	case wayKey:
		return newKeyReader(r), nil
	case wayOnce:
		return &onceReader{requests: r}, nil
	}
	return newOffsetReader(r, true), nil
}

// way says how a list is read.
type way string

const (
	wayKey    way = "key"
	wayOnce   way = "once"
	wayOffset way = "position"
)

func (r *requests) way() way {
	switch op := r.Operation; {
	case op.TakesWhere() && len(r.key) > 0:
		return wayKey
	case op.Paging == catalog.PagingNone:
		return wayOnce
	}
	return wayOffset
}

// Ordered reports whether one pass over the lists of an operation is promised to be
// complete: whether they are read by key, at once, or sorted by a unique value that the
// reader asks for. It is not so where Spec.Parameters ask for another order, nor for a
// table of a generic query whose key is not known.
func Ordered(op *catalog.Operation) bool {
	return op.TakesWhere() || op.Paging == catalog.PagingNone || op.SortParameter() != "" && op.DefaultOrder != ""
}

// complain returns an error about the list of a Spec.
func (s *Spec) complain(format string, args ...any) error {
	return fmt.Errorf("reading %s: %w", s.what(), fmt.Errorf(format, args...))
}

// what names the list for people.
func (s *Spec) what() string {
	out := s.Operation.Resource()
	if s.Table != "" {
		out += " " + s.Table
	}
	if s.Folder != "" {
		out += " of folder " + s.Folder
	}
	return out
}

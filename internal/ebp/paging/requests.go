package paging

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
)

// columnCreated holds the date of the creation in every table.
const columnCreated = "sysCreatedDate"

// requests builds and makes the calls of one read.
type requests struct {
	Spec
	caller Caller
	key    []string // columns that identify a row, unprefixed; empty if unknown
	layout records.Layout
	// Places of dates in layout.Fields after those of the key, -1 for none.
	modified, created int
	prefix            string // "Item." when columns of other tables are asked for
	types             []catalog.ColumnType
	known             bool        // the table is one of the catalog
	asked             [2]string   // values of Columns, without and with the key
	where             filter.Node // Spec.Where with the names of columns as they must be sent
	whereText         string
	date              time.Time // of the last answer
	moved             bool      // a page was returned, or the read began from a position
}

func newRequests(c Caller, s Spec) (*requests, error) {
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
	r := &requests{Spec: s, caller: c, key: op.Key, modified: -1, created: -1}
	t := op.TableOf(s.Table)
	if t != nil {
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
	r.layout = records.Layout{Keys: op.Records.Keys, Fields: append([]string{}, r.key...)}
	var dates []string
	if op.ModifiedColumn != "" {
		r.modified, dates = r.field(op.ModifiedColumn), append(dates, op.ModifiedColumn)
		if s.Dates {
			r.created = r.field(columnCreated)
			if t == nil || len(t.Columns) == 0 || has(t, columnCreated) {
				dates = append(dates, columnCreated)
			}
		}
	}
	if !s.Dates {
		dates = nil
	}
	if len(s.Columns) > 0 {
		r.asked = [2]string{r.columnList(dates), r.columnList(append(append([]string{}, r.key...), dates...))}
	}
	switch op.Paging {
	case catalog.PagingOffsetLimit:
		r.layout.Total = "paging.total" // L1742
	case catalog.PagingTakeSkip:
		r.layout.Total = op.Total
	}
	return r, r.setWhere()
}

func has(t *catalog.Table, column string) bool {
	_, ok := t.Column(column)
	return ok
}

// setWhere prepares the condition of the Spec.
func (r *requests) setWhere() (err error) {
	if r.Where == nil {
		return nil
	}
	if !r.Operation.TakesWhere() {
		return r.complain("EBP takes no condition there")
	}
	r.where = filter.Rename(r.Where, r.column)
	if r.whereText, err = filter.Encode(r.where); err != nil {
		return r.complain("its condition: %w", err)
	}
	return nil
}

// field returns the place of a member among those that are cut out of records, and adds
// it if it is none of them yet.
func (r *requests) field(name string) int {
	for i, f := range r.layout.Fields {
		if strings.EqualFold(f, name) {
			return i
		}
	}
	r.layout.Fields = append(r.layout.Fields, name)
	return len(r.layout.Fields) - 1
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
	if r.whereText != "" {
		q.Set(catalog.ParamWhere, r.whereText)
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
		request := build(size)
		if err := r.short(request); err != nil {
			return nil, size, err
		}
		a, err := r.caller.Do(ctx, request)
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
		r.date, _ = http.ParseTime(a.Header.Get("Date"))
		if a.Status == http.StatusNoContent {
			return &records.Page{Total: 0}, size, nil
		}
		p, err := records.Split(a.Body, r.layout)
		if err != nil {
			return nil, size, r.complain("%w", err)
		}
		return p, size, nil
	}
}

// short refuses a call whose URL is too long. Nothing of it can be left out here: without
// a part of a condition other rows would come.
func (r *requests) short(request ebp.Request) error {
	n, most := r.caller.URLBytes(request), r.caller.MaxURLBytes()
	if n <= most {
		return nil
	}
	shorten, condition := "ask for fewer columns", ""
	if r.whereText != "" {
		shorten += " or a shorter condition"
		condition = fmt.Sprintf(", its condition of %d bytes included", len(url.QueryEscape(r.whereText)))
	}
	return r.complain("the URL would have %d bytes%s, more than http.max_url_bytes (%d): %s, or raise it", n, condition, most, shorten)
}

// Date is the Date header of the last answer, zero where there was none.
func (r *requests) Date() time.Time { return r.date }

// page turns cut records into a page. The texts of all its keys and dates are parts of
// one string.
func (r *requests) page(in []records.Record, total int) *Page {
	p := &Page{Records: make([]Record, len(in)), Total: total}
	ends := make([][3]int, len(in))
	var text []byte
	for i, rec := range in {
		p.Records[i].Raw = rec.Raw
		if len(rec.Fields) > 0 {
			text = appendKey(text, rec.Fields[:len(r.key)])
			ends[i][0] = len(text)
			text = appendField(text, rec.Fields, r.modified)
			ends[i][1] = len(text)
			text = appendField(text, rec.Fields, r.created)
		} else {
			ends[i][0], ends[i][1] = len(text), len(text)
		}
		ends[i][2] = len(text)
	}
	all, start := string(text), 0
	for i := range p.Records {
		p.Records[i].Key = all[start:ends[i][0]]
		p.Records[i].Modified = all[ends[i][0]:ends[i][1]]
		p.Records[i].Created = all[ends[i][1]:ends[i][2]]
		start = ends[i][2]
	}
	if r.KeyObjects {
		r.keyObjects(p.Records, in)
	}
	return p
}

func appendField(dst []byte, fields [][]byte, place int) []byte {
	if place >= 0 {
		dst, _ = records.AppendText(dst, fields[place])
	}
	return dst
}

// keyObjects fills Record.KeyObject where there is a key.
func (r *requests) keyObjects(out []Record, in []records.Record) {
	var all []byte
	for i := range out {
		if out[i].Key == "" {
			continue
		}
		start := len(all)
		for j, name := range r.key {
			all = append(all, "{,"[min(j, 1)])
			all = strconv.AppendQuote(all, name)
			all = append(all, ':')
			all = append(all, in[i].Fields[j]...)
		}
		all = append(all, '}')
		out[i].KeyObject = all[start:len(all):len(all)]
	}
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

func itoa(n int) string { return strconv.Itoa(n) }

package paging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// keyReader reads by key: ordered by the first key column, each page asks for what
// comes after the last row of the page before.
//
// Where several rows share a value of that column (stock of one item in several
// storehouses), a page may end in the middle of them, and their order among each other
// is another one at every call. The next page then asks for greater values, or the
// same value without the rows already read:
//
//	ItemId > 'A7' or (ItemId = 'A7' and StorehouseId not in ('s1', 's4'))
//
// When so many rows share the value that this no longer fits a URL, the rows of that
// value are read on their own, by the next key column: a level below. Rows of it that
// were already returned are left out.
//
// Two checks guard the assumption that the server does what it is asked: a row that
// was returned before must not come again, and where the server says that rows remain
// it must return some.
type keyReader struct {
	*requests
	levels   []*level // the innermost last; empty when all is read
	recent   map[string]bool
	skip     map[string]bool
	total    int
	started  bool
	returned int
	fallback *offsetReader
}

// level reads the rows that share the values of the key columns before its own.
type level struct {
	within filter.Node // the rows of this level
	column int         // index of the key column it orders by
	last   records.Field
	group  [][][]byte // keys of the rows read whose value is last
}

func newKeyReader(r *requests) *keyReader {
	return &keyReader{requests: r, levels: []*level{{}}, recent: map[string]bool{}, total: -1}
}

func (k *keyReader) Promise() string {
	if k.fallback != nil {
		return k.fallback.Promise()
	}
	return "read by key (" + strings.Join(k.key, ", ") + "): every record that exists throughout is read once"
}

// Next implements Reader.
func (k *keyReader) Next(ctx context.Context) (*Page, error) {
	if k.fallback != nil {
		return k.fallback.Next(ctx)
	}
	for len(k.levels) > 0 {
		p, err := k.step(ctx)
		if err != nil {
			if errors.As(err, new(*unfitError)) {
				return k.unfit(ctx, err)
			}
			return nil, err
		}
		if p != nil && len(p.Records) > 0 {
			k.returned += len(p.Records)
			return p, nil
		}
	}
	return nil, io.EOF
}

// unfitError says that a list cannot be read by key.
type unfitError struct{ error }

// unfit reads on by offset if that is allowed. The rows read so far are the first
// ones in the order of the key.
func (k *keyReader) unfit(ctx context.Context, err error) (*Page, error) {
	if !k.AllowOffset || len(k.levels) > 1 {
		return nil, fmt.Errorf("%w; set allow_offset: true to read it by position, which is complete only while nothing is inserted or deleted", err)
	}
	k.Warn("%v: reading it by position (allow_offset)", err)
	k.fallback = newOffsetReader(k.requests, k.returned > 0)
	k.fallback.offset = k.returned
	k.fallback.total = k.total
	return k.fallback.Next(ctx)
}

// step makes one call and returns what is new in it.
func (k *keyReader) step(ctx context.Context) (*Page, error) {
	lv := k.levels[len(k.levels)-1]
	if lv.last != nil && len(lv.group) > 0 && !k.fits(lv) {
		return nil, k.descend(lv)
	}
	condition, err := k.encoded(lv)
	if err != nil {
		return nil, err
	}
	if n, most := k.caller.URLBytes(k.build(lv, condition, k.PageSize.Get())), k.caller.MaxURLBytes(); n > most {
		return nil, fmt.Errorf("reading %s: the URL would have %d bytes, more than http.max_url_bytes (%d): ask for fewer columns, or raise it", k.what(), n, most)
	}
	cut, _, err := k.fetch(ctx, func(size int) ebp.Request { return k.build(lv, condition, size) })
	if err != nil {
		return nil, k.explain(err)
	}
	if !k.started {
		k.started, k.total = true, cut.Total
	}
	if len(cut.Records) == 0 && cut.Total > 0 {
		return nil, &unfitError{fmt.Errorf("reading %s: EBP says that %d records remain and returned none", k.what(), cut.Total)}
	}
	fresh, err := k.take(lv, cut.Records)
	if err != nil {
		return nil, err
	}
	if len(cut.Records) == 0 || cut.Total >= 0 && cut.Total <= len(cut.Records) {
		k.ascend()
	}
	return k.page(fresh, k.total), nil
}

// explain marks the refusals that reading by position may get around.
func (k *keyReader) explain(err error) error {
	var e *apierror.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && (!k.known || k.returned > 0) {
		return &unfitError{fmt.Errorf("reading %s by its key %s: %w", k.what(), k.key[0], err)}
	}
	return err
}

// take checks the rows of an answer, notes the last of them, and returns those that
// were not returned before.
func (k *keyReader) take(lv *level, rows []records.Record) ([]records.Record, error) {
	fresh := make([]records.Record, 0, len(rows))
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		if len(row.Fields) == 0 {
			return nil, &unfitError{fmt.Errorf("reading %s: a record is no object", k.what())}
		}
		key := row.Fields[:len(k.key)]
		for i, f := range key {
			if _, ok := records.Text(f); !ok {
				return nil, &unfitError{fmt.Errorf("reading %s: a record has no %s", k.what(), k.key[i])}
			}
		}
		id := keyText(key)
		value := key[lv.column]
		again, twice := k.recent[id], seen[id]
		seen[id] = true
		switch {
		case k.skip[id]:
			// Returned on the level above, before its rows were too many.
		case again && len(k.key) > 1 && lv.last != nil && lv.column < len(k.key)-1 && !lv.last.Same(value) && lv.last.SameFold(value):
			// The server takes the two values for the same and could not know that
			// this row was read under the other spelling.
			continue
		case again || twice:
			return nil, &unfitError{fmt.Errorf("reading %s: EBP returned the record %s again; it does not keep to the condition on %s", k.what(), id, k.key[lv.column])}
		default:
			fresh = append(fresh, row)
		}
		if !lv.last.Same(value) {
			lv.last, lv.group = records.Field(value), nil
		}
		if lv.column < len(k.key)-1 {
			lv.group = append(lv.group, key)
		}
	}
	if len(seen) > 0 {
		k.recent = seen
	}
	return fresh, nil
}

// descend opens a level for the rows that share the last value.
func (k *keyReader) descend(lv *level) error {
	if k.skip == nil {
		k.skip = map[string]bool{}
	}
	for _, key := range lv.group {
		k.skip[keyText(key)] = true
	}
	eq, err := k.compare(lv.column, filter.Equal, lv.last)
	if err != nil {
		return err
	}
	lv.group = nil // read on after this value once the level below is done
	k.levels = append(k.levels, &level{within: filter.And(lv.within, eq), column: lv.column + 1})
	k.recent = map[string]bool{}
	return nil
}

func (k *keyReader) ascend() {
	k.levels = k.levels[:len(k.levels)-1]
	if len(k.levels) == 1 {
		k.skip = nil
	}
}

// condition selects the rows of a level that come after those read; nil for all.
func (k *keyReader) condition(lv *level) (filter.Node, error) {
	if lv.last == nil {
		return lv.within, nil
	}
	after, err := k.compare(lv.column, filter.Upper, lv.last)
	if err != nil || len(lv.group) == 0 {
		return filter.And(lv.within, after), err
	}
	same, err := k.compare(lv.column, filter.Equal, lv.last)
	if err != nil {
		return nil, err
	}
	unread, err := k.noneOf(lv.column+1, lv.group)
	if err != nil {
		return nil, err
	}
	return filter.And(lv.within, filter.Or(after, filter.And(same, unread))), nil
}

// noneOf selects the rows whose key from column on is none of those given.
func (k *keyReader) noneOf(column int, keys [][][]byte) (filter.Node, error) {
	if column == len(k.key)-1 {
		var values []string
		var t filter.ValueType
		for _, key := range keys {
			v, vt, err := k.value(column, key[column])
			if err != nil {
				return nil, err
			}
			values, t = append(values, v), vt
		}
		return filter.Compare(k.column(k.key[column]), filter.NotIn, t, values...), nil
	}
	var out filter.Node
	for len(keys) > 0 {
		first := records.Field(keys[0][column])
		var same, others [][][]byte
		for _, key := range keys {
			if first.Same(key[column]) {
				same = append(same, key)
			} else {
				others = append(others, key)
			}
		}
		keys = others
		differs, err := k.compare(column, filter.Different, first)
		if err != nil {
			return nil, err
		}
		rest, err := k.noneOf(column+1, same)
		if err != nil {
			return nil, err
		}
		out = filter.And(out, filter.Or(differs, rest))
	}
	return out, nil
}

func (k *keyReader) compare(column int, op filter.Operator, value []byte) (filter.Node, error) {
	v, t, err := k.value(column, value)
	if err != nil {
		return nil, err
	}
	return filter.Compare(k.column(k.key[column]), op, t, v), nil
}

// value returns a key's value and its type: the column's where it is known, else as
// the JSON value looks.
func (k *keyReader) value(column int, raw []byte) (string, filter.ValueType, error) {
	text, ok := records.Text(raw)
	if !ok {
		return "", "", fmt.Errorf("reading %s: a record has no %s", k.what(), k.key[column])
	}
	t := filter.String
	if column < len(k.types) {
		switch k.types[column] {
		case catalog.TypeInt16, catalog.TypeInt32:
			t = filter.Int
		case catalog.TypeDecimal:
			t = filter.Decimal
		case catalog.TypeDateTime:
			t = filter.Date
		case "":
			if records.IsNumber(raw) && !strings.ContainsAny(text, ".eE") {
				t = filter.Int
			}
		}
	}
	return text, t, nil
}

// encoded is the condition as it is sent, "" for none.
func (k *keyReader) encoded(lv *level) (string, error) {
	condition, err := k.condition(lv)
	if condition == nil || err != nil {
		return "", err
	}
	return filter.Encode(condition)
}

func (k *keyReader) build(lv *level, condition string, size int) ebp.Request {
	req := k.request(true)
	req.Query.Set(catalog.ParamOrder, k.column(k.key[lv.column]))
	req.Query.Set(catalog.ParamOffset, "0")
	req.Query.Set(catalog.ParamLimit, itoa(size))
	if condition != "" {
		req.Query.Set(catalog.ParamWhere, condition)
	}
	return req
}

// fits reports whether the condition that leaves out the rows read fits a URL.
func (k *keyReader) fits(lv *level) bool {
	condition, err := k.encoded(lv)
	if err != nil {
		return true // step meets the error again and returns it
	}
	return k.caller.URLBytes(k.build(lv, condition, k.PageSize.Get())) <= k.caller.MaxURLBytes()
}

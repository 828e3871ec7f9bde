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
// The server may take two spellings for the same value ('ART1' and 'art1'), or not: we
// do not know its collation. As soon as both come in a row, the value is read on its
// own as well, where the server's own idea of equality selects the rows.
//
// Three checks guard the assumption that the server does what it is asked: a row that
// was returned before must not come again; where the server says that rows remain it
// must return some; and the number of rows that remain must fall by those returned.
// When it has fallen by more, rows were deleted, or passed over: the range of the last
// page is read once more, and what was not in it is returned.
type keyReader struct {
	*requests
	levels   []*level        // the innermost last; empty when all is read
	recent   map[string]bool // ids of the last page
	skip     map[string]bool // ids returned before a level below was opened
	spare    map[string]bool // an old map to use again
	total    int
	started  bool
	returned int
	fallback *offsetReader
}

// level reads the rows that share the values of the key columns before its own.
type level struct {
	within filter.Node // the rows of this level
	column int         // index of the key column it orders by
	first  records.Field
	last   records.Field // first and last value of the last page
	group  [][][]byte    // keys of the rows read whose value is last, in any spelling
	mixed  bool          // the rows of group spell it differently
	left   int           // rows that should remain, -1 if not known
}

func newKeyReader(r *requests) *keyReader {
	return &keyReader{requests: r, levels: []*level{{left: -1}}, total: -1}
}

func (k *keyReader) Promise() string {
	if k.fallback != nil {
		return k.fallback.Promise()
	}
	return "read by key (" + strings.Join(k.key, ", ") + "): every record that exists throughout is read once"
}

// ByKey implements Reader.
func (k *keyReader) ByKey() bool { return k.fallback == nil }

// Next implements Reader.
func (k *keyReader) Next(ctx context.Context) (*Page, error) {
	if k.fallback != nil {
		return k.fallback.Next(ctx)
	}
	for len(k.levels) > 0 {
		p, err := k.step(ctx)
		if err != nil {
			var unfit *unfitError
			if errors.As(err, &unfit) {
				return k.unfit(ctx, unfit)
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
type unfitError struct {
	error
	order bool // EBP does not even order by the key
}

// unfit reads on by offset if that is allowed. The rows read so far are the first
// ones in the order of the key.
func (k *keyReader) unfit(ctx context.Context, err *unfitError) (*Page, error) {
	if !k.AllowOffset && err.order && !k.known {
		return nil, fmt.Errorf("%w (check the names of the table and its columns; a table that has no %s is read with allow_offset: true)", err, k.key[0])
	}
	if !k.AllowOffset {
		return nil, fmt.Errorf("%w; set allow_offset: true to read it by position, which is complete only while nothing is inserted or deleted", err)
	}
	if len(k.levels) > 1 || err.order && k.returned > 0 {
		return nil, fmt.Errorf("%w; reading on by position is not possible from here", err)
	}
	k.Warn("%v: reading it by position (allow_offset)", err)
	k.fallback = newOffsetReader(k.requests, !err.order)
	k.fallback.offset, k.fallback.total, k.fallback.withKey = k.returned, k.total, !err.order
	return k.fallback.Next(ctx)
}

// step makes one call, or one more to look at what seems to be missing, and returns
// what is new.
func (k *keyReader) step(ctx context.Context) (*Page, error) {
	lv := k.levels[len(k.levels)-1]
	if lv.last != nil && len(lv.group) > 0 && (lv.mixed || !k.fits(lv)) {
		return nil, k.descend(lv)
	}
	condition, err := k.encoded(lv)
	if err != nil {
		return nil, err
	}
	size := k.PageSize.Get()
	request := k.build(lv, condition, size, 0)
	if n, most := k.caller.URLBytes(request), k.caller.MaxURLBytes(); n > most {
		return nil, fmt.Errorf("reading %s: the URL would have %d bytes, more than http.max_url_bytes (%d): ask for fewer columns, or raise it", k.what(), n, most)
	}
	cut, _, err := k.fetch(ctx, func(now int) ebp.Request {
		if now != size { // it shrank
			return k.build(lv, condition, now, 0)
		}
		return request
	})
	if err != nil {
		return nil, k.explain(err)
	}
	if len(cut.Records) == 0 && cut.Total > 0 {
		return nil, &unfitError{error: fmt.Errorf("reading %s: EBP says that %d records remain and returned none", k.what(), cut.Total)}
	}
	var fresh []Record
	if cut.Total >= 0 && cut.Total < lv.left {
		if fresh, err = k.lookAgain(ctx, lv); err != nil {
			return nil, err
		}
	}
	if !k.started {
		k.started, k.total = true, cut.Total
	}
	more, err := k.take(lv, cut.Records)
	if err != nil {
		return nil, err
	}
	lv.left = -1
	if cut.Total >= len(cut.Records) {
		lv.left = cut.Total - len(cut.Records)
	}
	// A total below what came contradicts itself: then only an empty page is the end.
	if len(cut.Records) == 0 || cut.Total == len(cut.Records) {
		k.ascend()
	}
	if len(fresh) > 0 {
		more = append(fresh, more...)
	}
	return &Page{Records: more, Total: k.total}, nil
}

// lookAgain reads the range of the last page once more and returns the rows that were
// not returned: passed over, or inserted since. Where several rows share a value, those
// of the first and the last are left out: the first may have begun on pages that are
// forgotten, and of the last the next page asks for what was not read.
func (k *keyReader) lookAgain(ctx context.Context, lv *level) ([]Record, error) {
	from, to := filter.UpperOrEqual, filter.LowerOrEqual
	if lv.column < len(k.key)-1 {
		if lv.last.SameFold(lv.first) {
			return nil, nil
		}
		from, to = filter.Upper, filter.Lower
	}
	above, err := k.compare(lv.column, from, lv.first)
	if err != nil {
		return nil, err
	}
	below, err := k.compare(lv.column, to, lv.last)
	if err != nil {
		return nil, err
	}
	text, err := filter.Encode(filter.And(lv.within, above, below))
	if err != nil {
		return nil, err
	}
	var missed []Record
	seen := map[string]bool{}
	for offset := 0; ; {
		cut, _, err := k.fetch(ctx, func(size int) ebp.Request { return k.build(lv, text, size, offset) })
		if err != nil {
			return nil, err
		}
		for i, row := range k.page(cut.Records, k.total).Records {
			id := row.Key
			if err := k.check(cut.Records[i]); err != nil {
				return nil, err
			}
			if seen[id] && len(k.key) == 1 {
				return nil, &unfitError{error: fmt.Errorf("reading %s: several records have the %s %s, so that it cannot be read by it", k.what(), k.key[0], id)}
			}
			if !seen[id] && !k.recent[id] && !k.skip[id] {
				missed = append(missed, row)
			}
			seen[id] = true
		}
		offset += len(cut.Records)
		if len(cut.Records) == 0 || offset >= cut.Total {
			break
		}
	}
	if len(missed) > 0 {
		k.Warn("%s: %d records that were not there, or not in the order of %s, when their page was read came in a second look", k.what(), len(missed), k.key[lv.column])
	}
	return missed, nil
}

// explain marks the refusals that reading by position may get around.
func (k *keyReader) explain(err error) error {
	var e *apierror.Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest && (!k.known || k.returned > 0) {
		return &unfitError{error: fmt.Errorf("reading %s by its key %s: %w", k.what(), k.key[0], err), order: k.returned == 0}
	}
	return err
}

// check makes sure that a row has a key.
func (k *keyReader) check(row records.Record) error {
	for i, name := range k.key {
		if !records.IsSingle(row.Fields[i]) {
			return &unfitError{error: fmt.Errorf("reading %s: a record has no %s", k.what(), name), order: row.Fields[i] == nil && k.returned == 0}
		}
	}
	return nil
}

// take checks the rows of an answer, notes the last of them, and returns those that
// were not returned before.
func (k *keyReader) take(lv *level, rows []records.Record) ([]Record, error) {
	all := k.page(rows, k.total).Records
	fresh := all[:0]
	seen := k.spare
	if seen == nil {
		seen = make(map[string]bool, len(rows))
	}
	clear(seen)
	before, size := lv.last, len(lv.group)
	for i, row := range rows {
		if err := k.check(row); err != nil {
			return nil, err
		}
		id := all[i].Key
		switch {
		case k.skip[id]:
			// Returned on the level above, before its rows were read on their own.
		case k.recent[id] || seen[id]:
			return nil, &unfitError{error: fmt.Errorf("reading %s: EBP returned the record %s again; it does not keep to the condition on %s", k.what(), id, k.key[lv.column])}
		default:
			fresh = append(fresh, all[i])
		}
		seen[id] = true
		value := row.Fields[lv.column]
		switch {
		case lv.last.Same(value):
		case lv.last != nil && lv.last.SameFold(value):
			lv.mixed = true
		default:
			lv.group, lv.mixed = nil, false
		}
		lv.last = records.Field(value)
		if i == 0 {
			lv.first = lv.last
		}
		if lv.column < len(k.key)-1 {
			lv.group = append(lv.group, row.Fields[:len(k.key)])
		}
	}
	if len(rows) > 0 && len(fresh) == 0 && before.Same(lv.last) && size == len(lv.group) {
		return nil, &unfitError{error: fmt.Errorf("reading %s: EBP returns the same records of %s again and again", k.what(), k.key[lv.column])}
	}
	if len(rows) > 0 {
		k.recent, k.spare = seen, k.recent
	}
	return fresh, nil
}

// descend opens a level for the rows that share the last value.
func (k *keyReader) descend(lv *level) error {
	if k.skip == nil {
		k.skip = map[string]bool{}
	}
	for _, key := range lv.group {
		k.skip[string(appendKey(nil, key))] = true
	}
	eq, err := k.compare(lv.column, filter.Equal, lv.last)
	if err != nil {
		return err
	}
	// Once the level below is done, this one reads on after the value. How many rows
	// remain then is not known: those below were never counted apart.
	lv.group, lv.mixed, lv.left = nil, false, -1
	k.levels = append(k.levels, &level{within: filter.And(lv.within, eq), column: lv.column + 1, left: -1})
	k.recent = nil
	return nil
}

func (k *keyReader) ascend() {
	k.levels = k.levels[:len(k.levels)-1]
	if len(k.levels) == 1 {
		k.skip, k.recent = nil, nil
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

func (k *keyReader) build(lv *level, condition string, size, offset int) ebp.Request {
	req := k.request(true)
	req.Query.Set(catalog.ParamOrder, k.column(k.key[lv.column]))
	req.Query.Set(catalog.ParamOffset, itoa(offset))
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
	return k.caller.URLBytes(k.build(lv, condition, k.PageSize.Get(), 0)) <= k.caller.MaxURLBytes()
}

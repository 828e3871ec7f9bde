package paging

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
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
//
// What a reader has to remember to go on is small: for each level the value it has
// come to, the keys of that value that were read, and those that the levels above had
// read before. It changes only together with what Next returns.
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
	return &keyReader{requests: r, levels: []*level{{within: r.where, left: -1}}, total: -1}
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
			k.moved = true
			return p, nil
		}
	}
	return nil, io.EOF
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
	cut, _, err := k.fetch(ctx, func(size int) ebp.Request { return k.build(lv, condition, size, 0) })
	if err != nil {
		return nil, k.explain(err)
	}
	if len(cut.Records) == 0 && cut.Total > 0 {
		return nil, &unfitError{error: k.complain("EBP says that %d records remain and returned none", cut.Total)}
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

// take checks the rows of an answer, notes the last of them, and returns those that
// were not returned before. It notes nothing when it fails.
func (k *keyReader) take(lv *level, rows []records.Record) ([]Record, error) {
	all := k.page(rows, k.total).Records
	fresh := all[:0]
	seen := k.spare
	if seen == nil {
		seen = make(map[string]bool, len(rows))
	}
	clear(seen)
	now := *lv
	for i, row := range rows {
		if err := k.check(row); err != nil {
			return nil, err
		}
		id := all[i].Key
		switch {
		case k.skip[id]:
			// Returned on the level above, before its rows were read on their own.
		case k.recent[id] || seen[id]:
			return nil, &unfitError{error: k.complain("EBP returned the record %s again; it does not keep to the condition on %s", id, k.key[lv.column])}
		default:
			fresh = append(fresh, all[i])
		}
		seen[id] = true
		value := row.Fields[lv.column]
		switch {
		case now.last.Same(value):
		case now.last != nil && now.last.SameFold(value):
			now.mixed = true
		default:
			now.group, now.mixed = nil, false
		}
		now.last = records.Field(value)
		if i == 0 {
			now.first = now.last
		}
		if lv.column < len(k.key)-1 {
			now.group = append(now.group, row.Fields[:len(k.key)])
		}
	}
	if len(rows) > 0 && len(fresh) == 0 && lv.last.Same(now.last) && len(lv.group) == len(now.group) {
		return nil, &unfitError{error: k.complain("EBP returns the same records of %s again and again", k.key[lv.column])}
	}
	if len(rows) > 0 {
		k.recent, k.spare = seen, k.recent
	}
	*lv = now
	return fresh, nil
}

// descend opens a level for the rows that share the last value.
func (k *keyReader) descend(lv *level) error {
	within, err := k.below(lv)
	if err != nil {
		return err
	}
	if k.skip == nil {
		k.skip = map[string]bool{}
	}
	for _, key := range lv.group {
		k.skip[string(appendKey(nil, key))] = true
	}
	// Once the level below is done, this one reads on after the value. How many rows
	// remain then is not known: those below were never counted apart.
	lv.group, lv.mixed, lv.left = nil, false, -1
	k.levels = append(k.levels, &level{within: within, column: lv.column + 1, left: -1})
	k.recent = nil
	return nil
}

// below selects the rows that share the last value of a level.
func (k *keyReader) below(lv *level) (filter.Node, error) {
	same, err := k.compare(lv.column, filter.Equal, lv.last)
	if err != nil {
		return nil, err
	}
	return filter.And(lv.within, same), nil
}

func (k *keyReader) ascend() {
	k.levels = k.levels[:len(k.levels)-1]
	if len(k.levels) == 1 {
		k.skip, k.recent = nil, nil
	}
}

package paging

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

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
		return nil, fmt.Errorf("%w; set allow_offset: true to read it by position", err)
	}
	if len(k.levels) > 1 || err.order && k.returned > 0 {
		return nil, fmt.Errorf("%w; reading on by position is not possible from here", err)
	}
	k.Warn("%v: reading it by position (allow_offset)", err)
	o := newOffsetReader(k.requests, !err.order)
	o.fallback, o.at, o.total, o.withKey = true, k.returned, k.total, !err.order
	o.repair.reach, o.width, o.blind = k.returned, len(k.recent), k.returned == 1
	if k.returned > 1 {
		o.at-- // the last record read by key is the overlap
	}
	for id := range k.recent {
		d := digestOf(ofKey, id)
		o.seen[d] = 0
		o.remember(d)
	}
	k.fallback = o
	return o.Next(ctx)
}

// lookAgain reads the range of the last page once more and returns the rows that were
// not returned: passed over, or inserted since. Where several rows share a value, those
// of the first and the last are left out: the first may have begun on pages that are
// forgotten, and of the last the next page asks for what was not read. Its condition is
// longer than that of a page: it is made only where its URL is not too long.
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
	if r := k.build(lv, text, k.PageSize.Get(), 0); k.caller.URLBytes(r) > k.caller.MaxURLBytes() {
		return nil, nil // the read itself still fits, and goes on without the check
	}
	var missed []Record
	seen, again := map[string]bool{}, map[string]bool{}
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
			if seen[id] && len(k.key) == 1 && !again[id] {
				// It may only have moved there between two answers.
				again[id] = true
				several, err := k.several(ctx, lv, cut.Records[i])
				if err != nil {
					return nil, err
				}
				if !several {
					continue
				}
				return nil, &unfitError{error: k.complain("several records have the %s %s, so that it cannot be read by it", k.key[0], id)}
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

// several reports whether more than one row has the key of this one.
func (k *keyReader) several(ctx context.Context, lv *level, row records.Record) (bool, error) {
	value := row.Fields[lv.column]
	same, err := k.compare(lv.column, filter.Equal, value)
	if err != nil {
		return false, err
	}
	text, err := filter.Encode(filter.And(lv.within, same))
	if err != nil {
		return false, err
	}
	cut, _, err := k.fetch(ctx, func(size int) ebp.Request { return k.build(lv, text, max(size, 2), 0) })
	if err != nil {
		return false, err
	}
	n := 0
	for _, r := range cut.Records {
		if records.Field(value).Same(r.Fields[lv.column]) { // the server may take other spellings for the same
			n++
		}
	}
	return n > 1, nil
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
			return &unfitError{error: k.complain("a record has no %s", name), order: row.Fields[i] == nil && k.returned == 0}
		}
	}
	return nil
}

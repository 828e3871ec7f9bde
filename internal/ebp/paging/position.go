package paging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// ErrPosition says that a list cannot be read on from a position, as it is one of another list, of
// another way to read it, or damaged. It is never read from its beginning instead.
var ErrPosition = errors.New("the read cannot go on from the stored position")

// Position is where a read stands, after the last page that Next returned. It survives
// being written as JSON and read again.
//
// A list that is read in several passes has one that begins the list again: what the
// passes have met is too much to keep.
type Position struct{ place place }

// place is what a Position holds.
type place struct {
	Read way    `json:"read"`
	List string `json:"list"`
	Done bool   `json:"done,omitempty"`
	// Total is Page.Total, Returned the number of records returned by key.
	Total    int `json:"total"`
	Returned int `json:"returned,omitempty"`

	// By key. Values are JSON as it was sent, in text: written as JSON they would be
	// written anew, and could not be compared with what is sent then.
	Key    []string     `json:"key,omitempty"`
	Levels []placeLevel `json:"levels,omitempty"`
	Skip   []string     `json:"skip,omitempty"`

	// By position.
	At       int    `json:"at,omitempty"`
	Blind    bool   `json:"blind,omitempty"`
	Sorted   string `json:"sorted,omitempty"`
	Fallback bool   `json:"fallback,omitempty"`
	WithKey  bool   `json:"with_key,omitempty"`
	Honoured bool   `json:"honoured,omitempty"`
	Keyless  bool   `json:"keyless,omitempty"`
	Width    int    `json:"width,omitempty"`
	Recent   []byte `json:"recent,omitempty"`
	LastRow  []byte `json:"last_row,omitempty"`
	// Passes says that the list begins again.
	Passes bool `json:"passes,omitempty"`
}

// placeLevel is a level of a keyReader. The rows that it holds follow from the values of
// the levels above it.
type placeLevel struct {
	Last  string     `json:"last,omitempty"`
	Group [][]string `json:"group,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (p Position) MarshalJSON() ([]byte, error) { return json.Marshal(p.place) }

// UnmarshalJSON implements json.Unmarshaler. It refuses members that it does not know:
// what wrote them meant something by them.
func (p *Position) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var at place
	if err := d.Decode(&at); err != nil {
		return fmt.Errorf("%w: %w", ErrPosition, err)
	}
	p.place = at
	return nil
}

// list names the list that a position is of.
func (r *requests) list() string {
	return strings.ToLower(r.Operation.Resource() + " " + r.Table + " " + r.Folder)
}

func (r *requests) refuse(format string, args ...any) error {
	return fmt.Errorf("reading %s: %w: %s", r.what(), ErrPosition, fmt.Sprintf(format, args...))
}

// resume returns the reader that goes on from a place.
func (r *requests) resume(p *place) (Reader, error) {
	here := r.way()
	switch {
	case p.List != r.list():
		return nil, r.refuse("it is one of the list %q", p.List)
	case p.Total < -1 || p.Returned < 0:
		return nil, r.refuse("it is damaged: a count is negative")
	case p.Read == wayKey && here == wayKey:
		return r.resumeKey(p)
	case p.Read == wayOnce && here == wayOnce && p.Done:
		r.moved = true
		return &onceReader{requests: r, done: true}, nil
	case p.Read == wayOffset && here == wayOffset && !p.Fallback:
		return r.resumeOffset(p)
	case p.Read == wayOffset && here == wayKey && p.Fallback:
		if !r.AllowOffset {
			return nil, r.refuse("the list was read by position, which is not allowed any more: set allow_offset: true again, or begin anew")
		}
		o, err := r.resumeOffset(p)
		if err != nil {
			return nil, err
		}
		return &keyReader{requests: r, fallback: o}, nil
	}
	return nil, r.refuse("it is one of a list read in another way (%q)", p.Read)
}

// Position implements Reader.
func (k *keyReader) Position() *Position {
	if k.fallback != nil {
		return k.fallback.Position()
	}
	if !k.moved {
		return nil
	}
	p := place{Read: wayKey, List: k.list(), Done: len(k.levels) == 0, Total: k.total, Returned: k.returned, Key: slices.Clone(k.key)}
	for _, lv := range k.levels {
		l := placeLevel{Last: string(lv.last)}
		for _, key := range lv.group {
			var values []string
			for _, v := range key {
				values = append(values, string(v))
			}
			l.Group = append(l.Group, values)
		}
		p.Levels = append(p.Levels, l)
	}
	for id := range k.skip {
		p.Skip = append(p.Skip, id)
	}
	slices.Sort(p.Skip)
	return &Position{p}
}

// resumeKey takes up a read by key. Each value must be one that a condition can hold.
func (r *requests) resumeKey(p *place) (Reader, error) {
	if !slices.Equal(p.Key, r.key) {
		return nil, r.refuse("it is one of the key %q, and the list is read by %q", p.Key, r.key)
	}
	k := newKeyReader(r)
	k.total, k.returned, k.started, r.moved = p.Total, p.Returned, true, true
	n := len(p.Levels)
	damaged := r.refuse("it is damaged: what was read does not follow from it")
	switch {
	case p.Done && n == 0 && len(p.Skip) == 0:
		k.levels = nil
		return k, nil
	case p.Done, n == 0, n > len(k.key), n == 1 && (p.Levels[0].Last == "" || len(p.Skip) > 0):
		return nil, damaged
	}
	k.levels = nil
	within := r.where
	for i, l := range p.Levels {
		lv := &level{within: within, column: i, left: -1}
		inner := i == n-1
		if l.Last != "" {
			lv.last = records.Field(l.Last)
		}
		if l.Last != "" && !single(l.Last) || !inner && (l.Last == "" || len(l.Group) > 0) || i == len(k.key)-1 && len(l.Group) > 0 {
			return nil, damaged
		}
		if err := k.regroup(lv, l.Group); err != nil {
			return nil, damaged
		}
		if _, err := k.encoded(lv); err != nil {
			return nil, r.refuse("it is damaged: %v", err)
		}
		k.levels = append(k.levels, lv)
		if !inner {
			below, err := k.below(lv)
			if err != nil {
				return nil, r.refuse("it is damaged: %v", err)
			}
			within = below
		}
	}
	if n > 1 {
		k.skip = map[string]bool{}
		for _, id := range p.Skip {
			k.skip[id] = true
		}
	}
	return k, nil
}

// regroup brings back the keys of the rows that share the last value of a level. They are
// what must not come again.
func (k *keyReader) regroup(lv *level, group [][]string) error {
	k.recent = map[string]bool{}
	for _, g := range group {
		if len(g) != len(k.key) {
			return ErrPosition
		}
		key := make([][]byte, len(g))
		for i, v := range g {
			if !single(v) {
				return ErrPosition
			}
			key[i] = []byte(v)
		}
		if !lv.last.SameFold(key[lv.column]) {
			return ErrPosition
		}
		lv.mixed = lv.mixed || !lv.last.Same(key[lv.column])
		lv.group = append(lv.group, key)
		k.recent[string(appendKey(nil, key))] = true
	}
	if len(k.key) == 1 {
		k.recent[string(appendKey(nil, [][]byte{lv.last}))] = true
	}
	return nil
}

// single reports whether a text is a JSON value as a key may be.
func single(raw string) bool {
	return json.Valid([]byte(raw)) && strings.TrimSpace(raw) == raw && records.IsSingle([]byte(raw))
}

// Position implements Reader.
func (o *offsetReader) Position() *Position {
	if !o.moved {
		return nil
	}
	p := place{Read: wayOffset, List: o.list(), Done: o.done, Total: o.total, Fallback: o.fallback}
	switch {
	case o.done:
	case o.multiple():
		p.Passes = true
	default:
		p.At, p.Blind, p.Sorted, p.WithKey = o.at, o.blind, o.sorted, o.withKey
		p.Honoured, p.Keyless, p.Width = o.honoured, o.keyless, o.width
		p.Recent = o.seen.encode(o.recent[max(0, len(o.recent)-recentKept):])
		p.LastRow = o.lastRow[:]
	}
	p.LastRow = slices.Clone(p.LastRow)
	return &Position{p}
}

// resumeOffset takes up a read by position. What was taken is known as far as the position
// holds it: if more rows have moved since, some are returned twice, and none is lost.
func (r *requests) resumeOffset(p *place) (*offsetReader, error) {
	o := newOffsetReader(r, !p.Fallback || p.Sorted != "" || p.Passes)
	o.fallback, o.total = p.Fallback, p.Total
	r.moved = true
	if p.Done || p.Passes {
		o.done = p.Done
		if p.Fallback {
			o.withKey = p.WithKey
		}
		return o, nil
	}
	if p.Sorted == "" && o.order != "" && r.Operation.TableOf(r.Table) == nil {
		o.ownOrder() // the server had refused ours
	}
	recent, ok := o.seen.decode(p.Recent)
	switch {
	case p.Sorted != o.sorted:
		return nil, r.refuse("it is one in the order of %q, and the list is read in that of %q", p.Sorted, o.sorted)
	case !ok || len(p.LastRow) != len(o.lastRow) || p.At < 1 || p.At > farAway || p.Width < 1 || p.Width > farAway || len(recent) > recentKept:
		return nil, r.refuse("it is damaged: what was read does not follow from it")
	}
	o.at, o.blind, o.withKey = p.At, p.Blind, p.WithKey
	o.honoured, o.keyless, o.width = p.Honoured, p.Keyless, p.Width
	o.recent, o.lastRow, o.repair.reach = recent, digest(p.LastRow), p.At
	return o, nil
}

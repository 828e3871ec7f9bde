package paging_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

// entry is a record of a world.
type entry map[string]string

// world is a list on a server of its own, written from the document: it selects, sorts,
// counts and cuts in one go, and orders rows that share a value anew at each call.
type world struct {
	t      testing.TB
	op     *catalog.Operation
	table  string
	key    []string
	rows   []entry
	random *rand.Rand
	// folds says that casing and spaces at the end make no difference.
	folds bool
	// stable says that ties keep the order of rows.
	stable bool
	// most is how many records an answer holds, 0 for as many as asked for.
	most int
	// change is called before each call after the first.
	change  func()
	limit   int // of URL bytes
	queries []url.Values
	serial  int
	// gone are the keys of rows that were deleted, moved or inserted: those of which
	// nothing is promised.
	gone map[string]bool
	// deleted and shifts are how many rows were deleted, and how many changes moved rows.
	deleted, shifts int
}

func newWorld(t testing.TB, resource, table string, seed uint64) *world {
	op, ok := catalog.LookupList(resource)
	require.True(t, ok, resource)
	w := &world{t: t, op: op, table: table, key: op.Key, random: rand.New(rand.NewPCG(seed, 5)), gone: map[string]bool{}}
	if d := op.TableOf(table); d != nil {
		w.key = d.Key
	}
	return w
}

func (w *world) id(e entry) string {
	var out []string
	for _, k := range w.key {
		out = append(out, e[k])
	}
	return strings.Join(out, "|")
}

func (w *world) collate(s string) string {
	if w.folds {
		return strings.ToLower(strings.TrimRight(s, " "))
	}
	return s
}

// meets evaluates a condition. A missing value is NULL.
func (w *world) meets(c *condition, e entry) bool {
	if c == nil {
		return true
	}
	v, known := e[c.Column]
	v = w.collate(v)
	one := func() string { return w.collate(c.Value[0]) }
	switch c.Operator {
	case "And":
		return w.meets(c.Left, e) && w.meets(c.Right, e)
	case "Or":
		return w.meets(c.Left, e) || w.meets(c.Right, e)
	case "IsNull":
		return !known
	case "IsNotNull":
		return known
	case "Equal":
		return known && v == one()
	case "Different":
		return known && v != one()
	case "Upper":
		return known && v > one()
	case "UpperOrEqual":
		return known && v >= one()
	case "Lower":
		return known && v < one()
	case "LowerOrEqual":
		return known && v <= one()
	case "NotIn":
		return known && !slices.ContainsFunc(c.Value, func(x string) bool { return w.collate(x) == v })
	}
	w.t.Fatalf("operator %q", c.Operator)
	return false
}

// sorted is what the server orders by: what it is asked for, or else nothing.
func (w *world) sorted(q url.Values) string {
	for _, name := range []string{"OrderByValue", "sortingOrder.property", "sortField"} {
		if q.Has(name) {
			return q.Get(name)
		}
	}
	return ""
}

func number(q url.Values, names ...string) (n int) {
	for _, name := range names {
		fmt.Sscan(q.Get(name), &n)
	}
	return n
}

func (w *world) Do(_ context.Context, r ebp.Request) (*ebp.Answer, error) {
	if len(w.queries) > 0 && w.change != nil {
		w.change()
	}
	w.queries = append(w.queries, r.Query)
	if len(w.queries) > 20_000 {
		return nil, errors.New("no end")
	}
	var c *condition
	if text := r.Query.Get("WhereCondition"); text != "" {
		c = &condition{}
		require.NoError(w.t, yaml.Unmarshal([]byte(text), c))
	}
	var match []entry
	for _, e := range w.rows {
		if w.meets(c, e) {
			match = append(match, e)
		}
	}
	if by := w.sorted(r.Query); by != "" {
		if !w.stable {
			w.random.Shuffle(len(match), func(i, j int) { match[i], match[j] = match[j], match[i] })
		}
		slices.SortStableFunc(match, func(a, b entry) int { return cmp.Compare(w.collate(a[by]), w.collate(b[by])) })
	}
	total, offset, n := len(match), number(r.Query, "Offset", "skip"), number(r.Query, "Limit", "take")
	if w.most > 0 {
		n = min(n, w.most)
	}
	match = match[min(offset, total):]
	match = match[:min(n, len(match))]
	return &ebp.Answer{Status: 200, Body: w.answer(match, total)}, nil
}

func (w *world) answer(rows []entry, total int) []byte {
	if rows == nil {
		rows = []entry{}
	}
	var body any = rows
	if !w.op.Records.Array {
		m := map[string]any{w.op.Records.Keys[0]: rows}
		switch {
		case w.op.Paging == catalog.PagingOffsetLimit:
			m["paging"] = map[string]any{"total": total}
		case w.op.Total != "":
			m[w.op.Total] = total
		}
		body = m
	}
	out, err := json.Marshal(body)
	require.NoError(w.t, err)
	return out
}

func (w *world) URLBytes(r ebp.Request) int { return len(r.Query.Encode()) }
func (w *world) MaxURLBytes() int           { return cmp.Or(w.limit, 2000) }

func (w *world) spec(size int) paging.Spec {
	return paging.Spec{Operation: w.op, Folder: "1", Table: w.table, PageSize: paging.NewPageSize(size)}
}

// through takes a position through JSON.
func through(t testing.TB, p *paging.Position) *paging.Position {
	require.NotNil(t, p)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	out := &paging.Position{}
	require.NoError(t, json.Unmarshal(text, out))
	again, err := json.Marshal(out)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	return out
}

// read reads a list and returns how often each record came. After a page it goes on with
// a new reader where resume says so.
func (w *world) read(s paging.Spec, resume func() bool) (map[string]int, error) {
	got := map[string]int{}
	r, err := paging.New(w, s)
	if err != nil {
		return nil, err
	}
	for {
		p, err := r.Next(w.t.Context())
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		require.NotEmpty(w.t, p.Records)
		for _, rec := range p.Records {
			var e entry
			require.NoError(w.t, json.Unmarshal(rec.Raw, &e))
			got[w.id(e)]++
			if s.Where != nil {
				require.Equal(w.t, "a", e["Kind"], "a row that was not asked for")
			}
		}
		if resume() {
			s.From = through(w.t, r.Position())
			if r, err = paging.New(w, s); err != nil {
				return got, err
			}
			require.Equal(w.t, s.From, r.Position())
		}
	}
}

// always and never resume.
func always() bool { return true }
func never() bool  { return false }

// remove deletes a row.
func (w *world) remove(i int) {
	w.gone[w.id(w.rows[i])] = true
	w.rows = slices.Delete(w.rows, i, i+1)
	w.deleted++
	w.shifts++
}

// insert puts a row somewhere.
func (w *world) insert(e entry) {
	w.gone[w.id(e)] = true
	w.rows = slices.Insert(w.rows, w.random.IntN(len(w.rows)+1), e)
	w.shifts++
}

// complete makes sure that what exists throughout came once, and nothing came twice.
func (w *world) complete(initial []string, got map[string]int, context string) {
	for _, id := range initial {
		if !w.gone[id] {
			require.Equal(w.t, 1, got[id], "%s: record %s", context, id)
		}
	}
	for id, n := range got {
		require.LessOrEqual(w.t, n, 1, "%s: record %s", context, id)
	}
}

func (w *world) ids() (out []string) {
	for _, e := range w.rows {
		out = append(out, w.id(e))
	}
	return out
}

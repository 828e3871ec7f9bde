package paging_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/ebptest"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestRowsWhoseKeyIsSpelledInTwoWaysArriveOnceAtAnyPageSize(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 20})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	folder := folderFor(s, op)
	table := "f" + folder + "_StockItem"
	_, err := s.Query("select count(*) from " + table)
	require.NoError(t, err)
	columns, err := s.Query("select name from pragma_table_info('" + table + "')")
	require.NoError(t, err)
	var others []string
	for _, c := range columns {
		if name := fmt.Sprint(c[0]); name != "ItemId" && name != "StorehouseId" && !strings.HasPrefix(name, "_") {
			others = append(others, `"`+name+`"`)
		}
	}
	rest := strings.Join(others, ", ")
	require.NoError(t, s.Exec("create temp table one as select * from "+table+" limit 1"))
	require.NoError(t, s.Exec("delete from "+table))
	for i := range 14 {
		item := []string{"ART1", "art1", "ART1 ", "Art1"}[i%4]
		if i >= 11 {
			item = []string{"AAA", "ZZ", "zz"}[i-11]
		}
		require.NoError(t, s.Exec(fmt.Sprintf("insert into %s (ItemId, StorehouseId, %s) select ?, ?, %s from one", table, rest, rest), item, fmt.Sprintf("00000000-0000-0000-0000-0000000000%02d", i)))
	}
	for _, size := range []int{1, 2, 3, 4, 5, 7, 10, 13, 14, 100} {
		for range 3 { // the order of ties is another one each time
			r, err := paging.New(client, paging.Spec{Operation: op, Folder: folder, Table: "StockItem", PageSize: paging.NewPageSize(size)})
			require.NoError(t, err)
			got := readAll(t, r)
			keys := map[string]bool{}
			for _, g := range got {
				assert.False(t, keys[g.Key], "%s twice at page size %d", g.Key, size)
				keys[g.Key] = true
			}
			assert.Len(t, keys, 14, "page size %d", size)
		}
	}
}

// where reads the key that a condition asks for, and whether it bounds a range.
func where(t *testing.T, q url.Values) (after string, from, to string) {
	text := q.Get("WhereCondition")
	if text == "" {
		return "", "", ""
	}
	var n struct {
		Operator    string
		Value       []string
		Left, Right *struct {
			Operator string
			Value    []string
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &n))
	if n.Left != nil {
		return "", n.Left.Value[0], n.Right.Value[0]
	}
	if n.Operator == "Equal" {
		return "", n.Value[0], n.Value[0]
	}
	return n.Value[0], "", ""
}

// table answers conditions on Id over rows in the order given.
func table(t *testing.T, ids []string, size int) func(int, url.Values) (string, error) {
	return func(_ int, q url.Values) (string, error) {
		after, from, to := where(t, q)
		var match []string
		for _, id := range ids {
			if to != "" && id >= from && id <= to || to == "" && id > after {
				match = append(match, fmt.Sprintf(`{"Id":%q}`, id))
			}
		}
		var offset int
		fmt.Sscan(q.Get("Offset"), &offset)
		page := match[min(offset, len(match)):min(offset+size, len(match))]
		return fmt.Sprintf(`{"results":[%s],"paging":{"total":%d}}`, strings.Join(page, ","), len(match)), nil
	}
}

func TestAKeyThatIsNotUniqueStopsTheReadInsteadOfLosingRows(t *testing.T) {
	for _, ids := range [][]string{
		{"a", "b", "c", "c", "c", "d"}, {"a", "b", "b", "c"}, {"a", "a", "a", "a"}, {"a", "b", "c", "c"},
	} {
		r, err := paging.New(&fake{t: t, do: table(t, ids, 3)}, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "SomethingNew", PageSize: paging.NewPageSize(3)})
		require.NoError(t, err)
		_, err = tryReadAll(t.Context(), r)
		require.ErrorContains(t, err, "allow_offset", ids)
	}
}

func TestAServerThatOrdersByNothingLosesNoRowUnnoticed(t *testing.T) {
	// The rows come in the order they have, whatever OrderByValue says.
	ids := []string{"e", "b", "d", "a", "f", "c"}
	r, err := paging.New(&fake{t: t, do: table(t, ids, 3)}, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "Customer", PageSize: paging.NewPageSize(3)})
	require.NoError(t, err)
	got, err := tryReadAll(t.Context(), r)
	if err == nil {
		keys := map[string]bool{}
		for _, g := range got {
			keys[g.Key] = true
		}
		assert.Len(t, keys, len(ids))
	}
}

func TestDeletionsAheadCostOneLookAndNoRow(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	f := &fake{t: t, do: func(call int, q url.Values) (string, error) {
		if call == 2 {
			ids = []string{"a", "b", "bb", "c", "d", "f", "g"} // "e" went, "bb" came
			ids = append(ids[:5:5], "g")
		}
		return table(t, ids, 3)(call, q)
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "Customer", PageSize: paging.NewPageSize(3)})
	require.NoError(t, err)
	keys := map[string]int{}
	for _, g := range readAll(t, r) {
		keys[g.Key]++
	}
	assert.Equal(t, map[string]int{"a": 1, "b": 1, "bb": 1, "c": 1, "d": 1, "g": 1}, keys)
	assert.Len(t, f.calls, 4)
}

func TestATotalThatContradictsTheRowsEndsNothing(t *testing.T) {
	f := &fake{t: t, do: func(_ int, q url.Values) (string, error) {
		answer, err := table(t, []string{"a", "b", "c", "d", "e"}, 2)(0, q)
		return strings.Split(answer, `"total"`)[0] + `"total":0}}`, err
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "Customer", PageSize: paging.NewPageSize(2)})
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 5)

	f = &fake{t: t, do: func(call int, _ url.Values) (string, error) {
		if call > 3 {
			return `{"elements":[],"total":1}`, nil
		}
		return fmt.Sprintf(`{"elements":[{"id":%d}],"total":0}`, call), nil
	}}
	r, err = paging.New(f, paging.Spec{Operation: list(t, "hubbix_gctpe.items"), Folder: "1"})
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 3)
}

func TestAServerThatCapsPagesOfAListWithoutTotalIsReadWhole(t *testing.T) {
	f := &fake{t: t, do: func(_ int, q url.Values) (string, error) {
		var skip int
		fmt.Sscan(q.Get("skip"), &skip)
		var rows []string
		for i := skip; i < min(skip+50, 180); i++ {
			rows = append(rows, fmt.Sprintf(`{"uuid":"%d"}`, i))
		}
		return `{"data":[` + strings.Join(rows, ",") + `]}`, nil
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "hubbix_cpttpe.bank_transactions"), Folder: "1"})
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 180)
}

func TestReadingOnByPositionKeepsTheKeyAndTheOrder(t *testing.T) {
	rows := []string{`{"Name":"1","Id":"a"}`, `{"Name":"2","Id":"b"}`, `{"Name":"3","Id":null}`, `{"Name":"4","Id":"d"}`}
	f := &fake{t: t, do: func(call int, q url.Values) (string, error) {
		var offset int
		fmt.Sscan(q.Get("Offset"), &offset)
		if q.Get("WhereCondition") != "" {
			offset = 2
		}
		page := rows[min(offset, 4):min(offset+2, 4)]
		return fmt.Sprintf(`{"results":[%s],"paging":{"total":%d}}`, strings.Join(page, ","), map[bool]int{true: 2, false: 4}[q.Get("WhereCondition") != ""]), nil
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "SomethingNew", Columns: []string{"Name"}, AllowOffset: true})
	require.NoError(t, err)
	got := readAll(t, r)
	assert.Len(t, got, 4)
	last := f.calls[len(f.calls)-1]
	assert.Equal(t, "Name,Id", last.Get("Columns"))
	assert.Equal(t, "Id", last.Get("OrderByValue"))
	assert.Equal(t, "d", got[3].Key)
}

// condition is a filter as a server reads it.
type condition struct {
	Column, Operator string
	Value            []string
	Left, Right      *condition
}

// holds evaluates it with a collation that tells casing apart.
func (c *condition) holds(row map[string]string) bool {
	if c == nil {
		return true
	}
	v := row[c.Column]
	switch c.Operator {
	case "And":
		return c.Left.holds(row) && c.Right.holds(row)
	case "Or":
		return c.Left.holds(row) || c.Right.holds(row)
	case "Equal":
		return v == c.Value[0]
	case "Different":
		return v != c.Value[0]
	case "Upper":
		return v > c.Value[0]
	case "UpperOrEqual":
		return v >= c.Value[0]
	case "Lower":
		return v < c.Value[0]
	case "LowerOrEqual":
		return v <= c.Value[0]
	case "NotIn":
		return !slices.Contains(c.Value, v)
	}
	panic(c.Operator)
}

// serve answers a page of rows, ties in an order of their own each time.
func serve(t *testing.T, rows []map[string]string, random *rand.Rand, q url.Values, size int) (string, error) {
	var c *condition
	if text := q.Get("WhereCondition"); text != "" {
		c = &condition{}
		require.NoError(t, yaml.Unmarshal([]byte(text), c))
	}
	var match []map[string]string
	for _, i := range random.Perm(len(rows)) {
		if c.holds(rows[i]) {
			match = append(match, rows[i])
		}
	}
	by := q.Get("OrderByValue")
	slices.SortStableFunc(match, func(a, b map[string]string) int { return strings.Compare(a[by], b[by]) })
	total := len(match)
	var offset int
	fmt.Sscan(q.Get("Offset"), &offset)
	match = match[min(offset, total):]
	var page []string
	for _, row := range match[:min(size, len(match))] {
		page = append(page, fmt.Sprintf(`{"ItemId":%q,"StorehouseId":%q}`, row["ItemId"], row["StorehouseId"]))
	}
	return fmt.Sprintf(`{"results":[%s],"paging":{"total":%d}}`, strings.Join(page, ","), total), nil
}

func TestAServerThatTellsCasingApartLosesNoRow(t *testing.T) {
	var rows []map[string]string
	for _, item := range []string{"ABC", "abc", "x"} {
		for s := range 4 {
			rows = append(rows, map[string]string{"ItemId": item, "StorehouseId": fmt.Sprint("s", s)})
		}
	}
	for _, size := range []int{1, 2, 3, 5, 6, 7, 100} {
		for seed := range 20 {
			random := rand.New(rand.NewPCG(1, uint64(seed)))
			f := &fake{t: t, do: func(_ int, q url.Values) (string, error) { return serve(t, rows, random, q, size) }}
			r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "StockItem", PageSize: paging.NewPageSize(size)})
			require.NoError(t, err)
			keys := map[string]int{}
			for _, g := range readAll(t, r) {
				keys[g.Key]++
			}
			assert.Len(t, keys, len(rows), "page size %d, seed %d", size, seed)
			for k, n := range keys {
				assert.Equal(t, 1, n, k)
			}
		}
	}
}

func TestDeletionsElsewhereRepeatNoRowOfSeveralPerKey(t *testing.T) {
	for _, perItem := range []int{1, 3, 7, 60} {
		for _, size := range []int{1, 2, 5, 17, 100} {
			var rows []map[string]string
			for i := range 300 {
				rows = append(rows, map[string]string{"ItemId": fmt.Sprintf("A%03d", i/perItem), "StorehouseId": fmt.Sprintf("s%03d", i%perItem)})
			}
			random := rand.New(rand.NewPCG(uint64(perItem), uint64(size)))
			deleted := map[string]bool{}
			id := func(row map[string]string) string {
				return fmt.Sprintf("[%q,%q]", row["ItemId"], row["StorehouseId"])
			}
			f := &fake{t: t, do: func(call int, q url.Values) (string, error) {
				if call%3 == 2 && len(rows) > 100 { // somebody deletes here and there
					i := random.IntN(len(rows))
					deleted[id(rows[i])] = true
					rows = append(rows[:i:i], rows[i+1:]...)
				}
				return serve(t, rows, random, q, size)
			}, most: 5000}
			r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "StockItem", PageSize: paging.NewPageSize(size)})
			require.NoError(t, err)
			keys := map[string]int{}
			for _, g := range readAll(t, r) {
				keys[g.Key]++
				require.Equal(t, 1, keys[g.Key], "%s twice; %d per item, page size %d", g.Key, perItem, size)
			}
			for _, row := range rows {
				require.Equal(t, 1, keys[id(row)], "%s lost; %d per item, page size %d", id(row), perItem, size)
			}
		}
	}
}

package paging_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
)

// keyed makes a row of a table that is read by key: many rows per value, and values that
// differ in their spelling alone.
func keyed(w *world) entry {
	w.serial++
	e := entry{"Mark": "x", "Kind": []string{"a", "b"}[w.random.IntN(2)]}
	switch len(w.key) {
	case 1:
		e["Id"] = fmt.Sprintf("C%04d-%d", w.random.IntN(10_000), w.serial)
		return e
	case 2:
		e["StorehouseId"] = fmt.Sprintf("s%04d", w.serial)
	case 3:
		e["StorehouseId"] = []string{"s1", "S1", "s2"}[w.random.IntN(3)]
		e["TrackingNumber"] = fmt.Sprintf("t'%04d", w.serial)
	}
	e["ItemId"] = []string{"ART", "Art", "art ", "B", "É", "c", "C", "D"}[w.random.IntN(8)]
	return e
}

// edit changes some rows here and there.
func edit(w *world, more func(*world) entry, touch func(entry)) {
	for range w.random.IntN(4) {
		switch i := w.random.IntN(3); {
		case i == 0 && len(w.rows) > 5:
			w.remove(w.random.IntN(len(w.rows)))
		case i == 1:
			w.insert(more(w))
		case len(w.rows) > 0:
			e := w.rows[w.random.IntN(len(w.rows))]
			touch(e)
		}
	}
}

func TestEverySchedulesRowsReadByKeyComeOnceHoweverOftenTheReadIsTakenUp(t *testing.T) {
	for _, table := range []string{"Customer", "StockItem", "TrackingStockItem"} {
		for seed := range uint64(250) {
			w := newWorld(t, "gescom.generic_query", table, seed)
			w.folds = seed%2 == 0
			w.limit = []int{2000, 420, 600, 900}[w.random.IntN(4)]
			if len(w.key) == 3 {
				w.limit += 400
			}
			if w.random.IntN(3) == 0 {
				w.most = 1 + w.random.IntN(5)
			}
			for range w.random.IntN(70) {
				w.rows = append(w.rows, keyed(w))
			}
			size := 1 + w.random.IntN(9)
			s := w.spec(size)
			where := w.random.IntN(2) == 0
			if where {
				w.limit += 300
				s.Where = filter.Compare("Kind", filter.Equal, filter.String, "a")
			}
			var initial []string
			for _, e := range w.rows {
				if !where || e["Kind"] == "a" {
					initial = append(initial, w.id(e))
				}
			}
			// What is written does not move a row, and what makes it leave the condition does.
			w.change = func() {
				edit(w, keyed, func(e entry) {
					e["Mark"] += "y"
					if where && w.random.IntN(4) == 0 {
						e["Kind"] = "b"
						w.gone[w.id(e)] = true
					}
				})
			}
			resume := []func() bool{never, always, func() bool { return w.random.IntN(2) == 0 }}[seed%3]
			got, err := w.read(s, resume)
			context := fmt.Sprintf("%s, seed %d, page size %d", table, seed, size)
			require.NoError(t, err, context)
			w.complete(initial, got, context)
		}
	}
}

// positional are lists that are read by position.
var positional = []struct {
	resource string
	row      func(w *world) entry
	moves    string // the column that it is sorted by, where that is not its key
}{
	{"hubbix_gctpe.items", func(w *world) entry {
		return entry{"id": fmt.Sprintf("%05d-%d", w.random.IntN(100_000), w.serial), "v": "x"}
	}, ""},
	{"hubbix_gctpe.vat_rates", func(w *world) entry {
		return entry{"id": fmt.Sprintf("%05d-%d", w.random.IntN(100_000), w.serial), "v": "x"}
	}, ""},
	{"hubbix_cpttpe.general_accounts", func(w *world) entry {
		return entry{"uuid": fmt.Sprint("u", w.serial), "number": fmt.Sprintf("%05d-%d", w.random.IntN(100_000), w.serial), "v": "x"}
	}, "number"},
	{"hubbix_cpttpe.bank_transactions", func(w *world) entry { return entry{"uuid": fmt.Sprint("u", w.serial), "v": "x"} }, ""},
	{"gescom.clients", func(w *world) entry { return entry{"code": fmt.Sprint("c", w.serial), "v": "x"} }, ""},
}

func TestEverySchedulesRowsReadByPositionComeOnceHoweverOftenTheReadIsTakenUp(t *testing.T) {
	for _, list := range positional {
		for seed := range uint64(300) {
			w := newWorld(t, list.resource, "", seed)
			row := func(w *world) entry {
				w.serial++
				return list.row(w)
			}
			for range w.random.IntN(80) {
				w.rows = append(w.rows, row(w))
			}
			if w.random.IntN(3) == 0 {
				w.most = 2 + w.random.IntN(5)
			}
			size := 2 + w.random.IntN(9)
			initial := w.ids()
			edits := 0
			w.change = func() {
				if w.random.IntN(3) == 0 {
					return
				}
				edits++
				edit(w, row, func(e entry) {
					e["v"] += "y"
					if list.moves != "" && w.random.IntN(2) == 0 {
						w.serial++
						e[list.moves] = fmt.Sprintf("%05d-%d", w.random.IntN(100_000), w.serial)
						w.gone[w.id(e)] = true
						w.shifts++
						w.deleted++
					}
				})
			}
			resume := []func() bool{never, always, func() bool { return w.random.IntN(2) == 0 }}[seed%3]
			got, err := w.read(w.spec(size), resume)
			context := fmt.Sprintf("%s, seed %d, page size %d, at most %d", list.resource, seed, size, w.most)
			require.NoError(t, err, context)
			w.complete(initial, got, context)
			// What a read costs: its pages, one call to ask whether the position is heeded, the
			// overlap at the end, and for each time that rows moved one call that did not fit and
			// the steps back, each with the page that is read again.
			width := size
			if w.most > 0 {
				width = min(size, w.most)
			}
			bound := (len(initial)+w.shifts)/(width-1) + 3 + 2*min(edits, w.shifts) + 2*w.deleted/(width-1)
			require.LessOrEqual(t, len(w.queries), bound, context)
		}
	}
}

func TestAQuietListCostsItsPagesAndAReadThatIsTakenUpAsksTheSame(t *testing.T) {
	lists := []struct{ resource, table string }{
		{"gescom.generic_query", "Customer"}, {"gescom.generic_query", "StockItem"}, {"gescom.generic_query", "TrackingStockItem"},
		{"gescom.clients", ""}, {"hubbix_gctpe.items", ""}, {"hubbix_gctpe.vat_rates", ""}, {"hubbix_cpttpe.general_accounts", ""},
	}
	for _, l := range lists {
		for _, size := range []int{2, 3, 7, 100} {
			var asked [][]string
			for _, resume := range []func() bool{never, always} {
				w := newWorld(t, l.resource, l.table, 3)
				w.stable, w.folds, w.limit = true, true, 900
				for range 61 {
					switch {
					case l.table != "":
						w.rows = append(w.rows, keyed(w))
					default:
						w.serial++
						w.rows = append(w.rows, entry{"id": fmt.Sprintf("%04d", w.serial), "uuid": fmt.Sprint(w.serial), "code": fmt.Sprint(w.serial), "number": fmt.Sprintf("%04d", w.serial)})
					}
				}
				got, err := w.read(w.spec(size), resume)
				require.NoError(t, err)
				require.Len(t, got, 61)
				var queries []string
				for _, q := range w.queries {
					queries = append(queries, q.Encode())
				}
				asked = append(asked, queries)
				if l.table == "" {
					require.LessOrEqual(t, len(queries), 59/(size-1)+2, "%s, page size %d", l.resource, size)
				}
			}
			require.Equal(t, asked[0], asked[1], "%s %s, page size %d", l.resource, l.table, size)
		}
	}
}

func TestADeletionOfManyPagesIsSteppedBackOver(t *testing.T) {
	w := newWorld(t, "hubbix_gctpe.items", "", 1)
	for i := range 1000 {
		w.rows = append(w.rows, entry{"id": fmt.Sprintf("%04d", i)})
	}
	initial := w.ids()
	var warned []string
	s := w.spec(100)
	s.Warn = func(format string, a ...any) { warned = append(warned, fmt.Sprintf(format, a...)) }
	w.change = func() {
		switch len(w.queries) {
		case 6: // 595 rows are read
			for range 450 {
				w.remove(100)
			}
		case 9:
			for range 30 {
				w.remove(0)
			}
		}
	}
	got, err := w.read(s, never)
	require.NoError(t, err)
	w.complete(initial, got, "items")
	require.Len(t, warned, 1)
	require.Contains(t, warned[0], "steps back")
	require.LessOrEqual(t, len(w.queries), 22)
}

func TestARowThatWasReadAndMovedToTheEndOfAPageCostsOneRepair(t *testing.T) {
	w := newWorld(t, "hubbix_cpttpe.general_accounts", "", 1)
	for i := range 60 {
		w.rows = append(w.rows, entry{"uuid": fmt.Sprint("u", i), "number": fmt.Sprintf("%03d", i)})
	}
	w.change = func() {
		if len(w.queries) == 2 { // up to 018 is read
			w.rows[18]["number"] = "018a"
		}
	}
	got, err := w.read(w.spec(10), never)
	require.NoError(t, err)
	require.Len(t, got, 60)
	require.Len(t, w.queries, 7+2, "its pages, one that did not fit, and the step back")
}

func TestRowsInAnotherOrderAtEveryCallDoNotKeepAReadFromEnding(t *testing.T) {
	for _, resource := range []string{"gescom.clients", "hubbix_cpttpe.bank_transactions"} {
		for seed := range uint64(30) {
			w := newWorld(t, resource, "", seed)
			random := rand.New(rand.NewPCG(seed, 9))
			for range 300 {
				w.serial++
				w.rows = append(w.rows, entry{"uuid": fmt.Sprint(w.serial), "code": fmt.Sprint(w.serial)})
			}
			w.change = func() {
				random.Shuffle(len(w.rows), func(i, j int) { w.rows[i], w.rows[j] = w.rows[j], w.rows[i] })
			}
			got, err := w.read(w.spec(20), never)
			require.NoError(t, err)
			require.LessOrEqual(t, len(w.queries), 150, "seed %d", seed)
			for id, n := range got {
				require.Equal(t, 1, n, id)
			}
		}
	}
}

package paging_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

func clients(t *testing.T, n int) *world {
	w := newWorld(t, "gescom.clients", "", 1)
	for i := range n {
		w.rows = append(w.rows, entry{"code": fmt.Sprintf("c%03d", i)})
	}
	return w
}

func TestARecordThatOnePassMissedComesInTheNext(t *testing.T) {
	for passes, misses := range map[int]bool{1: true, 2: false} {
		w := clients(t, 25)
		w.change = func() {
			if len(w.queries) == 1 { // the last row moves to the front, as in an order by date
				w.rows = append([]entry{w.rows[24]}, w.rows[:24]...)
			}
		}
		s := w.spec(10)
		s.Passes = passes
		got, err := w.read(s, never)
		require.NoError(t, err)
		assert.Equal(t, misses, got["c024"] == 0, "passes: %d", passes)
		for id, n := range got {
			assert.Equal(t, 1, n, id)
		}
		if passes == 2 {
			assert.Len(t, got, 25)
			assert.Len(t, w.queries, 9, "three passes of three pages")
		}
	}
}

func TestPassesAreMadeUntilSoManyInARowAgree(t *testing.T) {
	for passes, calls := range map[int]int{0: 3, 1: 3, 2: 6, 3: 9} {
		w := clients(t, 25)
		s := w.spec(10)
		s.Passes = passes
		got, err := w.read(s, never)
		require.NoError(t, err)
		assert.Len(t, got, 25)
		assert.Len(t, w.queries, calls, "passes: %d", passes)
	}
}

func TestOneAnswerThatHoldsTheListNeedsNoSecondPass(t *testing.T) {
	w := clients(t, 10)
	s := w.spec(10)
	s.Passes = 3
	got, err := w.read(s, never)
	require.NoError(t, err)
	assert.Len(t, got, 10)
	assert.Len(t, w.queries, 1)
}

func TestAnOrderThatIsTotalNeedsNoSecondPass(t *testing.T) {
	w := newWorld(t, "hubbix_gctpe.items", "", 1)
	for i := range 25 {
		w.rows = append(w.rows, entry{"id": fmt.Sprintf("%03d", i)})
	}
	s := w.spec(10)
	s.Passes = 3
	r, err := paging.New(w, s)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 25)
	assert.Len(t, w.queries, 3)
	assert.NotContains(t, r.Promise(), "passes")
}

func TestPassesThatNeverAgreeEndWithAnErrorAndEveryRecord(t *testing.T) {
	w := clients(t, 25)
	w.change = func() {
		w.serial++
		w.rows = append(w.rows, entry{"code": fmt.Sprint("new", w.serial)})
	}
	s := w.spec(20)
	s.Passes = 2
	r, err := paging.New(w, s)
	require.NoError(t, err)
	got, err := tryReadAll(t.Context(), r)
	require.ErrorContains(t, err, "20 passes were made and no 2 in a row met the same records")
	keys := map[string]int{}
	for _, g := range got {
		keys[g.Key]++
		assert.Equal(t, 1, keys[g.Key])
	}
	// Whoever asks again gets further passes, and nothing that was returned.
	w.change = nil
	rest, err := tryReadAll(t.Context(), r)
	require.NoError(t, err)
	for _, g := range rest {
		keys[g.Key]++
	}
	assert.Len(t, keys, len(w.rows))
	for k, n := range keys {
		assert.Equal(t, 1, n, k)
	}
}

func TestAReadInPassesIsTakenUpFromTheBeginningOfTheList(t *testing.T) {
	w := clients(t, 25)
	s := w.spec(10)
	s.Passes = 2
	r, err := paging.New(w, s)
	require.NoError(t, err)
	p, err := r.Next(t.Context())
	require.NoError(t, err)
	assert.Len(t, p.Records, 10)
	s.From = through(t, r.Position())
	r, err = paging.New(w, s)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 25)
	s.From = through(t, r.Position())
	r, err = paging.New(w, s)
	require.NoError(t, err)
	assert.Empty(t, readAll(t, r), "a list that was read to its end has nothing more")
}

func TestRecordsWithoutAKeyThatAreAlikeAllCome(t *testing.T) {
	for _, passes := range []int{1, 2} {
		w := clients(t, 0)
		for i := range 25 {
			w.rows = append(w.rows, entry{"name": fmt.Sprint(i / 4)})
		}
		s := w.spec(10)
		s.Passes = passes
		r, err := paging.New(w, s)
		require.NoError(t, err)
		assert.Len(t, readAll(t, r), 25, "passes: %d", passes)
	}
}

func TestRecordsWithoutAKeyAreRepeatedRatherThanLostWhenTheyMove(t *testing.T) {
	w := clients(t, 0)
	for i := range 60 {
		w.rows = append(w.rows, entry{"name": fmt.Sprint(i)})
	}
	w.change = func() {
		if len(w.queries) == 3 {
			w.rows = w.rows[5:]
		}
	}
	r, err := paging.New(w, w.spec(10))
	require.NoError(t, err)
	got := map[string]bool{}
	for _, g := range readAll(t, r) {
		got[string(g.Raw)] = true
	}
	assert.Len(t, got, 60)
	assert.Len(t, w.queries, 6+2, "its pages, one that did not fit, and the step back")
}

func TestAKeyThatSeveralRecordsShareHidesNone(t *testing.T) {
	w := clients(t, 0)
	for i := range 60 {
		w.rows = append(w.rows, entry{"code": fmt.Sprint(i / 2), "name": fmt.Sprint(i)})
	}
	warned := 0
	s := w.spec(10)
	s.Warn = func(string, ...any) { warned++ }
	r, err := paging.New(w, s)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 60)
	assert.Equal(t, 1, warned)
}

func TestOrderedSaysWhetherOnePassIsPromisedComplete(t *testing.T) {
	for resource, want := range map[string]bool{
		"gescom.generic_query": true, "gescom.items": true, "gescom.folders": false, "gescom.clients": false,
		"hubbix_gctpe.items": true, "hubbix_gctpe.vat_rates": true, "hubbix_cpttpe.general_accounts": true,
		"hubbix_cpttpe.bank_transactions": false, "hubbix_cpttpe.journals": true,
	} {
		assert.Equal(t, want, paging.Ordered(list(t, resource)), resource)
	}
	for _, op := range catalog.All() {
		if op.Kind != catalog.KindList || op.TakesTable() {
			continue
		}
		s := paging.Spec{Operation: &op, Folder: "1"}
		r, err := paging.New(&fake{t: t}, s)
		require.NoError(t, err)
		if !paging.Ordered(&op) {
			assert.Contains(t, r.Promise(), "passes: 2 makes up", op.Name)
			s.Passes = 2
			r, err = paging.New(&fake{t: t}, s)
			require.NoError(t, err)
			assert.Contains(t, r.Promise(), "until 2 passes in a row agree", op.Name)
			continue
		}
		assert.NotContains(t, r.Promise(), "passes", op.Name)
	}
}

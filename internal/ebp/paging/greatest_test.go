package paging_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/ebptest"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func customers(t *testing.T, n int) *world {
	w := newWorld(t, "gescom.generic_query", "Customer", 1)
	for i := range n {
		w.rows = append(w.rows, entry{"Id": fmt.Sprintf("c%03d", n-i), "sysModifiedDate": fmt.Sprintf("2024-01-01T00:00:%02d", i)})
	}
	return w
}

func TestTheGreatestCostsOneCallWhereTheTotalIsKnownAndTwoWhereItIsNot(t *testing.T) {
	for _, c := range []struct{ rows, total, calls int }{
		{20, 20, 1}, {20, -1, 2}, {1, 1, 1}, {1, -1, 1}, {0, -1, 1}, {0, 0, 1},
		{20, 15, 1},           // rows were inserted since
		{20, 25, 2},           // rows vanished since
		{1, 25, 2}, {0, 9, 2}, // nearly all, and all
	} {
		w := customers(t, c.rows)
		s := w.spec(100)
		s.Dates = true
		got, err := paging.Greatest(t.Context(), w, s, "sysModifiedDate", c.total)
		require.NoError(t, err)
		assert.Len(t, w.queries, c.calls, "%+v", c)
		if c.rows == 0 {
			assert.Nil(t, got)
			continue
		}
		require.NotNil(t, got, "%+v", c)
		if c.total <= c.rows && c.total > 0 {
			assert.Equal(t, fmt.Sprintf("2024-01-01T00:00:%02d", c.total-1), got.Modified)
			continue
		}
		assert.Equal(t, fmt.Sprintf("2024-01-01T00:00:%02d", c.rows-1), got.Modified)
		for _, q := range w.queries {
			assert.Equal(t, "1", q.Get("Limit"))
			assert.Equal(t, "sysModifiedDate", q.Get("OrderByValue"))
		}
	}
}

func TestRowsThatKeepVanishingEndTheSearchForTheGreatest(t *testing.T) {
	w := customers(t, 50)
	w.change = func() { w.rows = w.rows[1:] }
	found, err := paging.Greatest(t.Context(), w, w.spec(1), "sysModifiedDate", 60)
	require.NoError(t, err)
	assert.Nil(t, found)
	assert.LessOrEqual(t, len(w.queries), 12)
}

func TestAListThatEBPDoesNotSortHasNoGreatest(t *testing.T) {
	f := &fake{t: t, do: func(int, url.Values) (string, error) { return "", nil }}
	for _, resource := range []string{"gescom.clients", "hubbix_gctpe.items", "hubbix_cpttpe.journals"} {
		_, err := paging.Greatest(t.Context(), f, paging.Spec{Operation: list(t, resource), Folder: "1"}, "x", -1)
		require.ErrorContains(t, err, "does not sort it by x", resource)
	}
	assert.Empty(t, f.calls)
}

func TestTheGreatestDateOfASelectionIsThatOfItsTable(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 130})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.items")
	folder := folderFor(s, op)
	spec := paging.Spec{
		Operation: op, Folder: folder, Columns: []string{"Caption", "Unit.Caption"}, Dates: true, KeyObjects: true,
		Where: filter.And(filter.Compare("sysModifiedDate", filter.IsNotNull, ""), filter.Compare("Caption", filter.Upper, filter.String, "B")),
	}
	got, err := paging.Greatest(t.Context(), client, spec, "sysModifiedDate", -1)
	require.NoError(t, err)
	require.NotNil(t, got)
	r, err := paging.New(client, spec)
	require.NoError(t, err)
	greatest := ""
	for _, rec := range readAll(t, r) {
		require.NotEmpty(t, rec.Modified)
		greatest = max(greatest, rec.Modified)
	}
	assert.Equal(t, greatest, got.Modified)
	assert.NotEmpty(t, got.Key)
}

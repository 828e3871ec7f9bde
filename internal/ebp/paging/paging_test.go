package paging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/ebptest"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func list(t *testing.T, resource string) *catalog.Operation {
	op, ok := catalog.LookupList(resource)
	require.True(t, ok, resource)
	return op
}

// recorder keeps the answers that a client got.
type recorder struct {
	paging.Caller
	answers [][]byte
	between func(calls int)
}

func (r *recorder) Do(ctx context.Context, req ebp.Request) (*ebp.Answer, error) {
	a, err := r.Caller.Do(ctx, req)
	if a != nil {
		r.answers = append(r.answers, slices.Clone(a.Body))
	}
	if r.between != nil {
		r.between(len(r.answers))
	}
	return a, err
}

// sent decodes the records of the recorded answers with the standard library.
func (r *recorder) sent(t *testing.T, op *catalog.Operation) []string {
	var out []string
	for _, a := range r.answers {
		var rows []json.RawMessage
		if op.Records.Array {
			require.NoError(t, json.Unmarshal(a, &rows))
		} else {
			var m map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(a, &m))
			for _, k := range op.Records.Keys {
				if len(m[k]) > 0 {
					require.NoError(t, json.Unmarshal(m[k], &rows))
					break
				}
			}
		}
		for _, row := range rows {
			out = append(out, string(row))
		}
	}
	return out
}

func distinct(in []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range in {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

func readAll(t *testing.T, r paging.Reader) []paging.Record {
	t.Helper()
	out, err := tryReadAll(t.Context(), r)
	require.NoError(t, err)
	return out
}

func tryReadAll(ctx context.Context, r paging.Reader) ([]paging.Record, error) {
	var out []paging.Record
	for pages := 0; ; pages++ {
		p, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if len(p.Records) == 0 || pages > 10_000 {
			return out, errors.New("an empty page, or no end")
		}
		out = append(out, p.Records...)
	}
}

func folderFor(s *sandbox.Server, op *catalog.Operation) string {
	switch op.Scope {
	case catalog.ScopeTenantHeader:
		return s.Tenants()[0]
	case catalog.ScopeDomainHeader:
		return s.Domains()[0]
	case catalog.ScopeNone:
		return ""
	}
	product := op.Product()
	if product != "gescom" && product != "batiment" {
		product = "maintenance"
	}
	return s.FolderIDs(product)[0]
}

func TestEveryListIsReadWholeWithEveryByteInTheFewestCalls(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 230})
	client := ebptest.Client(t, s)
	lists := 0
	check := func(op *catalog.Operation, table string) {
		t.Run(op.Resource()+" "+table, func(t *testing.T) {
			lists++
			rec := &recorder{Caller: client}
			r, err := paging.New(rec, paging.Spec{Operation: op, Folder: folderFor(s, op), Table: table, Warn: t.Logf})
			require.NoError(t, err)
			got := readAll(t, r)
			keys := map[string]bool{}
			for _, g := range got {
				require.False(t, keys[g.Key] && g.Key != "", "key %s twice", g.Key)
				keys[g.Key] = true
			}
			sent, extra := rec.sent(t, op), 0
			if !r.ByKey() {
				sent = distinct(sent) // pages overlap
			}
			if table == "TrackingStockItem" {
				// Its rows per item fill more than a page: some are sent twice, to be
				// read in another order, and returned once.
				sent, extra = distinct(sent), 5
			}
			require.Len(t, got, len(sent))
			for i := range got {
				require.Equal(t, sent[i], string(got[i].Raw), "record %d differs from what was sent", i)
			}
			require.LessOrEqual(t, len(rec.answers), (len(got)+99)/100+1+extra)
			if len(got) == 0 {
				t.Log("no records")
			}
			assert.NotEmpty(t, r.Promise())
		})
	}
	for _, op := range catalog.All() {
		if op.Kind != catalog.KindList {
			continue
		}
		if !op.TakesTable() {
			check(&op, "")
			continue
		}
		for _, table := range catalog.Tables(op.Product()) {
			check(&op, table)
		}
	}
	assert.Greater(t, lists, 160)
}

func TestEveryRowOfEveryTableArrivesOnce(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 230})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	for _, table := range []string{"Customer", "Item", "SaleDocument", "SaleDocumentLine", "StockItem", "TrackingStockItem", "Unit"} {
		t.Run(table, func(t *testing.T) {
			r, err := paging.New(client, paging.Spec{Operation: op, Folder: folderFor(s, op), Table: table})
			require.NoError(t, err)
			got := readAll(t, r)
			rows, err := s.Query(fmt.Sprintf("select count(*) from f%s_%s", folderFor(s, op), table))
			require.NoError(t, err)
			assert.EqualValues(t, rows[0][0], len(got))
		})
	}
}

func TestColumnsKeepTheKeyAndOtherTablesPrefixTheirs(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 130})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	r, err := paging.New(client, paging.Spec{Operation: op, Folder: folderFor(s, op), Table: "Item", Columns: []string{"caption", " Unit.Caption"}})
	require.NoError(t, err)
	got := readAll(t, r)
	assert.Len(t, got, 130)
	q, err := url.ParseQuery(s.Calls()[0].Query)
	require.NoError(t, err)
	assert.Equal(t, "Item.caption,Unit.Caption,Item.Id", q.Get("Columns"))
	assert.Equal(t, "Item.Id", q.Get("OrderByValue"))
	assert.Contains(t, string(got[0].Raw), `"Unit_Caption"`)
	assert.NotEmpty(t, got[0].Key)
}

func TestDocumentsOfAllDatesAreRead(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 150})
	client := ebptest.Client(t, s)
	for _, resource := range []string{"gescom.sale_documents", "gescom.purchase_documents_with_lines", "batiment.sale_documents"} {
		op := list(t, resource)
		generic := list(t, op.Product()+".generic_query")
		a, err := paging.New(client, paging.Spec{Operation: op, Folder: folderFor(s, op)})
		require.NoError(t, err)
		b, err := paging.New(client, paging.Spec{Operation: generic, Folder: folderFor(s, op), Table: op.Table})
		require.NoError(t, err)
		assert.Len(t, readAll(t, a), len(readAll(t, b)), resource)
	}
}

// fake answers from a function.
type fake struct {
	t     *testing.T
	calls []url.Values
	do    func(call int, q url.Values) (string, error)
	limit int
	most  int // calls, 500 if not set
}

func (f *fake) Do(_ context.Context, r ebp.Request) (*ebp.Answer, error) {
	f.calls = append(f.calls, r.Query)
	if len(f.calls) > max(500, f.most) {
		f.t.Fatal("no end")
	}
	body, err := f.do(len(f.calls), r.Query)
	if err != nil {
		return nil, err
	}
	return &ebp.Answer{Status: 200, Body: []byte(body)}, nil
}

func (f *fake) URLBytes(r ebp.Request) int { return len(r.Query.Encode()) }
func (f *fake) MaxURLBytes() int {
	if f.limit == 0 {
		return 2000
	}
	return f.limit
}

func TestAServerThatIgnoresTheConditionStopsTheRead(t *testing.T) {
	f := &fake{t: t, do: func(int, url.Values) (string, error) {
		return `{"results":[{"Id":"a"},{"Id":"b"}],"paging":{"total":5}}`, nil
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "Customer"})
	require.NoError(t, err)
	_, err = tryReadAll(t.Context(), r)
	require.ErrorContains(t, err, `returned the record a again`)
	require.ErrorContains(t, err, "allow_offset: true")
	assert.Len(t, f.calls, 2)
}

func TestARecordTwiceInOnePageStopsTheRead(t *testing.T) {
	f := &fake{t: t, do: func(int, url.Values) (string, error) {
		return `{"results":[{"Id":"a"},{"Id":"a"}],"paging":{"total":2}}`, nil
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "Customer"})
	require.NoError(t, err)
	_, err = tryReadAll(t.Context(), r)
	require.ErrorContains(t, err, "again")
}

func TestRemainingRowsThatAreNotReturnedStopTheRead(t *testing.T) {
	for _, resource := range []string{"gescom.generic_query", "gescom.clients"} {
		f := &fake{t: t, do: func(call int, _ url.Values) (string, error) {
			if call == 1 {
				return `{"results":[{"Id":"a"}],"clients":[{"code":{"value":"a"}}],"paging":{"total":3}}`, nil
			}
			return `{"results":[],"clients":[],"paging":{"total":3}}`, nil
		}}
		r, err := paging.New(f, paging.Spec{Operation: list(t, resource), Folder: "1", Table: "Customer"})
		require.NoError(t, err)
		_, err = tryReadAll(t.Context(), r)
		require.ErrorContains(t, err, "returned none", resource)
	}
}

func TestWithoutAKeyTheReadStopsOrGoesOnByPositionIfAllowed(t *testing.T) {
	answer := func(_ int, q url.Values) (string, error) {
		if q.Get("Offset") == "1" {
			return `{"results":[{"Name":"b"},{"Name":"c"}],"paging":{"total":3}}`, nil
		}
		return `{"results":[{"Name":"a"},{"Name":"b"}],"paging":{"total":3}}`, nil
	}
	spec := paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "SomethingNew"}
	r, err := paging.New(&fake{t: t, do: answer}, spec)
	require.NoError(t, err)
	_, err = tryReadAll(t.Context(), r)
	require.ErrorContains(t, err, "a record has no Id")

	spec.AllowOffset = true
	f := &fake{t: t, do: answer}
	r, err = paging.New(f, spec)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 3)
	assert.Contains(t, r.Promise(), "by position")
	assert.Empty(t, f.calls[1].Get("OrderByValue"))
}

func TestAServerWithSmallerPagesIsReadWhole(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 120})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	for _, size := range []int{1, 7, 100} {
		if size == 1 {
			continue
		}
		r, err := paging.New(client, paging.Spec{Operation: op, Folder: folderFor(s, op), Table: "Customer", PageSize: paging.NewPageSize(size)})
		require.NoError(t, err)
		assert.Len(t, readAll(t, r), 120)
	}
	// One that caps the page below what was asked.
	page := 0
	f := &fake{t: t, do: func(call int, q url.Values) (string, error) {
		page++
		return fmt.Sprintf(`{"elements":[{"id":%d}],"total":4}`, call), nil
	}}
	r, err := paging.New(f, paging.Spec{Operation: list(t, "hubbix_gctpe.items"), Folder: "1"})
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 4)
	assert.Equal(t, "3", f.calls[3].Get("skip"))
}

func TestListsWithoutATotalEndWhetherOrNotThePositionIsHonoured(t *testing.T) {
	rows := make([]string, 250)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":%d}`, i)
	}
	slice := func(from, n int) string {
		from = min(from, len(rows))
		return "[" + strings.Join(rows[from:min(from+n, len(rows))], ",") + "]"
	}
	atoi := func(s string) (n int) { fmt.Sscan(s, &n); return }
	op := list(t, "hubbix_gctpe.vat_rates")
	for name, do := range map[string]func(int, url.Values) (string, error){
		"honours both": func(_ int, q url.Values) (string, error) { return slice(atoi(q.Get("skip")), atoi(q.Get("take"))), nil },
		"ignores both": func(int, url.Values) (string, error) { return slice(0, 250), nil },
		"exactly a full page": func(_ int, q url.Values) (string, error) {
			return slice(50+atoi(q.Get("skip")), atoi(q.Get("take"))), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := paging.New(&fake{t: t, do: do}, paging.Spec{Operation: op, Folder: "1"})
			require.NoError(t, err)
			want := 250
			if name == "exactly a full page" {
				want = 200
			}
			assert.Len(t, readAll(t, r), want)
		})
	}
	t.Run("ignores skip", func(t *testing.T) {
		warned := 0
		r, err := paging.New(&fake{t: t, do: func(int, url.Values) (string, error) { return slice(0, 100), nil }},
			paging.Spec{Operation: op, Folder: "1", Warn: func(string, ...any) { warned++ }})
		require.NoError(t, err)
		assert.Len(t, readAll(t, r), 100)
		assert.Equal(t, 1, warned)
	})
}

func TestAnAnswerOverTheLimitIsReadInSmallerPagesAndRemembered(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 200})
	client := ebptest.Client(t, s, func(c *ebp.Config) { c.MaxResponseBytes = 60_000 })
	op := list(t, "gescom.generic_query")
	size := paging.NewPageSize(100)
	var warnings []string
	spec := paging.Spec{Operation: op, Folder: folderFor(s, op), Table: "Customer", PageSize: size, Warn: func(f string, a ...any) { warnings = append(warnings, fmt.Sprintf(f, a...)) }}
	r, err := paging.New(client, spec)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 200)
	assert.NotEmpty(t, warnings)
	assert.Less(t, size.Get(), 100)
	before, warned := s.CallCount(), len(warnings)
	r, err = paging.New(client, spec)
	require.NoError(t, err)
	assert.Len(t, readAll(t, r), 200)
	assert.Len(t, warnings, warned, "the size was not remembered")
	assert.LessOrEqual(t, s.CallCount()-before, 200/size.Get()+1)
}

func TestConcurrentInsertsAndDeletesElsewhereLoseNoRowReadByKey(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 300})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	folder := folderFor(s, op)
	name := "f" + folder + "_Customer"
	before, err := s.Query("select Id from " + name)
	require.NoError(t, err)
	rec := &recorder{Caller: client}
	deleted := map[string]bool{}
	rec.between = func(calls int) { // rows at both ends of the order come and go
		rows, err := s.Query("select Id from " + name + " order by random() limit 3")
		require.NoError(t, err)
		for _, row := range rows {
			deleted[fmt.Sprint(row[0])] = true
			require.NoError(t, s.Exec("delete from "+name+" where Id = ?", row[0]))
		}
	}
	r, err := paging.New(rec, paging.Spec{Operation: op, Folder: folder, Table: "Customer", PageSize: paging.NewPageSize(10)})
	require.NoError(t, err)
	got := map[string]int{}
	for _, g := range readAll(t, r) {
		got[g.Key]++
	}
	for _, row := range before {
		id := fmt.Sprint(row[0])
		if !deleted[id] {
			assert.Equal(t, 1, got[id], id)
		}
	}
	assert.NotEmpty(t, deleted)
}

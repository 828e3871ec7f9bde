package paging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/ebptest"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestEveryListOfTheCatalogCanBeTakenUpAfterEveryPage(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 60})
	client := ebptest.Client(t, s)
	check := func(op *catalog.Operation, table string, size int) {
		spec := paging.Spec{Operation: op, Folder: folderFor(s, op), Table: table, PageSize: paging.NewPageSize(size)}
		whole := spec
		r, err := paging.New(client, whole)
		require.NoError(t, err)
		require.Nil(t, r.Position(), "there is no position before a page")
		want := map[string]int{}
		for _, rec := range readAll(t, r) {
			want[string(rec.Raw)]++
		}
		got := map[string]int{}
		for pages := 0; ; pages++ {
			require.Less(t, pages, 2000)
			r, err := paging.New(client, spec)
			require.NoError(t, err)
			p, err := r.Next(t.Context())
			if err != nil {
				require.Equal(t, "EOF", err.Error())
				break
			}
			for _, rec := range p.Records {
				got[string(rec.Raw)]++
			}
			spec.From = through(t, r.Position())
		}
		require.Equal(t, want, got, "%s %s, page size %d", op.Name, table, size)
	}
	for _, op := range catalog.All() {
		if op.Kind == catalog.KindList && !op.TakesTable() {
			check(&op, "", 23)
		}
	}
	query := list(t, "gescom.generic_query")
	for _, table := range []string{"Customer", "StockItem", "TrackingStockItem", "EbpSysOptions", "EbpSysGenericImportSettings", "SaleDocumentLine"} {
		for _, size := range []int{7, 23, 100} {
			check(query, table, size)
		}
	}
}

func TestAPositionOfSomethingElseIsRefusedAndNeverTakenForTheBeginning(t *testing.T) {
	position := func(resource, table string) *paging.Position {
		w := newWorld(t, resource, table, 1)
		for range 30 {
			e := entry{"code": "c", "id": "i", "uuid": "u"}
			for k, v := range keyed(w) {
				e[k] = v
			}
			for k := range e {
				e[k] += fmt.Sprint(w.serial)
			}
			w.rows = append(w.rows, e)
		}
		r, err := paging.New(w, w.spec(7))
		require.NoError(t, err)
		_, err = r.Next(t.Context())
		require.NoError(t, err)
		return through(t, r.Position())
	}
	lists := [][2]string{{"gescom.generic_query", "Customer"}, {"gescom.generic_query", "StockItem"}, {"gescom.clients", ""}, {"hubbix_gctpe.items", ""}, {"hubbix_cpttpe.general_accounts", ""}}
	for _, from := range lists {
		for _, to := range lists {
			f := &fake{t: t}
			_, err := paging.New(f, paging.Spec{Operation: list(t, to[0]), Folder: "1", Table: to[1], From: position(from[0], from[1])})
			if from == to {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, paging.ErrPosition, "%v taken for %v", from, to)
			require.ErrorContains(t, err, "it is one of")
		}
	}
	s := paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "CUSTOMER", From: position("gescom.generic_query", "Customer")}
	_, err := paging.New(&fake{t: t}, s)
	require.NoError(t, err, "EBP takes a table's name in any casing")
	s.Folder = "2"
	_, err = paging.New(&fake{t: t}, s)
	require.ErrorIs(t, err, paging.ErrPosition)
	// Another order is another position.
	items := paging.Spec{Operation: list(t, "hubbix_gctpe.items"), Folder: "1", From: position("hubbix_gctpe.items", ""), Parameters: url.Values{"sortingOrder.property": {"name"}}}
	_, err = paging.New(&fake{t: t}, items)
	require.ErrorIs(t, err, paging.ErrPosition)
	require.ErrorContains(t, err, `in that of "name"`)
}

func TestDamagedPositionsAreRefused(t *testing.T) {
	stock := `{"read":"key","list":"gescom.generic_query stockitem 1","total":9,"returned":3,"key":["ItemId","StorehouseId"],`
	for _, text := range []string{
		`{}`,
		`{"read":"key"}`,
		stock + `"levels":[]}`,
		stock + `"levels":[{}]}`,
		stock + `"levels":[{"last":"null"}]}`,
		stock + `"levels":[{"last":"\"a"}]}`,
		stock + `"levels":[{"last":"{\"a\":1}"}]}`,
		stock + `"levels":[{"last":"\"a\" "}]}`,
		stock + `"levels":[{"last":"\"a\"","group":[["\"a\""]]}]}`,
		stock + `"levels":[{"last":"\"a\"","group":[["\"b\"","\"s\""]]}]}`,
		stock + `"levels":[{"last":"\"a\""}],"skip":["x"]}`,
		stock + `"levels":[{"last":"\"a\"","group":[["\"a\"","\"s\""]]},{}]}`,
		stock + `"levels":[{},{"last":"\"a\""}]}`,
		stock + `"levels":[{"last":"\"a\""},{"last":"\"a\""},{"last":"\"a\""}]}`,
		stock + `"levels":[{"last":"\"a\""}],"done":true}`,
		strings.Replace(stock, "StorehouseId", "Other", 1) + `"levels":[{"last":"\"a\""}]}`,
		strings.Replace(stock, `"total":9`, `"total":-9`, 1) + `"levels":[{"last":"\"a\""}]}`,
		strings.Replace(stock, `"key"`, `"position"`, 1) + `"at":5,"width":3}`,
	} {
		p := &paging.Position{}
		require.NoError(t, json.Unmarshal([]byte(text), p), text)
		_, err := paging.New(&fake{t: t}, paging.Spec{Operation: list(t, "gescom.generic_query"), Folder: "1", Table: "StockItem", From: p})
		require.ErrorIs(t, err, paging.ErrPosition, text)
	}
	good := `{"read":"position","list":"hubbix_gctpe.items  1","total":9,"at":5,"sorted":"id","width":6,"last_row":"AAAAAAAAAAAAAAAAAAAAAA=="`
	open := func(text string) error {
		p := &paging.Position{}
		require.NoError(t, json.Unmarshal([]byte(text), p), text)
		_, err := paging.New(&fake{t: t}, paging.Spec{Operation: list(t, "hubbix_gctpe.items"), Folder: "1", From: p})
		return err
	}
	require.NoError(t, open(good+"}"))
	for _, text := range []string{
		good + `,"at":0}`, good + `,"at":-1}`, good + `,"at":9000000000}`, good + `,"width":0}`, good + `,"recent":"AAAA"}`, good + `,"last_row":"AAAA"}`,
		good + `,"sorted":"name"}`, good + `,"fallback":true}`,
	} {
		require.ErrorIs(t, open(text), paging.ErrPosition, text)
	}
	p := &paging.Position{}
	require.ErrorIs(t, json.Unmarshal([]byte(`{"read":"key","lost":1}`), p), paging.ErrPosition, "a member that means something to another version")
	require.Error(t, json.Unmarshal([]byte(`{"read":`), p))
}

// FuzzAnyPositionIsRefusedOrReadOnFrom takes any bytes for a position. None makes a panic,
// and none that is taken makes the reader ask for the beginning of a list, unless it says
// so or rows turn out to have moved.
func FuzzAnyPositionIsRefusedOrReadOnFrom(f *testing.F) {
	lists := [][2]string{{"gescom.generic_query", "Customer"}, {"gescom.generic_query", "StockItem"}, {"gescom.generic_query", "TrackingStockItem"}, {"gescom.clients", ""}, {"hubbix_gctpe.items", ""}, {"hubbix_cpttpe.journals", ""}}
	worldOf := func(t testing.TB, i byte) *world {
		l := lists[int(i)%len(lists)]
		w := newWorld(t, l[0], l[1], 1)
		w.limit, w.folds, w.stable = 900, true, true
		for range 40 {
			e := entry{}
			if l[1] != "" {
				e = keyed(w)
			}
			w.serial++
			e["code"], e["id"], e["uuid"] = fmt.Sprint("c", w.serial), fmt.Sprint("i", w.serial), fmt.Sprint("u", w.serial)
			w.rows = append(w.rows, e)
		}
		return w
	}
	for i := range lists {
		w := worldOf(f, byte(i))
		r, err := paging.New(w, w.spec(6))
		require.NoError(f, err)
		for range 3 {
			if _, err := r.Next(f.Context()); err != nil {
				break
			}
			text, err := json.Marshal(r.Position())
			require.NoError(f, err)
			f.Add(byte(i), text)
			f.Add(byte(i), []byte(strings.Replace(string(text), `"at":`, `"at":1`, 1)))
			f.Add(byte(i), text[:len(text)/2])
		}
	}
	f.Fuzz(func(t *testing.T, i byte, text []byte) {
		p := &paging.Position{}
		if json.Unmarshal(text, p) != nil {
			return
		}
		w := worldOf(t, i)
		s := w.spec(6)
		s.From, s.AllowOffset = p, i > 127
		r, err := paging.New(w, s)
		if err != nil {
			require.ErrorIs(t, err, paging.ErrPosition)
			return
		}
		require.NotNil(t, r.Position())
		_, err = r.Next(t.Context())
		if len(w.queries) > 0 && !strings.Contains(string(text), "passes") {
			q := w.queries[0]
			require.True(t, q.Get("WhereCondition") != "" || number(q, "Offset", "skip") > 0, "%v", q)
		}
		if err == nil {
			through(t, r.Position())
		}
	})
}

var errLost = errors.New("the answer was lost")

// failing loses the answer of every other call.
type failing struct {
	paging.Caller
	calls int
}

func (f *failing) Do(ctx context.Context, r ebp.Request) (*ebp.Answer, error) {
	if f.calls++; f.calls%2 == 0 {
		return nil, errLost
	}
	return f.Caller.Do(ctx, r)
}

func TestAnErrorLeavesTheReaderAndItsPositionWhereTheyWere(t *testing.T) {
	for _, l := range [][2]string{{"gescom.generic_query", "StockItem"}, {"hubbix_gctpe.items", ""}, {"gescom.clients", ""}} {
		w := newWorld(t, l[0], l[1], 4)
		w.limit = 600
		for range 50 {
			e := keyed(w)
			if l[1] == "" {
				e = entry{"id": fmt.Sprint("i", w.serial), "code": fmt.Sprint("c", w.serial)}
			}
			w.rows = append(w.rows, e)
		}
		r, err := paging.New(&failing{Caller: w}, w.spec(6))
		require.NoError(t, err)
		got := map[string]int{}
		for {
			before := r.Position()
			p, err := r.Next(t.Context())
			if errors.Is(err, errLost) {
				if before != nil && l[1] == "" { // by key a level may have been opened
					require.Equal(t, before, r.Position())
				}
				continue
			}
			if err != nil {
				require.Equal(t, "EOF", err.Error())
				break
			}
			for _, rec := range p.Records {
				got[rec.Key]++
			}
		}
		assert.Len(t, got, 50)
		for k, n := range got {
			assert.Equal(t, 1, n, k)
		}
	}
}

func TestTheConditionOfTheCallerGoesWithEveryPageAndCountsForTheURL(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 230})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	folder := folderFor(s, op)
	for _, table := range []string{"Item", "StockItem", "EbpSysGenericImportSettings"} {
		column := map[string]string{"Item": "Id", "StockItem": "ItemId", "EbpSysGenericImportSettings": "CategoryId"}[table]
		rows, err := s.Query("select " + column + " from f" + folder + "_" + table + " order by 1")
		if err != nil || len(rows) == 0 {
			// The sandbox fills a table when it is read.
			r, err := paging.New(client, paging.Spec{Operation: op, Folder: folder, Table: table})
			require.NoError(t, err)
			readAll(t, r)
			rows, err = s.Query("select " + column + " from f" + folder + "_" + table + " order by 1")
			require.NoError(t, err)
		}
		middle := fmt.Sprint(rows[len(rows)/2][0])
		total := 0
		for _, op := range []filter.Operator{filter.LowerOrEqual, filter.Upper} {
			r, err := paging.New(client, paging.Spec{
				Operation: list(t, "gescom.generic_query"), Folder: folder, Table: table, PageSize: paging.NewPageSize(40),
				Where: filter.Compare(column, op, filter.String, middle),
			})
			require.NoError(t, err)
			n := len(readAll(t, r))
			require.Less(t, n, len(rows), "%s %s", table, op)
			total += n
		}
		assert.Equal(t, len(rows), total, table)
	}
	long := filter.Compare("Id", filter.NotIn, filter.String, strings.Repeat("x", 3000))
	f := &fake{t: t}
	r, err := paging.New(f, paging.Spec{Operation: op, Folder: "1", Table: "Customer", Where: long})
	require.NoError(t, err)
	_, err = r.Next(t.Context())
	require.ErrorContains(t, err, "its condition of")
	require.ErrorContains(t, err, "http.max_url_bytes (2000)")
	assert.Empty(t, f.calls)
	_, err = paging.New(f, paging.Spec{Operation: list(t, "gescom.clients"), Folder: "1", Where: long})
	require.ErrorContains(t, err, "takes no condition")
}

func TestDatesAndKeyObjectsComeWithTheColumnsThatWereAskedFor(t *testing.T) {
	s := ebptest.Sandbox(t, sandbox.Options{Rows: 40})
	client := ebptest.Client(t, s)
	op := list(t, "gescom.generic_query")
	r, err := paging.New(client, paging.Spec{
		Operation: op, Folder: folderFor(s, op), Table: "StockItem", Columns: []string{"RealStock", "SYSCREATEDDATE"}, Dates: true, KeyObjects: true,
	})
	require.NoError(t, err)
	created := 0
	for _, rec := range readAll(t, r) {
		var object, row map[string]any
		require.NoError(t, json.Unmarshal(rec.KeyObject, &object))
		require.NoError(t, json.Unmarshal(rec.Raw, &row))
		assert.Equal(t, map[string]any{"ItemId": row["ItemId"], "StorehouseId": row["StorehouseId"]}, object)
		if rec.Created != "" {
			created++
			assert.Equal(t, row["SYSCREATEDDATE"], rec.Created)
		}
		if rec.Modified != "" {
			assert.Equal(t, row["sysModifiedDate"], rec.Modified)
		}
	}
	assert.Positive(t, created)
	q, err := url.ParseQuery(s.Calls()[0].Query)
	require.NoError(t, err)
	assert.Equal(t, "RealStock,SYSCREATEDDATE,ItemId,StorehouseId,sysModifiedDate", q.Get("Columns"))
	assert.WithinDuration(t, time.Now(), r.Date(), time.Minute)
	fresh, err := paging.New(client, paging.Spec{Operation: op, Folder: folderFor(s, op), Table: "StockItem"})
	require.NoError(t, err)
	assert.True(t, fresh.Date().IsZero())
}

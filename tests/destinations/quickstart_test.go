package destinations

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// warehouse is one table of the quickstart and where its columns come from.
type warehouse struct {
	table, from string
	columns     []string // after folder: of the warehouse
	sources     []string // of EBP
	dates       map[int]bool
}

var warehouses = []warehouse{
	{
		table: "customer", from: "Customer",
		columns: []string{"id", "name", "zip_code", "city", "allowed_amount", "current_amount", "modified_at"},
		sources: []string{"Id", "Name", "MainInvoicingAddress_ZipCode", "MainInvoicingAddress_City", "AllowedAmount", "CurrentAmount", "sysModifiedDate"},
		dates:   map[int]bool{6: true},
	},
	{
		table: "item", from: "Item",
		columns: []string{"id", "caption", "family", "purchase_price", "sale_price", "stock", "modified_at"},
		sources: []string{"Id", "Caption", "FamilyId", "PurchasePrice", "SalePriceVatExcluded", "RealStock", "sysModifiedDate"},
		dates:   map[int]bool{6: true},
	},
	{
		table: "sale_document", from: "SaleDocument",
		columns: []string{"id", "number", "type", "date", "customer", "customer_name", "amount_excluding_vat", "amount_including_vat", "modified_at"},
		sources: []string{"Id", "DocumentNumber", "DocumentType", "DocumentDate", "CustomerId", "CustomerName", "AmountVatExcluded", "AmountVatIncluded", "sysModifiedDate"},
		dates:   map[int]bool{3: true, 8: true},
	},
}

func quickstart(t *testing.T, s *source) (*pipeline, *sql.DB) {
	t.Helper()
	p := example(t, s, "quickstart.yaml")
	p.env["WAREHOUSE"] = filepath.Join(p.dir, "warehouse.db")
	db, err := sql.Open("sqlite", "file:"+p.env["WAREHOUSE"]+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return p, db
}

// stored returns the rows of a table, by key, without the folder.
func (w warehouse) stored(t *testing.T, db *sql.DB) map[string][]any {
	t.Helper()
	found, err := db.Query("SELECT " + strings.Join(w.columns, ", ") + " FROM " + w.table + " WHERE folder = '" + folder + "'")
	require.NoError(t, err)
	defer found.Close()
	out := map[string][]any{}
	for found.Next() {
		row := make([]any, len(w.columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		require.NoError(t, found.Scan(into...))
		for i := range w.dates {
			if row[i] == nil {
				continue
			}
			at, err := time.Parse(time.RFC3339, row[i].(string))
			require.NoError(t, err)
			row[i] = at.UTC()
		}
		out[row[0].(string)] = row
	}
	require.NoError(t, found.Err())
	return out
}

// expected returns what the warehouse should hold.
func (w warehouse) expected(t *testing.T, s *source) map[string][]any {
	t.Helper()
	out := s.table(t, folder, w.from, w.sources...)
	for _, row := range out {
		for i := range w.dates {
			row[i] = moment(t, row[i])
		}
	}
	return out
}

func TestQuickstartFillsTheWarehouseWithWhatEBPHolds(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, db := quickstart(t, s)
	p.run(t)

	for _, w := range warehouses {
		stored := w.stored(t, db)
		assert.Equal(t, w.expected(t, s), stored, w.table)
		assert.Len(t, stored, rows, w.table)
	}
	customers := warehouses[0].stored(t, db)
	requireAwkwardKeys(t, customers)
	requireAwkwardKeys(t, warehouses[1].stored(t, db))
	var amounts []any
	for _, row := range customers {
		amounts = append(amounts, row[4], row[5])
	}
	assert.Subset(t, amounts, []any{hugeDecimal, tinyDecimal, greatDecimal})
	assert.Empty(t, p.letters(t))
}

func TestQuickstartShowsEachPageOnALineOfTheTerminal(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, _ := quickstart(t, s)
	out := strings.TrimSuffix(p.run(t), "\n")

	// Without a pace, pages may overtake each other.
	lines := strings.Split(out, "\n")
	require.Len(t, lines, 9)
	for _, line := range lines {
		assert.Regexp(t, `^\w+ +\d+ rows of dossier `+folder+`   .+ … .+$`, line)
		assert.LessOrEqual(t, len([]rune(line)), 160, line)
	}
	for _, w := range warehouses {
		assert.Equal(t, 2, strings.Count(out, fmt.Sprintf("%-12s 100 rows", w.from)), w.from)
		assert.Equal(t, 1, strings.Count(out, fmt.Sprintf("%-12s  30 rows", w.from)), w.from)
	}
}

func TestQuickstartRunAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, db := quickstart(t, s)
	p.run(t)
	var before []map[string][]any
	for _, w := range warehouses {
		before = append(before, w.stored(t, db))
	}
	p.run(t)
	for i, w := range warehouses {
		assert.Equal(t, before[i], w.stored(t, db), w.table)
	}
	assert.Empty(t, p.letters(t))
}

func TestQuickstartRunAgainBringsWhatHasChanged(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, db := quickstart(t, s)
	p.run(t)
	s.change(t, "Customer", "O'BRIEN", "Name", "Chez l'Ami \"Zoë\"")
	p.run(t)
	assert.Equal(t, warehouses[0].expected(t, s), warehouses[0].stored(t, db))
	assert.Equal(t, "Chez l'Ami \"Zoë\"", warehouses[0].stored(t, db)["O'BRIEN"][1])
}

func TestQuickstartPutsARefusedRowAsideAndStoresTheOthers(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, db := quickstart(t, s)
	_, err := db.Exec(`CREATE TABLE customer (
		folder TEXT NOT NULL, id TEXT NOT NULL CHECK (id <> '2021-07-12'), name TEXT NOT NULL, zip_code TEXT, city TEXT,
		allowed_amount TEXT, current_amount TEXT, modified_at TEXT, PRIMARY KEY (folder, id))`)
	require.NoError(t, err)
	p.run(t)

	l := p.onlyLetter(t, "Customer", "2021-07-12")
	assert.Contains(t, l.Error, "CHECK constraint failed")
	expected := warehouses[0].expected(t, s)
	delete(expected, "2021-07-12")
	assert.Equal(t, expected, warehouses[0].stored(t, db))
	for _, w := range warehouses[1:] {
		assert.Len(t, w.stored(t, db), rows, w.table)
	}
}

func TestQuickstartPutsAsideAValueThatDoesNotFitItsColumn(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.change(t, "Customer", "null", "AllowedAmount", tooLarge)
	p, db := quickstart(t, s)
	p.run(t)

	l := p.onlyLetter(t, "Customer", "null")
	assert.Contains(t, l.Record, tooLarge)
	assert.Contains(t, l.Error, "AllowedAmount")
	expected := warehouses[0].expected(t, s)
	delete(expected, "null")
	assert.Equal(t, expected, warehouses[0].stored(t, db))
}

func TestQuickstartWaitsForAWarehouseItCannotWrite(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, _ := quickstart(t, s)
	p.env["WAREHOUSE"] = filepath.Join(p.dir, "no such directory", "warehouse.db")
	log := p.runFor(t, 5*time.Second)
	assert.Contains(t, log, "unable to open database file", fmt.Sprint(p.env))
	assert.Empty(t, p.letters(t), "nothing is put aside for a fault that passes")
}

package destinations

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const envPostgres = "EBP_TEST_POSTGRES_DSN"

// itemTable is that of the example with one more condition.
const itemTable = `CREATE TABLE ebp_item (
	folder text NOT NULL, id text NOT NULL CONSTRAINT no_null CHECK (id <> 'null'), caption text NOT NULL,
	is_service boolean NOT NULL, is_active boolean NOT NULL, bar_code text, family text, supplier text,
	purchase_price numeric(28,8), cost_price numeric(28,8), sale_price_vat_excluded numeric(28,8),
	sale_price_vat_included numeric(28,8), real_stock numeric(28,8), manages_stock boolean, notes text,
	modified_at timestamptz, PRIMARY KEY (folder, id))`

// itemSources are the columns of EBP behind those of itemColumns, in the same order.
var itemSources = []string{
	"Id", "Caption", "ItemType", "ActiveState", "BarCode", "FamilyId", "SupplierId", "PurchasePrice", "CostPrice",
	"SalePriceVatExcluded", "SalePriceVatIncluded", "RealStock", "ManageStock", "NotesClear", "sysModifiedDate",
}

const itemColumns = `id, caption, is_service, is_active, bar_code, family, supplier,
	purchase_price::text, cost_price::text, sale_price_vat_excluded::text, sale_price_vat_included::text,
	real_stock::text, manages_stock, notes, modified_at`

// newDatabase makes a database of this test's own and returns its address.
func newDatabase(t *testing.T) (string, *pgx.Conn) {
	t.Helper()
	dsn := os.Getenv(envPostgres)
	if dsn == "" {
		t.Skipf("needs a Postgres: %s is not set (.ci/servers starts one)", envPostgres)
	}
	admin, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer admin.Close(t.Context())
	name := fmt.Sprintf("destinations_%d", rand.Uint64())
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)

	address, err := url.Parse(dsn)
	require.NoError(t, err)
	address.Path = "/" + name
	conn, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return address.String(), conn
}

func itemsToPostgres(t *testing.T, s *source) (*pipeline, *pgx.Conn) {
	t.Helper()
	p := example(t, s, "items_to_postgres.yaml")
	dsn, conn := newDatabase(t)
	p.env["POSTGRES_DSN"] = dsn
	return p, conn
}

func storedItems(t *testing.T, conn *pgx.Conn) map[string][]any {
	t.Helper()
	found, err := conn.Query(t.Context(), "SELECT "+itemColumns+" FROM ebp_item WHERE folder = $1", folder)
	require.NoError(t, err)
	all, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	require.NoError(t, err)
	out := map[string][]any{}
	for _, row := range all {
		if at, ok := row[14].(time.Time); ok {
			row[14] = at.UTC()
		}
		out[row[0].(string)] = row
	}
	require.Len(t, out, len(all))
	return out
}

func expectedItems(t *testing.T, s *source) map[string][]any {
	t.Helper()
	out := s.table(t, folder, "Item", itemSources...)
	for _, row := range out {
		row[2] = row[2] == int64(1)
		row[3] = row[3] == int64(0)
		row[12] = row[12] == int64(1)
		row[14] = moment(t, row[14])
	}
	return out
}

// versions are Postgres's own of each row: a written row has a new one.
func versions(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	found, err := conn.Query(t.Context(), "SELECT id, xmin::text FROM ebp_item")
	require.NoError(t, err)
	out := map[string]string{}
	var id, version string
	_, err = pgx.ForEachRow(found, []any{&id, &version}, func() error {
		out[id] = version
		return nil
	})
	require.NoError(t, err)
	return out
}

func TestEveryItemArrivesInPostgresWithEveryDigit(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, conn := itemsToPostgres(t, s)
	p.run(t)

	stored := storedItems(t, conn)
	assert.Equal(t, expectedItems(t, s), stored)
	assert.Len(t, stored, rows)
	requireAwkwardKeys(t, stored)
	var prices []any
	for _, row := range stored {
		prices = append(prices, row[7], row[8])
	}
	assert.Subset(t, prices, []any{hugeDecimal, tinyDecimal, greatDecimal})
	assert.Empty(t, p.letters(t))
}

func TestItemsReadAgainLeavePostgresUntouched(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, conn := itemsToPostgres(t, s)
	p.run(t)
	before := versions(t, conn)
	require.Len(t, before, rows)
	p.run(t)
	assert.Equal(t, before, versions(t, conn))
	assert.Empty(t, p.letters(t))
}

func TestOnlyTheItemThatChangedIsWrittenAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, conn := itemsToPostgres(t, s)
	p.run(t)
	before := versions(t, conn)
	s.change(t, "Item", "O'BRIEN", "PurchasePrice", "0.00000001")
	p.run(t)
	after := versions(t, conn)
	assert.NotEqual(t, before["O'BRIEN"], after["O'BRIEN"])
	delete(before, "O'BRIEN")
	delete(after, "O'BRIEN")
	assert.Equal(t, before, after)
	assert.Equal(t, expectedItems(t, s), storedItems(t, conn))
}

func TestAnItemPostgresRefusesIsPutAsideAndArrivesOnceSentAgain(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p, conn := itemsToPostgres(t, s)
	_, err := conn.Exec(t.Context(), itemTable)
	require.NoError(t, err)
	p.run(t)

	l := p.onlyLetter(t, "Item", "null")
	assert.Contains(t, l.Error, "no_null")
	expected := expectedItems(t, s)
	missing := expected["null"]
	delete(expected, "null")
	require.Equal(t, expected, storedItems(t, conn))

	_, err = conn.Exec(t.Context(), "ALTER TABLE ebp_item DROP CONSTRAINT no_null")
	require.NoError(t, err)
	again := p.replaying(t)
	again.run(t)
	expected["null"] = missing
	assert.Equal(t, expected, storedItems(t, conn))
	assert.Empty(t, again.letters(t))
}

func TestAPriceThatDoesNotFitItsColumnIsPutAsideWithAllItsDigits(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.change(t, "Item", "2021-07-12", "CostPrice", tooLarge)
	p, conn := itemsToPostgres(t, s)
	p.run(t)

	l := p.onlyLetter(t, "Item", "2021-07-12")
	assert.Contains(t, l.Record, tooLarge)
	assert.Contains(t, l.Error, "CostPrice")
	assert.Len(t, storedItems(t, conn), rows-1)
}

func TestNothingIsPutAsideWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := example(t, s, "items_to_postgres.yaml")
	p.env["POSTGRES_DSN"] = "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable"
	log := p.runFor(t, 5*time.Second)
	assert.Contains(t, log, "refused")
	assert.Empty(t, p.letters(t))
}

package sandbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestSameSeedSameData(t *testing.T) {
	read := func(seed int64, rows int) []string {
		c := start(t, sandbox.Options{Rows: rows, Seed: seed})
		var out []string
		for _, name := range []string{"Customer", "Item", "SaleDocument", "Vat", "RangeItem"} {
			out = append(out, c.get(gescom+"/GenericQuery", "TableName", name).body)
		}
		out = append(out, c.get("/hubbix-cpttpe/api/v1/auxiliary-accounts").body, c.get("/hubbix-gctpe/api/public/v1/sale-documents", "take", "20").body)
		return append(out, c.s.Credentials().RefreshToken)
	}
	one := read(7, 40)
	require.Equal(t, one, read(7, 40))
	other := read(8, 40)
	for i := range one {
		require.NotEqual(t, one[i], other[i])
	}
}

func TestDataOfAFolderDoesNotDependOnWhatWasReadBefore(t *testing.T) {
	a, b := start(t, sandbox.Options{Rows: 30}), start(t, sandbox.Options{Rows: 30})
	b.table("Customer")
	b.table("Deal")
	for _, name := range []string{"SaleDocument", "SaleDocumentLine", "SaleSettlement", "Address"} {
		rowsA, err := a.s.Query(fmt.Sprintf(`SELECT * FROM "f3691_%s" ORDER BY 1`, name))
		require.NoError(t, err)
		rowsB, err := b.s.Query(fmt.Sprintf(`SELECT * FROM "f3691_%s" ORDER BY 1`, name))
		require.NoError(t, err)
		require.Equal(t, rowsA, rowsB)
	}
}

func TestReferencesPointSomewhere(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 120})
	for _, k := range [][4]string{
		{"SaleDocument", "CustomerId", "Customer", "Id"}, {"PurchaseDocument", "SupplierId", "Supplier", "Id"}, {"SaleDocumentLine", "DocumentId", "SaleDocument", "Id"},
		{"SaleDocumentLine", "ItemId", "Item", "Id"}, {"PurchaseDocumentLine", "DocumentId", "PurchaseDocument", "Id"}, {"Item", "VatId", "Vat", "Id"}, {"Item", "FamilyId", "ItemFamily", "Id"},
		{"Item", "UnitId", "Unit", "Id"}, {"Customer", "FamilyId", "CustomerFamily", "Id"}, {"Customer", "SubFamilyId", "CustomerSubFamily", "Id"}, {"Supplier", "FamilyId", "SupplierFamily", "Id"},
		{"Address", "AssociatedCustomerId", "Customer", "Id"}, {"StockItem", "ItemId", "Item", "Id"}, {"StockItem", "StorehouseId", "Storehouse", "Id"}, {"SaleSettlement", "ThirdId", "Customer", "Id"},
		{"SaleDocument", "DealId", "Deal", "Id"}, {"SaleDocument", "ConstructionSiteId", "ConstructionSite", "Id"}, {"DealColleague", "ColleagueId", "Colleague", "Id"}, {"SaleSettlement", "PaymentTypeId", "PaymentType", "Id"},
		{"Customer", "SettlementModeId", "SettlementMode", "Id"}, {"SaleDocument", "StorehouseId", "Storehouse", "Id"}, {"TrackingStockItem", "ItemId", "Item", "Id"},
	} {
		rows, err := c.s.Query(fmt.Sprintf(`SELECT COUNT(*), COUNT(%[2]q) FROM "f3691_%[1]s" a WHERE %[2]q IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "f3691_%[3]s" b WHERE b.%[4]q = a.%[2]q)`, k[0], k[1], k[2], k[3]))
		require.NoError(t, err)
		require.EqualValues(t, 0, rows[0][0], k)
		rows, err = c.s.Query(fmt.Sprintf(`SELECT COUNT(*) FROM "f3691_%s" WHERE %q IS NOT NULL`, k[0], k[1]))
		require.NoError(t, err)
		require.NotEqualValues(t, 0, rows[0][0], k)
	}
}

func TestAwkwardDataIsThere(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for _, name := range []string{"Customer", "Item", "SaleDocument", "Supplier"} {
		for sql, least := range map[string]int64{
			`"sysModifiedDate" IS NULL`: 5, `"sysCreatedDate" IS NULL`: 5, `"sysModifiedDate" IS NULL AND "sysCreatedDate" IS NULL`: 1, `"sysModifiedDate" = '2025-06-30T02:00:00'`: 101,
		} {
			rows, err := c.s.Query(fmt.Sprintf(`SELECT COUNT(*) FROM "f3691_%s" WHERE %s`, name, sql))
			require.NoError(t, err)
			require.GreaterOrEqual(t, rows[0][0], least, name+sql)
		}
	}
	rows, err := c.s.Query(`SELECT MAX("sysModifiedDate"), MAX("sysCreatedDate") FROM f3691_SaleDocument`)
	require.NoError(t, err)
	require.Less(t, rows[0][0], "2026-01-01")
	rows, err = c.s.Query(`SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM f3691_StockItem GROUP BY "ItemId")`)
	require.NoError(t, err)
	require.EqualValues(t, 4, rows[0][0])
}

func TestTextsFitTheirColumns(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for _, k := range []struct {
		table, column string
		length        int64
	}{
		{"Customer", "Id", 20}, {"Customer", "Name", 60}, {"Item", "Caption", 80}, {"Deal", "Id", 10}, {"ConstructionSite", "Id", 10},
		{"Incident", "Id", 8}, {"SaleDocument", "InvoicingAddress_Address1", 40}, {"Item", "UnitId", 4},
	} {
		rows, err := c.s.Query(fmt.Sprintf(`SELECT MAX(length(%q)) FROM "f3691_%s"`, k.column, k.table))
		require.NoError(t, err)
		require.LessOrEqual(t, rows[0][0], k.length, k)
	}
}

func TestStartIsQuick(t *testing.T) {
	begin := time.Now()
	c := start(t, sandbox.Options{})
	c.table("Customer")
	require.Less(t, time.Since(begin), 5*time.Second)
}

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestFoldersOfEachProduct(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, Folders: 3})
	for product, want := range map[string][]any{
		"gescom": {"3691", "298324", "415502"}, "batiment": {"7120"}, "maintenance": {"3691", "298324", "415502", "7120"},
	} {
		p := ok[page](t, c.get("/"+product+"/api/v1/Folders"))
		require.Equal(t, want, column(p.Folders, "id"))
		require.Equal(t, len(want), p.Paging.Total)
		require.Contains(t, p.Folders[0], "name")
		require.Contains(t, p.Folders[0], "shortName")
		require.IsType(t, false, p.Folders[0]["isMariaDb"])
	}
	p := ok[page](t, c.get("/maintenance/api/v1/Folders", "Offset", "1", "Limit", "2"))
	require.Equal(t, []any{"298324", "415502"}, column(p.Folders, "id"))
	require.Equal(t, []string{"3691", "298324", "415502"}, c.s.FolderIDs("gescom"))
}

func TestOneOfThreeFoldersIsForbidden(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, Folders: 3})
	require.Equal(t, "415502", c.s.ForbiddenFolder())
	e := refused(t, c.get("/gescom/api/v1/Folders/415502/GenericQuery", "TableName", "Customer"), 403)
	require.Equal(t, "Forbidden", e.Errors[0].ErrorCode)
	refused(t, c.get("/gescom/api/v1/Folders/1/GenericQuery", "TableName", "Customer"), 404)
	refused(t, c.get("/gescom/api/v1/Folders/7120/GenericQuery", "TableName", "Customer"), 404)
	require.Empty(t, start(t, sandbox.Options{Rows: 1, Folders: 2}).s.ForbiddenFolder())
}

func TestKeysEchoTheRequestedCasing(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 3})
	r := c.get(gescom+"/GenericQuery", "TableName", "customer", "Columns", "civility, NAME,sysModifiedDate", "Columns", "id", "Limit", "1")
	p := ok[page](t, r)
	require.Len(t, p.Results[0], 4)
	at := -1
	for _, key := range []string{"civility", "NAME", "sysModifiedDate", "id"} {
		i := strings.Index(r.body, `"`+key+`":`)
		require.Greater(t, i, at, "in the order of the request")
		at = i
	}
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "customer", "Columns", "Id,Nothing"), 400)
}

func TestWithoutColumnsEveryColumnComes(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 5})
	got := c.table("Item", "Limit", "1").Results[0]
	require.Len(t, got, 32)
	require.Contains(t, got, "SalePriceVatExcluded")
	require.Contains(t, got, "sysModifiedUser")
}

func TestValuesAreWrittenAsTheirTypes(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 60})
	r := c.get(gescom+"/GenericQuery", "TableName", "Item", "WhereCondition", where("Id", "In", "String", "O'BRIEN", "null", "É-TIENNE"))
	for _, want := range []string{
		`"PurchasePrice":12345678901234567890.12345678`, `"CostPrice":-0.00000001`, `"CostPrice":99999999999999999999.99999999`,
		`"ManageStock":true`, `"Id":"O'BRIEN"`, `"Id":"null"`, `"ItemImage":"iVBORw0KGgo`, `"BrandRate":40.00000000`, `"sysModifiedDate":"2025-06-30T02:00:00"`,
	} {
		require.Contains(t, r.body, want)
	}
	require.Regexp(t, `"UniqueId":"[0-9a-f]{8}-`, r.body)
	require.Regexp(t, `"ItemType":[01],`, r.body)
	e := c.get(gescom+"/GenericQuery", "TableName", "Customer", "Columns", "NotesClear")
	require.Contains(t, e.body, `</script>`)
	require.Contains(t, e.body, `\r\n`)
	require.Contains(t, e.body, "🎉")
}

func TestDependencies(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 60})
	linked := ok[struct{ LinkedTables []string }](t, c.get("/gescom/api/v1/Dependencies/item")).LinkedTables
	require.Subset(t, linked, []string{"Unit", "Vat", "ItemFamily", "ItemSubFamily", "Supplier"})
	refused(t, c.get("/gescom/api/v1/Dependencies/nothing"), 400)

	p := c.table("Item", "Columns", "Item.Id,item.caption,Unit.Caption,ItemFamily.Caption,Item.UnitId", "Limit", "60")
	require.Equal(t, 60, p.Paging.Total, "a left join")
	nulls, units := 0, 0
	for _, r := range p.Results {
		require.Len(t, r, 5)
		require.Contains(t, r, "caption")
		require.Contains(t, r, "ItemFamily_Caption")
		if r["UnitId"] == nil {
			require.Nil(t, r["Unit_Caption"])
			nulls++
		} else {
			require.NotNil(t, r["Unit_Caption"])
			units++
		}
	}
	require.Positive(t, nulls)
	require.Positive(t, units)

	p = c.table("Item", "Columns", "Item.Id,Unit.Caption", "WhereCondition", where("Unit.Caption", "Equal", "String", "heures"))
	require.NotZero(t, p.Paging.Total)
	for _, r := range p.Results {
		require.Equal(t, "Heures", r["Unit_Caption"])
	}
	e := refused(t, c.get(gescom+"/GenericQuery", "TableName", "Item", "Columns", "Caption,Unit.Caption"), 400)
	require.Contains(t, e.Message, "Ambiguous")
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "Item", "Columns", "Customer.Name"), 400)
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "Item", "Columns", "Unit.Nothing"), 400)
}

func TestPagingTellsTheWhole(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	p := c.table("Customer", "Columns", "Id")
	require.Equal(t, struct{ Total, Returned, Offset, Limit int }{250, 100, 0, 100}, p.Paging)
	p = c.table("Customer", "Columns", "Id", "Offset", "230", "Limit", "50")
	require.Equal(t, struct{ Total, Returned, Offset, Limit int }{250, 20, 230, 50}, p.Paging)
	p = c.table("Customer", "Offset", "999")
	require.Empty(t, p.Results)
	require.NotNil(t, p.Results)
	for _, q := range [][2]string{{"Limit", "101"}, {"Limit", "0"}, {"Limit", "x"}, {"Offset", "-1"}, {"Offset", "99999999999"}} {
		refused(t, c.get(gescom+"/GenericQuery", "TableName", "Customer", q[0], q[1]), 400)
	}
	keys := map[any]bool{}
	for _, k := range column(c.all("Customer", "Columns", "Id", "OrderByValue", "Id"), "Id") {
		keys[k] = true
	}
	require.Len(t, keys, 250)
}

func TestMaxLimitCanBeLowered(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 30, MaxLimit: 10})
	require.Equal(t, 10, c.table("Customer").Paging.Returned)
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "Customer", "Limit", "11"), 400)
}

func TestTiesComeInAnotherOrderAtEachCall(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for _, q := range [][]string{{"SaleDocument", "OrderByValue", "sysModifiedDate"}, {"StockItem"}, {"TrackingStockItem", "OrderByValue", "ItemId"}} {
		read := func() []string {
			records := c.table(q[0], append(q[1:], "Offset", "10")...).Results
			var out []string
			for _, r := range records {
				b, _ := json.Marshal(r)
				out = append(out, string(b))
			}
			return out
		}
		one, two := read(), read()
		require.NotEqual(t, one, two, q)
	}
	one, two := c.table("Customer", "OrderByValue", "Id"), c.table("Customer", "OrderByValue", "Id")
	require.Equal(t, one, two, "a unique order is stable")
	dates := column(c.all("SaleDocument", "Columns", "sysModifiedDate", "OrderByValue", "sysModifiedDate"), "sysModifiedDate")
	require.Nil(t, dates[0], "NULLs come first")
	require.True(t, slices.IsSortedFunc(dates, func(a, b any) int { return strings.Compare(fmt.Sprint(a, " "), fmt.Sprint(b, " ")) }) || dates[0] == nil)
	var filled []string
	for _, d := range dates {
		if d != nil {
			filled = append(filled, d.(string))
		}
	}
	require.True(t, sort.StringsAreSorted(filled))
}

func TestFromModifiedDateIsStrictlyAfter(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	count := func(v string) int { return c.table("Customer", "FromModifiedDate", v).Paging.Total }
	before, at := count("2025-06-30T01:59:59"), count("2025-06-30T02:00:00")
	require.Greater(t, before, at+100, "the rows of that second are gone")
	require.Equal(t, at, count("2025-06-30 02:00:00.000"))
	require.Equal(t, at, count("2025-06-30T00:00:00Z"), "moved to Paris time")
	require.Equal(t, 250, count("null"))
	require.Equal(t, c.table("Customer", "WhereCondition", where("sysModifiedDate", "IsNotNull", "", "")).Paging.Total, count("1900-01-01"), "NULL is never after")
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "Customer", "FromModifiedDate", "yesterday"), 400)
}

func TestTablesOfAnnexOne(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 3})
	for _, name := range strings.Fields(`Customer Address Deal DealColleague Item TrackingStockItem SaleDocument SaleDocumentLine RangeItem LinkedItem StandardText
		ConstructionSite Colleague PurchaseDocument PurchaseDocumentLine Contact Ecotax EbpSysOptions ItemFamily CustomerFamily SupplierFamily Supplier RangeType
		RangeTypeElement ClassificationGroup CustomerProduct ScheduleEvent ScheduleEventCustomerProduct StockDocument StockDocumentLine ScheduleEventType TravelExpense
		Equipment Storehouse PriceList SettlementMode PaymentType MaintenanceContract MaintenanceContractCustomerProduct Incident GeographicSector StockItem
		PriceListCategory Unit Vat SupplierItem Civility ItemComponent ItemSubFamily CustomerSubFamily UnitType CustomerAssociatedFiles CustomerProductAssociatedFiles
		ItemAssociatedFiles MaintenanceContractAssociatedFiles PurchaseDocumentAssociatedFiles SaleDocumentAssociatedFiles ScheduleEventAssociatedFiles
		SupplierAssociatedFiles Shipping ThirdReference EcotaxCalculationBase EcotaxFurniture DocumentSerial CurrencyTable SaleDocumentLineTrackingDispatch
		ItemVatTerritoriality EbpSysGenericImportSettings SaleSettlement`) {
		p := c.table(strings.ToLower(name))
		require.NotEmpty(t, p.Results, name)
		require.Contains(t, p.Results[0], "sysModifiedDate", name)
	}
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "Country"), 400)
	refused(t, c.get(gescom+"/GenericQuery", "TableName", "sqlite_master"), 400)
	e := refused(t, c.get(gescom+"/GenericQuery"), 400)
	require.Equal(t, "TableName", e.Errors[0].ErrorCode)
	const batiment = "/batiment/api/v1/Folders/7120/GenericQuery"
	require.Contains(t, c.get(batiment, "TableName", "Country").body, `"IsoCode":"FR"`)
	refused(t, c.get(batiment, "TableName", "SaleSettlement"), 400)
	require.Contains(t, c.table("EbpSysOptions").Results[0], "OptionHashCode")
}

func TestRecordByKey(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	for _, key := range []string{"O'BRIEN", "null", "2021-07-12", "k%2Fl", "a:b", "%231", "%3F%20d", "%25e", "%C3%A9", "%20lead", "i%5Cj"} {
		got := ok[struct{ Result map[string]any }](t, c.get(gescom+"/GenericQuery/"+key, "TableName", "customer", "Columns", "id"))
		require.Len(t, got.Result, 1)
	}
	require.Equal(t, "O'BRIEN", ok[struct{ Result map[string]any }](t, c.get(gescom+"/GenericQuery/o'brien", "TableName", "customer")).Result["Id"])
	id := c.table("SaleDocument", "Limit", "1").Results[0]["Id"].(string)
	require.Equal(t, id, ok[struct{ Result map[string]any }](t, c.get(gescom+"/GenericQuery/"+strings.ToUpper(id), "TableName", "SaleDocument")).Result["Id"])
	refused(t, c.get(gescom+"/GenericQuery/nobody", "TableName", "Customer"), 404)
	refused(t, c.get(gescom+"/GenericQuery/x", "TableName", "SaleDocument"), 400)
	refused(t, c.get(gescom+"/GenericQuery/x"), 400)
}

func TestServerOrderIsNotByteOrder(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	ids := column(c.all("SaleDocument", "Columns", "Id"), "Id")
	swapped := func(v any) string {
		p := strings.Split(v.(string), "-")
		turn := func(s string) (out string) {
			for i := len(s); i > 0; i -= 2 {
				out += s[i-2 : i]
			}
			return out
		}
		return p[4] + p[3] + turn(p[2]) + turn(p[1]) + turn(p[0])
	}
	var keys []string
	for _, id := range ids {
		keys = append(keys, swapped(id))
	}
	require.True(t, sort.StringsAreSorted(keys), "last group first")
	require.False(t, slices.IsSortedFunc(ids, func(a, b any) int { return strings.Compare(a.(string), b.(string)) }))

	names := column(c.all("Customer", "Columns", "Id"), "Id")
	at := func(k string) int { return slices.Index(names, any(k)) }
	require.Less(t, at("é"), at("E-TIENNE"))
	require.Less(t, at("E-TIENNE"), at("fin:"))
	require.Less(t, at("ETIENNE"), at("É-TIENNE"), "accents after bases")
	require.Less(t, at("007"), at("a+b"), "digits before letters")
	require.Less(t, at("!c"), at("007"))
	require.Less(t, at("null"), at("O'BRIEN"))
}

func TestDecimalsOrderByValue(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	got := column(c.all("Item", "Columns", "PurchasePrice", "OrderByValue", "PurchasePrice"), "PurchasePrice")
	require.EqualValues(t, "0.00000001", got[0])
	require.EqualValues(t, "12345678901234567890.12345678", got[len(got)-1])
}

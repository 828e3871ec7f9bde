package sandbox_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func (c *client) list(path string, query ...string) page {
	c.t.Helper()
	return ok[page](c.t, c.get(gescom+path, query...))
}

func TestDurationIsMandatory(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 20})
	for _, path := range []string{"/Documents/SaleDocument", "/Documents/PurchaseDocument/WithLines", "/Deals/DealsExtendedQuery"} {
		e := refused(t, c.get(gescom+path), 400)
		require.Equal(t, "Duration", e.Errors[0].ErrorCode)
		refused(t, c.get(gescom+path, "Duration", "x"), 400)
		refused(t, c.get(gescom+path, "Duration", "9999999999"), 400)
		refused(t, c.get(gescom+path, "Duration", "1", "ToDate", "x"), 400)
		require.NotZero(t, c.list(path, "Duration", "2147483647").Paging.Total)
	}
}

func TestDurationCountsMidnightsAndHasNoUpperBound(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 3, Now: func() time.Time { return time.Date(2024, 3, 10, 23, 30, 0, 0, time.UTC) }})
	require.NoError(t, c.s.Exec(`DELETE FROM f3691_SaleDocument`))
	for i, d := range []string{"2024-02-28T23:59:59", "2024-02-29T00:00:00", "2024-03-09T12:00:00", "2024-03-11T00:00:00", "2031-01-01T00:00:00"} {
		require.NoError(t, c.s.Exec(`INSERT INTO f3691_SaleDocument ("Id","DocumentNumber","DocumentDate") VALUES (?,?,?)`,
			"00000000-0000-0000-0000-00000000000"+itoa(i), itoa(i), d))
	}
	for _, k := range []struct {
		to, duration string
		want         int
	}{
		{"2024-03-10", "11", 4}, {"2024-03-10 23:59:59.000", "11", 4}, {"2024-03-10", "12", 5}, {"2024-03-10", "10", 3}, {"2024-03-10", "1", 2},
		{"2024-03-10", "0", 2}, {"1990-01-01", "30", 5}, {"null", "1", 2}, {"", "1", 2}, {"2024-03-11T00:00:00+01:00", "1", 2}, {"2024-03-12", "1", 1},
	} {
		require.Equal(t, k.want, c.list("/Documents/SaleDocument", "Duration", k.duration, "ToDate", k.to).Paging.Total, k)
	}
}

func TestDocumentTypeFilterIsAnotherEnumeration(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for filter, value := range map[string]string{"1": "1", "2": "2", "4": "8", "6": "6", "9": "3"} {
		p := c.list("/Documents/SaleDocument", "Duration", "9000", "DocumentType", filter, "Columns", "DocumentType")
		require.NotZero(t, p.Paging.Total, filter)
		for _, v := range column(p.Results, "DocumentType") {
			require.EqualValues(t, value, v)
		}
	}
	for _, v := range []string{"0", "null", ""} {
		require.Equal(t, 250, c.list("/Documents/SaleDocument", "Duration", "9000", "DocumentType", v).Paging.Total)
	}
	sum := 0
	for i := 1; i <= 11; i++ {
		sum += c.list("/Documents/SaleDocument", "Duration", "9000", "DocumentType", itoa(i)).Paging.Total
	}
	require.Equal(t, 250, sum)
	refused(t, c.get(gescom+"/Documents/SaleDocument", "Duration", "9", "DocumentType", "12"), 400)
}

func TestSysModifiedDateIsStrictlyAfter(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for path, name := range map[string]string{"/Documents/SaleDocument": "SaleDocument", "/Items/ItemsExtentedQuery": "Item"} {
		at := c.list(path, "Duration", "9000", "SysModifiedDate", "2025-06-30T02:00:00").Paging.Total
		require.Equal(t, c.table(name, "FromModifiedDate", "2025-06-30T02:00:00").Paging.Total, at)
		require.Greater(t, c.list(path, "Duration", "9000", "SysModifiedDate", "2025-06-30T01:59:59").Paging.Total, at+100)
		require.Equal(t, 250, c.list(path, "Duration", "9000", "FromModifiedDate", "2030-01-01").Paging.Total, "not a parameter of this operation")
	}
}

func decimal(t *testing.T, v any) *big.Rat {
	t.Helper()
	n, isNumber := v.(json.Number)
	require.True(t, isNumber, "%v", v)
	r, valid := new(big.Rat).SetString(n.String())
	require.True(t, valid)
	return r
}

func TestLinesAddUpToTheirDocument(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for _, side := range []string{"Sale", "Purchase"} {
		seen := 0
		for offset := 0; offset < 250; offset += 50 {
			p := c.list("/Documents/"+side+"Document/WithLines", "Duration", "9000", "Limit", "50", "Offset", itoa(offset))
			for _, doc := range p.Results {
				lines := doc["Lines"].([]any)
				require.NotEmpty(t, lines)
				net, tax := new(big.Rat), new(big.Rat)
				for _, l := range lines {
					line := l.(map[string]any)
					require.Equal(t, doc["Id"], line["DocumentId"])
					net.Add(net, decimal(t, line["NetAmountVatExcluded"]))
					if line["VatAmount"] != nil {
						tax.Add(tax, decimal(t, line["VatAmount"]))
					}
				}
				require.Zero(t, net.Cmp(decimal(t, doc["AmountVatExcluded"])))
				require.Zero(t, tax.Cmp(decimal(t, doc["VatAmount"])))
				require.Zero(t, new(big.Rat).Add(net, tax).Cmp(decimal(t, doc["AmountVatIncluded"])))
				seen++
			}
		}
		require.Equal(t, 250, seen)
	}
	p := c.list("/Documents/SaleDocument/WithLines", "Duration", "9000", "Columns", "documentNumber", "Limit", "2")
	require.Len(t, p.Results[0], 2)
	require.Contains(t, p.Results[0], "Lines")
}

func TestDealsByState(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	const path = "/Deals/DealsExtendedQuery"
	whole := c.list(path, "Duration", "9000")
	names := c.list(path, "Duration", "9000", "DealStateExcluded", `"Finished","Canceled"`)
	require.Less(t, names.Paging.Total, whole.Paging.Total)
	require.Equal(t, names.Paging.Total, c.list(path, "Duration", "9000", "DealStateExcluded", "4,5").Paging.Total)
	for _, v := range column(names.Results, "DealState") {
		require.NotContains(t, []any{json.Number("4"), json.Number("5"), nil}, v)
	}
	refused(t, c.get(gescom+path, "Duration", "9000", "DealStateExcluded", "Lost"), 400)
	p := c.list(path+"/WithColleagues", "Duration", "9000")
	require.NotEmpty(t, p.Results[0]["DealColleagues"])
}

func TestFamiliesKeepAndLeaveOut(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	is := func(table, sql string) int {
		rows, err := c.s.Query("SELECT COUNT(*) FROM f3691_" + table + " WHERE " + sql)
		require.NoError(t, err)
		return int(rows[0][0].(int64))
	}
	for _, k := range []struct {
		path, table string
		query       []string
		sql         string
	}{
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdIN", `"FA1","fa2"`}, `"FamilyId" IN ('FA1','FA2')`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdIN", `'O''FAM', FA1`}, `"FamilyId" IN ('FA1','O''FAM')`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdIN", `'FA1'`, "FamilyIdValueNull", "true"}, `"FamilyId" = 'FA1' OR "FamilyId" IS NULL`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdNotIN", "FA1,FA2"}, `"FamilyId" NOT IN ('FA1','FA2')`},
		{"/Clients/ExtendedQuery", "Customer", []string{"SubFamilyIdNotIN", "SFA1", "SubFamilyIdValueNull", "true"}, `"SubFamilyId" <> 'SFA1' OR "SubFamilyId" IS NULL`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdValueNull", "true"}, `"FamilyId" IS NULL`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdIN", "null"}, `1`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FamilyIdIN", "FA%"}, `0`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"FamilyIdIN", `"%8","%9"`}, `"FamilyId" LIKE '%8' OR "FamilyId" LIKE '%9'`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"FamilyIdIN", `"FA8","%8"`, "FamilyIdValueNull", "true"}, `"FamilyId" = 'FA8' OR "FamilyId" IS NULL`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"FamilyIdNotIN", `"FA1","%8"`}, `"FamilyId" <> 'FA1' AND "FamilyId" NOT LIKE '%8'`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"SubFamilyIdNotIN", `"%3"`, "SubFamilyIdValueNull", "true"}, `"SubFamilyId" NOT LIKE '%3' OR "SubFamilyId" IS NULL`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"FamilyIdIN", `"null"`}, `"FamilyId" = 'null'`},
		{"/Items/ItemsExtentedQuery", "Item", []string{"ActiveStateExcluded", "1,Sleeping"}, `"ActiveState" NOT IN (1,3)`},
		{"/Clients/ExtendedQuery", "Customer", []string{"CustomerActiveState", "0"}, `"ActiveState" = 0`},
		{"/Clients/ExtendedQuery", "Customer", []string{"CustomerType", "prospect"}, `"Type" = 1`},
		{"/Clients/ExtendedQuery", "Customer", []string{"CustomerType", "null"}, `1`},
		{"/Clients/ExtendedQuery", "Customer", []string{"FromModifiedDate", "2025-06-30T02:00:00"}, `"sysModifiedDate" > '2025-06-30T02:00:00'`},
	} {
		want := is(k.table, k.sql)
		require.Equal(t, want, c.list(k.path, k.query...).Paging.Total, k)
	}
	refused(t, c.get(gescom+"/Clients/ExtendedQuery", "FamilyIdValueNull", "maybe"), 400)
	refused(t, c.get(gescom+"/Clients/ExtendedQuery", "CustomerType", "supplier"), 400)
}

func TestChildrenOfRecords(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	p := c.list("/Clients/ExtendedQuery/WithAddress", "Columns", "Name", "Limit", "5")
	for _, r := range p.Results {
		require.Len(t, r, 2)
		require.NotEmpty(t, r["Addresses"])
	}
	most := 0
	for offset := 0; offset < 250; offset += 100 {
		for _, r := range c.list("/Items/ItemsExtentedQuery/WithTrackingStock", "Columns", "Id", "Offset", itoa(offset)).Results {
			most = max(most, len(r["TrackingStockItems"].([]any)))
		}
	}
	require.Equal(t, 250, most, "more than a page for one key")
}

func TestClientsShowRights(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	p := c.list("/Clients", "typeClient", "client", "searchTerm", "mairie de saint denis")
	require.Equal(t, 1, p.Paging.Total)
	got := p.Clients[0]
	require.Equal(t, map[string]any{"value": "MAIRIE DE SAINT DENIS", "hasRight": true}, got["name"])
	require.Equal(t, map[string]any{"value": "CL", "hasRight": true}, got["clientType"])
	require.Equal(t, "€", got["soldeEchu"].(map[string]any)["currency"])
	for _, k := range []string{"code", "homePhoneNumber", "mobilePhoneNumber", "email"} {
		require.Contains(t, got, k)
	}
	require.Equal(t, map[string]any{"value": "É-TIENNE", "hasRight": true}, c.list("/Clients", "SearchTerm", "é-tien").Clients[0]["code"])
	require.Zero(t, c.list("/Clients", "SearchTerm", "[a-z]%_").Paging.Total, "no pattern")
	require.Equal(t, 250, c.list("/Clients", "TypeClient", "null").Paging.Total)
	require.Less(t, c.list("/Clients", "TypeClient", "prospect").Paging.Total, 50)
	refused(t, c.get(gescom+"/Clients", "TypeClient", "friend"), 400)
}

func TestImportModels(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	refused(t, c.get("/import/api/v1/ModelSettings"), 400)
	refused(t, c.get("/import/api/v1/ModelSettings", "FolderId", "1"), 404)
	refused(t, c.get("/import/api/v1/ModelSettings/nothing", "FolderId", "3691"), 404)
	got := ok[map[string]string](t, c.get("/import/api/v1/ModelSettings/Clients%20d'%C3%A9t%C3%A9", "folderid", "3691"))
	require.Equal(t, "Customers", got["importCategory"])
	require.True(t, strings.HasPrefix(got["contentXml"], "<?xml"))
	require.Equal(t, "3691", c.s.Calls()[3].Folder)
}

func TestCustomFieldsAreStrings(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	got := ok[map[string]any](t, c.get(gescom+"/CustomFields"))
	require.Contains(t, got, "version")
	tables := got["schema"].([]any)[0].(map[string]any)["tables"].([]any)
	first := tables[0].(map[string]any)["columns"].([]any)[0].(map[string]any)
	require.Equal(t, "true", first["nullable"])
}

package sandbox_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const (
	accounts = "/hubbix-cpttpe/api/v1"
	business = "/hubbix-gctpe/api/public/v1"
)

// hubbixRefused checks the refusal of the Hubbix products.
func hubbixRefused(t *testing.T, r reply, status int) string {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	var e struct {
		Status    int
		ErrorCode string
		Data      map[string]any
		Message   string
	}
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&e), r.body)
	require.Equal(t, status, e.Status)
	require.NotEmpty(t, e.Message)
	return e.ErrorCode
}

// accountPage is a list of hubbix_cpttpe.
type accountPage struct {
	Data         []map[string]any `json:"data"`
	Lines        []map[string]any `json:"linesEntries"`
	Take, Skip   *int
	TotalRecords *int
}

func TestScopeHeadersAreAskedFor(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 5})
	require.Equal(t, 200, c.get(accounts+"/journals").status)
	c.header.Set("tenantid", strings.ToUpper(sandbox.SecondTenant))
	require.Equal(t, 200, c.get(accounts+"/journals").status)
	c.header.Set("tenantid", "0189abef-09af-409f-ab89-000000000000")
	require.Equal(t, "Tenant.NotFound", hubbixRefused(t, c.get(accounts+"/journals"), 404))
	c.header.Set("tenantid", "x")
	require.Equal(t, "Tenant.Invalid", hubbixRefused(t, c.get(accounts+"/journals"), 400))
	c.header.Del("tenantid")
	require.Equal(t, "Tenant.Required", hubbixRefused(t, c.get(accounts+"/journals"), 400))
	c.header.Set("DomainId", "1")
	require.Equal(t, "Domain.NotFound", hubbixRefused(t, c.get(business+"/items"), 404))
	c.header.Del("DomainId")
	require.Equal(t, "Domain.Required", hubbixRefused(t, c.get(business+"/items"), 400))
	require.Equal(t, []string{sandbox.FirstTenant, sandbox.SecondTenant}, c.s.Tenants())
	require.Equal(t, []string{sandbox.FirstDomain, sandbox.SecondDomain}, c.s.Domains())
}

func TestHubbixWindows(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 120})
	for _, path := range []string{accounts + "/auxiliary-accounts", accounts + "/lines-entries", accounts + "/bank-transactions", business + "/items"} {
		for _, q := range [][2]string{{"take", "101"}, {"take", "200"}, {"take", "x"}, {"skip", "-1"}} {
			hubbixRefused(t, c.get(path, q[0], q[1]), 400)
		}
	}
	p := ok[accountPage](t, c.get(accounts+"/auxiliary-accounts", "skip", "180", "take", "50"))
	require.Equal(t, 190, *p.TotalRecords)
	require.Equal(t, 50, *p.Take)
	require.Equal(t, 180, *p.Skip)
	require.Len(t, p.Data, 10)
	p = ok[accountPage](t, c.get(accounts+"/bank-transactions"))
	require.Len(t, p.Data, 100)
	require.Nil(t, p.TotalRecords)
	require.Len(t, ok[accountPage](t, c.get(accounts+"/bank-transactions", "skip", "100")).Data, 20)
	require.Len(t, ok[accountPage](t, c.get(accounts+"/lines-entries")).Lines, 100)
}

func TestEntriesBalance(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	rows, err := c.s.Query("SELECT entry, debit, credit FROM cpttpe_line")
	require.NoError(t, err)
	require.Greater(t, len(rows), 500)
	sums := map[string]*big.Rat{}
	for _, r := range rows {
		e := r[0].(string)
		if sums[e] == nil {
			sums[e] = new(big.Rat)
		}
		debit, _ := new(big.Rat).SetString(r[1].(string))
		credit, _ := new(big.Rat).SetString(r[2].(string))
		sums[e].Add(sums[e], debit).Sub(sums[e], credit)
	}
	for e, s := range sums {
		require.Zero(t, s.Sign(), e)
	}
	codes := column(ok[accountPage](t, c.get(accounts+"/journals")).Data, "code")
	require.Equal(t, []any{"AC", "AN", "BQ", "CA", "OD", "VE"}, codes)
	orphans, err := c.s.Query(`SELECT DISTINCT general_account FROM cpttpe_line l WHERE NOT EXISTS (SELECT 1 FROM cpttpe_general_account g WHERE g.tenant = l.tenant AND g.number = l.general_account)`)
	require.NoError(t, err)
	require.Empty(t, orphans)
	orphans, err = c.s.Query(`SELECT DISTINCT auxiliary_account FROM cpttpe_line l WHERE auxiliary_account IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cpttpe_auxiliary_account g WHERE g.tenant = l.tenant AND g.number = l.auxiliary_account)`)
	require.NoError(t, err)
	require.Empty(t, orphans)
}

func TestLineFilters(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 80})
	const from = "SELECT COUNT(*) FROM cpttpe_line l JOIN cpttpe_entry e ON e.uuid = l.entry AND e.tenant = l.tenant JOIN cpttpe_journal j ON j.uuid = e.journal AND j.tenant = e.tenant WHERE l.tenant = '" + sandbox.FirstTenant + "' AND "
	amount := one(t, c.s, "SELECT debit FROM cpttpe_line WHERE debit <> '0.0' AND tenant = '"+sandbox.FirstTenant+"'")
	for _, k := range []struct {
		query []string
		sql   string
	}{
		{[]string{"generalAccount", "41100000"}, "general_account = '41100000'"},
		{[]string{"auxiliaryAccount", "C0000001"}, "auxiliary_account = 'C0000001'"},
		{[]string{"startDate", "2023-01-01", "endDate", "2023-06-30"}, "e.date BETWEEN '2023-01-01' AND '2023-06-30'"},
		{[]string{"valid", "true"}, "valid_identifier IS NOT NULL"},
		{[]string{"valid", "false"}, "valid_identifier IS NULL"},
		{[]string{"lettered", "true"}, "lettering IS NOT NULL"},
		{[]string{"assigned", "true"}, "assigned"},
		{[]string{"bankDeposit", "1"}, "bank_deposit"},
		{[]string{"search", "comptoir"}, "label LIKE '%comptoir%'"},
		{[]string{"amount", amount}, "debit = '" + amount + "' OR credit = '" + amount + "'"},
		{[]string{"amount", amount + "0"}, "debit = '" + amount + "' OR credit = '" + amount + "'"},
		{[]string{"nature", "17"}, "auxiliary_account LIKE 'F%'"},
		{[]string{"journals", "VE, ac"}, "j.code IN ('VE','AC')"},
		{[]string{"Journals", "VE"}, "1"},
	} {
		rows, err := c.s.Query(from + "(" + k.sql + ")")
		require.NoError(t, err)
		require.NotZero(t, rows[0][0], k)
		require.EqualValues(t, rows[0][0], *ok[accountPage](t, c.get(accounts+"/lines-entries", k.query...)).TotalRecords, k)
	}
	for _, q := range [][2]string{{"startDate", "01/01/2023"}, {"valid", "maybe"}, {"amount", "x"}, {"sortField", "colour"}, {"sortDirection", "up"}} {
		hubbixRefused(t, c.get(accounts+"/lines-entries", q[0], q[1]), 400)
	}
	sorted := ok[accountPage](t, c.get(accounts+"/lines-entries", "sortField", "debit", "sortDirection", "desc")).Lines
	for i := 1; i < len(sorted); i++ {
		require.GreaterOrEqual(t, decimal(t, sorted[i-1]["debit"]).Cmp(decimal(t, sorted[i]["debit"])), 0)
	}
}

func TestAccountsAndEntries(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	types := ok[accountPage](t, c.get(accounts+"/auxiliary-account-types")).Data
	require.Equal(t, []any{"Clients", "Fournisseurs", "Salariés", "Organismes", "Autres tiers"}, column(types, "name"))
	for _, v := range []string{types[1]["uuid"].(string), "FO", "Fournisseurs"} {
		require.Equal(t, 125, *ok[accountPage](t, c.get(accounts+"/auxiliary-accounts", "category", v)).TotalRecords)
	}
	require.Equal(t, 1, *ok[accountPage](t, c.get(accounts+"/auxiliary-accounts", "search", "- x", "category", "CL")).TotalRecords)
	require.Equal(t, 10, *ok[accountPage](t, c.get(accounts+"/auxiliary-accounts", "numberFrom", "C0000241", "category", "CL")).TotalRecords)
	require.Contains(t, c.get(accounts+"/auxiliary-accounts", "take", "1").body, `"types":{"uuid"`)
	one := ok[map[string]any](t, c.get(accounts+"/auxiliary-accounts/C0000001"))
	require.Contains(t, one, "contact")
	require.Contains(t, one, "isMovement")
	require.Equal(t, "AuxiliaryAccount.NotFound", hubbixRefused(t, c.get(accounts+"/auxiliary-accounts/C9"), 404))

	require.Contains(t, c.get(accounts+"/general-account/41100000").body, `"belongsToTransferParameters":false`)
	require.Equal(t, "GeneralAccount.NotFound", hubbixRefused(t, c.get(accounts+"/general-account/1"), 404))
	for _, n := range column(ok[accountPage](t, c.get(accounts+"/general-account", "classNumber", "44", "isRacine", "false")).Data, "number") {
		require.True(t, strings.HasPrefix(n.(string), "44"))
	}
	require.Equal(t, 2, *ok[accountPage](t, c.get(accounts+"/general-account", "isCollective", "true")).TotalRecords)
	require.NotZero(t, *ok[accountPage](t, c.get(accounts+"/general-account", "vatRate", "20")).TotalRecords)

	line := ok[accountPage](t, c.get(accounts+"/lines-entries", "take", "1")).Lines[0]
	entry := line["entry"].(map[string]any)
	require.Regexp(t, regexp.MustCompile(`"debit":\d+\.\d`), c.get(accounts+"/lines-entries", "take", "1").body)
	uuid := entry["uuid"].(string)
	full := ok[map[string]any](t, c.get(accounts+"/entries/"+strings.ToUpper(uuid)))
	require.GreaterOrEqual(t, len(full["lines"].([]any)), 2)
	require.NotContains(t, full["journal"], "name")
	require.Equal(t, "Entry.NotFound", hubbixRefused(t, c.get(accounts+"/entries/x"), 404))
	found := ok[[]map[string]any](t, c.get(accounts+"/search-entries/entries", "uuids", uuid+",0189abef-09af-409f-ab89-000000000000"))
	require.Len(t, found, 1)
	require.Contains(t, found[0]["lines"].([]any)[0], "thirdAccount")
	hubbixRefused(t, c.get(accounts+"/search-entries/entries"), 400)
	require.Equal(t, "Journal.NotFound", hubbixRefused(t, c.get(accounts+"/journals/ZZ"), 404))
	require.Equal(t, "Attachment.NotFound", hubbixRefused(t, c.get(accounts+"/pieces-jointes/ZZ"), 404))
}

func TestJournalFilters(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 5})
	for _, k := range []struct {
		name, value string
		want        []any
	}{
		{"filter[code]", "^:A", []any{"AC", "AN"}}, {"filter[code]", "gte:OD", []any{"OD", "VE"}}, {"filter[name]", "%:aisse", []any{"CA"}},
		{"filter[name]", "lneq:6", []any{"AC", "BQ", "CA", "VE"}}, {"filter", "$:entes", []any{"VE"}}, {"filter[code]", "VE", []any{"VE"}},
		{"order[code]", "desc", []any{"VE", "OD", "CA", "BQ", "AN", "AC"}}, {"order", "name", []any{"AN", "AC", "BQ", "CA", "OD", "VE"}},
	} {
		require.Equal(t, k.want, column(ok[accountPage](t, c.get(accounts+"/journals", k.name, k.value)).Data, "code"), k)
	}
	hubbixRefused(t, c.get(accounts+"/journals", "order", "colour"), 400)
}

func TestBankTransactionsByDate(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	p := ok[accountPage](t, c.get(accounts+"/bank-transactions", "startDate", "2023-01-01", "endDate", "2024-01-01", "sort", "reverse-chronological", "status", "1"))
	require.NotEmpty(t, p.Data)
	last := "9999"
	for _, d := range p.Data {
		date := d["operationDate"].(string)
		require.True(t, strings.HasPrefix(date, "2023"))
		require.LessOrEqual(t, date, last)
		require.Equal(t, "1", d["status"])
		last = date
	}
	hubbixRefused(t, c.get(accounts+"/bank-transactions", "sort", "x"), 400)
}

// businessPage is a list of hubbix_gctpe.
type businessPage struct {
	Take, Skip *int
	Total      int
	Elements   []map[string]any
}

func TestBusinessLists(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 120})
	r := c.get(business+"/items", "take", "5", "skip", "2")
	p := ok[businessPage](t, r)
	require.Equal(t, 5, *p.Take)
	require.Equal(t, 2, *p.Skip)
	require.Equal(t, 120, p.Total)
	require.Equal(t, []any{json.Number("3"), json.Number("4"), json.Number("5"), json.Number("6"), json.Number("7")}, column(p.Elements, "id"))
	require.Regexp(t, `"vatRate":20\.0{27},`, r.body, "29 digits")
	p = ok[businessPage](t, c.get(business+"/items"))
	require.Nil(t, p.Take)
	require.Len(t, p.Elements, 100)
	codes := column(ok[businessPage](t, c.get(business+"/items", "Take", "100", "SortingOrder.Property", "PriceVatExcluded", "SortingOrder.SortType", "Descending")).Elements, "priceVatExcluded")
	for i := 1; i < len(codes); i++ {
		require.GreaterOrEqual(t, decimal(t, codes[i-1]).Cmp(decimal(t, codes[i])), 0)
	}
	p = ok[businessPage](t, c.get(business+"/sale-commitments", "sortingOrder.property", "customer.name"))
	require.NotEmpty(t, p.Elements)
	p = ok[businessPage](t, c.get(business+"/payment-modes", "filter.query", "bancaire"))
	require.Equal(t, []any{"Carte bancaire"}, column(p.Elements, "label"))
	hubbixRefused(t, c.get(business+"/items", "sortingOrder.property", "nothing"), 400)
	hubbixRefused(t, c.get(business+"/items", "sortingOrder.property", "a'b"), 400)
	hubbixRefused(t, c.get(business+"/items", "sortingOrder.sortType", "2"), 400)
	require.Equal(t, 55, ok[businessPage](t, c.get(business+"/sale-units")).Total)
}

func TestBusinessBareAnswers(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 40})
	require.Len(t, ok[[]map[string]any](t, c.get(business+"/vat-rates")), 30)
	require.Len(t, ok[[]map[string]any](t, c.get(business+"/vat-rates", "take", "7", "skip", "28")), 2)
	require.Len(t, ok[[]map[string]any](t, c.get(business+"/printing-models")), 4)
	require.Equal(t, "Marge en couleur (personnalisé)", ok[map[string]any](t, c.get(business+"/printing-models/default-name"))["name"])
	r := c.get(business + "/dashboards/sale-amount-indicator")
	require.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
	require.Regexp(t, `^\d+\.\d+$`, r.body)
}

func TestBusinessRecordsOfAKind(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 40})
	validated := one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'invoice'")
	require.Equal(t, http.StatusOK, c.get(business+"/sale-invoices/validated/"+validated).status)
	require.Equal(t, "SaleInvoice.NotFound", hubbixRefused(t, c.get(business+"/sale-invoices/"+validated), 404))
	require.Equal(t, "SaleUnit.NotFound", hubbixRefused(t, c.get(business+"/sale-units/8016"), 400))
	require.Equal(t, "Customer.NotFound", hubbixRefused(t, c.get(business+"/customers/x"), 404))
	invoice := ok[map[string]any](t, c.get(business+"/sale-invoices/validated/"+validated))
	require.Contains(t, invoice, "commitments")
	require.NotEmpty(t, invoice["lines"])
}

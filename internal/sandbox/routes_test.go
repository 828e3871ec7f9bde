package sandbox_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// documented reads the route table of the package, to call what it promises.
func documented(t *testing.T) [][3]string {
	t.Helper()
	src, err := os.ReadFile("operations.go")
	require.NoError(t, err)
	var out [][3]string
	for _, m := range regexp.MustCompile(`\{"([^"]+)", "([A-Z]+)", "([^"]+)", \d+\}`).FindAllStringSubmatch(string(src), -1) {
		out = append(out, [3]string{m[1], m[2], m[3]})
	}
	require.Len(t, out, 139)
	return out
}

// one reads a value from the database.
func one(t *testing.T, s *sandbox.Server, query string) string {
	t.Helper()
	rows, err := s.Query(query)
	require.NoError(t, err)
	require.NotEmpty(t, rows, query)
	v, ok := rows[0][0].(string)
	require.True(t, ok, query)
	return v
}

func isRead(name string) bool {
	return regexp.MustCompile(`\.(list|get|names|default|search|get_validated|get_invoiced|best_customers|commitment_customers|sale_amount|sale_quotes)$`).MatchString(name)
}

func TestEveryReadOperationAnswers(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 40})
	ids := map[string]string{
		"{uuid}":                  one(t, c.s, "SELECT uuid FROM cpttpe_entry WHERE tenant = '"+sandbox.FirstTenant+"'"),
		"{uuidMs}":                one(t, c.s, "SELECT uuid FROM cpttpe_attachment WHERE tenant = '"+sandbox.FirstTenant+"'"),
		"{code}":                  "VE",
		"{TableName}":             "item",
		"{id}":                    "O'BRIEN",
		"{ImportSettings}":        "Clients d'été",
		"{IdCustomer}":            "1",
		"{IdCustomerGroup}":       "1",
		"{IdItemGroup}":           "1",
		"{IdPaymentMode}":         "1",
		"{IdSaleUnit}":            "1",
		"{IdSettlementTerm}":      "1",
		"goods/{IdItem}":          one(t, c.s, "SELECT id FROM gctpe_item WHERE kind = 'good'"),
		"services/{IdItem}":       one(t, c.s, "SELECT id FROM gctpe_item WHERE kind = 'service'"),
		"{IdSaleDepositCredit}":   one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'deposit_credit'"),
		"{IdSaleDepositInvoice}":  one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'deposit_invoice'"),
		"sale-credits/{Id":        one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'credit_provisional'"),
		"credits/validated/{Id":   one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'credit'"),
		"sale-invoices/{Id":       one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'invoice_provisional'"),
		"invoices/validated/{Id":  one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'invoice'"),
		"sale-quotes/{Id":         one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'quote'"),
		"quotes/invoiced/{Id":     one(t, c.s, "SELECT id FROM gctpe_sale_document WHERE kind = 'quote_invoiced'"),
		"auxiliary-accounts/{num": "C0000001",
		"general-account/{number": "41100000",
	}
	read := 0
	for _, op := range documented(t) {
		name, method, template := op[0], op[1], op[2]
		if method != "GET" || !isRead(name) || strings.HasPrefix(name, "export.") || strings.HasPrefix(name, "associatedfile.") {
			continue
		}
		read++
		t.Run(name, func(t *testing.T) {
			c := &client{t, c.s, c.header}
			folder := "3691"
			if strings.HasPrefix(name, "batiment.") {
				folder = "7120"
			}
			path := strings.ReplaceAll(template, "{FolderId}", folder)
			if i := strings.Index(path, "{"); i >= 0 {
				value := ""
				for part, v := range ids {
					if strings.Contains(path, part) {
						value = v
					}
				}
				require.NotEmpty(t, value, path)
				path = path[:i] + strings.ReplaceAll(strings.ReplaceAll(value, " ", "%20"), "é", "%C3%A9")
			}
			var query []string
			for part, q := range map[string][]string{
				"GenericQuery": {"TableName", "Customer"}, "Documents/": {"Duration", "5000"}, "Deals/": {"Duration", "5000"},
				"ModelSettings": {"FolderId", "3691"}, "search-entries": {"uuids", ids["{uuid}"]},
			} {
				if strings.Contains(path, part) {
					query = append(query, q...)
				}
			}
			r := c.get(path, query...)
			require.NoError(t, r.err)
			require.Equal(t, 200, r.status, r.body)
			calls := c.s.Calls()
			require.Equal(t, name, calls[len(calls)-1].Operation)
			if name == "hubbix_cpttpe.attachments.get" {
				require.Equal(t, "image/png", r.header.Get("Content-Type"))
				require.True(t, strings.HasPrefix(r.body, "\x89PNG"))
				return
			}
			require.True(t, json.Valid([]byte(r.body)), r.body)
			if strings.HasSuffix(name, ".list") || strings.HasSuffix(name, ".names") {
				require.Positive(t, calls[len(calls)-1].Records, r.body)
			}
		})
	}
	require.Equal(t, 83, read)
}

func TestEveryOtherOperationSaysItIsNotDoneYet(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, op := range documented(t) {
		job := strings.HasPrefix(op[0], "export.") || strings.HasPrefix(op[0], "associatedfile.") || strings.HasPrefix(op[0], "import.imports.")
		if op[1] == "GET" && !job {
			continue
		}
		path := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(op[2], "1")
		r := c.do(op[1], path)
		require.Equal(t, 501, r.status, op)
		require.Contains(t, r.body, "does not do "+op[0]+" yet")
	}
}

func TestUnknownRoutesAre404(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, path := range []string{
		"/", "/gescom", "/gescom/api/v1/Nothing", gescom + "/Items/ItemsExtendedQuery", "/hubbix-gctpe/api/public/v1/printing-models/get-list",
		"/Hubbix-cpttpe/api/v1/journals", "/batiment/api/v1/Folders/7120/GenericQuery/a/b",
	} {
		gateway(t, c.get(path), 404)
	}
	gateway(t, c.do("DELETE", "/gescom/api/v1/Folders"), 404)
}

func TestPathsAndParametersOfGescomTakeAnyCasing(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 5})
	got := ok[page](t, c.get("/GESCOM/api/V1/folders/3691/genericquery", "TABLENAME", "CUSTOMER", "columns", "id", "limit", "2", "unknown", "x"))
	require.Len(t, got.Results, 2)
}

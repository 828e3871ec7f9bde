package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

func addBusinessHandlers(h map[string]handler) {
	const p = "hubbix_gctpe."
	for op, table := range map[string]string{
		"customer_groups": "customer_group", "item_groups": "item_group", "items": "item", "payment_modes": "payment_mode",
		"sale_commitments": "sale_commitment", "sale_documents": "sale_document", "sale_units": "sale_unit", "settlements": "settlement",
		"settlement_terms": "settlement_term",
	} {
		h[p+op+".list"] = businessList(table)
	}
	for op, g := range map[string]struct{ table, kind, entity string }{
		"customer_groups.get": {"customer_group", "", "CustomerGroup"}, "customers.get": {"customer", "", "Customer"},
		"goods.get": {"item", "good", "Item"}, "services.get": {"item", "service", "Item"}, "item_groups.get": {"item_group", "", "ItemGroup"},
		"payment_modes.get": {"payment_mode", "", "PaymentMode"}, "sale_credits.get": {"sale_document", "credit_provisional", "SaleCredit"},
		"sale_credits.get_validated": {"sale_document", "credit", "SaleCredit"}, "sale_deposit_credits.get": {"sale_document", "deposit_credit", "SaleDepositCredit"},
		"sale_deposit_invoices.get": {"sale_document", "deposit_invoice", "SaleDepositInvoice"}, "sale_invoices.get": {"sale_document", "invoice_provisional", "SaleInvoice"},
		"sale_invoices.get_validated": {"sale_document", "invoice", "SaleInvoice"}, "sale_quotes.get": {"sale_document", "quote", "SaleQuote"},
		"sale_quotes.get_invoiced": {"sale_document", "quote_invoiced", "SaleQuote"}, "sale_units.get": {"sale_unit", "", "SaleUnit"},
		"settlement_terms.get": {"settlement_term", "", "settlementTerm"},
	} {
		h[p+op] = businessGet(g.table, g.kind, g.entity)
	}
	h[p+"vat_rates.list"] = vatRates
	h[p+"printing_models.list"] = printingModels("detail")
	h[p+"printing_models.names"] = printingModels("summary")
	h[p+"printing_models.default"] = businessOne("printing_model", "kind = 'default'", "summary")
	for op, id := range map[string]string{
		"best_customers": "best", "commitment_customers": "commitment", "sale_quotes": "quotes",
	} {
		h[p+"dashboards."+op] = businessOne("dashboard", "id = '"+id+"'", "detail")
	}
	h[p+"dashboards.sale_amount"] = func(r *request) (answer, error) {
		// A number as text, not a JSON document (L4913).
		a, err := businessOne("dashboard", "id = 'amount'", "detail")(r)
		a.contentType = "text/plain; charset=utf-8"
		return a, err
	}
}

// propertyName is the form of sortingOrder.property: a member of the elements,
// or of an object in them.
var propertyName = regexp.MustCompile(`^[A-Za-z]+(\.[A-Za-z]+)?$`)

// businessPage reads a window of a table's summaries.
func (r *request) businessPage(table string) (records [][]byte, skip, take, total int, err error) {
	domain, err := r.domain()
	if err != nil {
		return nil, 0, 0, 0, err
	}
	if skip, take, err = r.window(); err != nil {
		return nil, 0, 0, 0, err
	}
	order := "seq"
	if by := r.value("sortingOrder.property"); by != "" {
		if !propertyName.MatchString(by) {
			return nil, 0, 0, 0, hubbixBad("Parameter.Invalid", "Le champ de tri '%s' est inconnu.", by)
		}
		parts := strings.Split(by, ".")
		for i, p := range parts {
			parts[i] = lower(p[:1]) + p[1:]
		}
		path := "$." + strings.Join(parts, ".")
		var known int
		known, err = r.store.count("SELECT COUNT(*) FROM gctpe_"+table+" WHERE domain = ? AND json_type(summary, ?) IS NOT NULL", []any{domain, path})
		if err != nil {
			return nil, 0, 0, 0, err
		}
		if known == 0 {
			return nil, 0, 0, 0, hubbixBad("Parameter.Invalid", "Le champ de tri '%s' est inconnu.", by)
		}
		order = "json_extract(summary, '" + path + "') COLLATE " + collateText
	}
	switch v := lower(r.value("sortingOrder.sortType")); v {
	case "", "0", "ascending":
	case "1", "descending":
		order += " DESC"
	default:
		return nil, 0, 0, 0, hubbixBad("Parameter.Invalid", "Le sens de tri '%s' est inconnu.", v)
	}
	w := &where{}
	w.add("domain = ?", domain)
	w.search(r, "filter.query", "search")
	from := " FROM gctpe_" + table + w.text()
	if total, err = r.store.count("SELECT COUNT(*)"+from, w.args); err != nil {
		return nil, 0, 0, 0, err
	}
	err = r.each("SELECT summary"+from+" ORDER BY "+order+", random() LIMIT ? OFFSET ?", append(w.args, take, skip), func(scan func(...any) error) error {
		var b []byte
		err := scan(&b)
		records = append(records, b)
		return err
	})
	return records, skip, take, total, err
}

// businessList is any list with take, skip, total and elements (L4207). take
// and skip are echoed as they were given: null when they were not (L5176).
func businessList(table string) handler {
	return func(r *request) (answer, error) {
		records, skip, take, total, err := r.businessPage(table)
		if err != nil {
			return answer{}, err
		}
		echo := func(name string, n int) string {
			if r.value(name) == "" {
				return "null"
			}
			return strconv.Itoa(n)
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, `{"take":%s,"skip":%s,"total":%d,"elements":[`, echo("take", take), echo("skip", skip), total)
		b.Write(bytes.Join(records, []byte(",")))
		b.WriteString("]}")
		return answer{body: b.Bytes(), records: len(records)}, nil
	}
}

// vatRates is GET /public/v1/vat-rates (L9634): a bare array.
func vatRates(r *request) (answer, error) {
	records, _, _, _, err := r.businessPage("vat_rate")
	return bareArray(records), err
}

func bareArray(records [][]byte) answer {
	var b bytes.Buffer
	b.WriteByte('[')
	b.Write(bytes.Join(records, []byte(",")))
	b.WriteByte(']')
	return answer{body: b.Bytes(), records: len(records)}
}

// printingModels is GET /public/v1/printing-models (L5881) or its names
// (L5940): bare arrays that take no parameter.
func printingModels(column string) handler {
	return func(r *request) (answer, error) {
		domain, err := r.domain()
		if err != nil {
			return answer{}, err
		}
		var records [][]byte
		err = r.each("SELECT "+column+" FROM gctpe_printing_model WHERE domain = ? ORDER BY seq", []any{domain}, func(scan func(...any) error) error {
			var b []byte
			err := scan(&b)
			records = append(records, b)
			return err
		})
		return bareArray(records), err
	}
}

// businessOne answers the one record that meets a condition.
func businessOne(table, condition, column string) handler {
	return func(r *request) (answer, error) {
		domain, err := r.domain()
		if err != nil {
			return answer{}, err
		}
		a := answer{records: 1}
		err = r.each("SELECT "+column+" FROM gctpe_"+table+" WHERE domain = ? AND "+condition, []any{domain}, func(scan func(...any) error) error {
			return scan(&a.body)
		})
		if err == nil && a.body == nil {
			err = hubbixNotFound("Entity", r.route.name)
		}
		return a, err
	}
}

// businessGet answers a record by its id, if it is of the kind.
func businessGet(table, kind, entity string) handler {
	return func(r *request) (answer, error) {
		domain, err := r.domain()
		if err != nil {
			return answer{}, err
		}
		w := &where{}
		w.add("domain = ?", domain)
		w.add("id = ?", r.last())
		if kind != "" {
			w.add("kind = ?", kind)
		}
		a := answer{records: 1}
		err = r.each("SELECT detail FROM gctpe_"+table+w.text(), w.args, func(scan func(...any) error) error {
			return scan(&a.body)
		})
		if err == nil && a.body == nil {
			e := hubbixNotFound(entity, r.last())
			if entity == "SaleUnit" {
				e.status = http.StatusBadRequest // L8867
			}
			err = e
		}
		return a, err
	}
}

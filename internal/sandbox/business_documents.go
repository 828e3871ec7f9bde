package sandbox

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

// postal writes an address as this product does (L4418).
func postal(street string, c city) json.RawMessage {
	return object("street", street, "additionalStreet", "", "postCode", c.zip, "city", c.name, "country", "France")
}

// parties fills customers (L4402) and items (L4970, L5360).
func (s *businessSeeder) parties() {
	for i := range s.rows {
		id := i + 1
		name := company(s.rng)
		if i < len(awkwardKeys) {
			name = awkwardKeys[i]
		}
		c := pick(s.rng, cities)
		address := postal(fmt.Sprintf("%d %s", 1+s.rng.IntN(99), pick(s.rng, streets)), c)
		contact := object("civility", "", "lastname", pick(s.rng, lastNames), "firstname", pick(s.rng, firstNames), "phone", phone(s.rng, "02"), "mobile", "", "email", "", "service", "")
		p := businessParty{id: id, code: fmt.Sprintf("CL%08d", id), name: name, address: address, city: c.name}
		s.customers = append(s.customers, p)
		var group any
		if i%3 == 0 {
			group = 1 + i%5
		}
		detail := object("id", id, "code", p.code, "name", name, "legalForm", "", "discountRate", money(0), "settlementTermId", nil, "intracommunityVatNumber", "",
			"siret", fmt.Sprintf("%014d", s.rng.Int64N(1e14)), "customerGroupId", group, "customerTypeId", 2, "website", "", "priceCategoryId", 1, "account", p.code,
			"contactsDetail", object("invoicing", object("address", address, "contact", contact), "deliveryAddressIsTheSameAsInvoicing", true,
				"headOfficeAddressIsTheSameAsInvoicing", true, "deliveryContactIsTheSameAsInvoicing", true, "deliveryAddress", address,
				"deliveryContact", contact, "headOfficeAddress", address),
			"anteriorDueAmount", json.RawMessage("0.0"), "anteriorDate", nil, "anteriorHasSettlement", false,
			"balanceDue", money(s.rng.IntN(900000)), "pastDueBalance", money(0))
		s.put("customer", i, strconv.Itoa(id), "", p.code+" "+name, detail, nil)
	}
	for i := range s.rows {
		id := i + 1
		price := money(100 + s.rng.IntN(200_000))
		tax := share(price, 200)
		label := pick(s.rng, things) + " " + pick(s.rng, qualities)
		code := fmt.Sprintf("AR%08d", id)
		if i < len(awkwardKeys) {
			code = awkwardKeys[i]
		}
		s.goods = append(s.goods, businessParty{id: id, code: code, name: label, price: price})
		kind, itemType, nature := "good", "GoodItem", 1
		var margin any = object("costPriceVatExcluded", price/2, "marginAmount", price-price/2, "marginRate", money(5000))
		if i%4 == 3 {
			kind, itemType, nature, margin = "service", "ServiceItem", 3, nil
		}
		var group any
		if i%2 == 0 {
			group = 1 + i%4
		}
		summary := object("id", id, "code", code, "label", label, "itemType", itemType, "vatRate", money(2000), "priceVatExcluded", price,
			"priceVatIncluded", price+tax, "canDelete", i%2 == 1, "itemStatus", i%11/10)
		detail := object("id", id, "code", code, "label", label, "natureId", nature, "itemGroupId", group, "priceVatExcluded", price, "vatId", 5,
			"vatRate", money(2000), "priceVatIncluded", price+tax, "description", awkwardTexts[i%6], "salesQuantity", money(100), "saleUnitId", 6,
			"canDelete", i%2 == 1, "costPriceAndMargin", margin)
		s.put("item", i, strconv.Itoa(id), kind, code+" "+label, summary, detail)
	}
}

// Kinds of sale documents, with their documentType and documentStatus
// (L9725, L9733) and the prefix of their numbers.
var businessKinds = []struct {
	kind         string
	typ, status  int
	prefix, name string
}{
	{"invoice", 0, 1, "FA", "Facture"}, {"invoice", 0, 1, "FA", "Facture"}, {"invoice_provisional", 0, 0, "TMP", "Facture"},
	{"quote", 4, 0, "DE", "Devis"}, {"credit", 1, 1, "AV", "Avoir"}, {"credit_provisional", 1, 0, "TMP", "Avoir"},
	{"deposit_invoice", 2, 1, "FA", "Acompte"}, {"deposit_credit", 3, 1, "AV", "Avoir d'acompte"}, {"quote_invoiced", 4, 1, "DE", "Devis"}, {"invoice", 0, 1, "FA", "Facture"},
}

// documents fills sale documents, with the commitments of the validated
// invoices and their settlements.
func (s *businessSeeder) documents() {
	for i := range s.rows {
		k := businessKinds[i%len(businessKinds)]
		id, c, item := i+1, pick(s.rng, s.customers), pick(s.rng, s.goods)
		quantity := 1 + s.rng.IntN(5)
		net := item.price * money(quantity)
		tax := share(net, 200)
		gross := net + tax
		number := fmt.Sprintf("%s%08d", k.prefix, id)
		date := day(s.rng).Format("2006-01-02T15:04:05Z")
		remaining := []money{gross, 0, gross / 2}[s.rng.IntN(3)]
		title := ""
		if i%5 == 0 {
			title = k.name + " d'été"
		}
		summary := object("id", id, "documentType", k.typ, "documentStatus", k.status, "name", c.name, "date", date, "city", c.city, "number", number,
			"totalAmountVatExcluded", net, "totalAmountVatIncluded", gross, "netAmountVatIncluded", gross, "dueAmount", remaining,
			"accountingTransferStatus", nil, "title", title)
		addresses := object("invoicing", c.address, "delivery", nil, "headOffice", nil, "deliveryIsTheSameAsInvoicing", false, "headOfficeIsTheSameAsInvoicing", false)
		var detail json.RawMessage
		if k.typ == 2 || k.typ == 3 {
			detail = s.deposit(k.typ == 2, id, number, date, c, addresses, net, tax)
		} else {
			detail = s.trade(k.typ, id, number, date, title, c, addresses, item, quantity, net, tax, remaining)
		}
		s.put("sale_document", i, strconv.Itoa(id), k.kind, number+" "+c.name+" "+title, summary, detail)
		switch k.kind {
		case "invoice":
			s.total, s.due = s.total+net, s.due+remaining
			s.invoiced[c.name] += net
			s.commitment(id, number, date, c, gross, remaining)
			if remaining < gross {
				s.settlement(date, c, gross-remaining)
			}
		case "quote_invoiced":
			s.billed++
			s.quotes++
		case "quote":
			s.quotes++
		}
	}
}

// trade writes an invoice (L7335), a credit (L6057) or a quote (L8264).
func (s *businessSeeder) trade(typ, id int, number, date, title string, c businessParty, addresses json.RawMessage, item businessParty, quantity int, net, tax, remaining money) json.RawMessage {
	gross := net + tax
	var m []any
	commitment := func(sign money) []json.RawMessage {
		return []json.RawMessage{object("date", date, "percent", money(10000), "amount", sign*gross, "remainingAmount", sign*remaining, "paymentModeId", 1)}
	}
	profit := object("costPriceVatExcluded", money(0), "marginAmount", net, "marginRate", money(0))
	switch typ {
	case 0:
		m = append(m, "deliveryDate", date, "saleQuoteId", nil, "settlementTermId", nil, "commitments", commitment(1), "profitability", profit)
	case 1:
		m = append(m, "priceCategoryId", 1, "commitments", commitment(-1))
	default:
		m = append(m, "validUntil", date, "deliveryDate", date, "profitability", profit)
	}
	m = append(m, "id", id, "name", c.name)
	if typ != 1 {
		m = append(m, "priceCategoryId", 1)
	}
	line := object("costPriceVatExcluded", money(0), "vatRateId", 5, "saleUnitId", nil, "id", id, "description", item.name, "itemId", item.id, "applyMargin", false,
		"lineType", 0, "quantity", money(quantity*100), "unitPrice", item.price, "vatRate", money(2000), "totalAmountVatExcluded", net, "totalVatAmount", tax,
		"totalAmountVatIncluded", gross, "discountRate", money(0), "discountAmount", nil, "detailedDescription", "", "lineOrder", 0, "ecoContribution", nil)
	footer := object("totalAmountVatExcluded", net, "totalAmountVatIncluded", gross, "totalDepositsAmountVatIncluded", money(0), "netAmountVatIncluded", gross,
		"totalVatAmount", tax, "shippingCost", money(0), "shippingVatRateId", 5, "shippingVatRate", money(2000), "discountRate", money(0), "discountAmount", money(0),
		"totalAmountNetVatExcluded", net, "totalAmountNetVatIncluded", gross, "ecoContribution", nil)
	vat := object("id", id, "rate", money(2000), "baseAmountExcludedVat", net, "debitVatAmount", money(0), "cashVatAmount", tax, "totalVatAmount", tax, "discountAmount", nil)
	m = append(m, "siret", "", "intracommunityVatNumber", "", "isExemptionVat", false, "territoriality", 0, "customerId", c.id, "customerTypeId", 2, "date", date,
		"title", title, "number", number, "exemptionNoticeId", 4, "useVatIncludedInvoicingMode", false, "vatPayabilityType", 2, "informationsToPrint", "",
		"addresses", addresses, "lines", []json.RawMessage{line}, "footer", footer, "vatSummaryLines", []json.RawMessage{vat})
	return object(m...)
}

// deposit writes a deposit invoice (L7045) or a deposit credit (L6835).
func (s *businessSeeder) deposit(invoice bool, id int, number, date string, c businessParty, addresses json.RawMessage, net, tax money) json.RawMessage {
	gross := net + tax
	var m []any
	if invoice {
		m = append(m, "cashReceiptTotalAmount", money(0), "lateAmount", money(0), "paymentModeId", 4, "remainingAmount", gross)
	}
	m = append(m, "id", id, "fromSaleQuoteId", 1, "number", number, "date", date, "customerId", c.id, "customerTypeId", 2, "name", c.name, "addresses", addresses,
		"siret", "", "intracommunityVatNumber", "", "territoriality", 0, "orderNumber", "", "deliveryDate", date, "commitmentDate", date, "commitmentId", newGUID(s.rng),
		"saleQuoteTotalAmountVatIncluded", gross*10, "saleDepositMaxPossibleAmountVatIncluded", gross*9, "amountVatIncluded", gross, "rateVatIncluded", money(1000),
		"vatRate", money(2000), "vatAmount", tax, "amountVatExcluded", net, "detailedDescription", "", "accountingTransferStatus", nil, "exemptionNoticeId", 4, "isExemptionVat", false)
	return object(m...)
}

// commitment stores a due date (L5972).
func (s *businessSeeder) commitment(document int, number, date string, c businessParty, amount, remaining money) {
	id := newGUID(s.rng)
	s.put("sale_commitment", s.commitments, id, "", number+" "+c.name+" "+c.code, object("id", id, "date", date, "customer", object("id", c.id, "name", c.name, "code", c.code),
		"document", object("id", document, "number", number, "documentStatus", 1, "documentType", 0, "commitmentAssociationId", 0),
		"paymentMode", "Carte bancaire", "amount", amount, "remainingAmount", remaining), nil)
	s.commitments++
}

// settlement stores a payment (L9117).
func (s *businessSeeder) settlement(date string, c businessParty, amount money) {
	s.settlements++
	id := s.settlements
	code := fmt.Sprintf("RE%08d", id)
	s.put("settlement", id, strconv.Itoa(id), "", code+" "+c.name, object("id", id, "code", code, "date", date, "customerName", c.name, "amount", amount,
		"stillToBeDistributedAmount", money(0), "paymentModeLabel", "Carte bancaire", "paymentReference", "", "settlementType", 1), nil)
}

// dashboards stores the indicators (L4842 to L4944), computed from the
// invoices.
func (s *businessSeeder) dashboards() {
	names := make([]string, 0, len(s.invoiced))
	for n := range s.invoiced {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		if a, b := s.invoiced[names[i]], s.invoiced[names[j]]; a != b {
			return a > b
		}
		return names[i] < names[j]
	})
	var best []json.RawMessage
	for _, n := range names[:min(5, len(names))] {
		best = append(best, object("name", n, "totalAmount", s.invoiced[n]))
	}
	s.put("dashboard", 0, "best", "", "", object("totalAmount", s.total, "bestCustomers", best), nil)
	s.put("dashboard", 1, "commitment", "", "", object("totalAmount", s.due, "totalOverdueAmount", money(0), "totalFallingDueAmount", s.due), nil)
	s.put("dashboard", 2, "amount", "", "", s.total.decimal29(), nil)
	rate := 0
	if s.quotes > 0 {
		rate = 100 * s.billed / s.quotes
	}
	s.put("dashboard", 3, "quotes", "", "", object("rate", rate, "invoicedSaleQuotesCount", s.billed, "totalSaleQuotesCount", s.quotes), nil)
}

package sandbox

import (
	"fmt"
	"time"
)

// documentTypes are the values of the DocumentType column with the prefix of
// the numbers; they are not those of the DocumentType filter.
var documentTypes = []struct {
	value  int
	prefix string
}{
	{columnInvoice, "FA"}, {columnQuote, "DE"}, {columnOrder, "CM"}, {columnDelivery, "BL"}, {columnCredit, "AV"},
	{columnDeposit, "FD"}, {columnReturn, "BR"}, {columnDepositCredit, "AD"}, {columnExecutionQuote, "DX"},
	{columnAmendment, "AT"}, {columnProgress, "SI"},
}

func (d *seeder) dealsAndSites() error {
	d.deals, d.sites = nil, nil
	for i := range max(d.rows/5, 1) {
		d.useRecord("Deal", i)
		id := d.keyed("AF", i, 6, 10)
		d.deals = append(d.deals, id)
		n := note(d.rng, i)
		if err := d.insert("Deal", d.sys(i, row{
			"Id": id, "Caption": "Affaire " + pick(d.rng, lastNames), "DealDate": stamp(day(d.rng)), "DealState": maybe(d.rng, 12, d.rng.IntN(6)),
			"Notes": rtf(n), "NotesClear": n, "PredictedSales": money(d.rng.IntN(9_000_000)).text8(),
		})); err != nil {
			return err
		}
		for k := range (i + 1) % 4 {
			if err := d.insert("DealColleague", d.sys(i+k, row{"Id": d.guid(), "DealId": id, "ColleagueId": d.colleagues[(i+k)%len(d.colleagues)]})); err != nil {
				return err
			}
		}
		site := d.keyed("CH", i, 6, 10)
		d.sites = append(d.sites, site)
		start := day(d.rng)
		if err := d.insert("ConstructionSite", d.sys(i, row{
			"Id": site, "Caption": "Chantier " + pick(d.rng, cities).name, "StartDate": stamp(start), "EndDate": stamp(start.AddDate(0, 3, 0)),
			"Status": d.rng.IntN(4), "CustomerId": pick(d.rng, d.customers), "NotesClear": n,
		})); err != nil {
			return err
		}
	}
	return nil
}

// documents fills sales or purchases, their lines, or the settlements of the
// invoices.
func (d *seeder) documents() error {
	for i := range d.rows {
		side := "Sale"
		if d.wants("PurchaseDocument", "PurchaseDocumentLine") {
			side = "Purchase"
		}
		if err := d.document(side, i); err != nil {
			return err
		}
	}
	return nil
}

// document stores one document whose totals are the sums of its lines.
func (d *seeder) document(side string, i int) error {
	name := side + "Document"
	d.useRecord(name, i)
	kind := documentTypes[0]
	if i%3 != 0 {
		kind = documentTypes[i%len(documentTypes)]
	}
	date := day(d.rng)
	if i == 7 {
		date = time.Date(2202, 3, 1, 0, 0, 0, 0, time.UTC) // somebody typed it so
	}
	id := d.guid()
	var net, tax money
	var lines []row
	for n := range 1 + i%5 {
		line, amount, vat := d.line(side, id, n, date)
		net, tax = net+amount, tax+vat
		lines = append(lines, line)
	}
	text := note(d.rng, i)
	r := row{
		"Id": id, "DocumentType": kind.value, "DocumentNumber": fmt.Sprintf("%s%08d", kind.prefix, i+1), "NumberPrefix": kind.prefix,
		"NumberSuffix": fmt.Sprint(i + 1), "DocumentDate": stamp(date), "Reference": maybe(d.rng, 2, "V/réf. "+pick(d.rng, lastNames)),
		"ColleagueId": maybe(d.rng, 3, pick(d.rng, d.colleagues)), "DealId": maybe(d.rng, 2, pick(d.rng, d.deals)),
		"ConstructionSiteId": maybe(d.rng, 2, pick(d.rng, d.sites)), "StorehouseId": pick(d.rng, d.storehouses), "DocumentState": d.rng.IntN(4),
		"ValidationState": []int{0, 3}[d.rng.IntN(2)], "DeliveryState": d.rng.IntN(3), "ValidityDate": maybe(d.rng, 2, stamp(date.AddDate(0, 1, 0))),
		"DeliveryDate": maybe(d.rng, 2, stamp(date.AddDate(0, 0, 9))), "AmountVatExcluded": net.text8(), "AmountVatExcludedWithDiscount": net.text8(),
		"VatAmount": tax.text8(), "AmountVatIncluded": (net + tax).text8(), "TotalDueAmount": (net + tax).text8(),
		"PriceListCategory": maybe(d.rng, 2, pick(d.rng, d.priceLists)), "SettlementModeId": pick(d.rng, d.modes), "CurrencyId": "EUR",
		"SendedByMail": d.rng.IntN(2) == 0, "NotesClear": text,
	}
	third := d.rng.IntN(d.rows)
	due := net + tax
	if side == "Sale" {
		r["CustomerId"], r["CustomerName"] = d.customers[third], d.customerNames[third]
		if kind.value == columnDelivery {
			r["OriginDocumentNumber"] = fmt.Sprintf("CM%08d", i)
		}
		if kind.value == columnInvoice {
			paid, err := d.settle(i, d.customers[third], due, date)
			if err != nil {
				return err
			}
			due -= paid
		}
	} else {
		r["SupplierId"], r["SupplierName"] = d.suppliers[third], d.supplierNames[third]
	}
	r["CommitmentsBalanceDue"] = due.text8()
	d.address("InvoicingAddress_", r)
	d.address("DeliveryAddress_", r)
	if err := d.insert(name, d.sys(i, r)); err != nil {
		return err
	}
	for n, line := range lines {
		if err := d.insert(name+"Line", d.sys(i+n, line)); err != nil {
			return err
		}
	}
	return nil
}

// line draws one line and returns its net and tax amounts. The first line of
// longer documents is a comment without an item.
func (d *seeder) line(side, document string, n int, date time.Time) (row, money, money) {
	r := row{
		"Id": d.guid(), "DocumentId": document, "LineOrder": n + 1, "LineType": 2, "DeliveryDate": maybe(d.rng, 2, stamp(date.AddDate(0, 0, 7))),
		"StorehouseId": pick(d.rng, d.storehouses),
	}
	if n == 2 {
		r["LineType"] = 1
		r["DescriptionClear"] = awkwardTexts[d.rng.IntN(6)]
		r["Description"] = rtf(r["DescriptionClear"])
		return r, 0, 0
	}
	k := d.rng.IntN(len(d.items))
	quantity := int64(1 + d.rng.IntN(20))
	price := d.itemPrices[k]
	vat := d.vats[k%3]
	net := price * money(quantity)
	tax := share(net, vat.permille)
	q := money(quantity * 100).text8()
	r["ItemId"], r["Description"], r["DescriptionClear"] = d.items[k], rtf("Article "+d.items[k]), "Article "+d.items[k]
	r["Quantity"], r["RealQuantity"] = q, q
	r["CostPrice"], r["PurchasePrice"] = (price * 6 / 10).text8(), (price / 2).text8()
	r["NetPriceVatExcluded"], r["NetPriceVatIncluded"] = price.text8(), (price + share(price, vat.permille)).text8()
	r["NetAmountVatExcluded"], r["NetAmountVatExcludedWithDiscount"], r["RealNetAmountVatExcluded"] = net.text8(), net.text8(), net.text8()
	r["NetAmountVatIncluded"], r["VatAmount"], r["VatId"] = (net + tax).text8(), tax.text8(), vat.id
	r["UnitId"] = maybe(d.rng, 5, pick(d.rng, d.units))
	if side == "Sale" {
		r["SalePriceVatExcluded"] = price.text8()
	}
	return r, net, tax
}

// settle pays an invoice in full, in part or not at all.
func (d *seeder) settle(i int, customer string, due money, date time.Time) (money, error) {
	paid := []money{due, due / 3, 0}[d.rng.IntN(3)]
	if paid == 0 {
		return 0, nil
	}
	return paid, d.insert("SaleSettlement", d.sys(i, row{
		"Id": d.guid(), "ThirdId": customer, "SettlementDate": stamp(date.AddDate(0, 0, d.rng.IntN(40))),
		"PaymentTypeId": pick(d.rng, []string{"CB", "CHQ", "VIR", "LCR", "ESP"}), "Amount": paid.text8(), "IsDeposit": false,
		"BankId": maybe(d.rng, 2, "BNP"), "Reference": fmt.Sprintf("FA%08d", i+1),
	}))
}

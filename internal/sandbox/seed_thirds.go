package sandbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"
)

func lower(s string) string { return strings.ToLower(s) }
func upper(s string) string { return strings.ToUpper(s) }

// email writes an address of a person, without accents.
func email(first, last string) string {
	var b strings.Builder
	for _, r := range lower(first + "." + last) {
		if a, ok := accents[r]; ok {
			r = a.base
		}
		if r == '.' || r < unicode.MaxASCII && unicode.IsLetter(r) {
			b.WriteRune(r)
		}
	}
	return b.String() + "@example.fr"
}

// company draws the name of a company.
func company(r *rand.Rand) string {
	return strings.TrimSpace(pick(r, trades) + " " + pick(r, lastNames) + " " + pick(r, legalForms))
}

func phone(r *rand.Rand, lead string) string {
	return fmt.Sprintf("%s %02d %02d %02d %02d", lead, r.IntN(100), r.IntN(100), r.IntN(100), r.IntN(100))
}

// note draws the notes of record i: the awkward ones for the first records.
func note(r *rand.Rand, i int) any {
	if i < len(awkwardTexts) {
		return awkwardTexts[i]
	}
	return maybe(r, 3, fmt.Sprintf("Rappeler avant %d h.\r\nDemander %s.", 8+r.IntN(10), pick(r, firstNames)))
}

// rtf wraps a note as the formatted column holds it.
func rtf(note any) any {
	s, ok := note.(string)
	if !ok {
		return nil
	}
	return `{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Segoe UI;}}\f0\fs20 ` + strings.ReplaceAll(s, "\r\n", `\par `) + `}`
}

// address returns the columns of a postal address after a prefix.
func (d *seeder) address(prefix string, into row) {
	c := pick(d.rng, cities)
	into[prefix+"Address1"] = fmt.Sprintf("%d %s", 1+d.rng.IntN(120), pick(d.rng, streets))
	into[prefix+"Address2"] = maybe(d.rng, 2, "Bâtiment "+string(rune('A'+d.rng.IntN(6))))
	into[prefix+"ZipCode"], into[prefix+"City"], into[prefix+"State"] = c.zip, c.name, c.state
	into[prefix+"CountryIsoCode"] = "FR"
}

// names draws the keys and names other records refer to.
func (d *seeder) names() {
	d.customers, d.suppliers, d.items = make([]string, d.rows), make([]string, d.rows), make([]string, d.rows)
	d.customerNames, d.supplierNames = make([]string, d.rows), make([]string, d.rows)
	d.itemPrices = make([]money, d.rows)
	for i := range d.rows {
		d.customers[i], d.suppliers[i], d.items[i] = d.keyed("CL", i, 5, 20), d.keyed("FO", i, 5, 20), d.keyed("AR", i, 5, 40)
		d.useRecord("Customer", i)
		d.customerNames[i] = company(d.rng)
		d.useRecord("Supplier", i)
		d.supplierNames[i] = company(d.rng)
		d.useRecord("Item", i)
		d.itemPrices[i] = money(50 + d.rng.IntN(90000))
	}
	if d.rows > 3 {
		d.customerNames[3] = "MAIRIE DE SAINT DENIS"
	}
}

// thirds fills customers and suppliers with their addresses and contacts.
func (d *seeder) thirds() error {
	if d.wants("Customer", "Address", "Contact") {
		for i, id := range d.customers {
			d.useRecord("Customer", i)
			company(d.rng)
			r := d.third("Customer", i, id, d.customerNames[i])
			r["Type"] = i % 7 / 6
			switch i {
			case 0:
				r["AllowedAmount"], r["CurrentAmount"] = "12345678901234567890.12345678", "-0.00000001"
			case 1:
				r["AllowedAmount"] = "99999999999999999999.99999999"
			}
			if err := d.insert("Customer", r); err != nil {
				return err
			}
			if err := d.thirdDetails("AssociatedCustomerId", id, i, r); err != nil {
				return err
			}
		}
	}
	if d.wants("Supplier", "Address", "Contact") {
		for i, id := range d.suppliers {
			d.useRecord("Supplier", i)
			company(d.rng)
			r := d.third("Supplier", i, id, d.supplierNames[i])
			if err := d.insert("Supplier", r); err != nil {
				return err
			}
			if err := d.thirdDetails("AssociatedSupplierId", id, i, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// third returns the columns customers and suppliers share.
func (d *seeder) third(owner string, i int, id, name string) row {
	n := note(d.rng, i)
	siren := fmt.Sprintf("%09d", d.rng.IntN(1e9))
	first, last := pick(d.rng, firstNames), pick(d.rng, lastNames)
	f := d.rng.IntN(len(d.families[owner]))
	r := row{
		"Id": id, "Name": cut(name, 60), "Civility": maybe(d.rng, 4, pick(d.rng, d.civils)), "ActiveState": []int{0, 0, 0, 0, 0, 0, 1, 2, 3}[d.rng.IntN(9)],
		"ColleagueId": maybe(d.rng, 3, pick(d.rng, d.colleagues)), "SettlementModeId": pick(d.rng, d.modes),
		"PriceListCategoryId": maybe(d.rng, 2, pick(d.rng, d.priceLists)), "Siren": siren, "Nic": fmt.Sprintf("%05d", d.rng.IntN(1e5)),
		"NAF": fmt.Sprintf("%04dZ", d.rng.IntN(1e4)), "IntracommunityVATNumber": "FR" + fmt.Sprintf("%02d", d.rng.IntN(100)) + siren,
		"TerritorialityId": "a5f0d4f0-51b2-4ab7-8d6e-1a1a0cf1f9c1", "DiscountRate": money(d.rng.IntN(4) * 250).text8(),
		"CurrentAmount": money(d.rng.IntN(500000)).text8(), "AllowedAmount": money(d.rng.IntN(20) * 50000).text8(),
		"Notes": rtf(n), "NotesClear": n, "UniqueId": d.guid(),
		"MainInvoicingContact_Civility": "M.", "MainInvoicingContact_Name": last, "MainInvoicingContact_FirstName": first,
		"MainInvoicingContact_Phone": maybe(d.rng, 4, phone(d.rng, "01")), "MainInvoicingContact_CellPhone": maybe(d.rng, 3, phone(d.rng, "06")),
		"MainInvoicingContact_Email": maybe(d.rng, 5, email(first, last)),
	}
	if owner == "Customer" {
		r["Accounts_Account"] = fmt.Sprintf("411%05d", i)
	} else {
		r["Accounts_Account"] = fmt.Sprintf("401%05d", i)
	}
	if d.rng.IntN(5) > 0 {
		r["FamilyId"] = d.families[owner][f]
		if sub := d.subFamilies[owner]; len(sub) > 0 && d.rng.IntN(2) > 0 {
			r["SubFamilyId"] = sub[f]
		}
	}
	d.address("MainInvoicingAddress_", r)
	d.address("MainDeliveryAddress_", r)
	return d.sys(i, r)
}

// thirdDetails stores the contact of a third party and its one to three
// addresses, the first of which is that of the third party itself.
func (d *seeder) thirdDetails(column, id string, i int, third row) error {
	if !d.wants("Address", "Contact") {
		return nil
	}
	if err := d.insert("Contact", d.sys(i, row{
		"Id": d.guid(), column: id, "ContactFields_Civility": third["MainInvoicingContact_Civility"],
		"ContactFields_Name": third["MainInvoicingContact_Name"], "ContactFields_FirstName": third["MainInvoicingContact_FirstName"],
		"ContactFields_Phone": third["MainInvoicingContact_Phone"], "ContactFields_CellPhone": third["MainInvoicingContact_CellPhone"],
		"ContactFields_Email": third["MainInvoicingContact_Email"],
	})); err != nil {
		return err
	}
	for n := range 1 + i%3 {
		a := row{
			"Id": d.guid(), column: id, "IsInvoicingType": true, "IsDeliveryType": n > 0, "IsMainInvoicing": n == 0, "IsMainDelivery": n == 1,
			"AddressFields_Npai": false, "IsMainReminder": n == 0, "sysEditCounter": d.rng.IntN(9), "AddressFields_ThirdName": third["Name"],
			"AddressFields_Longitude": maybe(d.rng, 2, fmt.Sprintf("%d.%08d", d.rng.IntN(7), d.rng.IntN(1e8))),
			"AddressFields_Latitude":  maybe(d.rng, 2, fmt.Sprintf("%d.%08d", 43+d.rng.IntN(7), d.rng.IntN(1e8))),
			"AddressFields_WebSite":   maybe(d.rng, 2, "https://www.example.fr/"+lower(id)),
		}
		if n == 0 {
			for _, c := range []string{"Address1", "Address2", "ZipCode", "City", "State", "CountryIsoCode"} {
				a["AddressFields_"+c] = third["MainInvoicingAddress_"+c]
			}
		} else {
			d.address("AddressFields_", a)
		}
		if err := d.insert("Address", d.sys(i+n, a)); err != nil {
			return err
		}
	}
	return nil
}

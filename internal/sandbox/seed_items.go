package sandbox

import "fmt"

// trackedNumbers is how many tracking numbers the most tracked item has: more
// than fit on a page.
const trackedNumbers = 250

// stock fills items, their stock by storehouse, their tracking numbers and
// their suppliers.
func (d *seeder) stock() error {
	for i, id := range d.items {
		d.useRecord("Item", i)
		d.rng.IntN(90000) // the price
		price := d.itemPrices[i]
		if err := d.insert("Item", d.item(i, id, price)); err != nil {
			return err
		}
		if err := d.stockOf(i, id, price); err != nil {
			return err
		}
	}
	return nil
}

func (d *seeder) item(i int, id string, price money) row {
	vat := d.vats[i%3]
	tax := share(price, vat.permille)
	f := d.rng.IntN(len(d.families["Item"]))
	n := note(d.rng, i)
	r := row{
		"Id": id, "Caption": pick(d.rng, things) + " " + pick(d.rng, qualities), "DesComClear": n, "ItemType": i % 9 / 8,
		"ActiveState": []int{0, 0, 0, 0, 0, 1, 2, 3}[d.rng.IntN(8)], "BarCode": maybe(d.rng, 4, fmt.Sprintf("3%012d", d.rng.Int64N(1e12))),
		"UnitId": maybe(d.rng, 6, pick(d.rng, d.units)), "SupplierId": maybe(d.rng, 4, pick(d.rng, d.suppliers)), "VatId": vat.id,
		"PurchasePrice": (price / 2).text8(), "CostPrice": (price * 6 / 10).text8(), "SalePriceVatExcluded": price.text8(),
		"SalePriceVatIncluded": (price + tax).text8(), "VatAmount": tax.text8(), "BrandRate": "40.00000000",
		"RealStock": "0.00000000", "Weight": fmt.Sprintf("%d.%03d", d.rng.IntN(40), d.rng.IntN(1000)),
		"NetWeight": fmt.Sprintf("%d.5", d.rng.IntN(30)), "Volume": fmt.Sprintf("0.%08d", d.rng.IntN(1e8)),
		"ManageStock": i%9 != 8, "AllowPublishOnWeb": d.rng.IntN(2) == 0, "UniqueId": d.guid(), "NotesClear": note(d.rng, i+3),
	}
	if d.rng.IntN(6) > 0 {
		r["FamilyId"] = d.families["Item"][f]
		if d.rng.IntN(2) > 0 {
			r["SubFamilyId"] = d.subFamilies["Item"][f]
		}
	}
	if i%10 == 4 && i < 2000 {
		size := 60 + d.rng.IntN(400)
		if i%50 == 24 {
			size = 20_000
		}
		r["ItemImage"] = d.image(size)
	}
	switch i {
	case 0:
		r["PurchasePrice"], r["CostPrice"] = "12345678901234567890.12345678", "-0.00000001"
	case 1:
		r["PurchasePrice"], r["CostPrice"] = "0.00000001", "99999999999999999999.99999999"
	}
	return d.sys(i, r)
}

// image returns bytes that begin as a PNG.
func (d *seeder) image(size int) []byte {
	b := make([]byte, size)
	copy(b, "\x89PNG\r\n\x1a\n")
	for i := 8; i < size; i++ {
		b[i] = byte(d.rng.Uint32())
	}
	return b
}

func (d *seeder) stockOf(i int, id string, price money) error {
	if i%9 != 8 {
		for n, s := range d.storehouses[:1+i%len(d.storehouses)] {
			quantity := money(d.rng.IntN(500) * 100)
			if err := d.insert("StockItem", d.sys(i+n, row{
				"ItemId": id, "StorehouseId": s, "RealStock": quantity.text8(), "VirtualStock": (quantity + 1000).text8(),
				"OrderedQuantity": money(d.rng.IntN(9) * 100).text8(), "SuppliersOrderedQuantity": "10.00000000",
				"MinStock": "5.00000000", "MaxStock": "1000.00000000", "Pump": price.text8(), "StockValue": (quantity / 100 * price).text8(),
			})); err != nil {
				return err
			}
		}
	}
	numbers := 0
	switch {
	case i == min(50, d.rows-1) && d.rows >= 100:
		numbers = trackedNumbers
	case i%12 == 5 || d.rows < 12 && i == 0:
		numbers = 1 + i%4
	}
	for n := range numbers {
		if err := d.insert("TrackingStockItem", d.sys(n, row{
			"ItemId": id, "StorehouseId": d.storehouses[n%len(d.storehouses)], "TrackingNumber": fmt.Sprintf("LOT-%05d-%04d", i, n),
			"LimitDate": maybe(d.rng, 3, stamp(day(d.rng))), "RealStock": "1.00000000", "VirtualStock": "1.00000000",
		})); err != nil {
			return err
		}
	}
	if i%3 == 0 {
		return d.insert("SupplierItem", d.sys(i, row{"Id": d.guid(), "SupplierId": pick(d.rng, d.suppliers), "ItemId": id}))
	}
	return nil
}

// share returns so many thousandths of an amount, rounded to the hundredth.
func share(m money, permille int64) money {
	if m < 0 {
		return -share(-m, permille)
	}
	return money((int64(m)*permille + 500) / 1000)
}

package sandbox

import "fmt"

// small fills the tables of a few rows that others refer to.
func (d *seeder) small() error {
	d.vats, d.storehouses, d.civils, d.colleagues = nil, nil, nil, nil
	pairs := func(name string, list [][2]string, more func(i int, r row)) ([]string, error) {
		d.use(name)
		var keys []string
		for i, p := range list {
			r := d.sys(i, row{"Id": p[0], "Caption": p[1]})
			if more != nil {
				more(i, r)
			}
			if err := d.insert(name, r); err != nil {
				return nil, err
			}
			keys = append(keys, p[0])
		}
		return keys, nil
	}
	var err error
	if d.units, err = pairs("Unit", thingUnits, nil); err != nil {
		return err
	}
	if err = d.smallVats(); err != nil {
		return err
	}
	d.use("Storehouse")
	for i, caption := range []string{"Dépôt principal", "Dépôt d'Été", "Camion n° 1", "Réserve \"B\""} {
		id := d.guid()
		d.storehouses = append(d.storehouses, id)
		if err := d.insert("Storehouse", d.sys(i, row{"Id": id, "Caption": caption})); err != nil {
			return err
		}
	}
	if d.modes, err = pairs("SettlementMode", [][2]string{{"CB", "Carte bancaire"}, {"CHQ", "Chèque à réception"}, {"VIR30", "Virement à 30 jours"}, {"LCR45", "LCR 45 jours fin de mois"}, {"ESP", "Espèces"}}, nil); err != nil {
		return err
	}
	if _, err = pairs("PaymentType", [][2]string{{"CB", "Carte bancaire"}, {"CHQ", "Chèque"}, {"VIR", "Virement"}, {"LCR", "LCR"}, {"ESP", "Espèces"}}, nil); err != nil {
		return err
	}
	if d.families["Item"], err = pairs("ItemFamily", itemFamilies, func(i int, r row) { r["VatId"] = d.vats[i%len(d.vats)].id }); err != nil {
		return err
	}
	if d.families["Customer"], err = pairs("CustomerFamily", customerFamilies, nil); err != nil {
		return err
	}
	if d.families["Supplier"], err = pairs("SupplierFamily", [][2]string{{"GRO", "Grossistes"}, {"FAB", "Fabricants"}, {"ÉTR", "Étrangers"}}, nil); err != nil {
		return err
	}
	sub := func(name, owner, column string) error {
		var list [][2]string
		for i := range d.families[owner] {
			list = append(list, [2]string{fmt.Sprintf("SFA%d", i+1), fmt.Sprintf("Sous-famille n° %d", i+1)})
		}
		d.subFamilies[owner], err = pairs(name, list, func(i int, r row) { r[column] = d.families[owner][i] })
		return err
	}
	if err = sub("ItemSubFamily", "Item", "ItemFamilyId"); err != nil {
		return err
	}
	if err = sub("CustomerSubFamily", "Customer", "CustomerFamilyId"); err != nil {
		return err
	}
	d.use("Civility")
	for i, c := range []string{"M.", "Mme", "Maître", "SARL", "EIRL"} {
		d.civils = append(d.civils, c)
		if err := d.insert("Civility", d.sys(i, row{"Id": d.guid(), "Caption": c})); err != nil {
			return err
		}
	}
	d.use("Country")
	for i, c := range [][2]string{{"FR", "France"}, {"BE", "Belgique"}, {"CH", "Suisse"}, {"DE", "Allemagne"}, {"RE", "La Réunion"}, {"CI", "Côte d'Ivoire"}} {
		if err := d.insert("Country", d.sys(i, row{"IsoCode": c[0], "Caption": c[1]})); err != nil {
			return err
		}
	}
	if d.priceLists, err = pairs("PriceListCategory", [][2]string{{"PUBLIC", "Tarif public"}, {"PRO", "Tarif professionnel"}, {"ÉTÉ", "Tarif d'été"}}, nil); err != nil {
		return err
	}
	d.use("PriceList")
	for i, id := range []string{"TARIF1", "TARIF2", "PROMO"} {
		if err := d.insert("PriceList", d.sys(i, row{"Id": id})); err != nil {
			return err
		}
	}
	return d.smallColleagues()
}

func (d *seeder) smallVats() error {
	d.use("Vat")
	territory := d.guid()
	for i, v := range []vatRate{{permille: 200, name: "TVA 20 %"}, {permille: 100, name: "TVA 10 %"}, {permille: 55, name: "TVA 5,5 %"}, {permille: 21, name: "TVA 2,1 %"}, {permille: 0, name: "Exonéré"}} {
		v.id = d.guid()
		d.vats = append(d.vats, v)
		rate := fmt.Sprintf("%d.%d0000000", v.permille/10, v.permille%10)
		if err := d.insert("Vat", d.sys(i, row{"Id": v.id, "Rate": rate, "Description": v.name, "TerritorialityId": territory})); err != nil {
			return err
		}
	}
	return nil
}

func (d *seeder) smallColleagues() error {
	d.use("Colleague")
	for i := range 12 {
		id := fmt.Sprintf("CO%05d", i+1)
		d.colleagues = append(d.colleagues, id)
		first, last := pick(d.rng, firstNames), pick(d.rng, lastNames)
		if err := d.insert("Colleague", d.sys(i, row{
			"Id": id, "Contact_Name": last, "Contact_FirstName": first, "Contact_Email": email(first, last), "ActiveState": i % 5 / 4,
		})); err != nil {
			return err
		}
	}
	return nil
}

// rest fills the tables nothing else refers to, and gives those known only by
// name a few records.
func (d *seeder) rest() error {
	d.use(d.want.name)
	switch d.want.name {
	case "ScheduleEvent":
		return d.restEvents()
	case "Incident":
		for i := range max(d.rows/10, 1) {
			if err := d.insert("Incident", d.sys(i, row{"Id": d.keyed("IN", i, 6, 8), "Caption": "Panne de " + pick(d.rng, things), "CustomerId": pick(d.rng, d.customers)})); err != nil {
				return err
			}
		}
		return nil
	case "MaintenanceContract":
		for i := range max(d.rows/10, 1) {
			start := day(d.rng)
			if err := d.insert("MaintenanceContract", d.sys(i, row{
				"Id": d.keyed("MC", i, 6, 8), "Caption": "Entretien " + pick(d.rng, things), "CustomerId": pick(d.rng, d.customers),
				"StartDate": stamp(start), "EndDate": stamp(start.AddDate(1, 0, 0)),
			})); err != nil {
				return err
			}
		}
		return nil
	}
	t := d.want
	for i := range 5 {
		r := row{}
		switch t.columns[0].kind {
		case kindInt:
			r[t.columns[0].name] = d.rng.IntN(1 << 30)
		case kindGUID:
			r[t.columns[0].name] = d.guid()
		default:
			r[t.columns[0].name] = fmt.Sprintf("%.3s%03d", upper(t.name), i+1)
		}
		if _, ok := t.column("Caption"); ok {
			r["Caption"] = fmt.Sprintf("%s n° %d", t.name, i+1)
		}
		if err := d.insert(t.name, d.sys(i, r)); err != nil {
			return err
		}
	}
	return nil
}

func (d *seeder) restEvents() error {
	types := []string{d.guid(), d.guid()}
	for i := range max(d.rows/2, 1) {
		start := moment(d.rng, firstDay, lastDay)
		if err := d.insert("ScheduleEvent", d.sys(i, row{
			"Id": d.guid(), "Caption": "Rendez-vous " + pick(d.rng, trades), "StartDateTime": stamp(start),
			"EndDateTime": stamp(start.Add(90 * 60e9)), "CustomerId": maybe(d.rng, 8, pick(d.rng, d.customers)),
			"ColleagueId": pick(d.rng, d.colleagues), "EventType": pick(d.rng, types), "EventState": d.rng.IntN(4),
		})); err != nil {
			return err
		}
	}
	return nil
}

package sandbox

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// accountingTables are the tables of hubbix_cpttpe; each row belongs to a
// tenant. Exec may change them.
const accountingTables = `
CREATE TABLE cpttpe_auxiliary_type (tenant TEXT, uuid TEXT, name TEXT, prefix TEXT, abbreviation TEXT, general_account TEXT, nature INTEGER, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_auxiliary_account (tenant TEXT, uuid TEXT, number TEXT COLLATE EBP_TEXT, name TEXT COLLATE EBP_TEXT, vat_number TEXT, siret TEXT,
	is_active INTEGER, type TEXT, contact TEXT, address TEXT, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_general_account (tenant TEXT, uuid TEXT, number TEXT, label TEXT COLLATE EBP_TEXT, active INTEGER, collective INTEGER, racine INTEGER,
	tax_type TEXT, operation_type TEXT, calculation_option TEXT, used_for_entries INTEGER, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_journal (tenant TEXT, uuid TEXT, code TEXT COLLATE EBP_TEXT, name TEXT COLLATE EBP_TEXT, counterpart TEXT, type TEXT, complement TEXT, is_default INTEGER, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_vat_rate (tenant TEXT, uuid TEXT, designation TEXT, rate TEXT COLLATE EBP_DECIMAL, is_active INTEGER, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_entry (tenant TEXT, uuid TEXT, journal TEXT, mode TEXT, date TEXT, temporary_identifier TEXT, valid_identifier TEXT, attachment TEXT, origin TEXT, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_line (tenant TEXT, uuid TEXT, entry TEXT, position INTEGER, general_account TEXT, auxiliary_account TEXT, label TEXT COLLATE EBP_TEXT,
	debit TEXT COLLATE EBP_DECIMAL, credit TEXT COLLATE EBP_DECIMAL, piece TEXT, document TEXT, deadline TEXT, lettering TEXT, lettering_date TEXT,
	partial_lettering TEXT, assigned INTEGER, bank_deposit INTEGER, PRIMARY KEY (tenant, uuid));
CREATE INDEX cpttpe_line_entry ON cpttpe_line (tenant, entry);
CREATE TABLE cpttpe_bank_transaction (tenant TEXT, uuid TEXT, account TEXT, label TEXT, operation_date TEXT, value_date TEXT, debit TEXT, credit TEXT, reference TEXT, status TEXT, entry TEXT, PRIMARY KEY (tenant, uuid));
CREATE TABLE cpttpe_attachment (tenant TEXT, uuid TEXT, name TEXT, content_type TEXT, content BLOB, PRIMARY KEY (tenant, uuid));`

// short writes an amount as this product does: 123.0, 35.59 (L734, L1389).
func (m money) short() string {
	s := strings.TrimRight(m.text8(), "0")
	if strings.HasSuffix(s, ".") {
		s += "0"
	}
	return s
}

// auxiliaryTypes are the kinds of third-party accounts (L139).
var auxiliaryTypes = []struct {
	name, prefix, abbreviation, account string
	nature                              int
}{
	{"Clients", "C", "CL", "411", 16}, {"Fournisseurs", "F", "FO", "401", 17}, {"Salariés", "S", "SA", "421", 18},
	{"Organismes", "O", "OR", "437", 19}, {"Autres tiers", "A", "AT", "467", 20},
}

// journals are the journals of every tenant (L1128).
var journals = []struct {
	code, name, kind, counterpart string
	first                         bool
}{
	{"AC", "Achats", "Achats", "", false}, {"AN", "À Nouveaux", "À Nouveaux", "", true}, {"BQ", "Banque", "Trésorerie", "51210000", false},
	{"CA", "Caisse", "Trésorerie", "53110000", false}, {"OD", "Opérations diverses", "Opérations diverses", "", false}, {"VE", "Ventes", "Ventes", "", false},
}

// chart is the chart of accounts: number and label. Those whose number ends
// in zeros after two digits are roots.
var chart = strings.Split(`10000000 Capital et réserves
10100000 Capital
10110000 Capital souscrit - non appelé
10610000 Réserve légale
11000000 Report à nouveau
12000000 Résultat de l'exercice
16400000 Emprunts auprès des établissements de crédit
20500000 Concessions, brevets, licences
21540000 Matériel industriel
21830000 Matériel de bureau et informatique
28183000 Amortissements du matériel de bureau
31000000 Matières premières
37000000 Stocks de marchandises
40100000 Fournisseurs
40400000 Fournisseurs d'immobilisations
41100000 Clients
41600000 Clients douteux
42100000 Personnel - rémunérations dues
43100000 Sécurité sociale
43700000 Autres organismes sociaux
44551000 TVA à décaisser
44562000 TVA sur immobilisations
44566000 TVA déductible sur autres biens et services
44571000 TVA collectée
45500000 Associés - comptes courants
46700000 Autres comptes débiteurs ou créditeurs
47100000 Compte d'attente
51210000 Comptes en monnaie nationale
53110000 Caisse en monnaie nationale
58000000 Virements internes
60110000 Achats de matières premières
60610000 Fournitures non stockables (eau, énergie)
60630000 Fournitures d'entretien et petit équipement
60700000 Achats de marchandises
61320000 Locations immobilières
61560000 Maintenance
62260000 Honoraires
62510000 Voyages et déplacements
62600000 Frais postaux et télécommunications
62700000 Services bancaires
63511000 Cotisation foncière des entreprises
64110000 Salaires, appointements
64510000 Cotisations à l'URSSAF
66110000 Intérêts des emprunts et dettes
68110000 Dotations aux amortissements
70100000 Ventes de produits finis
70600000 Prestations de services
70700000 Ventes de marchandises
70850000 Ports et frais accessoires facturés
76800000 Autres produits financiers`, "\n")

// accountingSeeder fills one tenant.
type accountingSeeder struct {
	tx     *sql.Tx
	tenant string
	rng    *rand.Rand
	stmt   map[string]*sql.Stmt
	types  []string // uuids of auxiliaryTypes
	codes  map[string]string
	err    error
}

func (a *accountingSeeder) insert(table string, values ...any) {
	if a.err != nil {
		return
	}
	st := a.stmt[table]
	if st == nil {
		if st, a.err = a.tx.Prepare("INSERT INTO cpttpe_" + table + " VALUES (?" + strings.Repeat(",?", len(values)) + ")"); a.err != nil {
			return
		}
		a.stmt[table] = st
	}
	_, a.err = st.Exec(append([]any{a.tenant}, values...)...)
}

// fillAccounting fills a tenant of hubbix_cpttpe.
func fillAccounting(tx *sql.Tx, o Options, tenant string) error {
	a := &accountingSeeder{tx: tx, tenant: tenant, rng: newRand(o.Seed, tenant), stmt: map[string]*sql.Stmt{}, codes: map[string]string{}}
	a.settings()
	a.thirds(o.Rows)
	a.entries(o.Rows)
	a.bank(o.Rows)
	for _, st := range a.stmt {
		st.Close()
	}
	return a.err
}

func (a *accountingSeeder) settings() {
	for _, t := range auxiliaryTypes {
		id := newGUID(a.rng)
		a.types = append(a.types, id)
		a.insert("auxiliary_type", id, t.name, t.prefix, t.abbreviation, t.account, t.nature)
	}
	for i, line := range chart {
		number, label, _ := strings.Cut(line, " ")
		var tax, operation, option any
		if strings.HasPrefix(number, "7") && i%2 == 1 {
			tax, operation, option = "Collectée", "Ventes", "sur_les_debits"
		}
		a.insert("general_account", newGUID(a.rng), number, label, i%7 != 1, number == "40100000" || number == "41100000", strings.HasSuffix(number, "000000"), tax, operation, option, false)
	}
	for _, j := range journals {
		id := newGUID(a.rng)
		a.codes[j.code] = id
		var counterpart any
		if j.counterpart != "" {
			counterpart = j.counterpart
		}
		a.insert("journal", id, j.code, j.name, counterpart, j.kind, "", j.first)
	}
	for _, v := range [][2]string{{"2.1", "France taux réduit 2,10 %"}, {"5.5", "France taux réduit 5,50 %"}, {"10.0", "France taux intermédiaire 10,00 %"}, {"20.0", "France taux normal 20,00 %"}} {
		a.insert("vat_rate", newGUID(a.rng), v[1], v[0], true)
	}
}

// thirds fills auxiliary accounts: half as many suppliers as customers, and a
// few of the other kinds.
func (a *accountingSeeder) thirds(rows int) {
	counts := []int{rows, max(rows/2, 1), 5, 3, 2}
	for k, t := range auxiliaryTypes {
		for i := range counts[k] {
			name := company(a.rng)
			if i < len(awkwardKeys) && i%2 == 0 {
				name = awkwardKeys[i]
			}
			c := pick(a.rng, cities)
			first, last := pick(a.rng, firstNames), pick(a.rng, lastNames)
			contact := string(jsonAnswer(0, contactShape{newGUID(a.rng), "M.", first, last, phone(a.rng, "01"), phone(a.rng, "06"), "Comptabilité", email(first, last)}).body)
			address := string(jsonAnswer(0, addressShape{newGUID(a.rng), fmt.Sprintf("%d %s", 1+a.rng.IntN(99), pick(a.rng, streets)), "", c.zip, c.name, nil}).body)
			a.insert("auxiliary_account", newGUID(a.rng), fmt.Sprintf("%s%07d", t.prefix, i+1), name, fmt.Sprintf("FR%011d", a.rng.Int64N(1e11)),
				fmt.Sprintf("%014d", a.rng.Int64N(1e14)), i%9 != 4, a.types[k], contact, address)
		}
	}
}

// contactShape and addressShape are parts of an auxiliary account (L225 to L241).
type contactShape struct {
	UUID          string `json:"uuid"`
	Civility      string `json:"civility"`
	FirstName     string `json:"firstName"`
	LastName      string `json:"lastName"`
	LandlinePhone string `json:"landlinePhone"`
	MobilePhone   string `json:"mobilePhone"`
	Service       string `json:"serviceOrFonction"`
	Email         string `json:"email"`
}

type addressShape struct {
	UUID       string  `json:"uuid"`
	Address    string  `json:"address"`
	Address2   string  `json:"address2"`
	PostalCode string  `json:"postalCode"`
	City       string  `json:"city"`
	Country    *string `json:"country"`
}

// accountingLine is a line to store: account, third party, label, amounts.
type accountingLine struct {
	general, auxiliary, label string
	debit, credit             money
}

// entries fills two entries per row, over five years: sales, purchases, their
// payments, cash and others. The lines of each balance.
func (a *accountingSeeder) entries(rows int) {
	customer := func() string { return fmt.Sprintf("C%07d", 1+a.rng.IntN(rows)) }
	supplier := func() string { return fmt.Sprintf("F%07d", 1+a.rng.IntN(max(rows/2, 1))) }
	a.entry(0, "AN", firstDay, []accountingLine{{"51210000", "", "À nouveau", 1_234_500, 0}, {"10100000", "", "À nouveau", 0, 1_000_000}, {"11000000", "", "À nouveau", 0, 234_500}})
	for i := 1; i < 2*rows; i++ {
		net := money(100 + a.rng.IntN(500_000))
		tax := share(net, 200)
		date := day(a.rng)
		switch i % 6 {
		case 0, 1:
			c, label := customer(), "Facture "+pick(a.rng, things)
			a.entry(i, "VE", date, []accountingLine{{"41100000", c, label, net + tax, 0}, {"70700000", "", label, 0, net}, {"44571000", "", label, 0, tax}})
		case 2:
			f, label := supplier(), "Achat "+pick(a.rng, things)
			a.entry(i, "AC", date, []accountingLine{{"60700000", "", label, net, 0}, {"44566000", "", label, tax, 0}, {"40100000", f, label, 0, net + tax}})
		case 3:
			a.entry(i, "BQ", date, []accountingLine{{"51210000", "", "Virement reçu", net, 0}, {"41100000", customer(), "Virement reçu", 0, net}})
		case 4:
			a.entry(i, "CA", date, []accountingLine{{"53110000", "", "Vente au comptoir \"espèces\"", net + tax, 0}, {"70700000", "", "Vente au comptoir", 0, net}, {"44571000", "", "TVA", 0, tax}})
		case 5:
			a.entry(i, "OD", date, []accountingLine{{"64110000", "", "Salaires d'été", net, 0}, {"42100000", fmt.Sprintf("S%07d", 1+i%5), "Salaires d'été", 0, net}})
		}
	}
}

// entry stores an entry. One in three is validated, one in ten has a file.
func (a *accountingSeeder) entry(i int, journal string, date time.Time, lines []accountingLine) {
	id := newGUID(a.rng)
	mode, temporary, valid := "Provisoire", any(fmt.Sprintf("P%03d", i+1)), any(nil)
	if i%3 == 0 {
		mode, temporary, valid = "Validé", nil, any(fmt.Sprintf("%06d", i/3+1))
	}
	var file any
	if i%10 == 2 {
		uuid := newGUID(a.rng)
		file = uuid
		a.insert("attachment", uuid, fmt.Sprintf("Pièce n° %d.png", i), "image/png", append([]byte("\x89PNG\r\n\x1a\n"), uuid...))
	}
	a.insert("entry", id, a.codes[journal], mode, date.Format("2006-01-02"), temporary, valid, file, "Saisie journal")
	for n, l := range lines {
		var auxiliary, deadline, lettering, letteringDate any
		if l.auxiliary != "" {
			auxiliary, deadline = l.auxiliary, date.AddDate(0, 1, 0).Format("2006-01-02")
			if i%4 == 1 {
				lettering, letteringDate = fmt.Sprintf("A%c%c", 'A'+i/26%26, 'A'+i%26), date.AddDate(0, 1, 3).Format("2006-01-02")
			}
		}
		a.insert("line", newGUID(a.rng), id, n, l.general, auxiliary, cut(l.label, 60), l.debit.short(), l.credit.short(),
			fmt.Sprintf("%s%05d", journal, i), fmt.Sprintf("D%05d", i), deadline, lettering, letteringDate, nil, journal == "BQ" && i%5 == 3, journal == "BQ" && i%9 == 3)
	}
}

// bank fills bank transactions.
func (a *accountingSeeder) bank(rows int) {
	account := newGUID(a.rng)
	for i := range rows {
		date := day(a.rng)
		var debit, credit any
		amount := money(100 + a.rng.IntN(90_000)).short()
		if i%3 == 0 {
			credit = amount
		} else {
			debit = amount
		}
		a.insert("bank_transaction", newGUID(a.rng), account, pick(a.rng, []string{"CB DÉBIT IMMÉDIAT", "VIR SEPA", "PRLV", "CHQ", "FRAIS"})+" "+upper(pick(a.rng, lastNames)),
			date.Format("2006-01-02"), date.AddDate(0, 0, i%3).Format("2006-01-02"), debit, credit, fmt.Sprintf("%06d", a.rng.IntN(1e6)), fmt.Sprint(i%3), nil)
	}
}

package sandbox

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// businessTables are the tables of hubbix_gctpe. Each holds the records of
// every domain as JSON: summary as lists show them, detail as the single
// answer does; search is what filter.query looks in, seq the default order.
var businessTables = strings.Fields(`customer_group customer item_group item payment_mode printing_model sale_commitment
sale_document sale_unit settlement settlement_term vat_rate dashboard`)

// businessSeeder fills one domain.
type businessSeeder struct {
	tx     *sql.Tx
	domain string
	rows   int
	rng    *rand.Rand
	stmt   map[string]*sql.Stmt
	err    error

	customers, goods []businessParty
	invoiced         map[string]money // by customer
	total, due       money
	quotes, billed   int
	commitments      int
	settlements      int
}

// businessParty is what documents need of a customer or an item.
type businessParty struct {
	id         int
	code, name string
	address    json.RawMessage
	city       string
	price      money
}

// decimal29 writes an amount with the 29 digits this product shows (L4406).
func (m money) decimal29() json.RawMessage {
	s := m.text8()
	digits := len(strings.Trim(s, "-")) - 1
	return json.RawMessage(s + strings.Repeat("0", max(29-digits, 0)))
}

// object writes members in the given order: name, value, name, value.
func object(members ...any) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := 0; i < len(members); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(&b, members[i].(string))
		b.WriteByte(':')
		switch v := members[i+1].(type) {
		case nil:
			b.WriteString("null")
		case string:
			writeString(&b, v)
		case int:
			b.WriteString(strconv.Itoa(v))
		case bool:
			b.WriteString(strconv.FormatBool(v))
		case money:
			b.Write(v.decimal29())
		case json.RawMessage:
			b.Write(v)
		case []json.RawMessage:
			b.WriteByte('[')
			b.Write(bytes.Join(rawBytes(v), []byte(",")))
			b.WriteByte(']')
		default:
			panic(fmt.Sprintf("sandbox: %T in an object", v))
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

func rawBytes(in []json.RawMessage) [][]byte {
	out := make([][]byte, len(in))
	for i, r := range in {
		out[i] = r
	}
	return out
}

// put stores a record. detail is the summary when nil.
func (s *businessSeeder) put(table string, seq int, id, kind, search string, summary, detail json.RawMessage) {
	if s.err != nil {
		return
	}
	if detail == nil {
		detail = summary
	}
	st := s.stmt[table]
	if st == nil {
		if st, s.err = s.tx.Prepare("INSERT INTO gctpe_" + table + " VALUES (?,?,?,?,?,?,?)"); s.err != nil {
			return
		}
		s.stmt[table] = st
	}
	_, s.err = st.Exec(s.domain, seq, id, kind, search, string(summary), string(detail))
}

// createBusiness creates the tables of hubbix_gctpe.
func createBusiness(tx *sql.Tx) error {
	for _, t := range businessTables {
		if _, err := tx.Exec("CREATE TABLE gctpe_" + t + " (domain TEXT, seq INTEGER, id TEXT, kind TEXT, search TEXT COLLATE EBP_TEXT, summary TEXT, detail TEXT, PRIMARY KEY (domain, id))"); err != nil {
			return err
		}
		if _, err := tx.Exec(fmt.Sprintf("CREATE INDEX gctpe_%s_seq ON gctpe_%s (domain, seq)", t, t)); err != nil {
			return err
		}
	}
	return nil
}

// fillBusiness fills a domain of hubbix_gctpe.
func fillBusiness(tx *sql.Tx, o Options, domain string) error {
	s := &businessSeeder{tx: tx, domain: domain, rows: o.Rows, rng: newRand(o.Seed, "domain", domain), stmt: map[string]*sql.Stmt{}, invoiced: map[string]money{}}
	s.groups()
	s.terms()
	s.vats()
	s.units()
	s.models()
	s.parties()
	s.documents()
	s.dashboards()
	for _, st := range s.stmt {
		st.Close()
	}
	return s.err
}

func (s *businessSeeder) groups() {
	for i, label := range []string{"Restauration", "Établissements de santé", "Artisans", "O'BRIEN & Cie", "null"} {
		o := object("id", i+1, "label", label, "discountRate", json.RawMessage("5.50"), "settlementTermId", nil, "comment", "Hôpitaux, cafés, \"etc.\"", "canDelete", i > 1)
		s.put("customer_group", i, strconv.Itoa(i+1), "", label, o, nil)
	}
	for i, label := range []string{"Matériel informatique", "Pièces de vélo", "Prestations", "Été 2025"} {
		o := object("id", i+1, "label", label, "vatId", 5, "canDelete", i > 1)
		s.put("item_group", i, strconv.Itoa(i+1), "", label, o, nil)
	}
	for i, m := range []struct {
		label string
		kind  int
	}{{"Carte bancaire", 3}, {"Chèque", 4}, {"Espèces", 6}, {"Paypal", 7}, {"Prélèvement", 8}, {"Virement", 10}} {
		o := object("id", i+1, "label", m.label, "paymentModeType", m.kind, "isDefault", i == 0, "canDelete", i > 3)
		s.put("payment_mode", i, strconv.Itoa(i+1), "", m.label, o, nil)
	}
}

func (s *businessSeeder) terms() {
	type line struct{ percent, days, kind, day int }
	terms := []struct {
		label string
		lines []line
	}{
		{"Au comptant", []line{{100, -1, 0, -1}}},
		{"Deux échéances (25% à la commande, 75% à 60 jours fin de mois le 15)", []line{{25, -1, 0, -1}, {75, 60, 3, 15}}},
		{"Trois échéances (20% à la commande, 35% à 45 jours fin de mois le 15, 45% à 60 jours nets le 20)", []line{{20, -1, 0, -1}, {35, 45, 3, 15}, {45, 60, 4, 20}}},
		{"À 45 jours fin de mois le 15", []line{{100, 45, 3, 15}}},
		{"À 20 jours fin de décade", []line{{100, 20, 9, -1}}},
		{"À 45 jours nets", []line{{100, 45, 1, -1}}},
		{"En fin de mois", []line{{100, 0, 2, -1}}},
		{"En fin de mois le 15", []line{{100, 0, 3, 15}}},
	}
	optional := func(n int) any {
		if n < 0 {
			return nil
		}
		return n
	}
	id := 0
	for i, t := range terms {
		// The list shows no percentages, the single answer does (L9189, L9376).
		var short, full []json.RawMessage
		for _, l := range t.lines {
			id++
			write := func(percent json.RawMessage) json.RawMessage {
				return object("id", id, "percent", percent, "numberOfDays", optional(l.days), "settlementTermLineType", l.kind, "dayOfMonth", optional(l.day), "paymentModeId", nil)
			}
			short = append(short, write(json.RawMessage("0.0")))
			full = append(full, write(money(l.percent*100).decimal29()))
		}
		s.put("settlement_term", i, strconv.Itoa(i+1), "", t.label,
			object("id", i+1, "label", t.label, "lines", short, "canDelete", i > 0), object("id", i+1, "label", t.label, "lines", full, "canDelete", i > 0))
	}
}

func (s *businessSeeder) vats() {
	id := 0
	for t, territory := range []string{"France", "Corse", "DOM", "Importation/Exportation", "Intracommunautaire", "Monaco"} {
		for k, rate := range []money{0, 210, 550, 1000, 2000} {
			id++
			label := fmt.Sprintf("%s taux %s", territory, strings.Replace(rate.short(), ".", ",", 1))
			if k == 0 {
				label = territory + " exonération"
			}
			s.put("vat_rate", id, strconv.Itoa(id), "", label,
				object("id", id, "territoriality", t, "label", label, "rate", rate, "status", true, "isDefault", t == 0 && k == 4), nil)
		}
	}
}

func (s *businessSeeder) units() {
	names := [][2]string{{"m", "mètre"}, {"nm", "nanomètre"}, {"µm", "micromètre"}, {"mm", "millimètre"}, {"cm", "centimètre"}, {"U", "unité"}, {"h", "heure"}, {"j", "jour"}, {"kg", "kilogramme"}, {"g", "gramme"}, {"m²", "mètre carré"}, {"m³", "mètre cube"}, {"L", "litre"}}
	kinds := []int{5, 5, 5, 5, 5, 7, 1, 1, 2, 2, 3, 4, 4}
	for i := range 55 {
		unit, label := fmt.Sprintf("u%d", i+1), fmt.Sprintf("unité spéciale n° %d", i+1)
		kind := 6
		if i < len(names) {
			unit, label, kind = names[i][0], names[i][1], kinds[i]
		}
		members := []any{"id", i + 1, "unit", unit, "label", label, "unitType", kind, "decimalPrecision", 2, "equivalence", json.RawMessage("1.00000000"), "comment", nil, "isActive", i%3 == 2}
		s.put("sale_unit", i, strconv.Itoa(i+1), "", unit+" "+label, object(members...),
			object(append(members, "take", nil, "skip", nil, "filter", nil, "sortingOrder", nil)...))
	}
}

func (s *businessSeeder) models() {
	for i, m := range []struct {
		kind   int
		name   string
		parent int
	}{{0, "Épuré", 0}, {1, "Classique", 0}, {2, "Marge en couleur", 0}, {2, "Marge en couleur (personnalisé)", 3}} {
		color := object("theme", "#888888", "contrast", "White", "type", "Custom")
		var seller, columns any
		if m.parent > 0 {
			var s, c []json.RawMessage
			for _, l := range []string{"Adresse", "Adresse e-mail", "Numéro de téléphone"} {
				s = append(s, object("label", l, "isVisible", true))
			}
			for _, l := range []string{"Code article", "Description", "Quantité", "Prix HT", "Prix TTC", "Remise", "TVA"} {
				c = append(c, object("id", nil, "label", l, "isVisible", true))
			}
			seller, columns = s, c
		}
		kind := ""
		if i == 3 {
			kind = "default"
		}
		s.put("printing_model", i, strconv.Itoa(i+1), kind, m.name, object("id", i+1, "type", m.kind, "name", m.name),
			object("id", i+1, "type", m.kind, "name", m.name, "parentId", m.parent, "customization",
				object("color", color, "fontFamily", "Roboto", "sellerInfos", seller, "columnCustomizations", columns), "isDefault", i == 3))
	}
}

package sandbox

import (
	"database/sql"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one record to store, by column name; what is missing is NULL, or
// the zero of its kind where the column may not be NULL.
type row map[string]any

// seeder fills one dossier. Everything it draws comes from the seed, the
// dossier and the table.
type seeder struct {
	folder    string
	seed      int64
	rows      int
	rng       *rand.Rand
	want      *table // the table being filled; records of others are not kept
	statement *sql.Stmt

	families, subFamilies        map[string][]string // by owner table
	vats                         []vatRate
	storehouses, units, modes    []string
	customers, suppliers, items  []string
	customerNames, supplierNames []string
	itemPrices                   []money
	colleagues, deals, sites     []string
	priceLists, civils           []string
}

// vatRate is one row of Vat.
type vatRate struct {
	id       string
	permille int64
	name     string
}

// money is an amount in hundredths.
type money int64

// text8 writes an amount with eight decimals, as money columns hold it.
func (m money) text8() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%02d000000", sign, m/100, m%100)
}

// fill creates and fills a table of a dossier, at its first use.
func (s *Server) fill(f *folder, t *table) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.filled[t.name] {
		return nil
	}
	if f.seeder == nil {
		f.seeder = newSeeder(f.id, s.options)
	}
	tx, err := s.store.db.Begin()
	if err != nil {
		return err
	}
	if err := f.seeder.fill(tx, t); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("sandbox: filling %s of dossier %s: %w", t.name, f.id, err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.store.version.Add(1)
	f.filled[t.name] = true
	return nil
}

func newSeeder(folder string, o Options) *seeder {
	d := &seeder{
		folder: folder, seed: o.Seed, rows: o.Rows,
		families: map[string][]string{}, subFamilies: map[string][]string{},
	}
	// Without a wanted table nothing is stored, so that nothing can fail.
	_ = d.small()
	d.names()
	_ = d.dealsAndSites()
	return d
}

// fill stores the records of one table.
func (d *seeder) fill(tx *sql.Tx, t *table) (err error) {
	if _, err = tx.Exec(createTable(d.folder, t)); err != nil {
		return err
	}
	q := fmt.Sprintf("INSERT INTO %s VALUES (?%s)", quote(sqlTable(d.folder, t.name)), strings.Repeat(",?", len(t.columns)-1))
	if d.statement, err = tx.Prepare(q); err != nil {
		return err
	}
	d.want = t
	err = d.step()()
	d.want = nil
	d.statement.Close()
	if err != nil {
		return err
	}
	for _, q := range createIndexes(d.folder, t) {
		if _, err := tx.Exec(q); err != nil {
			return err
		}
	}
	return nil
}

// step is the function that draws the records of the wanted table.
func (d *seeder) step() func() error {
	switch d.want.name {
	case "Unit", "Vat", "Storehouse", "SettlementMode", "PaymentType", "ItemFamily", "CustomerFamily", "SupplierFamily",
		"ItemSubFamily", "CustomerSubFamily", "Civility", "Country", "PriceListCategory", "PriceList", "Colleague":
		return d.small
	case "Customer", "Supplier", "Address", "Contact":
		return d.thirds
	case "Item", "StockItem", "TrackingStockItem", "SupplierItem":
		return d.stock
	case "Deal", "DealColleague", "ConstructionSite":
		return d.dealsAndSites
	case "SaleDocument", "SaleDocumentLine", "SaleSettlement", "PurchaseDocument", "PurchaseDocumentLine":
		return d.documents
	}
	return d.rest
}

// wants reports whether one of the tables is the one being filled.
func (d *seeder) wants(names ...string) bool {
	return d.want != nil && slices.Contains(names, d.want.name)
}

// use starts the draws of a table.
func (d *seeder) use(name string) {
	d.rng = newRand(d.seed, d.folder, name)
}

// useRecord starts the draws of one record of a table, so that records do not
// depend on how many there are.
func (d *seeder) useRecord(name string, i int) {
	h := fnv.New64a()
	h.Write([]byte(d.folder))
	h.Write([]byte{0})
	h.Write([]byte(name))
	d.rng = rand.New(rand.NewPCG(uint64(d.seed), h.Sum64()+uint64(i)*0x9e3779b97f4a7c15))
}

func newRand(seed int64, words ...string) *rand.Rand {
	h := fnv.New64a()
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64()))
}

// insert stores one record, if it is of the table being filled.
func (d *seeder) insert(name string, r row) error {
	t := d.want
	if t == nil || t.name != name {
		return nil
	}
	args := make([]any, len(t.columns))
	used := 0
	for i, c := range t.columns {
		v, ok := r[c.name]
		if ok {
			used++
		}
		if v == nil && !c.nullable {
			v = zero(c.kind)
		}
		args[i] = v
	}
	if used != len(r) {
		return fmt.Errorf("table %s: a value is given for a column it does not have: %v", name, r)
	}
	_, err := d.statement.Exec(args...)
	return err
}

func zero(k kind) any {
	switch k {
	case kindInt, kindBool:
		return 0
	case kindDecimal:
		return "0.00000000"
	case kindDate:
		return "2021-01-01T00:00:00"
	case kindGUID:
		return "00000000-0000-0000-0000-000000000000"
	case kindBytes:
		return []byte{}
	}
	return ""
}

func (d *seeder) guid() string { return newGUID(d.rng) }

// newGUID draws a version 4 GUID.
func newGUID(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// maybe returns v, or NULL in one case of n.
func maybe(r *rand.Rand, n int, v any) any {
	if r.IntN(n) == 0 {
		return nil
	}
	return v
}

// bulkUpdate is the second at which half the rows of every table were last
// modified.
const bulkUpdate = "2025-06-30T02:00:00"

var (
	firstDay = time.Date(2021, 1, 4, 8, 0, 0, 0, time.UTC)
	lastDay  = time.Date(2025, 12, 31, 18, 0, 0, 0, time.UTC)
)

// moment draws a second between two dates.
func moment(r *rand.Rand, from, to time.Time) time.Time {
	return from.Add(time.Duration(r.Int64N(int64(to.Sub(from)/time.Second))) * time.Second)
}

// day draws a date at midnight.
func day(r *rand.Rand) time.Time { return moment(r, firstDay, lastDay).Truncate(24 * time.Hour) }

func stamp(t time.Time) string { return t.Format(dateLayout) }

// sys adds the four columns that tell who created and modified record i, and
// when: half of the records at the second of the bulk update, some never.
func (d *seeder) sys(i int, r row) row {
	created := moment(d.rng, firstDay, lastDay)
	r["sysCreatedDate"], r["sysCreatedUser"] = stamp(created), pick(d.rng, users)
	modified := moment(d.rng, created, lastDay.Add(time.Hour))
	r["sysModifiedDate"], r["sysModifiedUser"] = stamp(modified), pick(d.rng, users)
	if i%2 == 1 {
		r["sysModifiedDate"], r["sysModifiedUser"] = bulkUpdate, "ADM"
	}
	if i%23 == 11 {
		r["sysModifiedDate"], r["sysModifiedUser"] = nil, nil
	}
	if i%29 == 11 {
		r["sysCreatedDate"], r["sysCreatedUser"] = nil, nil
	}
	return r
}

// keyed returns the key of record i: the awkward ones first, as far as the
// column holds them and the table is not tiny, then a counter after a prefix.
func (d *seeder) keyed(prefix string, i, digits, length int) string {
	if i < min(len(awkwardKeys), (d.rows+1)/2) {
		if k := awkwardKeys[i]; len([]rune(k)) <= length {
			return k
		}
	}
	n := strconv.Itoa(i + 1)
	return prefix + strings.Repeat("0", max(digits-len(n), 0)) + n
}

// cut shortens a text to a column's length.
func cut(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length])
	}
	return s
}

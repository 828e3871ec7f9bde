package incremental

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// list is a list of EBP with what a test has to know to work in its rows.
type list struct {
	name    string
	fields  string // of the input
	places  func(s *sandbox.Server) []string
	table   func(place string) string // in the sandbox's database
	scope   string                    // column that holds the place, "" where the table is the place's own
	key     []string                  // columns of the key
	mark    string                    // column that shows which version a row is
	member  string                    // of the payload that shows it, where it is not the column
	number  bool                      // the mark is a decimal
	object  bool                      // the rows are JSON, in the column summary
	dated   bool                      // rows have sysModifiedDate and sysCreatedDate
	unique  []string                  // columns besides the key that no two rows share
	child   string                    // table whose rows are part of the payload, by child column
	parent  string                    // column of the child that holds the key
	derived bool                      // payloads show more than the row: one insert may change them all
	large   bool                      // pages have their full size
	coded   bool                      // the first column of the key is a text that may be spelled otherwise
	keys    func(w *worker, row map[string]any)
}

func dossiers(s *sandbox.Server) []string { return s.FolderIDs("gescom")[:2] }

func inDossier(table string) func(string) string {
	return func(place string) string { return "f" + place + "_" + table }
}

func always(table string) func(string) string { return func(string) string { return table } }

// codes are keys that YAML, SQL, a URL or a collation may take for something else. Those
// that differ in case only are the same row to EBP.
var codes = []string{
	"O'BRIEN-%d", "null%d", "2021-07-%d", "É-TIENNE %d", `g"h%d`, `i\j%d`, "%d", "1e%d", "x=y&z%d", "k/l%d", "fin:%d",
	"😀 %d", "a_b%%%d", "[x]%d", " devant %d", "ABC%d", "abc%d", "Abc%d", "~%d", "{%d}", "- %d", "#%d", "œuvre%d", "ŒUVRE%d",
}

func codeKey(w *worker, row map[string]any) { row["Id"] = w.code() }

func guidKey(column string) func(*worker, map[string]any) {
	return func(w *worker, row map[string]any) { row[column] = w.guid() }
}

// stockKey is another storehouse of an item that the table has, in any spelling.
func stockKey(w *worker, row map[string]any) {
	item := row["ItemId"].(string)
	switch w.rng.IntN(4) {
	case 0:
		item = strings.ToUpper(item)
	case 1:
		item = strings.ToLower(item)
	case 2:
		item = w.code()
	}
	row["ItemId"], row["StorehouseId"] = item, w.guid()
}

func trackingKey(w *worker, row map[string]any) {
	if w.rng.IntN(3) == 0 {
		stockKey(w, row)
	}
	row["TrackingNumber"] = w.code()
}

// seqKey is the next number; it is the record's id as well.
func seqKey(w *worker, row map[string]any) {
	n := w.next() % 1_000_000
	row["id"], row["seq"] = fmt.Sprint(500_000+n), 500_000+n
}

// datedLists are those that mode incremental reads.
var datedLists = []*list{
	{
		name: "Customer", fields: "resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name, sysModifiedDate, sysCreatedDate]",
		places: dossiers, table: inDossier("Customer"), key: []string{"Id"}, mark: "Name", dated: true, coded: true, keys: codeKey,
	},
	{
		name: "SaleDocument", fields: "resource: gescom.sale_documents",
		places: dossiers, table: inDossier("SaleDocument"), key: []string{"Id"}, mark: "NotesClear", dated: true, keys: guidKey("Id"),
	},
	{
		name: "SaleDocument with lines", fields: "resource: gescom.sale_documents_with_lines",
		places: dossiers, table: inDossier("SaleDocument"), key: []string{"Id"}, mark: "NotesClear", dated: true, keys: guidKey("Id"),
		child: "SaleDocumentLine", parent: "DocumentId",
	},
	{
		name: "StockItem", fields: "resource: gescom.generic_query\ntable: StockItem",
		places: dossiers, table: inDossier("StockItem"), key: []string{"ItemId", "StorehouseId"}, mark: "RealStock", number: true, dated: true, coded: true, keys: stockKey,
	},
	{
		name: "TrackingStockItem", fields: "resource: gescom.generic_query\ntable: TrackingStockItem",
		places: dossiers, table: inDossier("TrackingStockItem"), key: []string{"ItemId", "StorehouseId", "TrackingNumber"}, mark: "RealStock", number: true, dated: true, coded: true, keys: trackingKey,
	},
	{
		name: "Item", fields: "resource: gescom.items\ncolumns: [Id, Caption, sysModifiedDate, sysCreatedDate]",
		places: dossiers, table: inDossier("Item"), key: []string{"Id"}, mark: "Caption", dated: true, coded: true, keys: codeKey,
	},
}

func tenants(s *sandbox.Server) []string { return s.Tenants()[:1] }
func domains(s *sandbox.Server) []string { return s.Domains()[:1] }

// otherLists are those that only mode changes can follow.
var otherLists = []*list{
	{
		name: "lines of entries, by position", fields: "resource: hubbix_cpttpe.line_entries",
		places: tenants, table: always("cpttpe_line"), scope: "tenant", key: []string{"uuid"}, mark: "label", keys: guidKey("uuid"),
	},
	{
		name: "general accounts, by position", fields: "resource: hubbix_cpttpe.general_accounts",
		places: tenants, table: always("cpttpe_general_account"), scope: "tenant", key: []string{"uuid"}, mark: "label", unique: []string{"number"}, keys: guidKey("uuid"),
	},
	{
		name: "bank transactions, in EBP's own order", fields: "resource: hubbix_cpttpe.bank_transactions\npasses: 2",
		places: tenants, table: always("cpttpe_bank_transaction"), scope: "tenant", key: []string{"uuid"}, mark: "label", derived: true, large: true, keys: guidKey("uuid"),
	},
	{
		name: "journals, at once", fields: "resource: hubbix_cpttpe.journals",
		places: tenants, table: always("cpttpe_journal"), scope: "tenant", key: []string{"uuid"}, mark: "name", unique: []string{"code"}, keys: guidKey("uuid"),
	},
	{
		name: "VAT rates, at once", fields: "resource: hubbix_cpttpe.vat_rates",
		places: tenants, table: always("cpttpe_vat_rate"), scope: "tenant", key: []string{"uuid"}, mark: "designation", keys: guidKey("uuid"),
	},
	{
		name: "items, by position", fields: "resource: hubbix_gctpe.items",
		places: domains, table: always("gctpe_item"), scope: "domain", key: []string{"id"}, mark: "summary", object: true, keys: seqKey,
	},
	{
		name: "sale units, by position", fields: "resource: hubbix_gctpe.sale_units",
		places: domains, table: always("gctpe_sale_unit"), scope: "domain", key: []string{"id"}, mark: "summary", object: true, keys: seqKey,
	},
	{
		name: "VAT rates, a bare array", fields: "resource: hubbix_gctpe.vat_rates",
		places: domains, table: always("gctpe_vat_rate"), scope: "domain", key: []string{"id"}, mark: "summary", object: true, keys: seqKey,
	},
	{
		name: "clients, in EBP's own order", fields: "resource: gescom.clients\npasses: 2",
		places: dossiers, table: inDossier("Customer"), key: []string{"Id"}, mark: "Name", member: "name.value", dated: true, coded: true, keys: codeKey,
	},
}

// markOf returns the mark in a payload.
func (l *list) markOf(payload string) string {
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	var row any
	if d.Decode(&row) != nil {
		return "no JSON: " + payload
	}
	path := l.mark
	switch {
	case l.member != "":
		path = l.member
	case l.object:
		path = "mark"
	}
	for name := range strings.SplitSeq(path, ".") {
		members, _ := row.(map[string]any)
		row = members[name]
	}
	return fmt.Sprint(row)
}

// markSQL is the expression of a mark: that of a number added to what tells rows apart.
func (l *list) markSQL() string {
	switch {
	case l.object:
		return "json_set(summary, '$.mark', 'v' || (? + rowid))"
	case l.number:
		return "(? + rowid) || '.00000000'"
	}
	return "'v' || (? + rowid)"
}

// where is the condition that selects the rows of a place.
func (l *list) where(place string) string {
	if l.scope == "" {
		return "1"
	}
	return l.scope + " = '" + place + "'"
}

// columnOfMark selects the mark of a row.
func (l *list) columnOfMark() string {
	if l.object {
		return "json_extract(summary, '$.mark')"
	}
	return quoted(l.mark)
}

// date selects the date of the last modification as messages show it.
func (l *list) date() string {
	if l.dated && l.member == "" {
		return "COALESCE(sysModifiedDate, '')"
	}
	return "''"
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

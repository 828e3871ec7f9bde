package catalog

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ColumnType is the type of a column as EBP's schema declares it.
type ColumnType string

// Column types. Decimals are decimal(28,8), see DecimalPrecision.
const (
	TypeString   ColumnType = "string"
	TypeText     ColumnType = "text"
	TypeInt16    ColumnType = "int16"
	TypeInt32    ColumnType = "int32"
	TypeDecimal  ColumnType = "decimal"
	TypeBool     ColumnType = "bool"
	TypeUUID     ColumnType = "uuid"
	TypeDateTime ColumnType = "datetime" // second precision, no zone
	TypeBytes    ColumnType = "bytes"    // base64 in JSON
)

// DecimalPrecision and DecimalScale are those of EBP's numeric columns: 28 digits,
// 8 of them after the point.
const (
	DecimalPrecision = 28
	DecimalScale     = 8
)

// Column is a column of a table in schema casing.
type Column struct {
	Name     string     `json:"name"`
	Type     ColumnType `json:"type"`
	Length   int        `json:"length,omitempty"` // characters, 0 = not limited
	Nullable bool       `json:"nullable,omitempty"`
}

// Table is a table that generic queries read.
type Table struct {
	Name string `json:"table"`
	// Order is the column by which EBP sorts when asked for nothing (annex 1,
	// L2513 and L3437), in schema casing.
	Order string `json:"order"`
	// Key names the columns that together identify a row; empty where unknown.
	// The first is Order.
	Key []string `json:"key,omitempty"`
	// Columns are the known columns; empty where none are known.
	Columns []Column `json:"columns,omitempty"`
	// Products that list the table.
	Products []string `json:"products"`
}

// Column returns the column of that name, whatever the casing.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// allowedTables are the tables of annex 1 that Gescom (L2513) and Batiment (L3437)
// have in common.
const allowedTables = `Customer Address Deal DealColleague Item TrackingStockItem SaleDocument
SaleDocumentLine RangeItem LinkedItem StandardText ConstructionSite Colleague PurchaseDocument
PurchaseDocumentLine Contact Ecotax EbpSysOptions ItemFamily CustomerFamily SupplierFamily Supplier
RangeType RangeTypeElement ClassificationGroup CustomerProduct ScheduleEvent
ScheduleEventCustomerProduct StockDocument StockDocumentLine ScheduleEventType TravelExpense
Equipment Storehouse PriceList SettlementMode PaymentType MaintenanceContract
MaintenanceContractCustomerProduct Incident GeographicSector StockItem PriceListCategory Unit Vat
SupplierItem Civility ItemComponent ItemSubFamily CustomerSubFamily UnitType
CustomerAssociatedFiles CustomerProductAssociatedFiles ItemAssociatedFiles
MaintenanceContractAssociatedFiles PurchaseDocumentAssociatedFiles SaleDocumentAssociatedFiles
ScheduleEventAssociatedFiles SupplierAssociatedFiles Shipping ThirdReference EcotaxCalculationBase
EcotaxFurniture DocumentSerial CurrencyTable SaleDocumentLineTrackingDispatch ItemVatTerritoriality
EbpSysGenericImportSettings`

// irregularKeys are the keys of the tables that have no Id. StockItem and
// TrackingStockItem hold several rows per item; what identifies a row of
// EbpSysGenericImportSettings beside its category is not known.
var irregularKeys = map[string][]string{
	"TrackingStockItem":           {"ItemId", "StorehouseId", "TrackingNumber"},
	"StockItem":                   {"ItemId", "StorehouseId"},
	"EbpSysOptions":               {"OptionHashCode"},
	"EbpSysGenericImportSettings": nil,
	"Country":                     {"IsoCode"},
}

// irregularOrders are default orders of tables whose key is not known.
var irregularOrders = map[string]string{"EbpSysGenericImportSettings": "CategoryId"}

//go:embed tables.txt
var tablesText string

var tables = sync.OnceValue(func() map[string]*Table {
	columns, err := parseColumns(tablesText)
	if err != nil {
		panic(fmt.Sprintf("the embedded list of columns is damaged: %v", err)) // a build mistake, seen by every test
	}
	m := map[string]*Table{}
	add := func(name string, products ...string) {
		t := &Table{Name: name, Order: "Id", Key: []string{"Id"}, Columns: columns[name], Products: products}
		if key, ok := irregularKeys[name]; ok {
			t.Key = key
			t.Order = irregularOrders[name]
			if len(key) > 0 {
				t.Order = key[0]
			}
		}
		m[strings.ToLower(name)] = t
	}
	for name := range strings.FieldsSeq(allowedTables) {
		add(name, "gescom", "batiment")
	}
	add("SaleSettlement", "gescom")
	add("Country", "batiment")
	return m
})

// parseColumns reads tables.txt: a table name at the start of a line, its columns
// indented below as "name type [length] [null]".
func parseColumns(text string) (map[string][]Column, error) {
	out := map[string][]Column{}
	table := ""
	for n, line := range strings.Split(text, "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case !strings.HasPrefix(line, "\t"):
			table = line
		default:
			words := strings.Fields(line)
			if table == "" || len(words) < 2 {
				return nil, fmt.Errorf("line %d: %q is not a column of a table", n+1, line)
			}
			c := Column{Name: words[0], Type: ColumnType(words[1])}
			for _, w := range words[2:] {
				if w == "null" {
					c.Nullable = true
					continue
				}
				length, err := strconv.Atoi(w)
				if err != nil {
					return nil, fmt.Errorf("line %d: reading length: %w", n+1, err)
				}
				c.Length = length
			}
			out[table] = append(out[table], c)
		}
	}
	return out, nil
}

// LookupTable returns the table of that name, whatever the casing. EBP may know
// tables that are not listed here.
func LookupTable(name string) (*Table, bool) {
	t, ok := tables()[strings.ToLower(name)]
	return t, ok
}

// Tables returns the names of the known tables of a product, sorted.
func Tables(product string) []string {
	var out []string
	for _, t := range tables() {
		if slices.Contains(t.Products, product) {
			out = append(out, t.Name)
		}
	}
	slices.Sort(out)
	return out
}

// TableOf returns what is known of the table a list reads: the operation's own, or
// the one named for a generic query. It is nil for lists that read no table. For
// an unknown table it is a guess: keyed and ordered by Id, no column known.
func (o *Operation) TableOf(table string) *Table {
	switch {
	case o.TakesTable():
		if t, ok := LookupTable(table); ok {
			return t
		}
		return &Table{Name: table, Order: "Id", Key: []string{"Id"}}
	case o.Table != "":
		t, _ := LookupTable(o.Table)
		return t
	}
	return nil
}

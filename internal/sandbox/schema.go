package sandbox

import (
	_ "embed"
	"sort"
	"strconv"
	"strings"
)

//go:embed schema.tsv
var schemaText string

// kind is the type of a column as the API shows it.
type kind int

const (
	kindText    kind = iota // JSON string
	kindGUID                // lowercase JSON string
	kindInt                 // JSON number
	kindBool                // true, false
	kindDecimal             // JSON number with the digits as stored
	kindDate                // "2006-01-02T15:04:05", no zone
	kindBytes               // base64 string
)

// column is one column of a table.
type column struct {
	name     string
	kind     kind
	length   int // greatest number of characters of a text, 0 = any
	nullable bool
}

// table is one table a dossier holds.
type table struct {
	name    string
	columns []column
	byName  map[string]int // lowercase name → index in columns
	key     []string       // primary key columns
	order   string         // default order (annex 1, L2512)
	links   []link         // secondary tables, in the order Dependencies lists them
}

// link says that a column of a table holds the key of another.
type link struct {
	column string
	target string
}

func (t *table) column(name string) (column, bool) {
	i, ok := t.byName[strings.ToLower(name)]
	if !ok {
		return column{}, false
	}
	return t.columns[i], true
}

// allowedTables are the tables of annex 1 (L2512, L3434) a generic query may
// name. SaleSettlement is a table of gescom only, Country of batiment only.
var allowedTables = strings.Fields(`
Customer Address Deal DealColleague Item TrackingStockItem SaleDocument
SaleDocumentLine RangeItem LinkedItem StandardText ConstructionSite Colleague
PurchaseDocument PurchaseDocumentLine Contact Ecotax EbpSysOptions ItemFamily
CustomerFamily SupplierFamily Supplier RangeType RangeTypeElement
ClassificationGroup CustomerProduct ScheduleEvent ScheduleEventCustomerProduct
StockDocument StockDocumentLine ScheduleEventType TravelExpense Equipment
Storehouse PriceList SettlementMode PaymentType MaintenanceContract
MaintenanceContractCustomerProduct Incident GeographicSector StockItem
PriceListCategory Unit Vat SupplierItem Civility ItemComponent ItemSubFamily
CustomerSubFamily UnitType CustomerAssociatedFiles
CustomerProductAssociatedFiles ItemAssociatedFiles
MaintenanceContractAssociatedFiles PurchaseDocumentAssociatedFiles
SaleDocumentAssociatedFiles ScheduleEventAssociatedFiles
SupplierAssociatedFiles Shipping ThirdReference EcotaxCalculationBase
EcotaxFurniture DocumentSerial CurrencyTable SaleDocumentLineTrackingDispatch
ItemVatTerritoriality EbpSysGenericImportSettings SaleSettlement Country`)

// tables holds every table by lowercase name.
var tables = loadTables()

// tableNames lists the tables in the order of annex 1.
var tableNames = allowedTables

// sysColumns close every table (L1786 shows sysModifiedDate).
var sysColumns = []column{
	{name: "sysCreatedDate", kind: kindDate, nullable: true},
	{name: "sysCreatedUser", kind: kindText, length: 255, nullable: true},
	{name: "sysModifiedDate", kind: kindDate, nullable: true},
	{name: "sysModifiedUser", kind: kindText, length: 255, nullable: true},
}

func loadTables() map[string]*table {
	all := map[string]*table{}
	kinds := map[string]kind{
		"character varying": kindText, "text": kindText, "uuid": kindGUID,
		"smallint": kindInt, "integer": kindInt, "boolean": kindBool,
		"numeric": kindDecimal, "timestamp without time zone": kindDate,
		"bytea": kindBytes,
	}
	for _, line := range strings.Split(strings.TrimSpace(schemaText), "\n")[1:] {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		k, ok := kinds[f[2]]
		if !ok {
			panic("sandbox: unknown column type " + f[2])
		}
		length, _ := strconv.Atoi(f[3]) // empty when there is no limit
		t := all[strings.ToLower(f[0])]
		if t == nil {
			t = &table{name: f[0]}
			all[strings.ToLower(f[0])] = t
		}
		t.columns = append(t.columns, column{f[1], k, length, f[4] == "Y"})
	}
	for _, name := range allowedTables {
		t := all[strings.ToLower(name)]
		if t == nil {
			t = &table{name: name, columns: sysColumns}
			all[strings.ToLower(name)] = t
		}
		completeKey(t)
		t.byName = make(map[string]int, len(t.columns))
		for i, c := range t.columns {
			t.byName[strings.ToLower(c.name)] = i
		}
	}
	for _, t := range all {
		t.links = findLinks(t, all)
	}
	return all
}

// completeKey sets the key and default order of a table, and gives a table
// known by name only its key and caption.
func completeKey(t *table) {
	lead := func(c ...column) { t.columns = append(c, t.columns...) }
	caption := column{name: "Caption", kind: kindText, length: 80, nullable: true}
	switch t.name {
	case "StockItem":
		t.key, t.order = []string{"ItemId", "StorehouseId"}, "ItemId"
		return
	case "TrackingStockItem":
		t.key, t.order = []string{"ItemId", "StorehouseId", "TrackingNumber"}, "ItemId"
		return
	case "Country":
		t.key, t.order = []string{"IsoCode"}, "IsoCode"
		return
	case "EbpSysOptions":
		lead(column{name: "OptionHashCode", kind: kindInt}, caption)
	case "EbpSysGenericImportSettings":
		lead(column{name: "CategoryId", kind: kindText, length: 40}, caption)
	default:
		if t.columns[0].name != "Id" {
			lead(column{name: "Id", kind: kindText, length: 10}, caption)
		}
	}
	t.key = []string{t.columns[0].name}
	t.order = t.columns[0].name
}

// findLinks gives the secondary tables of a table: those whose key one of its
// columns holds.
func findLinks(t *table, all map[string]*table) []link {
	owner := t.name
	switch owner {
	case "Customer", "Supplier", "Item":
	default:
		owner = ""
	}
	special := map[string]string{
		"FamilyId":                            owner + "Family",
		"SubFamilyId":                         owner + "SubFamily",
		"AssociatedCustomerId":                "Customer",
		"AssociatedSupplierId":                "Supplier",
		"ThirdId":                             "Customer",
		"EventType":                           "ScheduleEventType",
		"PriceListCategory":                   "PriceListCategory",
		"MainInvoicingAddress_CountryIsoCode": "Country",
		"InvoicingAddress_CountryIsoCode":     "Country",
		"AddressFields_CountryIsoCode":        "Country",
		"DocumentId":                          strings.TrimSuffix(t.name, "Line"),
	}
	seen := map[string]bool{}
	var links []link
	for _, c := range t.columns {
		target, ok := special[c.name]
		if !ok {
			if !strings.HasSuffix(c.name, "Id") || c.name == "Id" {
				continue
			}
			target = strings.TrimSuffix(c.name, "Id")
		}
		linked := all[strings.ToLower(target)]
		if linked == nil || seen[target] || linked == t || len(linked.key) != 1 {
			continue
		}
		seen[target] = true
		links = append(links, link{c.name, target})
	}
	sort.SliceStable(links, func(i, j int) bool { return links[i].target < links[j].target })
	return links
}

// allowed reports whether a product's generic query may name the table.
func allowed(product, name string) (*table, bool) {
	t := tables[strings.ToLower(name)]
	if t == nil || len(t.key) == 0 {
		return nil, false
	}
	if product == "gescom" && t.name == "Country" || product == "batiment" && t.name == "SaleSettlement" {
		return nil, false
	}
	return t, true
}

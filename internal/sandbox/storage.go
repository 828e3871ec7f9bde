package sandbox

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// storage is the embedded database: one private in-memory SQLite on one
// connection, so that every statement sees the last one's effect. Statements
// run without the context of a request: an interrupted one could cost the
// connection, and with it the data.
type storage struct {
	db      *sql.DB
	version atomic.Int64 // raised by every write

	mu     sync.Mutex
	totals map[string]int // counts by statement and arguments, of one version
	at     int64
}

func openStorage() (*storage, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	if _, err := db.Exec(`PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536`); err != nil {
		db.Close()
		return nil, err
	}
	return &storage{db: db, totals: map[string]int{}}, nil
}

func (st *storage) close() error { return st.db.Close() }

// exec runs a statement that writes.
func (st *storage) exec(query string, args ...any) error {
	_, err := st.db.Exec(query, args...)
	st.version.Add(1)
	return err
}

// count returns the single integer a statement selects, from memory when
// nothing was written since it was last asked.
func (st *storage) count(query string, args []any) (int, error) {
	key := fmt.Sprintf("%s\x00%#v", query, args)
	now := st.version.Load()
	st.mu.Lock()
	if st.at != now || len(st.totals) > 1000 {
		clear(st.totals)
		st.at = now
	}
	n, ok := st.totals[key]
	st.mu.Unlock()
	if ok {
		return n, nil
	}
	if err := st.db.QueryRow(query, args...).Scan(&n); err != nil {
		return 0, err
	}
	st.mu.Lock()
	if st.at == now && st.version.Load() == now {
		st.totals[key] = n
	}
	st.mu.Unlock()
	return n, nil
}

// quote writes a name as an SQL identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// sqlTable names the SQL table of a dossier's table.
func sqlTable(folder, name string) string { return "f" + folder + "_" + name }

// createTable returns the statement that creates a dossier's table.
func createTable(folder string, t *table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (", quote(sqlTable(folder, t.name)))
	for _, c := range t.columns {
		b.WriteString(quote(c.name))
		zero := "''"
		switch c.kind {
		case kindText:
			b.WriteString(" TEXT COLLATE " + collateText)
		case kindGUID:
			b.WriteString(" TEXT COLLATE " + collateGUID)
			zero = "'00000000-0000-0000-0000-000000000000'"
		case kindDecimal:
			b.WriteString(" TEXT COLLATE " + collateDecimal)
			zero = "'0.00000000'"
		case kindDate:
			b.WriteString(" TEXT")
			zero = "'2000-01-01T00:00:00'"
		case kindInt, kindBool:
			b.WriteString(" INTEGER")
			zero = "0"
		case kindBytes:
			b.WriteString(" BLOB")
			zero = "x''"
		}
		if !c.nullable {
			b.WriteString(" NOT NULL DEFAULT " + zero)
		}
		b.WriteString(", ")
	}
	keys := make([]string, len(t.key))
	for i, k := range t.key {
		keys[i] = quote(k)
	}
	fmt.Fprintf(&b, "PRIMARY KEY (%s))", strings.Join(keys, ", "))
	return b.String()
}

// indexes lists the columns, besides the key and sysModifiedDate, that reads
// look up.
var indexes = map[string][]string{
	"SaleDocument":         {"DocumentDate"},
	"PurchaseDocument":     {"DocumentDate"},
	"SaleDocumentLine":     {"DocumentId"},
	"PurchaseDocumentLine": {"DocumentId"},
	"Address":              {"AssociatedCustomerId"},
	"Contact":              {"AssociatedCustomerId"},
	"DealColleague":        {"DealId"},
}

// createIndexes returns the statements to run once a table is filled.
func createIndexes(folder string, t *table) []string {
	var out []string
	for _, c := range append([]string{"sysModifiedDate"}, indexes[t.name]...) {
		out = append(out, fmt.Sprintf("CREATE INDEX %s ON %s (%s)",
			quote("i_"+sqlTable(folder, t.name)+"_"+c), quote(sqlTable(folder, t.name)), quote(c)))
	}
	return out
}

package sandbox

import (
	"bytes"
	"fmt"
	"strings"
)

// ref is a column a query names, as SQL.
type ref struct {
	name string // as in the schema
	sql  string
	kind kind
}

// selected is a column of the answer.
type selected struct {
	ref
	key string // member name in the answer, with the casing of the request
}

// list is one read of a dossier's table: what every list of the gescom
// family comes down to.
type list struct {
	folder  *folder
	main    *table
	columns []selected
	joins   []link
	where   []string
	args    []any
	order   ref
	unique  bool // no two rows share the order value
	offset  int
	limit   int
	child   *child
	bare    []string // columns named without a table, to be checked once all joins are known
}

// child adds the rows of another table to each record.
type child struct {
	table  *table
	column string // holds the key of the main table
	order  string
	member string
}

func newList(f *folder, t *table) *list { return &list{folder: f, main: t, limit: 100} }

// alias names a table in the statement: m, or the number of the join.
func (l *list) alias(target string) string {
	for i, j := range l.joins {
		if j.target == target {
			return fmt.Sprintf("j%d", i)
		}
	}
	return ""
}

// find resolves a column name, alone or after the name of the main table or of
// a secondary one (L1884), which is joined when it was not yet.
func (l *list) find(name string) (ref, error) {
	unknown := badRequest("Columns", "La colonne '%s' n'existe pas dans la table %s", name, l.main.name)
	prefix, rest, dotted := strings.Cut(strings.TrimSpace(name), ".")
	if !dotted || strings.EqualFold(prefix, l.main.name) {
		if !dotted {
			rest = prefix
		}
		c, ok := l.main.column(rest)
		if !ok {
			return ref{}, unknown
		}
		if !dotted {
			l.bare = append(l.bare, c.name)
		}
		return ref{c.name, "m." + quote(c.name), c.kind}, nil
	}
	for _, k := range l.main.links {
		if !strings.EqualFold(k.target, prefix) {
			continue
		}
		t := tables[strings.ToLower(k.target)]
		c, ok := t.column(rest)
		if !ok {
			return ref{}, unknown
		}
		a := l.alias(k.target)
		if a == "" {
			l.joins = append(l.joins, k)
			a = l.alias(k.target)
		}
		return ref{c.name, a + "." + quote(c.name), c.kind}, nil
	}
	return ref{}, unknown
}

// choose sets the columns of the answer: those asked for, in that order and
// casing; without any, all of the main table.
func (l *list) choose(given []string) error {
	seen := map[string]bool{}
	for _, g := range given {
		for _, name := range strings.Split(g, ",") {
			name = strings.TrimSpace(name)
			if name == "" || strings.EqualFold(name, "null") && !l.has("null") {
				continue
			}
			r, err := l.find(name)
			if err != nil {
				return err
			}
			key := name
			if prefix, rest, dotted := strings.Cut(name, "."); dotted {
				key = prefix + "_" + rest
				if strings.EqualFold(prefix, l.main.name) {
					key = rest
				}
			}
			if !seen[key] {
				seen[key] = true
				l.columns = append(l.columns, selected{r, key})
			}
		}
	}
	if len(l.columns) == 0 {
		for _, c := range l.main.columns {
			l.columns = append(l.columns, selected{ref{c.name, "m." + quote(c.name), c.kind}, c.name})
		}
	}
	return nil
}

func (l *list) has(column string) bool {
	_, ok := l.main.column(column)
	return ok
}

// unambiguous refuses a column named without its table when a joined table has
// a column of that name: the reason why the document advises to prefix the
// columns of the main table as well (L1925).
func (l *list) unambiguous() error {
	for _, j := range l.joins {
		t := tables[strings.ToLower(j.target)]
		for _, name := range l.bare {
			if _, ok := t.column(name); ok {
				return badRequest("Columns", "Ambiguous column name '%s'.", name)
			}
		}
	}
	return nil
}

// add joins a condition with AND.
func (l *list) add(sql string, args ...any) {
	l.where = append(l.where, sql)
	l.args = append(l.args, args...)
}

// sort sets the order, by default that of annex 1.
func (l *list) sort(by string) error {
	if by == "" {
		by = l.main.order
	}
	r, err := l.find(by)
	if err != nil {
		return badRequest("OrderByValue", "La colonne de tri '%s' n'existe pas", by)
	}
	l.order = r
	l.unique = len(l.main.key) == 1 && strings.HasPrefix(r.sql, "m.") && r.name == l.main.key[0]
	return nil
}

// from writes the FROM and WHERE of the statement.
func (l *list) from() string {
	var b strings.Builder
	b.WriteString(" FROM " + quote(sqlTable(l.folder.id, l.main.name)) + " AS m")
	for i, j := range l.joins {
		t := tables[strings.ToLower(j.target)]
		fmt.Fprintf(&b, " LEFT JOIN %s AS j%d ON j%d.%s = m.%s",
			quote(sqlTable(l.folder.id, t.name)), i, i, quote(t.key[0]), quote(j.column))
	}
	for i, w := range l.where {
		if i == 0 {
			b.WriteString(" WHERE ")
		} else {
			b.WriteString(" AND ")
		}
		b.WriteString("(" + w + ")")
	}
	return b.String()
}

// prepare fills the tables a list reads.
func (r *request) prepare(l *list) error {
	need := []*table{l.main}
	for _, j := range l.joins {
		need = append(need, tables[strings.ToLower(j.target)])
	}
	if l.child != nil {
		need = append(need, l.child.table)
	}
	for _, t := range need {
		if err := r.fill(l.folder, t); err != nil {
			return err
		}
	}
	return nil
}

// run reads the page and answers it. Rows that share an order value come in
// an order drawn anew at each call.
func (r *request) run(l *list) (answer, error) {
	if err := r.prepare(l); err != nil {
		return answer{}, err
	}
	from := l.from()
	total, err := r.store.count("SELECT COUNT(*)"+from, l.args)
	if err != nil {
		return answer{}, fmt.Errorf("counting: %w", err)
	}
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.sql
	}
	if l.child != nil {
		names = append(names, "m."+quote(l.main.key[0]))
	}
	query := "SELECT " + strings.Join(names, ", ") + from + " ORDER BY " + l.order.sql
	if !l.unique {
		query += ", random()"
	}
	query += fmt.Sprintf(" LIMIT %d OFFSET %d", l.limit, l.offset)
	records, keys, err := r.records(query, l.args, l.columns, l.child != nil)
	if err != nil {
		return answer{}, err
	}
	var children map[string][][]byte
	if l.child != nil {
		if children, err = r.children(l, keys); err != nil {
			return answer{}, err
		}
	}
	var b bytes.Buffer
	size := 128
	for _, rec := range records {
		size += len(rec) + 1
	}
	b.Grow(size)
	b.WriteString(`{"results":[`)
	for i, rec := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		if l.child == nil {
			b.Write(rec)
			continue
		}
		b.Write(rec[:len(rec)-1])
		b.WriteString(`,"` + l.child.member + `":[`)
		for j, c := range children[keys[i]] {
			if j > 0 {
				b.WriteByte(',')
			}
			b.Write(c)
		}
		b.WriteString("]}")
	}
	b.WriteString("],")
	writePaging(&b, total, len(records), l.offset, l.limit)
	b.WriteByte('}')
	return answer{body: b.Bytes(), records: len(records)}, nil
}

// records runs a statement and writes each row as a JSON object. With keyed,
// the last column is no member but the key returned beside it.
func (r *request) records(query string, args []any, columns []selected, keyed bool) (records [][]byte, keys []string, err error) {
	rows, err := r.store.db.Query(query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	lead := make([][]byte, len(columns))
	for i, c := range columns {
		var b bytes.Buffer
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(&b, c.key)
		b.WriteByte(':')
		lead[i] = b.Bytes()
	}
	n := len(columns)
	if keyed {
		n++
	}
	row := make([]any, n)
	into := make([]any, n)
	for i := range row {
		into[i] = &row[i]
	}
	var b bytes.Buffer
	var ends []int
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		b.WriteByte('{')
		for i, c := range columns {
			b.Write(lead[i])
			writeValue(&b, c.kind, row[i])
		}
		b.WriteByte('}')
		ends = append(ends, b.Len())
		if keyed {
			keys = append(keys, fmt.Sprint(row[n-1]))
		}
	}
	all, start := b.Bytes(), 0
	for _, e := range ends {
		records = append(records, all[start:e])
		start = e
	}
	return records, keys, rows.Err()
}

// children reads the rows that belong to the records of a page, by key.
func (r *request) children(l *list, keys []string) (map[string][][]byte, error) {
	out := map[string][][]byte{}
	if len(keys) == 0 {
		return out, nil
	}
	t := l.child.table
	var columns []selected
	var names []string
	for _, c := range t.columns {
		columns = append(columns, selected{ref{c.name, quote(c.name), c.kind}, c.name})
		names = append(names, quote(c.name))
	}
	names = append(names, quote(l.child.column))
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (?%s) ORDER BY %s, random()",
		strings.Join(names, ", "), quote(sqlTable(l.folder.id, t.name)), quote(l.child.column),
		strings.Repeat(",?", len(keys)-1), quote(l.child.order))
	records, owners, err := r.records(query, args, columns, true)
	if err != nil {
		return nil, err
	}
	for i, o := range owners {
		out[o] = append(out[o], records[i])
	}
	return out, nil
}

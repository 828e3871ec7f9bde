package sandbox

import (
	"bytes"
	"fmt"
	"strings"
)

func addGenericHandlers(h map[string]handler) {
	for _, p := range []string{"gescom", "batiment"} {
		h[p+".generic_query.list"] = genericList
		h[p+".generic_query.get"] = genericGet
		h[p+".dependencies.get"] = dependencies
		h[p+".custom_fields.get"] = customFields
	}
}

// tableNamed returns the table TableName asks for.
func (r *request) tableNamed(name string) (*table, error) {
	if name == "" {
		return nil, badRequest("TableName", "TableName est obligatoire")
	}
	t, ok := allowed(r.route.product, name)
	if !ok {
		return nil, badRequest("TableName", "La table '%s' n'est pas autorisée", name)
	}
	return t, nil
}

// startList reads the parameters every list shares: columns, order, paging,
// condition and the date after which records must be modified.
func (r *request) startList(t *table, dateParameter string) (*list, error) {
	f, err := r.folder()
	if err != nil {
		return nil, err
	}
	l := newList(f, t)
	if l.offset, l.limit, err = r.page(); err != nil {
		return nil, err
	}
	if err = l.choose(r.query["columns"]); err != nil {
		return nil, err
	}
	if w := r.value("WhereCondition"); w != "" {
		c, err := compileFilter(r.query["wherecondition"][0], l.find)
		if err != nil {
			return nil, err
		}
		l.add(c.sql, c.args...)
	}
	if err := l.unambiguous(); err != nil {
		return nil, err
	}
	if v := r.value(dateParameter); v != "" && dateParameter != "" {
		d, ok := parseDate(v)
		if !ok {
			return nil, badRequest(dateParameter, "La valeur '%s' n'est pas valide pour %s", v, dateParameter)
		}
		// Strictly after (L2157); NULL is never after anything.
		l.add(`m."sysModifiedDate" > ?`, d)
	}
	return l, l.sort(r.value("OrderByValue"))
}

// genericList is GET /v1/Folders/{FolderId}/GenericQuery (L1818).
func genericList(r *request) (answer, error) {
	t, err := r.tableNamed(r.value("TableName"))
	if err != nil {
		return answer{}, err
	}
	l, err := r.startList(t, "FromModifiedDate")
	if err != nil {
		return answer{}, err
	}
	return r.run(l)
}

// genericGet is GET /v1/Folders/{FolderId}/GenericQuery/{id} (L1854): the
// record whose key, or first key column, has the value.
func genericGet(r *request) (answer, error) {
	t, err := r.tableNamed(r.value("TableName"))
	if err != nil {
		return answer{}, err
	}
	f, err := r.folder()
	if err != nil {
		return answer{}, err
	}
	l := newList(f, t)
	if err := l.choose(r.query["columns"]); err != nil {
		return answer{}, err
	}
	if err := l.unambiguous(); err != nil {
		return answer{}, err
	}
	id := r.last()
	if c, _ := t.column(t.key[0]); c.kind == kindGUID {
		g, ok := parseGUID(id)
		if !ok {
			return answer{}, badRequest("id", "La valeur '%s' n'est pas un identifiant valide", id)
		}
		id = g
	}
	l.add("m."+quote(t.key[0])+" = ?", id)
	if err := r.prepare(l); err != nil {
		return answer{}, err
	}
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = c.sql
	}
	records, _, err := r.records("SELECT "+strings.Join(names, ", ")+l.from()+" LIMIT 1", l.args, l.columns, false)
	if err != nil {
		return answer{}, err
	}
	if len(records) == 0 {
		return answer{}, notFound("RecordNotFound", "L'enregistrement '%s' n'existe pas dans la table %s", r.last(), t.name)
	}
	return answer{body: fmt.Appendf(nil, `{"result":%s}`, records[0]), records: 1}, nil
}

// dependencies is GET /v1/Dependencies/{TableName} (L1911).
func dependencies(r *request) (answer, error) {
	t, err := r.tableNamed(r.last())
	if err != nil {
		return answer{}, err
	}
	var b bytes.Buffer
	b.WriteString(`{"linkedTables":[`)
	for i, k := range t.links {
		if i > 0 {
			b.WriteByte(',')
		}
		writeString(&b, k.target)
	}
	b.WriteString("]}")
	return answer{body: b.Bytes()}, nil
}

package sandbox

import (
	"bytes"
	"strings"
)

func addThirdHandlers(h map[string]handler) {
	for _, p := range []string{"gescom", "batiment"} {
		h[p+".clients.list"] = clientList
		h[p+".clients_extended.list"] = clientsExtended(false)
		h[p+".clients_with_address.list"] = clientsExtended(true)
	}
}

// customerTypes are the values of the Type column of Customer by the words
// and numbers that filter on it.
var customerTypes = map[string]int{"client": 0, "customer": 0, "cl": 0, "0": 0, "prospect": 1, "pr": 1, "1": 1}

// activeStates are the states of third parties and items; 0 is active.
var activeStates = map[string]int{"active": 0, "partiallylocked": 1, "locked": 2, "sleeping": 3}

// customerType reads a parameter that filters on the type of customer.
func (r *request) customerType(l *list, parameter string) error {
	v := r.value(parameter)
	if v == "" {
		return nil
	}
	n, ok := customerTypes[lower(v)]
	if !ok {
		return badRequest(parameter, "La valeur '%s' n'est pas valide pour %s", v, parameter)
	}
	l.add(`m."Type" = ?`, n)
	return nil
}

// clientsExtended is GET /v1/Folders/{FolderId}/Clients/ExtendedQuery (L2053);
// WithAddress (L2114) adds the addresses under Addresses.
func clientsExtended(addresses bool) handler {
	return func(r *request) (answer, error) {
		l, err := r.startList(tables["customer"], "FromModifiedDate")
		if err != nil {
			return answer{}, err
		}
		if err := r.customerType(l, "CustomerType"); err != nil {
			return answer{}, err
		}
		if err := r.states(l, "CustomerActiveState", "ActiveState", activeStates, false); err != nil {
			return answer{}, err
		}
		for _, column := range []string{"FamilyId", "SubFamilyId"} {
			if err := r.family(l, column, false); err != nil {
				return answer{}, err
			}
		}
		if addresses {
			l.child = &child{table: tables["address"], column: "AssociatedCustomerId", order: "Id", member: "Addresses"}
		}
		return r.run(l)
	}
}

// family reads the three parameters that filter on a family (L2066 to L2095
// for customers, L2266 to L2298 for items): the values to keep, the values to
// leave out, and whether records without a family match. With patterns,
// values that hold % are patterns.
func (r *request) family(l *list, column string, patterns bool) error {
	null := false
	switch v := lower(r.value(column + "ValueNull")); v {
	case "", "false", "0":
	case "true", "1":
		null = true
	default:
		return badRequest(column+"ValueNull", "La valeur '%s' n'est pas valide pour %sValueNull", v, column)
	}
	sql := "m." + quote(column)
	orNull := ""
	if null {
		orNull = " OR " + sql + " IS NULL"
	}
	given := false
	for _, side := range []struct{ suffix, in, join, not string }{
		{"IN", " IN (?", " OR ", ""}, {"NotIN", " NOT IN (?", " AND ", "NOT "},
	} {
		var exact, likes []any
		for _, v := range r.values(column + side.suffix) {
			if patterns && strings.Contains(v, "%") {
				likes = append(likes, v)
			} else {
				exact = append(exact, v)
			}
		}
		given = given || len(exact)+len(likes) > 0
		if len(exact) > 0 {
			l.add(sql+side.in+strings.Repeat(",?", len(exact)-1)+")"+orNull, exact...)
		}
		if len(likes) > 0 {
			one := side.not + functionLike + "(" + sql + ", ?)"
			l.add("("+one+strings.Repeat(side.join+one, len(likes)-1)+")"+orNull, likes...)
		}
	}
	if null && !given {
		l.add(sql + " IS NULL")
	}
	return nil
}

// clientList is GET /v1/Folders/{FolderId}/Clients (L2019): a few values of
// each customer, each with the right to see it (L1934).
func clientList(r *request) (answer, error) {
	f, err := r.folder()
	if err != nil {
		return answer{}, err
	}
	l := newList(f, tables["customer"])
	if l.offset, l.limit, err = r.page(); err != nil {
		return answer{}, err
	}
	if err := r.customerType(l, "TypeClient"); err != nil {
		return answer{}, err
	}
	if v := r.value("SearchTerm"); v != "" {
		pattern := "%" + strings.NewReplacer("[", "[[]", "%", "[%]", "_", "[_]").Replace(v) + "%"
		l.add(functionLike+`(m."Id", ?) OR `+functionLike+`(m."Name", ?)`, pattern, pattern)
	}
	if err := l.sort(""); err != nil {
		return answer{}, err
	}
	if err := r.prepare(l); err != nil {
		return answer{}, err
	}
	total, err := r.store.count("SELECT COUNT(*)"+l.from(), l.args)
	if err != nil {
		return answer{}, err
	}
	rows, err := r.store.db.Query(`SELECT m."Id", m."Name", m."MainInvoicingContact_Phone", m."MainInvoicingContact_CellPhone",
		m."MainInvoicingContact_Email", m."CurrentAmount", m."Type"`+l.from()+" ORDER BY "+l.order.sql+" LIMIT ? OFFSET ?", append(l.args, l.limit, l.offset)...)
	if err != nil {
		return answer{}, err
	}
	defer rows.Close()
	var b bytes.Buffer
	b.WriteString(`{"clients":[`)
	n := 0
	for rows.Next() {
		var id, name, home, mobile, mail, amount any
		var kind int
		if err := rows.Scan(&id, &name, &home, &mobile, &mail, &amount, &kind); err != nil {
			return answer{}, err
		}
		if n > 0 {
			b.WriteByte(',')
		}
		n++
		b.WriteByte('{')
		for _, m := range []struct {
			name  string
			value any
		}{{"code", id}, {"name", name}, {"homePhoneNumber", home}, {"mobilePhoneNumber", mobile}, {"email", mail}} {
			b.WriteString(`"` + m.name + `":{"value":`)
			writeValue(&b, kindText, m.value)
			b.WriteString(`,"hasRight":true},`)
		}
		b.WriteString(`"soldeEchu":{"displayName":`)
		writeString(&b, displayAmount(text(amount)))
		b.WriteString(`,"currency":"€","value":`)
		writeValue(&b, kindDecimal, amount)
		b.WriteString(`,"hasRight":true},"clientType":{"value":"` + []string{"CL", "PR"}[kind&1] + `","hasRight":true}}`)
	}
	b.WriteString("],")
	writePaging(&b, total, n, l.offset, l.limit)
	b.WriteByte('}')
	return answer{body: b.Bytes(), records: n}, rows.Err()
}

// displayAmount writes a decimal text as the document shows amounts:
// "1 103.66" (L1999).
func displayAmount(s string) string {
	negative, integer, fraction, ok := splitDecimal(s)
	if !ok {
		return s
	}
	if integer == "" {
		integer = "0"
	}
	var groups []string
	for ; len(integer) > 3; integer = integer[:len(integer)-3] {
		groups = append([]string{integer[len(integer)-3:]}, groups...)
	}
	out := strings.Join(append([]string{integer}, groups...), " ") + "." + (fraction + "00")[:2]
	if negative {
		return "-" + out
	}
	return out
}

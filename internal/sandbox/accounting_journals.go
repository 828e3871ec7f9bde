package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

// named is an object with only a name (L1095).
type named struct {
	Name string `json:"name"`
}

// counterpart is the account a journal books against (L1184).
type counterpart struct {
	UUID   string `json:"uuid"`
	Number string `json:"number"`
	Label  string `json:"label"`
}

// journal is a journal (L1091).
type journal struct {
	UUID        string       `json:"uuid"`
	Code        string       `json:"code"`
	Name        string       `json:"name"`
	Counterpart *counterpart `json:"counterpartAccount"`
	Type        named        `json:"journalType"`
	Numbering   named        `json:"numberingPartType"`
	Prefix      string       `json:"prefix"`
	Complement  string       `json:"complement"`
	IsMovement  bool         `json:"isMovement"`
	InTransfer  bool         `json:"belongsToTransferParameters"`
	IsDefaultAN bool         `json:"isADefaultANJournal"`
}

// journals reads the journals of a tenant that meet a condition.
func (r *request) journals(tenant, condition, order string, args ...any) ([]journal, error) {
	out := []journal{}
	err := r.each(`SELECT j.uuid, j.code, j.name, j.type, j.complement, j.is_default, g.uuid, g.number, g.label,
		EXISTS (SELECT 1 FROM cpttpe_entry e WHERE e.tenant = j.tenant AND e.journal = j.uuid)
		FROM cpttpe_journal j LEFT JOIN cpttpe_general_account g ON g.tenant = j.tenant AND g.number = j.counterpart
		WHERE j.tenant = ? AND (`+condition+") ORDER BY "+order, append([]any{tenant}, args...), func(scan func(...any) error) error {
		j := journal{Numbering: named{"Automatique"}, Prefix: "MMAA"}
		var id, number, label *string
		err := scan(&j.UUID, &j.Code, &j.Name, &j.Type.Name, &j.Complement, &j.IsDefaultAN, &id, &number, &label, &j.IsMovement)
		if id != nil {
			j.Counterpart = &counterpart{*id, *number, *label}
		}
		j.InTransfer = j.Code == "VE"
		out = append(out, j)
		return err
	})
	return out, err
}

// journalGet is GET /v1/journals/{code} (L1109).
func journalGet(r *request, tenant string) (answer, error) {
	found, err := r.journals(tenant, "j.code = ?", "j.code", r.last())
	if err == nil && len(found) == 0 {
		err = hubbixNotFound("Journal", r.last())
	}
	if err != nil {
		return answer{}, err
	}
	a := jsonAnswer(http.StatusOK, found[0])
	a.records = 1
	return a, nil
}

// journalFields are the fields filter and order may name.
var journalFields = map[string]string{"code": "j.code", "name": "j.name", "journalType": "j.type", "prefix": "'MMAA'", "complement": "j.complement", "uuid": "j.uuid"}

// journalOperators are the prefixes of a filter (L1270), longest first.
var journalOperators = []struct {
	prefix string
	sql    func(column string) string
}{
	{"lneq:", func(c string) string { return "length(" + c + ") = CAST(? AS INTEGER)" }},
	{"gte:", func(c string) string { return c + " >= ?" }},
	{"lte:", func(c string) string { return c + " <= ?" }},
	{"!%:", func(c string) string { return "NOT " + functionLike + "(" + c + ", '%' || ? || '%')" }},
	{"gt:", func(c string) string { return c + " > ?" }},
	{"lt:", func(c string) string { return c + " < ?" }},
	{"^:", func(c string) string { return functionLike + "(" + c + ", ? || '%')" }},
	{"%:", func(c string) string { return functionLike + "(" + c + ", '%' || ? || '%')" }},
	{"$:", func(c string) string { return functionLike + "(" + c + ", '%' || ?)" }},
	{"", func(c string) string { return c + " = ?" }},
}

// journalList is GET /v1/journals (L1260). The document gives the operators of
// filter and not where its field stands: filter[code]=^:V names it, a bare
// filter looks at code and name. order[code]=desc, order=code sort.
func journalList(r *request, tenant string) (answer, error) {
	w := &where{}
	w.add("1")
	order := "j.code"
	for name, values := range r.query {
		field, isFilter := bracketed(name, "filter")
		by, isOrder := bracketed(name, "order")
		switch {
		case isFilter:
			for _, v := range values {
				w.journalFilter(field, v)
			}
		case isOrder:
			direction := values[0]
			if by == "" {
				by, direction = values[0], "asc"
			}
			column, ok := journalFields[by]
			if !ok {
				return answer{}, hubbixBad("Parameter.Invalid", "Le champ de tri '%s' est inconnu.", by)
			}
			order = column
			if strings.EqualFold(direction, "desc") {
				order += " DESC"
			}
		}
	}
	if w.err != nil {
		return answer{}, w.err
	}
	found, err := r.journals(tenant, "("+strings.Join(w.sql, ") AND (")+")", order, w.args...)
	return dataAnswer(found), err
}

// bracketed splits filter[code] in its two parts.
func bracketed(name, word string) (field string, ok bool) {
	rest, ok := strings.CutPrefix(name, word)
	if !ok || rest == "" {
		return "", ok
	}
	if len(rest) < 3 || rest[0] != '[' || rest[len(rest)-1] != ']' {
		return "", false
	}
	return rest[1 : len(rest)-1], true
}

func (w *where) journalFilter(field, v string) {
	columns := []string{"j.code", "j.name"}
	if field != "" {
		c, ok := journalFields[field]
		if !ok {
			w.err = hubbixBad("Parameter.Invalid", "Le champ '%s' est inconnu.", field)
			return
		}
		columns = []string{c}
	}
	for _, o := range journalOperators {
		operand, ok := strings.CutPrefix(v, o.prefix)
		if !ok {
			continue
		}
		var terms []string
		for _, c := range columns {
			terms = append(terms, o.sql(c))
			w.args = append(w.args, operand)
		}
		w.sql = append(w.sql, strings.Join(terms, " OR "))
		return
	}
}

// bankTransaction is an operation of a bank account (L1353).
type bankTransaction struct {
	UUID      string       `json:"uuid"`
	Label     string       `json:"label"`
	Account   bankAccount  `json:"account"`
	Operation string       `json:"operationDate"`
	Value     string       `json:"valueDate"`
	Debit     *json.Number `json:"debit"`
	Credit    *json.Number `json:"credit"`
	Reference string       `json:"reference"`
	Status    string       `json:"status"`
	Entry     *string      `json:"entry"`
}

// bankAccount is the account of a transaction (L1356).
type bankAccount struct {
	UUID         string      `json:"uuid"`
	BankName     string      `json:"bankName"`
	Name         string      `json:"accountName"`
	Number       string      `json:"accountNumber"`
	IBAN         string      `json:"iban"`
	Synchronize  bool        `json:"synchronize"`
	Synchronized bool        `json:"alreadySynchronized"`
	BankSyncID   string      `json:"bankSyncId"`
	ConnectionID string      `json:"connectionId"`
	Journal      bankJournal `json:"journal"`
	StartDate    *string     `json:"startDate"`
	Operations   int         `json:"operationsCount"`
	SyncDate     string      `json:"synchronizationDate"`
	Balance      json.Number `json:"balance"`
	Deleted      bool        `json:"deleted"`
	State        string      `json:"state"`
	Errors       []string    `json:"errorMessage"`
}

type bankJournal struct {
	UUID        string       `json:"uuid"`
	Code        string       `json:"code"`
	Name        string       `json:"name"`
	Counterpart *counterpart `json:"counterpartAccount"`
	Type        named        `json:"journalType"`
}

// bankList is GET /v1/bank-transactions (L1399): no total is given.
func bankList(r *request, tenant string) (answer, error) {
	skip, take, err := r.window()
	if err != nil {
		return answer{}, err
	}
	order := " ORDER BY operation_date"
	switch v := r.value("sort"); v {
	case "", "chronological":
	case "reverse-chronological":
		order += " DESC"
	default:
		return answer{}, hubbixBad("Parameter.Invalid", "Le tri '%s' est inconnu.", v)
	}
	w := &where{}
	w.add("tenant = ?", tenant)
	w.date(r, "startDate", "operation_date >= ?")
	w.date(r, "endDate", "operation_date < ?")
	w.equal(r, "status", "status")
	w.equal(r, "uuid", "uuid")
	for _, name := range []string{"bankAccount", "bankAccounts"} {
		if v := r.value(name); v != "" {
			ids := strings.Split(lower(v), ",")
			args := make([]any, len(ids))
			for i, id := range ids {
				args[i] = strings.TrimSpace(id)
			}
			w.add("account IN (?"+strings.Repeat(",?", len(args)-1)+")", args...)
		}
	}
	if w.err != nil {
		return answer{}, w.err
	}
	bank, err := r.journals(tenant, "j.code = 'BQ'", "j.code")
	if err != nil {
		return answer{}, err
	}
	operations, err := r.store.count("SELECT COUNT(*) FROM cpttpe_bank_transaction WHERE tenant = ?", []any{tenant})
	if err != nil {
		return answer{}, err
	}
	var data []bankTransaction
	err = r.each("SELECT uuid, label, account, operation_date, value_date, debit, credit, reference, status, entry FROM cpttpe_bank_transaction"+
		w.text()+order+", random() LIMIT ? OFFSET ?", append(w.args, take, skip), func(scan func(...any) error) error {
		t := bankTransaction{Account: bankAccount{
			BankName: "Banque du bac à sable", Name: "Compte d'exploitation", Number: "4071852096", IBAN: "EX6798765000010407185209642", Synchronize: true,
			Synchronized: true, BankSyncID: "5046", ConnectionID: "2907", Operations: operations, SyncDate: "2025-12-30 17:05:12", Balance: "2480.75",
			State: "normal", Errors: []string{},
		}}
		if len(bank) > 0 {
			t.Account.Journal = bankJournal{bank[0].UUID, bank[0].Code, bank[0].Name, bank[0].Counterpart, bank[0].Type}
		}
		err := scan(&t.UUID, &t.Label, &t.Account.UUID, &t.Operation, &t.Value, &t.Debit, &t.Credit, &t.Reference, &t.Status, &t.Entry)
		data = append(data, t)
		return err
	})
	return dataAnswer(data), err
}

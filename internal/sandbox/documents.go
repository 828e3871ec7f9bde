package sandbox

import (
	"strconv"
	"strings"
	"time"
)

// Values of the DocumentType column. Those of invoice, quote, credit,
// delivery and order are known; the others are this sandbox's own.
const (
	columnQuote          = 1
	columnInvoice        = 2
	columnCredit         = 3
	columnDelivery       = 6
	columnOrder          = 8
	columnReturn         = 9
	columnDeposit        = 11
	columnDepositCredit  = 12
	columnExecutionQuote = 20
	columnAmendment      = 21
	columnProgress       = 22
)

// filterTypes maps the DocumentType parameter (L2145) to the values of the
// column of that name: two enumerations.
var filterTypes = map[int]int{
	1: columnQuote, 2: columnInvoice, 3: columnExecutionQuote, 4: columnOrder, 5: columnAmendment, 6: columnDelivery,
	7: columnProgress, 8: columnReturn, 9: columnCredit, 10: columnDeposit, 11: columnDepositCredit,
}

func addDocumentHandlers(h map[string]handler) {
	for _, p := range []string{"gescom", "batiment"} {
		for op, name := range map[string]string{"sale_documents": "SaleDocument", "purchase_documents": "PurchaseDocument"} {
			h[p+"."+op+".list"] = documentList(name, false)
			h[p+"."+op+"_with_lines.list"] = documentList(name, true)
		}
		h[p+".deals.list"] = dealList(false)
		h[p+".deals_with_colleagues.list"] = dealList(true)
	}
}

// documentList is GET /v1/Folders/{FolderId}/Documents/SaleDocument (L2132)
// and its likes; WithLines (L2162) adds the lines under Lines.
func documentList(name string, lines bool) handler {
	return func(r *request) (answer, error) {
		t := tables[lower(name)]
		l, err := r.startList(t, "SysModifiedDate")
		if err != nil {
			return answer{}, err
		}
		if err := r.recent(l, "DocumentDate"); err != nil {
			return answer{}, err
		}
		if v := r.value("DocumentType"); v != "" && v != "0" {
			n, err := strconv.Atoi(v)
			column, ok := filterTypes[n]
			if err != nil || !ok {
				return answer{}, badRequest("DocumentType", "La valeur '%s' n'est pas valide pour DocumentType", v)
			}
			l.add(`m."DocumentType" = ?`, column)
		}
		if lines {
			l.child = &child{table: tables[lower(name+"Line")], column: "DocumentId", order: "LineOrder", member: "Lines"}
		}
		return r.run(l)
	}
}

// recent reads ToDate and Duration: records whose date is less than Duration
// days before ToDate, counted in midnights (L2155). Nothing bounds the dates
// after ToDate. Duration is mandatory.
func (r *request) recent(l *list, column string) error {
	if r.value("Duration") == "" {
		return badRequest("Duration", "Duration est obligatoire")
	}
	days, err := r.int32("Duration", 0)
	if err != nil {
		return err
	}
	to := r.options.Now().In(ebpZone)
	if v := r.value("ToDate"); v != "" {
		t, ok := parseTime(strings.Trim(v, `"'`))
		if !ok {
			return badRequest("ToDate", "La valeur '%s' n'est pas valide pour ToDate", v)
		}
		to = t
	}
	from := time.Date(to.Year(), to.Month(), to.Day(), 0, 0, 0, 0, time.UTC).AddDate(0, 0, 1-days)
	switch {
	case from.Year() > 9999:
		l.add("0")
	case from.Year() >= 1:
		l.add("m."+quote(column)+" >= ?", stamp(from))
	}
	return nil
}

// dealStates are the states of a deal; those of Finished and Canceled are
// documented (L2343).
var dealStates = map[string]int{"pending": 0, "study": 1, "inprogress": 2, "suspended": 3, "finished": 4, "canceled": 5}

// dealList is GET /v1/Folders/{FolderId}/Deals/DealsExtendedQuery (L2319);
// WithColleagues (L2348) adds the partners under DealColleagues.
func dealList(colleagues bool) handler {
	return func(r *request) (answer, error) {
		l, err := r.startList(tables["deal"], "")
		if err != nil {
			return answer{}, err
		}
		if err := r.recent(l, "DealDate"); err != nil {
			return answer{}, err
		}
		if err := r.states(l, "DealStateExcluded", "DealState", dealStates, true); err != nil {
			return answer{}, err
		}
		if colleagues {
			l.child = &child{table: tables["dealcolleague"], column: "DealId", order: "ColleagueId", member: "DealColleagues"}
		}
		return r.run(l)
	}
}

// states reads a list of states, as names or numbers, and keeps or excludes
// them. As in SQL, excluding leaves out the rows without a state.
func (r *request) states(l *list, parameter, column string, names map[string]int, exclude bool) error {
	var args []any
	for _, v := range r.values(parameter) {
		n, ok := names[lower(v)]
		if !ok {
			var err error
			if n, err = strconv.Atoi(v); err != nil {
				return badRequest(parameter, "La valeur '%s' n'est pas valide pour %s", v, parameter)
			}
		}
		args = append(args, n)
	}
	if len(args) == 0 {
		return nil
	}
	op := " IN (?"
	if exclude {
		op = " NOT IN (?"
	}
	l.add("m."+quote(column)+op+strings.Repeat(",?", len(args)-1)+")", args...)
	return nil
}

// values reads a comma separated list whose items may stand in quotes
// (L2066, L2343); the parameter may be repeated.
func (r *request) values(parameter string) []string {
	var out []string
	for _, given := range r.query[lower(parameter)] {
		if strings.EqualFold(strings.TrimSpace(given), "null") {
			continue
		}
		out = append(out, splitQuoted(given)...)
	}
	return out
}

// splitQuoted splits at commas outside quotes and takes the quotes off. A
// doubled quote inside quotes is that quote.
func splitQuoted(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		var item string
		if q := s[0]; q == '\'' || q == '"' {
			var b strings.Builder
			i := 1
			for ; i < len(s); i++ {
				if s[i] == q {
					if i+1 < len(s) && s[i+1] == q {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			item = b.String()
			s = s[min(i+1, len(s)):]
			_, s, _ = strings.Cut(s, ",")
		} else {
			item, s, _ = strings.Cut(s, ",")
			item = strings.TrimSpace(item)
		}
		if item != "" {
			out = append(out, item)
		}
	}
	return out
}

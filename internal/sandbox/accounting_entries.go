package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

// entryLine is a line of an entry (L717); entry is a member of the list only.
type entryLine struct {
	UUID             string      `json:"uuid"`
	Entry            *entryHead  `json:"entry,omitempty"`
	GeneralAccount   string      `json:"generalAccount"`
	AuxiliaryAccount *string     `json:"auxiliaryAccount"`
	Label            string      `json:"label"`
	Debit            json.Number `json:"debit"`
	Credit           json.Number `json:"credit"`
	Piece            string      `json:"piece"`
	Document         string      `json:"document"`
	Deadline         *string     `json:"deadline"`
	Lettering        *string     `json:"lettering"`
	LetteringDate    *string     `json:"letteringDate"`
	PartialLettering *string     `json:"partialLettering"`
}

// entryHead is what a line shows of its entry (L718).
type entryHead struct {
	UUID                string      `json:"uuid"`
	Journal             journalHead `json:"journal"`
	EntryMode           string      `json:"entryMode"`
	Date                string      `json:"date"`
	TemporaryIdentifier *string     `json:"temporaryIdentifier"`
	ValidIdentifier     *string     `json:"validIdentifier"`
	Attachment          *attachment `json:"attachment"`
}

type journalHead struct {
	UUID string `json:"uuid"`
	Code string `json:"code"`
	Name string `json:"name,omitempty"`
}

// attachment is the file of an entry; the document only shows entries
// without one.
type attachment struct {
	UUID string `json:"uuidMs"`
}

const lineColumns = `l.uuid, l.general_account, l.auxiliary_account, l.label, l.debit, l.credit, l.piece, l.document, l.deadline, l.lettering, l.lettering_date, l.partial_lettering`

func (l *entryLine) into() []any {
	return []any{&l.UUID, &l.GeneralAccount, &l.AuxiliaryAccount, &l.Label, &l.Debit, &l.Credit, &l.Piece, &l.Document, &l.Deadline, &l.Lettering, &l.LetteringDate, &l.PartialLettering}
}

const headColumns = `e.uuid, j.uuid, j.code, j.name, e.mode, e.date, e.temporary_identifier, e.valid_identifier, e.attachment`

// scanHead reads the head columns after others.
func scanHead(scan func(...any) error, h *entryHead, before ...any) error {
	var file *string
	err := scan(append(before, &h.UUID, &h.Journal.UUID, &h.Journal.Code, &h.Journal.Name, &h.EntryMode, &h.Date, &h.TemporaryIdentifier, &h.ValidIdentifier, &file)...)
	if file != nil {
		h.Attachment = &attachment{*file}
	}
	return err
}

const linesFrom = ` FROM cpttpe_line l JOIN cpttpe_entry e ON e.tenant = l.tenant AND e.uuid = l.entry JOIN cpttpe_journal j ON j.tenant = e.tenant AND j.uuid = e.journal`

// lineList is GET /v1/lines-entries (L802).
func lineList(r *request, tenant string) (answer, error) {
	skip, take, err := r.window()
	if err != nil {
		return answer{}, err
	}
	order, err := r.sorted(map[string]string{
		"date": "e.date", "uuid": "l.uuid", "generalAccount": "l.general_account", "auxiliaryAccount": "l.auxiliary_account", "label": "l.label",
		"debit": "l.debit", "credit": "l.credit", "piece": "l.piece", "document": "l.document", "deadline": "l.deadline", "journal": "j.code",
		"lettering": "l.lettering", "letteringDate": "l.lettering_date",
	}, "date")
	if err != nil {
		return answer{}, err
	}
	w := &where{}
	w.add("l.tenant = ?", tenant)
	w.equal(r, "generalAccount", "l.general_account")
	w.equal(r, "auxiliaryAccount", "l.auxiliary_account")
	w.date(r, "startDate", "e.date >= ?")
	w.date(r, "endDate", "e.date <= ?")
	w.boolean(r, "valid", "e.valid_identifier IS NOT NULL", "e.valid_identifier IS NULL")
	w.boolean(r, "lettered", "l.lettering IS NOT NULL", "l.lettering IS NULL")
	w.boolean(r, "assigned", "l.assigned", "NOT l.assigned")
	w.boolean(r, "bankDeposit", "l.bank_deposit", "NOT l.bank_deposit")
	w.search(r, "search", "j.code", "e.date", "e.temporary_identifier", "e.valid_identifier", "l.label", "l.debit", "l.credit", "l.piece", "l.document", "l.deadline")
	if v := r.value("amount"); v != "" {
		if !isDecimal(v) {
			return answer{}, hubbixBad("Parameter.Invalid", "La valeur '%s' n'est pas un montant.", v)
		}
		w.add("l.debit = ? OR l.credit = ?", v, v)
	}
	if v := r.value("nature"); v != "" {
		w.add("EXISTS (SELECT 1 FROM cpttpe_auxiliary_type t WHERE t.tenant = l.tenant AND t.nature = CAST(? AS INTEGER) AND t.prefix = substr(l.auxiliary_account, 1, 1))", v)
	}
	if v := r.value("journals"); v != "" {
		codes := strings.Split(v, ",")
		args := make([]any, len(codes))
		for i, c := range codes {
			args[i] = strings.TrimSpace(c)
		}
		w.add("j.code IN (?"+strings.Repeat(",?", len(args)-1)+")", args...)
	}
	if w.err != nil {
		return answer{}, w.err
	}
	total, err := r.store.count("SELECT COUNT(*)"+linesFrom+w.text(), w.args)
	if err != nil {
		return answer{}, err
	}
	lines := []entryLine{}
	err = r.each("SELECT "+lineColumns+", "+headColumns+linesFrom+w.text()+order+" LIMIT ? OFFSET ?", append(w.args, take, skip), func(scan func(...any) error) error {
		l := entryLine{Entry: &entryHead{}}
		err := scanHead(scan, l.Entry, l.into()...)
		lines = append(lines, l)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	a := jsonAnswer(http.StatusOK, struct {
		Take  int         `json:"take"`
		Skip  int         `json:"skip"`
		Lines []entryLine `json:"linesEntries"`
		Total int         `json:"totalRecords"`
	}{take, skip, lines, total})
	a.records = len(lines)
	return a, nil
}

// entryByID reads an entry with its lines; found tells whether there is one.
func (r *request) entryByID(tenant, id string) (head entryHead, lines []entryLine, origin string, found bool, err error) {
	err = r.each("SELECT e.origin, "+headColumns+` FROM cpttpe_entry e JOIN cpttpe_journal j ON j.tenant = e.tenant AND j.uuid = e.journal
		WHERE e.tenant = ? AND e.uuid = ?`, []any{tenant, lower(id)}, func(scan func(...any) error) error {
		found = true
		return scanHead(scan, &head, &origin)
	})
	if err != nil || !found {
		return head, nil, origin, false, err
	}
	err = r.each("SELECT "+lineColumns+" FROM cpttpe_line l WHERE l.tenant = ? AND l.entry = ? ORDER BY l.position", []any{tenant, lower(id)}, func(scan func(...any) error) error {
		var l entryLine
		err := scan(l.into()...)
		lines = append(lines, l)
		return err
	})
	return head, lines, origin, true, err
}

// entryGet is GET /v1/entries/{uuid} (L880).
func entryGet(r *request, tenant string) (answer, error) {
	head, lines, origin, found, err := r.entryByID(tenant, r.last())
	if err == nil && !found {
		err = hubbixNotFound("Entry", r.last())
	}
	if err != nil {
		return answer{}, err
	}
	head.Journal.Name = ""
	a := jsonAnswer(http.StatusOK, struct {
		UUID                string      `json:"uuid"`
		Journal             journalHead `json:"journal"`
		EntryMode           string      `json:"entryMode"`
		Date                string      `json:"date"`
		TemporaryIdentifier *string     `json:"temporaryIdentifier"`
		ValidIdentifier     *string     `json:"validIdentifier"`
		Lines               []entryLine `json:"lines"`
		Attachment          *attachment `json:"attachment"`
		Origin              string      `json:"origin"`
	}{head.UUID, head.Journal, head.EntryMode, head.Date, head.TemporaryIdentifier, head.ValidIdentifier, lines, head.Attachment, origin})
	a.records = 1
	return a, nil
}

// entrySearch is GET /v1/search-entries/entries (L1602): a bare array of the
// entries whose uuids, separated by commas, are given.
func entrySearch(r *request, tenant string) (answer, error) {
	ids := r.value("uuids")
	if ids == "" {
		return answer{}, hubbixBad("Parameter.Required", "Le paramètre uuids est obligatoire.")
	}
	type line struct {
		GeneralAccount string      `json:"generalAccount"`
		ThirdAccount   *string     `json:"thirdAccount"`
		Date           string      `json:"date"`
		Label          string      `json:"label"`
		Debit          json.Number `json:"debit"`
		Credit         json.Number `json:"credit"`
	}
	type code struct {
		Code string `json:"code"`
	}
	type entry struct {
		UUID                string  `json:"uuid"`
		TemporaryIdentifier *string `json:"temporaryIdentifier"`
		ValidIdentifier     *string `json:"validIdentifier"`
		Date                string  `json:"date"`
		Journal             code    `json:"journal"`
		Piece               string  `json:"piece"`
		Lines               []line  `json:"lines"`
	}
	out := []entry{}
	for _, id := range strings.Split(ids, ",") {
		head, lines, _, found, err := r.entryByID(tenant, strings.TrimSpace(id))
		if err != nil {
			return answer{}, err
		}
		if !found {
			continue
		}
		e := entry{UUID: head.UUID, TemporaryIdentifier: head.TemporaryIdentifier, ValidIdentifier: head.ValidIdentifier, Date: head.Date, Journal: code{head.Journal.Code}}
		for _, l := range lines {
			e.Piece = l.Piece
			e.Lines = append(e.Lines, line{strings.TrimRight(l.GeneralAccount, "0"), l.AuxiliaryAccount, head.Date, l.Label, l.Debit, l.Credit})
		}
		out = append(out, e)
	}
	a := jsonAnswer(http.StatusOK, out)
	a.records = len(out)
	return a, nil
}

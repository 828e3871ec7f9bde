package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
)

func addAccountingHandlers(h map[string]handler) {
	const p = "hubbix_cpttpe."
	h[p+"auxiliary_account_types.list"] = inTenant(auxiliaryTypeList)
	h[p+"auxiliary_accounts.get"] = inTenant(auxiliaryAccountGet)
	h[p+"auxiliary_accounts.list"] = inTenant(auxiliaryAccountList)
	h[p+"general_accounts.get"] = inTenant(generalAccountGet)
	h[p+"general_accounts.list"] = inTenant(generalAccountList)
	h[p+"domain_information.get"] = inTenant(domainInformation)
	h[p+"line_entries.list"] = inTenant(lineList)
	h[p+"entries.get"] = inTenant(entryGet)
	h[p+"entries.search"] = inTenant(entrySearch)
	h[p+"folder_settings.get"] = inTenant(folderSettings)
	h[p+"journals.get"] = inTenant(journalGet)
	h[p+"journals.list"] = inTenant(journalList)
	h[p+"bank_transactions.list"] = inTenant(bankList)
	h[p+"attachments.get"] = inTenant(attachmentGet)
	h[p+"vat_rates.list"] = inTenant(vatRateList)
}

// inTenant checks the tenant before a handler of hubbix_cpttpe runs.
func inTenant(f func(*request, string) (answer, error)) handler {
	return func(r *request) (answer, error) {
		t, err := r.tenant()
		if err != nil {
			return answer{}, err
		}
		return f(r, t)
	}
}

// each runs a statement and calls f for every row.
func (r *request) each(query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := r.store.db.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// dataAnswer is a list under data, without paging.
func dataAnswer[T any](data []T) answer {
	if data == nil {
		data = []T{}
	}
	a := jsonAnswer(http.StatusOK, struct {
		Data []T `json:"data"`
	}{data})
	a.records = len(data)
	return a
}

// pagedAnswer is a list under data with take, skip and totalRecords (L288).
func pagedAnswer[T any](data []T, skip, take, total int) answer {
	if data == nil {
		data = []T{}
	}
	a := jsonAnswer(http.StatusOK, struct {
		Data  []T `json:"data"`
		Take  int `json:"take"`
		Skip  int `json:"skip"`
		Total int `json:"totalRecords"`
	}{data, take, skip, total})
	a.records = len(data)
	return a
}

// auxiliaryType is a category of third-party accounts (L139). The short form
// within lists leaves out three members (L277).
type auxiliaryType struct {
	UUID           string `json:"uuid"`
	Name           string `json:"name"`
	Prefix         string `json:"prefix"`
	Abbreviation   string `json:"abbreviation"`
	IsAutomatic    bool   `json:"isAutomatic"`
	NextNumber     *int   `json:"nextNumber,omitempty"`
	Accounts       *int   `json:"accounts,omitempty"`
	GeneralAccount string `json:"generalAccount"`
	NatureCode     *int   `json:"natureCode,omitempty"`
}

func (r *request) auxiliaryTypes(tenant string) ([]auxiliaryType, error) {
	var out []auxiliaryType
	err := r.each(`SELECT uuid, name, prefix, abbreviation, general_account, nature,
		(SELECT COUNT(*) FROM cpttpe_auxiliary_account a WHERE a.tenant = t.tenant AND a.type = t.uuid)
		FROM cpttpe_auxiliary_type t WHERE tenant = ? ORDER BY nature`, []any{tenant}, func(scan func(...any) error) error {
		t := auxiliaryType{IsAutomatic: true}
		var nature, accounts int
		if err := scan(&t.UUID, &t.Name, &t.Prefix, &t.Abbreviation, &t.GeneralAccount, &nature, &accounts); err != nil {
			return err
		}
		next := accounts + 1
		t.NextNumber, t.Accounts, t.NatureCode = &next, &accounts, &nature
		out = append(out, t)
		return nil
	})
	return out, err
}

// auxiliaryTypeList is GET /v1/auxiliary-account-types (L192).
func auxiliaryTypeList(r *request, tenant string) (answer, error) {
	types, err := r.auxiliaryTypes(tenant)
	return dataAnswer(types), err
}

// auxiliaryAccount is a third-party account; the members after types are
// those of the single answer (L207) and not of the list (L270).
type auxiliaryAccount struct {
	UUID              string          `json:"uuid"`
	Name              string          `json:"name"`
	Number            string          `json:"number"`
	VatNumber         string          `json:"vatNumber"`
	Siret             string          `json:"siret"`
	IsAutomaticNumber *bool           `json:"isAutomaticNumber,omitempty"`
	IsActive          bool            `json:"isActive"`
	Types             auxiliaryType   `json:"types"`
	Contact           json.RawMessage `json:"contact,omitempty"`
	Address           json.RawMessage `json:"address,omitempty"`
	IsMovement        *bool           `json:"isMovement,omitempty"`
	IsOrphan          *bool           `json:"isOrphan,omitempty"`
	MsCount           *int            `json:"msCount,omitempty"`
}

// auxiliaryAccountGet is GET /v1/auxiliary-accounts/{number} (L249).
func auxiliaryAccountGet(r *request, tenant string) (answer, error) {
	types, err := r.auxiliaryTypes(tenant)
	if err != nil {
		return answer{}, err
	}
	found := false
	var a auxiliaryAccount
	err = r.each(`SELECT uuid, name, number, vat_number, siret, is_active, type, contact, address,
		EXISTS (SELECT 1 FROM cpttpe_line l WHERE l.tenant = a.tenant AND l.auxiliary_account = a.number)
		FROM cpttpe_auxiliary_account a WHERE tenant = ? AND number = ?`, []any{tenant, r.last()}, func(scan func(...any) error) error {
		found = true
		var kind, contact, address string
		automatic, moved, orphan, count := true, false, false, 1
		err := scan(&a.UUID, &a.Name, &a.Number, &a.VatNumber, &a.Siret, &a.IsActive, &kind, &contact, &address, &moved)
		a.Contact, a.Address = json.RawMessage(contact), json.RawMessage(address)
		a.IsAutomaticNumber, a.IsMovement, a.IsOrphan, a.MsCount = &automatic, &moved, &orphan, &count
		for _, t := range types {
			if t.UUID == kind {
				a.Types = t
			}
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if !found {
		return answer{}, hubbixNotFound("AuxiliaryAccount", r.last())
	}
	out := jsonAnswer(http.StatusOK, a)
	out.records = 1
	return out, nil
}

// auxiliaryAccountList is GET /v1/auxiliary-accounts (L292).
func auxiliaryAccountList(r *request, tenant string) (answer, error) {
	skip, take, err := r.window()
	if err != nil {
		return answer{}, err
	}
	order, err := r.sorted(map[string]string{"number": "a.number", "name": "a.name", "isActive": "a.is_active", "siret": "a.siret", "vatNumber": "a.vat_number", "uuid": "a.uuid"}, "number")
	if err != nil {
		return answer{}, err
	}
	w := &where{}
	w.add("a.tenant = ?", tenant)
	if v := r.value("category"); v != "" {
		w.add("t.uuid = ? OR t.abbreviation = ? OR t.name = ?", lower(v), v, v)
	}
	if v := r.value("numberFrom"); v != "" {
		w.add("a.number >= ?", v)
	}
	w.boolean(r, "isActive", "a.is_active", "NOT a.is_active")
	w.search(r, "search", "a.number", "a.name", "a.siret", "a.vat_number")
	if w.err != nil {
		return answer{}, w.err
	}
	from := " FROM cpttpe_auxiliary_account a JOIN cpttpe_auxiliary_type t ON t.tenant = a.tenant AND t.uuid = a.type" + w.text()
	total, err := r.store.count("SELECT COUNT(*)"+from, w.args)
	if err != nil {
		return answer{}, err
	}
	var data []auxiliaryAccount
	err = r.each(`SELECT a.uuid, a.name, a.number, a.vat_number, a.siret, a.is_active, t.uuid, t.name, t.prefix, t.abbreviation, t.general_account`+
		from+order+" LIMIT ? OFFSET ?", append(w.args, take, skip), func(scan func(...any) error) error {
		a := auxiliaryAccount{Types: auxiliaryType{IsAutomatic: true}}
		err := scan(&a.UUID, &a.Name, &a.Number, &a.VatNumber, &a.Siret, &a.IsActive, &a.Types.UUID, &a.Types.Name, &a.Types.Prefix, &a.Types.Abbreviation, &a.Types.GeneralAccount)
		data = append(data, a)
		return err
	})
	return pagedAnswer(data, skip, take, total), err
}

// generalAccount is an account; the members after racine are those of the
// single answer (L478) and not of the list (L513).
type generalAccount struct {
	UUID       string `json:"uuid"`
	Number     string `json:"number"`
	Label      string `json:"label"`
	Active     bool   `json:"active"`
	Collective bool   `json:"collective"`
	Racine     bool   `json:"racine"`
	*generalAccountDetails
}

type generalAccountDetails struct {
	Movement          bool    `json:"movement"`
	TaxType           *string `json:"taxType"`
	OperationType     *string `json:"operationType"`
	CalculationOption *string `json:"calculationOption"`
	UsedForEntries    *bool   `json:"accountUsedForEntryGeneration"`
	InTransfer        bool    `json:"belongsToTransferParameters"`
}

// generalAccountGet is GET /v1/general-account/{number} (L494).
func generalAccountGet(r *request, tenant string) (answer, error) {
	a := generalAccount{generalAccountDetails: &generalAccountDetails{}}
	err := r.each(`SELECT uuid, number, label, active, collective, racine, tax_type, operation_type, calculation_option,
		EXISTS (SELECT 1 FROM cpttpe_line l WHERE l.tenant = g.tenant AND l.general_account = g.number)
		FROM cpttpe_general_account g WHERE tenant = ? AND number = ?`, []any{tenant, r.last()}, func(scan func(...any) error) error {
		return scan(&a.UUID, &a.Number, &a.Label, &a.Active, &a.Collective, &a.Racine, &a.TaxType, &a.OperationType, &a.CalculationOption, &a.Movement)
	})
	if err == nil && a.UUID == "" {
		err = hubbixNotFound("GeneralAccount", r.last())
	}
	if err != nil {
		return answer{}, err
	}
	out := jsonAnswer(http.StatusOK, a)
	out.records = 1
	return out, nil
}

// generalAccountList is GET /v1/general-account (L541).
func generalAccountList(r *request, tenant string) (answer, error) {
	skip, take, err := r.window()
	if err != nil {
		return answer{}, err
	}
	order, err := r.sorted(map[string]string{"number": "number", "label": "label", "active": "active", "collective": "collective", "racine": "racine", "uuid": "uuid"}, "number")
	if err != nil {
		return answer{}, err
	}
	w := &where{}
	w.add("tenant = ?", tenant)
	w.boolean(r, "isActive", "active", "NOT active")
	w.boolean(r, "isRacine", "racine", "NOT racine")
	w.boolean(r, "isCollective", "collective", "NOT collective")
	w.equal(r, "calculationOption", "calculation_option")
	w.search(r, "search", "number", "label")
	if v := r.value("numberFrom"); v != "" {
		w.add("number >= ?", v)
	}
	if v := r.value("classNumber"); v != "" {
		w.add("substr(number, 1, ?) = ?", len(v), v)
	}
	// Every account of this chart that has a rate has the normal one, of
	// France.
	normal := `tax_type IS NOT NULL AND EXISTS (SELECT 1 FROM cpttpe_vat_rate v WHERE v.tenant = cpttpe_general_account.tenant AND v.rate = '20.0' AND `
	if v := r.value("vatRate"); v != "" {
		w.add(normal+"v.rate = ?)", v)
	}
	if v := r.value("vatRateUuid"); v != "" {
		w.add(normal+"v.uuid = ?)", lower(v))
	}
	if v := r.value("territoriality"); v != "" {
		w.add(normal+"'france' = ?)", lower(v))
	}
	if w.err != nil {
		return answer{}, w.err
	}
	from := " FROM cpttpe_general_account" + w.text()
	total, err := r.store.count("SELECT COUNT(*)"+from, w.args)
	if err != nil {
		return answer{}, err
	}
	var data []generalAccount
	err = r.each("SELECT uuid, number, label, active, collective, racine"+from+order+" LIMIT ? OFFSET ?", append(w.args, take, skip), func(scan func(...any) error) error {
		var a generalAccount
		err := scan(&a.UUID, &a.Number, &a.Label, &a.Active, &a.Collective, &a.Racine)
		data = append(data, a)
		return err
	})
	return pagedAnswer(data, skip, take, total), err
}

// domainInformation is GET /v1/domain-information (L698).
func domainInformation(r *request, tenant string) (answer, error) {
	code, name := FirstDomain, "Comptabilité Lefèvre"
	if tenant == SecondTenant {
		code, name = SecondDomain, "Comptabilité de l'Atelier"
	}
	return jsonAnswer(http.StatusOK, struct {
		Name    string `json:"domainName"`
		Code    string `json:"domainCode"`
		Version string `json:"version"`
	}{name, code, "1.17.3"}), nil
}

// exercise is an accounting year (L899).
type exercise struct {
	UUID             string  `json:"uuid"`
	StartDate        string  `json:"startDate"`
	EndDate          string  `json:"endDate"`
	Number           int     `json:"exerciceNumber"`
	ClosingDate      *string `json:"closingDate"`
	Attachment       string  `json:"attachmentUuid"`
	ArchiveDate      *string `json:"archiveDate"`
	PrintsAttachment string  `json:"printsAttachmentUuid"`
	PrintsDate       *string `json:"printsDate"`
}

// folderSettings is GET /v1/folder-settings (L984).
func folderSettings(r *request, tenant string) (answer, error) {
	types, err := r.auxiliaryTypes(tenant)
	if err != nil {
		return answer{}, err
	}
	rng := newRand(r.options.Seed, tenant, "exercises")
	var years []exercise
	for i, y := range []string{"2021", "2022", "2023", "2024", "2025"} {
		years = append(years, exercise{UUID: newGUID(rng), StartDate: y + "-01-01", EndDate: y + "-12-31", Number: i + 1})
	}
	body := map[string]any{
		"exercices":        years,
		"generalAccount":   map[string]int{"accountLength": 8, "accountNumbersMaxLength": 7},
		"entry":            map[string]string{"mode": "Provisoire"},
		"auxiliaryAccount": map[string]any{"length": 8, "types": types},
	}
	return jsonAnswer(http.StatusOK, body), nil
}

// vatRateList is GET /v1/vat-rate (L1719).
func vatRateList(r *request, tenant string) (answer, error) {
	type territory struct {
		UUID  string `json:"uuid"`
		Label string `json:"label"`
	}
	type rate struct {
		UUID        string      `json:"uuid"`
		Designation string      `json:"designation"`
		Rate        json.Number `json:"rate"`
		IsActive    bool        `json:"isActive"`
		Territory   territory   `json:"territoriality"`
	}
	var data []rate
	err := r.each("SELECT uuid, designation, rate, is_active FROM cpttpe_vat_rate WHERE tenant = ? ORDER BY rate", []any{tenant}, func(scan func(...any) error) error {
		v := rate{Territory: territory{"5eb87d68-e200-443e-b9e2-b478ba831cae", "France"}}
		err := scan(&v.UUID, &v.Designation, &v.Rate, &v.IsActive)
		data = append(data, v)
		return err
	})
	return dataAnswer(data), err
}

// attachmentGet is GET /v1/pieces-jointes/{uuidMs} (L1432): a file.
func attachmentGet(r *request, tenant string) (answer, error) {
	var a answer
	var name string
	err := r.each("SELECT name, content_type, content FROM cpttpe_attachment WHERE tenant = ? AND uuid = ?", []any{tenant, lower(r.last())}, func(scan func(...any) error) error {
		return scan(&name, &a.contentType, &a.body)
	})
	if err == nil && a.contentType == "" {
		err = hubbixNotFound("Attachment", r.last())
	}
	a.header = http.Header{"Content-Disposition": {`attachment; filename="` + strings.Map(func(c rune) rune {
		if c < 32 || c > 126 || c == '"' || c == '\\' {
			return '_'
		}
		return c
	}, name) + `"`}}
	return a, err
}

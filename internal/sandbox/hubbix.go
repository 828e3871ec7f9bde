package sandbox

import (
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tenants of hubbix_cpttpe and domains of hubbix_gctpe: the same in every
// sandbox.
const (
	FirstTenant  = "0189abef-09af-409f-ab89-012789abcdef"
	SecondTenant = "5c1b7e0a-3f42-4f6b-9a55-7d20c3e1b9f4"
	FirstDomain  = "0993010668"
	SecondDomain = "0993010669"
)

// Tenants returns the dossiers of hubbix_cpttpe, as its tenantid header names
// them (UUIDs, in any casing).
func (s *Server) Tenants() []string { return []string{FirstTenant, SecondTenant} }

// Domains returns the domains of hubbix_gctpe, as its DomainId header names
// them.
func (s *Server) Domains() []string { return []string{FirstDomain, SecondDomain} }

// hubbixState guards the data of the Hubbix products: each tenant and domain
// is filled at its first use.
type hubbixState struct {
	mu     sync.Mutex
	filled map[string]bool
}

// fillTenants creates the tables of hubbix_cpttpe and fills tenants.
func (s *Server) fillTenants(tenants ...string) error {
	if err := s.fillOnce("accounting", func(tx *sql.Tx) error {
		_, err := tx.Exec(accountingTables)
		return err
	}); err != nil {
		return err
	}
	for _, t := range tenants {
		if err := s.fillOnce(t, func(tx *sql.Tx) error { return fillAccounting(tx, s.options, t) }); err != nil {
			return err
		}
	}
	return nil
}

// fillDomains creates the tables of hubbix_gctpe and fills domains.
func (s *Server) fillDomains(domains ...string) error {
	if err := s.fillOnce("business", createBusiness); err != nil {
		return err
	}
	for _, d := range domains {
		if err := s.fillOnce(d, func(tx *sql.Tx) error { return fillBusiness(tx, s.options, d) }); err != nil {
			return err
		}
	}
	return nil
}

// fillOnce runs a function that creates or fills tables, once.
func (s *Server) fillOnce(what string, fill func(*sql.Tx) error) error {
	s.hubbix.mu.Lock()
	defer s.hubbix.mu.Unlock()
	if s.hubbix.filled[what] {
		return nil
	}
	tx, err := s.store.db.Begin()
	if err != nil {
		return err
	}
	if err := fill(tx); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("sandbox: filling %s: %w", what, err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.store.version.Add(1)
	if s.hubbix.filled == nil {
		s.hubbix.filled = map[string]bool{}
	}
	s.hubbix.filled[what] = true
	return nil
}

// tenant returns the tenant a request of hubbix_cpttpe names (L198).
func (r *request) tenant() (string, error) {
	given := r.http.Header.Get("tenantid")
	if given == "" {
		return "", hubbixBad("Tenant.Required", "L'en-tête tenantid est obligatoire.")
	}
	id, ok := parseGUID(given)
	if !ok {
		return "", hubbixBad("Tenant.Invalid", "L'en-tête tenantid n'est pas un UUID.")
	}
	for _, t := range r.Tenants() {
		if t == id {
			return id, r.fillTenants(id)
		}
	}
	return "", &hubbixError{http.StatusNotFound, "Tenant.NotFound", "Le dossier " + id + " est introuvable."}
}

// domain returns the domain a request of hubbix_gctpe names (L4239).
func (r *request) domain() (string, error) {
	given := r.http.Header.Get("DomainId")
	if given == "" {
		return "", hubbixBad("Domain.Required", "L'en-tête DomainId est obligatoire.")
	}
	for _, d := range r.Domains() {
		if d == given {
			return d, r.fillDomains(d)
		}
	}
	return "", &hubbixError{http.StatusNotFound, "Domain.NotFound", "Le domaine " + given + " est introuvable."}
}

func hubbixBad(code, format string, args ...any) *hubbixError {
	return &hubbixError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// hubbixNotFound is the refusal of a record that does not exist (L4375).
func hubbixNotFound(entity, id string) *hubbixError {
	return &hubbixError{http.StatusNotFound, entity + ".NotFound", "EntityId : " + id + ". L'enregistrement est introuvable."}
}

// window reads take and skip. More than 100 records is refused (L9775).
func (r *request) window() (skip, take int, err error) {
	read := func(name string, missing int) int {
		v := r.value(name)
		if v == "" {
			return missing
		}
		n, e := strconv.ParseInt(v, 10, 32)
		if e != nil || n < 0 {
			err = hubbixBad("Parameter.Invalid", "La valeur '%s' n'est pas valide pour %s.", v, name)
		}
		return int(n)
	}
	skip, take = read("skip", 0), read("take", min(100, r.options.MaxLimit))
	if err == nil && take > r.options.MaxLimit {
		err = hubbixBad("Parameter.Invalid", "take ne peut pas dépasser %d.", r.options.MaxLimit)
	}
	return skip, take, err
}

// where collects the conditions of a Hubbix list.
type where struct {
	sql  []string
	args []any
	err  error
}

func (w *where) add(sql string, args ...any) {
	w.sql = append(w.sql, sql)
	w.args = append(w.args, args...)
}

func (w *where) text() string {
	if len(w.sql) == 0 {
		return ""
	}
	return " WHERE (" + strings.Join(w.sql, ") AND (") + ")"
}

// boolean adds a condition for a parameter that is true or false.
func (w *where) boolean(r *request, name, ifTrue, ifFalse string) {
	switch v := lower(r.value(name)); v {
	case "":
	case "true", "1":
		w.add(ifTrue)
	case "false", "0":
		w.add(ifFalse)
	default:
		w.err = hubbixBad("Parameter.Invalid", "La valeur '%s' n'est pas valide pour %s.", v, name)
	}
}

// equal adds a condition for a parameter a column must equal.
func (w *where) equal(r *request, name, column string) {
	if v := r.value(name); v != "" {
		w.add(column+" = ?", v)
	}
}

// date adds a condition for a parameter that is a day, 2006-01-02 (L816).
func (w *where) date(r *request, name, condition string) {
	v := r.value(name)
	if v == "" {
		return
	}
	if _, err := time.Parse("2006-01-02", v); err != nil {
		w.err = hubbixBad("Parameter.Invalid", "La valeur '%s' n'est pas une date pour %s.", v, name)
		return
	}
	w.add(condition, v)
}

// search adds a condition for a parameter any of the columns must contain.
func (w *where) search(r *request, name string, columns ...string) {
	v := r.get(name)
	if v == "" {
		return
	}
	pattern := "%" + strings.NewReplacer("[", "[[]", "%", "[%]", "_", "[_]").Replace(v) + "%"
	var terms []string
	for _, c := range columns {
		terms = append(terms, functionLike+"("+c+", ?)")
		w.args = append(w.args, pattern)
	}
	w.sql = append(w.sql, strings.Join(terms, " OR "))
}

// sorted returns the ORDER BY of a list: one of the columns by the name the
// answer shows, ties in an order drawn anew at each call.
func (r *request) sorted(columns map[string]string, missing string) (string, error) {
	by := r.value("sortField")
	if by == "" {
		by = missing
	}
	column, ok := columns[by]
	if !ok {
		return "", hubbixBad("Parameter.Invalid", "Le champ de tri '%s' est inconnu.", by)
	}
	switch v := lower(r.value("sortDirection")); v {
	case "", "asc", "ascending":
	case "desc", "descending":
		column += " DESC"
	default:
		return "", hubbixBad("Parameter.Invalid", "Le sens de tri '%s' est inconnu.", v)
	}
	return " ORDER BY " + column + ", random()", nil
}

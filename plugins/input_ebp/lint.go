package input_ebp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/bloblang"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

// lintFunction is the Bloblang function behind the component's lint rule: the host's
// rules are mappings, and only Go knows the catalog.
const lintFunction = "ebp_input_problems"

const lintRule = `root = ` + lintFunction + `(this)`

func registerLint() error {
	spec := bloblang.NewPluginSpec().
		Category("EBP").
		Description("What is wrong with the configuration of an `ebp` input, as a list of sentences. The component's own lint rule uses it.").
		Param(bloblang.NewAnyParam("config").Description("The configuration of the input."))
	return bloblang.RegisterFunctionV2(lintFunction, spec, func(args *bloblang.ParsedParams) (bloblang.Function, error) {
		config, err := args.Get("config")
		if err != nil {
			return nil, err
		}
		return func() (any, error) {
			out := []any{}
			for _, p := range Problems(asWritten(config)) {
				out = append(out, p)
			}
			return out, nil
		}, nil
	})
}

// asWritten undoes what the host does to a configuration before it lints it: a list that
// was written as something else, such as folders: 3691, comes as a list that is nil, and
// the host says so itself. An empty list comes in the same way; Problems finds that one
// when the input is made.
func asWritten(config any) any {
	c, ok := config.(map[string]any)
	if !ok {
		return config
	}
	c = maps.Clone(c)
	for name, v := range c {
		if l, ok := v.([]any); ok && l == nil {
			c[name] = notAList{}
		}
	}
	return c
}

// notAList stands where a list should be.
type notAList struct{}

// ours are the parameters that the input sends itself, with the field that sets them.
var ours = map[string]string{
	"tablename": "use the field table", "columns": "use the field columns", "orderbyvalue": "the input orders by the key, to read on from it",
	"wherecondition": "the input sends one to read on from the last key", "offset": "the input pages by itself", "limit": "use the field page_size",
	"take": "use the field page_size", "skip": "the input pages by itself", "folderid": "use the field folders",
}

// Problems says what is wrong with the configuration of an input, a sentence each. It
// asks nobody, so that it can run where a file is linted.
func Problems(config any) []string {
	c, ok := config.(map[string]any)
	if !ok {
		return nil // the host says so
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	resource := text(c[fieldResource])
	if interpolated(resource) {
		return nil
	}
	op, ok := catalog.LookupList(resource)
	if !ok {
		return []string{unknownResource(resource)}
	}
	lintTables(c, op, add)
	lintFolders(c, op, add)
	lintParameters(c, op, add)
	lintModes(c, op, add)
	lintRest(c, add)
	return out
}

func unknownResource(resource string) string {
	if op, ok := catalog.Lookup(resource); ok {
		return fmt.Sprintf("resource %q reads no list but is a %s operation; lists are shown by: benthos-ebp operations", resource, op.Kind)
	}
	if near := catalog.NearestList(resource); near != "" {
		return fmt.Sprintf("resource %q does not exist; did you mean %q?", resource, near)
	}
	return fmt.Sprintf("resource %q does not exist; benthos-ebp operations shows them all, for example %q", resource, "gescom.generic_query")
}

func lintTables(c map[string]any, op *catalog.Operation, add func(string, ...any)) {
	table := text(c[fieldTable])
	tables, ok := list(c[fieldTables])
	switch {
	case !ok: // the host says so
	case !op.TakesTable() && (table != "" || len(tables) > 0):
		reads := "has no tables"
		if op.Table != "" {
			reads = "always reads " + op.Table
		}
		add("resource %q %s: leave table and tables out, or use %s.generic_query", op.Resource(), reads, op.Product())
	case op.TakesTable() && table == "" && len(tables) == 0:
		add("resource %q needs a table, such as table: Customer", op.Resource())
	case table != "" && len(tables) > 0:
		add("table and tables are both set: use one of them")
	}
	columns, _ := list(c[fieldColumns])
	if len(columns) > 0 && len(tables) > 0 {
		add("columns and tables are both set: give each of the tables its own columns")
	}
	if len(columns) > 0 && !op.TakesColumns() {
		add("resource %q does not take columns: leave them out and choose fields in a mapping", op.Resource())
	}
	lintColumns(op, table, columns, add)
	seen := map[string]int{}
	for i, t := range tables {
		m, _ := t.(map[string]any)
		name, given := m[fieldTable]
		if !given {
			continue // the host says so
		}
		table := text(name)
		if table == "" {
			add("tables[%d] names no table", i)
			continue
		}
		columns, _ := list(m[fieldColumns])
		lintColumns(op, table, columns, add)
		if lower := strings.ToLower(table); !interpolated(table) {
			if seen[lower]++; seen[lower] == 2 {
				add("tables: %s is there twice, its records would be too", table)
			}
		}
	}
}

// lintColumns finds what cannot be a column. Tables and columns that are not known are
// tried: every dossier may have its own.
func lintColumns(op *catalog.Operation, table string, columns []any, add func(string, ...any)) {
	if t, ok := catalog.LookupTable(table); ok && !slices.Contains(t.Products, op.Product()) {
		add("table %s can be read in %s, not in %s", t.Name, strings.Join(t.Products, " and "), op.Product())
	}
	seen := map[string]bool{}
	for _, v := range columns {
		name := strings.TrimSpace(text(v))
		if interpolated(name) {
			continue
		}
		if name == "" || strings.ContainsAny(name, ",;'\" \t\n") {
			add("column %q: write a list of names, one column each", text(v))
		}
		if lower := strings.ToLower(name); seen[lower] {
			add("column %q is asked for twice", name)
		} else {
			seen[lower] = true
		}
	}
}

func lintFolders(c map[string]any, op *catalog.Operation, add func(string, ...any)) {
	folders, ok := list(c[fieldFolders])
	if !ok {
		return // the host says so
	}
	switch {
	case !op.HasFolder() && len(folders) > 0:
		add("resource %q is not read from a dossier: leave folders out", op.Resource())
	case op.HasFolder() && len(folders) == 0 && op.IsHubbix():
		what := map[catalog.Scope]string{catalog.ScopeTenantHeader: "the tenant's id", catalog.ScopeDomainHeader: "the domain's id"}[op.Scope]
		add("resource %q needs folders: [%s]", op.Resource(), what)
	case op.HasFolder() && len(folders) == 0:
		add(`resource %q needs folders: the numbers of dossiers, or ["*"] for all of this sign-in`, op.Resource())
	}
	seen := map[string]int{}
	for _, f := range folders {
		name := text(f)
		if interpolated(name) {
			continue
		}
		seen[name]++
		switch {
		case seen[name] > 2, name == allFolders && seen[name] > 1: // has been said
		case name == "" && seen[name] == 1:
			add("folders holds an empty name")
		case name == allFolders && op.IsHubbix():
			add(`folders: Hubbix has no list of its dossiers, so "*" cannot be resolved: name them`)
		case name == allFolders && len(folders) > 1:
			add(`folders: "*" stands for all dossiers and is used alone`)
		case name != "" && seen[name] == 2:
			add("folders: %q is there twice, its records would be too", name)
		}
	}
}

func lintParameters(c map[string]any, op *catalog.Operation, add func(string, ...any)) {
	parameters, _ := c[fieldParameters].(map[string]any)
	var names, known []string
	for n := range parameters {
		names = append(names, n)
	}
	sort.Strings(names)
	spelled := map[string]string{}
	for _, p := range op.Query {
		if _, sent := ours[strings.ToLower(p.Name)]; !sent {
			known = append(known, p.Name)
		}
	}
	for _, n := range names {
		if why, sent := ours[strings.ToLower(n)]; sent {
			add("parameter %s cannot be set here: %s", n, why)
			continue
		}
		if p, ok := op.Parameter(n); ok {
			if other, twice := spelled[p.Name]; twice {
				add("parameter %s is there twice, as %s and %s: only one of them can be sent", p.Name, other, n)
			}
			spelled[p.Name] = n
			continue
		}
		hint := "it takes none"
		if near := catalog.Nearest(n, known); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		} else if len(known) > 0 {
			hint = "it takes " + strings.Join(known, ", ")
		}
		add("resource %q has no parameter %s; %s", op.Resource(), n, hint)
	}
}

func lintRest(c map[string]any, add func(string, ...any)) {
	if u := strings.TrimSpace(text(c[connection.FieldURL])); u != "" && !interpolated(u) {
		switch scheme, _, _ := strings.Cut(u, ":"); scheme {
		case "https", "http", "sandbox":
		default:
			add("url %q is none: write https://… or sandbox:", u)
		}
	}
	if s := text(c[fieldInterval]); s != "" && !interpolated(s) {
		if d, err := time.ParseDuration(s); err != nil || d <= 0 {
			add("interval %q is no duration such as 5m or 24h", s)
		}
	}
	if text(c[fieldSchemaMetadata]) != "" && !strings.EqualFold(text(c[fieldValues]), valuesTyped) {
		add("schema_metadata describes typed values: set values: typed")
	}
	lintNumber(c, fieldPageSize, catalog.MaxPageSize, fmt.Sprintf("EBP takes 1 to %d records a page", catalog.MaxPageSize), add)
	lintNumber(c, fieldPrefetch, longestPrefetch, fmt.Sprintf("give 1 to %d pages", longestPrefetch), add)
	lintNumber(c, fieldPasses, mostPasses, fmt.Sprintf("give 1 to %d", mostPasses), add)
	lintNumber(c, fieldCheckpointLimit, math.MaxInt32, "give 1 message or more", add)
}

const (
	longestPrefetch = 100
	mostPasses      = 10
)

// lintNumber finds what is no whole number from 1 to most. A number in quotes is none:
// the host does not read it as one.
func lintNumber(c map[string]any, field string, most int, give string, add func(string, ...any)) {
	v, given := c[field]
	switch n, isNumber := number(v); {
	case !given || interpolated(text(v)):
	case !isNumber:
		add("%s %q: %s, written as a number", field, text(v), give)
	case n != math.Trunc(n):
		add("%s %s: %s, as a whole number", field, text(v), give)
	case n < 1 || n > float64(most):
		add("%s %s: %s", field, text(v), give)
	}
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// list returns a list, which is empty where there is none, and false where there is
// something else.
func list(v any) ([]any, bool) {
	l, ok := v.([]any)
	return l, ok || v == nil
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// interpolated reports whether a value is filled in from the environment later.
func interpolated(s string) bool { return strings.Contains(s, "${") }

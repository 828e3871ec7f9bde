// Package catalog is the table of the EBP REST APIs: every documented operation
// with its method, path, scope, parameters, paging and answer, and the tables and
// columns that are known. It is the only place of the project that knows a path;
// everything else reads it. It holds data and look-ups, no behaviour.
//
// Line numbers (DocLine, and "L1818" in comments) are those of the vendor's
// document from which a fact comes.
package catalog

import (
	"slices"
	"strings"
	"sync"
)

// Scope says where an operation takes the dossier it works on.
type Scope string

// Scopes.
const (
	ScopeNone         Scope = "none"            // needs no dossier
	ScopeFolderPath   Scope = "folder_path"     // {FolderId} in the path
	ScopeFolderQuery  Scope = "folder_query"    // FolderId in the query
	ScopeFolderBody   Scope = "folder_body"     // folderId in the JSON body
	ScopeTenantHeader Scope = "tenantid_header" // header tenantid (UUID of the dossier)
	ScopeDomainHeader Scope = "DomainId_header" // header DomainId
)

// Kind says what an operation does.
type Kind string

// Kinds.
const (
	KindList      Kind = "list"       // reads many records
	KindGet       Kind = "get"        // reads one thing
	KindCreate    Kind = "create"     // not idempotent
	KindUpdate    Kind = "update"     //
	KindDelete    Kind = "delete"     //
	KindAction    Kind = "action"     // changes something without creating a record
	KindJobCreate Kind = "job_create" // submits an asynchronous job
	KindJobStatus Kind = "job_status" // asks how a job stands
	KindJobResult Kind = "job_result" // fetches the file a job made
)

// Paging says how a list is read in pages.
type Paging string

// Pagings.
const (
	PagingOffsetLimit Paging = "offset_limit" // Offset and Limit; the total is at paging.total
	PagingTakeSkip    Paging = "take_skip"    // take and skip; the total, if any, is at Operation.Total
	PagingNone        Paging = "none"         // one answer holds everything
)

// MaxPageSize is the number of records a page holds at most; above it the API
// answers an error (L9775).
const MaxPageSize = 100

// Parameter is a query parameter or a body field, spelled as it must be sent.
type Parameter struct {
	Name     string `json:"name"`
	Required bool   `json:"required,omitempty"`
}

// RecordsPlace says where the records of an answer sit.
type RecordsPlace struct {
	// Keys are the members of the answer that may hold the records, the first
	// present one wins (the document contradicts itself between result and
	// results, L1843).
	Keys []string `json:"keys,omitempty"`
	// Array is true where the answer itself is the array of records.
	Array bool `json:"array,omitempty"`
	// Whole is true where the answer itself is the record.
	Whole bool `json:"whole,omitempty"`
}

// RecordsAt is an answer whose member of one of these names holds the records.
func RecordsAt(keys ...string) RecordsPlace { return RecordsPlace{Keys: keys} }

var (
	// BareArray is an answer that is itself the array of records.
	BareArray = RecordsPlace{Array: true}
	// WholeBody is an answer that is itself the record.
	WholeBody = RecordsPlace{Whole: true}
)

// BodyKind is the form of a request body.
type BodyKind string

// Body kinds.
const (
	BodyNone      BodyKind = ""
	BodyJSON      BodyKind = "json"
	BodyForm      BodyKind = "form"      // multipart form fields with dotted names and decimal commas (L5031)
	BodyMultipart BodyKind = "multipart" // a file
)

// Body describes a request body.
type Body struct {
	Kind       BodyKind    `json:"kind"`
	Fields     []Parameter `json:"fields,omitempty"`      // empty: described by the document only
	SameAs     string      `json:"same_as,omitempty"`     // the operation whose fields it takes
	PascalCase bool        `json:"pascal_case,omitempty"` // field names start with a capital
}

// AnswerKind is the form of a successful answer.
type AnswerKind string

// Answer kinds. The zero value is read as JSON.
const (
	AnswerJSON   AnswerKind = "json"
	AnswerEmpty  AnswerKind = "empty"
	AnswerNumber AnswerKind = "number" // a bare number, such as the id of what was created
	AnswerText   AnswerKind = "text"   // plain text
	AnswerFile   AnswerKind = "file"   // bytes
)

// Answer describes a successful answer.
type Answer struct {
	Kind AnswerKind `json:"kind"`
	// Status is the documented status where it is not 200; any 2xx is success.
	Status int `json:"status,omitempty"`
	// Field is the member that identifies what was made.
	Field string `json:"field,omitempty"`
}

// FieldValue is a condition on a field of a request body.
type FieldValue struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

// Operation is one documented operation.
type Operation struct {
	// Name is PRODUCT.RESOURCE.VERB, unique.
	Name   string `json:"operation"`
	Method string `json:"method"`
	// Path starts at the host; {Names} are replaced by path parameters.
	Path    string       `json:"path"`
	Scope   Scope        `json:"scope"`
	Kind    Kind         `json:"kind"`
	Paging  Paging       `json:"paging,omitempty"`
	Total   string       `json:"total,omitempty"` // take/skip: the member that holds the number of records
	Records RecordsPlace `json:"records,omitzero"`
	Query   []Parameter  `json:"query_params,omitempty"`
	Body    Body         `json:"body,omitzero"`
	Answer  Answer       `json:"answer"`
	// Table is the table a list reads, where it is always the same.
	Table string `json:"table,omitempty"`
	// Key names the members that identify a record; for generic queries see KeyOf.
	Key []string `json:"key,omitempty"`
	// ModifiedColumn is the column with the date of the last modification.
	ModifiedColumn string `json:"modified_column,omitempty"`
	// DefaultOrder is the column to sort by so that pages follow each other.
	DefaultOrder string `json:"default_order,omitempty"`
	// AlternatePath is tried when Path answers 404: the document spells it both
	// ways (L2241 and L2256, L5669 and L5881).
	AlternatePath string `json:"alternate_path,omitempty"`
	// Irreversible marks what the API cannot undo; IrreversibleWhen marks it for
	// bodies with that value.
	Irreversible     bool        `json:"irreversible"`
	IrreversibleWhen *FieldValue `json:"irreversible_when,omitempty"`
	DocLine          int         `json:"doc_line"`
}

// sharedOperation is an operation documented once for Gescom and once for Batiment.
type sharedOperation struct {
	Operation
	gescomLine, batimentLine int
}

func (s sharedOperation) of(product string, line int) Operation {
	op := s.Operation
	op.Name = product + "." + op.Name
	op.Path = "/" + product + "/api/v1" + op.Path
	if op.AlternatePath != "" {
		op.AlternatePath = "/" + product + "/api/v1" + op.AlternatePath
	}
	op.DocLine = line
	return op
}

// parameters reads names, those with a trailing "!" required.
func parameters(names ...string) []Parameter {
	out := make([]Parameter, len(names))
	for i, n := range names {
		name, required := strings.CutSuffix(n, "!")
		out[i] = Parameter{Name: name, Required: required}
	}
	return out
}

var load = sync.OnceValue(func() []Operation {
	var all []Operation
	for _, s := range sharedOperations {
		all = append(all, s.of("gescom", s.gescomLine))
	}
	for _, s := range sharedOperations {
		all = append(all, s.of("batiment", s.batimentLine))
	}
	for _, part := range [][]Operation{
		maintenanceOperations, importOperations, associatedFileOperations, exportOperations,
		hubbixCpttpeOperations, hubbixGctpeOperations, hubbixGctpeSalesOperations,
	} {
		all = append(all, part...)
	}
	for i := range all {
		if all[i].Answer.Kind == "" {
			all[i].Answer.Kind = AnswerJSON
		}
	}
	return all
})

// All returns every operation, product by product. The caller owns the slice but
// not what its elements point to.
func All() []Operation { return slices.Clone(load()) }

var byName = sync.OnceValue(func() map[string]*Operation {
	all := load()
	m := make(map[string]*Operation, len(all))
	for i := range all {
		m[all[i].Name] = &all[i]
	}
	return m
})

// Lookup returns the operation of that exact name. It must not be changed.
func Lookup(name string) (*Operation, bool) {
	op, ok := byName()[name]
	return op, ok
}

// LookupList returns the list operation of a resource: its name, with or without
// ".list" ("gescom.generic_query"). Lists named otherwise
// (hubbix_gctpe.printing_models.names) go by their whole name.
func LookupList(resource string) (*Operation, bool) {
	for _, name := range []string{resource, resource + ".list"} {
		if op, ok := Lookup(name); ok && op.Kind == KindList {
			return op, true
		}
	}
	return nil, false
}

// Lists returns the names under which LookupList knows the list operations, in
// catalog order, ".list" left out.
func Lists() []string {
	var out []string
	for _, op := range load() {
		if op.Kind == KindList {
			out = append(out, op.Resource())
		}
	}
	return out
}

// Product is the first part of the name, such as gescom.
func (o *Operation) Product() string {
	p, _, _ := strings.Cut(o.Name, ".")
	return p
}

// Resource is the name without ".list", as users write it.
func (o *Operation) Resource() string { return strings.TrimSuffix(o.Name, ".list") }

// Parameter returns the query parameter of that name, whatever the casing.
func (o *Operation) Parameter(name string) (Parameter, bool) {
	for _, p := range o.Query {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Parameter{}, false
}

func (o *Operation) has(parameter string) bool { _, ok := o.Parameter(parameter); return ok }

// TakesColumns reports whether the columns of the answer can be chosen.
func (o *Operation) TakesColumns() bool { return o.has(ParamColumns) }

// TakesWhere reports whether the operation takes a WhereCondition.
func (o *Operation) TakesWhere() bool { return o.has(ParamWhere) }

// TakesTable reports whether the table is a parameter (generic queries).
func (o *Operation) TakesTable() bool { return o.has(ParamTable) }

// HasFolder reports whether the operation works on a dossier, tenant or domain.
func (o *Operation) HasFolder() bool { return o.Scope != ScopeNone }

// IsHubbix reports whether dossiers are tenants or domains named in a header.
func (o *Operation) IsHubbix() bool {
	return o.Scope == ScopeTenantHeader || o.Scope == ScopeDomainHeader
}

// Folders returns the operation that lists the dossiers of this operation's
// product, if the product has one. Import, export and associated files work on
// the dossiers that maintenance lists.
func (o *Operation) Folders() (*Operation, bool) {
	switch o.Product() {
	case "gescom", "batiment", "maintenance":
		return Lookup(o.Product() + ".folders.list")
	case "import", "associatedfile", "export":
		return Lookup("maintenance.folders.list")
	}
	return nil, false
}

// Names of query parameters that the client itself sends.
const (
	ParamTable    = "TableName"
	ParamColumns  = "Columns"
	ParamOrder    = "OrderByValue"
	ParamWhere    = "WhereCondition"
	ParamOffset   = "Offset"
	ParamLimit    = "Limit"
	ParamTake     = "take"
	ParamSkip     = "skip"
	ParamFolder   = "FolderId"
	ParamDuration = "Duration"
)

// SortParameter is the parameter that takes DefaultOrder: OrderByValue,
// sortingOrder.property or sortField; "" where the operation has none.
func (o *Operation) SortParameter() string {
	for _, name := range []string{ParamOrder, "sortingOrder.property", "sortField"} {
		if p, ok := o.Parameter(name); ok {
			return p.Name
		}
	}
	return ""
}

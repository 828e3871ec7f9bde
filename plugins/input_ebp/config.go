// Package input_ebp is the input `ebp`: it reads lists of the EBP REST APIs as
// streams of messages. Import it to register the component.
package input_ebp //nolint:revive // the house names plugin folders after their components

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

const (
	fieldResource       = "resource"
	fieldTable          = "table"
	fieldTables         = "tables"
	fieldFolders        = "folders"
	fieldColumns        = "columns"
	fieldParameters     = "parameters"
	fieldMode           = "mode"
	fieldInterval       = "interval"
	fieldValues         = "values"
	fieldSchemaMetadata = "schema_metadata"
	fieldPageSize       = "page_size"
	fieldPrefetch       = "prefetch"
	fieldAllowOffset    = "allow_offset"
)

const (
	modeFull    = "full"
	valuesRaw   = "raw"
	valuesTyped = "typed"
	allFolders  = "*"
)

func inputSpec() *service.ConfigSpec {
	spec := service.NewConfigSpec().
		Beta().
		Categories("Services").
		Summary("Reads tables, documents, accounting entries and every other list of the EBP REST APIs.").
		Description(`
Every record becomes a message, every page a batch. With ` + "`values: raw`" + ` the payload is the record exactly as EBP sent it, byte for byte, so that no decimal loses a digit; with ` + "`values: typed`" + ` every value has the type of its column.

Lists that take a condition are read by key: each page asks for what follows the last key, and no insert, delete or change elsewhere makes the read lose or repeat a record. Other lists can only be read by position, which is complete as long as nothing is inserted, deleted or, where EBP sorts by itself, changed meanwhile. The log says so where a list is read by position.

EBP allows one call per second and 10,000 a day. A page is one call and holds 100 records at most.

== Metadata

- ` + "`ebp_product`, `ebp_resource`, `ebp_table`, `ebp_folder`" + `: where the record comes from. ` + "`ebp_table` and `ebp_folder`" + ` are absent where there is none.
- ` + "`ebp_key`" + `: what identifies the record; for tables without an id a JSON array, such as item and storehouse. Absent where nothing does.
- ` + "`ebp_modified`" + `: the date of the last modification as EBP writes it, where the record holds it.
- ` + "`ebp_change`" + `: ` + "`upsert`" + `.
- ` + "`ebp_sweep`" + `: the start of the read the record belongs to.

== Numbers

EBP's decimals have up to 28 digits. Assigning them in a mapping keeps every digit; arithmetic, ` + "`.number()`" + ` and ` + "`json()`" + ` go through a float and do not.

== Exit codes

A run without ` + "`interval`" + ` ends with code 3 when EBP does not accept the sign-in, and with 4 when something could not be read, or when it was stopped before its end.
`).
		Field(service.NewStringField(fieldResource).
			Description("What to read: a list operation, as `benthos-ebp operations` shows them; `.list` may be left out.").
			Example("gescom.generic_query").Example("gescom.sale_documents_with_lines").Example("hubbix_cpttpe.line_entries")).
		Field(service.NewStringField(fieldTable).
			Description("The table of a generic query.").
			Example("Customer").Default("")).
		Field(service.NewObjectListField(fieldTables,
			service.NewStringField(fieldTable).Description("The table."),
			service.NewStringListField(fieldColumns).Description("Its columns; all if empty.").Default([]any{}),
		).Description("Several tables of generic queries, read in turn. Instead of `table` and `columns`.").
			Default([]any{}).Advanced()).
		Field(service.NewStringListField(fieldFolders).
			Description("The dossiers to read; the tenant or domain for Hubbix. `[\"*\"]` reads every dossier of this sign-in (not for Hubbix, which has no list of them).").
			Example([]any{"3691"}).Example([]any{"*"}).Default([]any{})).
		Field(service.NewStringListField(fieldColumns).
			Description("The columns to read, all if empty. The key is added when it is needed to read on. Few columns make small, fast pages: all of them include images.").
			Example([]any{"Id", "Name", "MainInvoicingAddress_City"}).Default([]any{})).
		Field(service.NewStringMapField(fieldParameters).
			Description("Other documented query parameters of the resource: `query_params` in what `benthos-ebp operations --format json` prints.").
			Example(map[string]any{"TypeClient": "client"}).Default(map[string]any{}).Advanced()).
		Field(service.NewStringAnnotatedEnumField(fieldMode, map[string]string{
			modeFull: "Every record, each time.",
		}).Description("What of the resource to read.").Default(modeFull).Advanced()).
		Field(service.NewStringField(fieldInterval).
			Description("Read again and again, at this distance from start to start. Empty: read once, then the pipeline ends.").
			Example("5m").Default("").Advanced()).
		Field(service.NewStringAnnotatedEnumField(fieldValues, map[string]string{
			valuesRaw:   "The record as EBP sent it.",
			valuesTyped: "Keys in the casing of the schema, decimals as strings at the scale of the column (`\"12.50000000\"`), dates with their zone (`\"2019-07-22T11:33:02+02:00\"`), nested values as strings of JSON. A record that does not fit keeps its raw payload and carries an error, which `errored()` and `error()` show.",
		}).Description("What the payload holds.").Default(valuesRaw).Advanced()).
		Field(service.NewStringField(fieldSchemaMetadata).
			Description("With `values: typed`: the metadata key under which to give the schema, for `parquet_encode` and others that take one. The types are those of the known tables; of other columns they are learned from the first page, and the log says so.").
			Example("ebp_schema").Default("").Advanced()).
		Field(service.NewIntField(fieldPageSize).
			Description("Records per page. EBP allows 100.").
			Default(catalog.MaxPageSize).Advanced()).
		Field(service.NewIntField(fieldPrefetch).
			Description("Pages to fetch ahead while the last is processed.").
			Default(1).Advanced()).
		Field(service.NewBoolField(fieldAllowOffset).
			Description("Read a list by position where it turns out that it cannot be read by key, instead of stopping.").
			Default(false).Advanced()).
		Field(service.NewAutoRetryNacksToggleField().
			Description("Deliver a page again, as a whole, when anything of it was refused, until it is taken. When false, a refused page is logged, counted and not read again."))
	return spec.Fields(connection.Fields()...).
		LintRule(lintRule).
		Example("Customers to the terminal",
			"A first look, on invented data. To read your own, leave out `url`, set the variables `EBP_SUBSCRIPTION_KEY`, `EBP_CLIENT_ID` and `EBP_CLIENT_SECRET`, and run `benthos-ebp login` once.",
			`
input:
  ebp:
    resource: gescom.generic_query
    table: Customer
    folders: ["*"]
    columns: [Id, Name, MainInvoicingAddress_City]
    url: "sandbox:"
`).
		Example("Accounting entries of a year",
			"The entries of a Hubbix dossier, with documented query parameters.",
			`
input:
  ebp:
    resource: hubbix_cpttpe.line_entries
    folders: ["0189abef-09af-409f-ab89-012789abcdef"]
    parameters:
      startDate: "2025-01-01"
      endDate: "2025-12-31"
`)
}

// tableSpec is a table to read, with its columns.
type tableSpec struct {
	table   string
	columns []string
}

type inputConfig struct {
	connection     *connection.Config
	op             *catalog.Operation
	tables         []tableSpec
	folders        []string
	parameters     url.Values
	interval       time.Duration
	typed          bool
	schemaMetadata string
	pageSize       int
	prefetch       int
	allowOffset    bool
	replay         bool
}

func inputConfigFromParsed(conf *service.ParsedConfig) (*inputConfig, error) {
	raw, err := conf.FieldAny()
	if err != nil {
		return nil, err
	}
	// What the linter says, again: not every configuration is linted.
	if problems := Problems(raw); len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "; "))
	}
	c := &inputConfig{parameters: url.Values{}}
	if c.connection, err = connection.FromParsed(conf); err != nil {
		return nil, err
	}
	resource, err := conf.FieldString(fieldResource)
	if err != nil {
		return nil, err
	}
	c.op, _ = catalog.LookupList(resource) // Problems has looked
	if err := c.readTables(conf); err != nil {
		return nil, err
	}
	if c.folders, err = conf.FieldStringList(fieldFolders); err != nil {
		return nil, err
	}
	parameters, err := conf.FieldStringMap(fieldParameters)
	if err != nil {
		return nil, err
	}
	for name, v := range parameters {
		p, _ := c.op.Parameter(name)
		c.parameters.Set(p.Name, v)
	}
	interval, err := conf.FieldString(fieldInterval)
	if err != nil {
		return nil, err
	}
	if interval != "" {
		if c.interval, err = time.ParseDuration(interval); err != nil {
			return nil, fmt.Errorf("%s: %w", fieldInterval, err)
		}
	}
	values, err := conf.FieldString(fieldValues)
	if err != nil {
		return nil, err
	}
	c.typed = values == valuesTyped
	if c.schemaMetadata, err = conf.FieldString(fieldSchemaMetadata); err != nil {
		return nil, err
	}
	if c.pageSize, err = conf.FieldInt(fieldPageSize); err != nil {
		return nil, err
	}
	if c.prefetch, err = conf.FieldInt(fieldPrefetch); err != nil {
		return nil, err
	}
	if c.allowOffset, err = conf.FieldBool(fieldAllowOffset); err != nil {
		return nil, err
	}
	c.replay, err = conf.FieldBool(service.AutoRetryNacksToggleFieldName)
	return c, err
}

func (c *inputConfig) readTables(conf *service.ParsedConfig) error {
	one := tableSpec{}
	var err error
	if one.table, err = conf.FieldString(fieldTable); err != nil {
		return err
	}
	if one.columns, err = conf.FieldStringList(fieldColumns); err != nil {
		return err
	}
	list, err := conf.FieldObjectList(fieldTables)
	if err != nil {
		return err
	}
	for _, t := range list {
		var next tableSpec
		if next.table, err = t.FieldString(fieldTable); err != nil {
			return err
		}
		if next.columns, err = t.FieldStringList(fieldColumns); err != nil {
			return err
		}
		c.tables = append(c.tables, next)
	}
	if len(c.tables) == 0 {
		c.tables = []tableSpec{one}
	}
	return nil
}

// Package input_ebp is the input `ebp`: it reads lists of the EBP REST APIs as
// streams of messages. Import it to register the component.
package input_ebp //nolint:revive // the house names plugin folders after their components

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
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

	fieldCursor          = "cursor"
	fieldOnConfigChange  = "on_config_change"
	fieldStartFrom       = "start_from"
	fieldLookback        = "lookback"
	fieldReconcileEvery  = "reconcile_every"
	fieldMaxDeletions    = "max_deletions"
	fieldSweepMarker     = "sweep_marker"
	fieldPasses          = "passes"
	fieldCheckpointLimit = "checkpoint_limit"
)

// The values of enums. The host takes them in any casing.
const (
	modeFull        = string(sweep.Full)
	modeIncremental = string(sweep.Incremental)
	modeChanges     = string(sweep.Changes)

	onChangeFail    = string(sweep.Fail)
	onChangeRestart = string(sweep.Restart)
	onChangeKeep    = string(sweep.Keep)

	valuesRaw   = "raw"
	valuesTyped = "typed"
	allFolders  = "*"
)

func inputSpec() *service.ConfigSpec {
	spec := service.NewConfigSpec().
		Beta().
		Categories("Services").
		Summary(summary).
		Description(description).
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
			modeFull:        "Every record, each time.",
			modeIncremental: "What was modified since the last read, in its last version. For lists with a date of modification; deletions are not seen.",
			modeChanges:     "Everything is read and compared with the last read: what was inserted, updated and deleted. For every list whose records have a key.",
		}).Description("What of the resource to read.").Default(modeFull)).
		Field(service.NewStringField(fieldCursor).
			Description("The name under which the place that was read to is kept. Empty: the label of the input, and none in mode `full`. Inputs with one name share the work: those that read other lists need other names. " + cursorNames + ".").
			Example("customers").Default("")).
		Field(service.NewStringAnnotatedEnumField(fieldOnConfigChange, map[string]string{
			onChangeFail:    "Stop, and say what differs.",
			onChangeRestart: "Forget the cursor and begin anew: everything is delivered again.",
			onChangeKeep:    "Go on from where it is: what was read before stays as it was delivered.",
		}).Description("What to do with a cursor that was made for other columns, parameters, another mode or another EBP.").
			Default(onChangeFail).Advanced()).
		Field(service.NewStringField(fieldStartFrom).
			Description("Mode `incremental`: where a new cursor begins. Empty: with everything. `now`: with what is modified from now on. A date, `2025-01-31` or `2025-01-31T15:04:05` in EBP's own time: with what was modified since.").
			Example("now").Example("2025-01-31").Default("").Advanced()).
		Field(service.NewStringField(fieldLookback).
			Description("Mode `incremental`: for how long after its date a modification may stay invisible, as in a long transaction. So far back each read begins before the greatest date that EBP held when the last one started.").
			Default("60s").Advanced()).
		Field(service.NewStringField(fieldReconcileEvery).
			Description("Mode `incremental`: at this distance read everything and deliver what differs, for values that EBP changes without a new date. It costs the calls of a full read, and a state in `file:` or `postgres:`. Empty: never.").
			Example("24h").Default("").Advanced()).
		Field(service.NewStringField(fieldMaxDeletions).
			Description("Mode `changes`: more deletions than this in one read of a list are not believed until `benthos-ebp cursor confirm NAME` says so. A share of the known records, such as `10%`, which lets " + strconv.Itoa(alwaysBelieved) + " deletions pass, but for a list that is suddenly empty; or a number. `0`: every deletion must be confirmed. `100%`: none.").
			Example("500").Default("10%").Advanced()).
		Field(service.NewBoolField(fieldSweepMarker).
			Description("After each complete read of a list, when all of it is delivered, a last message with `ebp_change: sweep_end` and the counts `records`, `delivered`, `calls`, `inserts`, `updates` and `deletes`.").
			Default(false).Advanced()).
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
		Field(service.NewIntField(fieldPasses).
			Description("Lists that are read by position: read until so many passes in a row have found the same records. 2 makes up for an order that is EBP's own, at twice the calls.").
			Default(1).Advanced()).
		Field(service.NewIntField(fieldCheckpointLimit).
			Description("How many messages may be on their way at once. A page goes out whole, also where it is larger.").
			Default(1024).Advanced()).
		Field(service.NewBoolField(fieldAllowOffset).
			Description("Read a list by position where it turns out that it cannot be read by key, instead of stopping.").
			Default(false).Advanced()).
		Field(service.NewAutoRetryNacksToggleField().
			Description("Deliver a page again, as a whole, when anything of it was refused, until it is taken. When false, a refused page is logged, counted and not read again."))
	spec = spec.Fields(connection.Fields()...).LintRule(lintRule)
	for _, e := range examples {
		spec = spec.Example(e.title, e.summary, e.config)
	}
	return spec
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

	mode            string // one of the enum's values
	cursor          string // as configured: "" where it is to be the label
	onConfigChange  string // one of the enum's values
	startFrom       sweep.Start
	lookback        time.Duration
	reconcileEvery  time.Duration // 0: never
	maxDeletions    deletionLimit
	sweepMarker     bool
	passes          int
	checkpointLimit int // messages
}

// needsDigests reports whether records are compared with those of an earlier read, for
// which the state must be able to keep a digest of each.
func (c *inputConfig) needsDigests() bool { return c.mode == modeChanges || c.reconcileEvery > 0 }

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
	if err := c.readModes(conf); err != nil {
		return nil, err
	}
	values, err := choice(conf, fieldValues, valuesRaw, valuesTyped)
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

// readModes reads when and how what is read.
func (c *inputConfig) readModes(conf *service.ParsedConfig) (err error) {
	if c.mode, err = choice(conf, fieldMode, modeFull, modeIncremental, modeChanges); err != nil {
		return err
	}
	if c.onConfigChange, err = choice(conf, fieldOnConfigChange, onChangeFail, onChangeRestart, onChangeKeep); err != nil {
		return err
	}
	if c.cursor, err = conf.FieldString(fieldCursor); err != nil {
		return err
	}
	if c.cursor != "" && !isCursorName(c.cursor) { // the linter lets pass what looks like a variable
		return errors.New(badCursorName(c.cursor))
	}
	start, err := conf.FieldString(fieldStartFrom)
	if err != nil {
		return err
	}
	var ok bool
	if c.startFrom, ok = parseStart(start); !ok {
		return errors.New(badStart(start))
	}
	for field, into := range map[string]*time.Duration{fieldInterval: &c.interval, fieldLookback: &c.lookback, fieldReconcileEvery: &c.reconcileEvery} {
		text, err := conf.FieldString(field)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if *into, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	limit, err := conf.FieldString(fieldMaxDeletions)
	if err != nil {
		return err
	}
	if c.maxDeletions, ok = parseDeletionLimit(limit); !ok {
		return errors.New(badDeletionLimit(limit))
	}
	if c.sweepMarker, err = conf.FieldBool(fieldSweepMarker); err != nil {
		return err
	}
	if c.passes, err = conf.FieldInt(fieldPasses); err != nil {
		return err
	}
	c.checkpointLimit, err = conf.FieldInt(fieldCheckpointLimit)
	return err
}

// choice reads an enum. The host lints its values in any casing, and only lints them.
func choice(conf *service.ParsedConfig, field string, options ...string) (string, error) {
	v, err := conf.FieldString(field)
	if err != nil {
		return "", err
	}
	for _, o := range options {
		if strings.EqualFold(v, o) {
			return o, nil
		}
	}
	return "", fmt.Errorf("%s %q is not known: it is one of %s", field, v, strings.Join(options, ", "))
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

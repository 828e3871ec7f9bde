package input_ebp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

const (
	customers = `resource: gescom.generic_query, table: Customer, folders: ["1"], `
	hubbix    = `resource: hubbix_gctpe.items, folders: ["x"], `
	documents = `resource: gescom.sale_documents, folders: ["1"], `
)

func lintsOf(t *testing.T, config string) []string {
	t.Helper()
	lints, err := service.NewEnvironment().NewComponentConfigLinter().LintInputYAML([]byte("ebp: " + config))
	require.NoError(t, err, config)
	var out []string
	for _, l := range lints {
		out = append(out, l.What)
	}
	return out
}

func TestWhatAModeCannotDoIsLinted(t *testing.T) {
	for config, want := range map[string]string{
		// Lists that the mode cannot read.
		hubbix + `mode: incremental, cursor: c`:                                                                                                              `which EBP does not give for resource "hubbix_gctpe.items": use mode: changes, which compares`,
		`resource: gescom.clients, folders: ["1"], mode: incremental, cursor: c`:                                                                             `use mode: changes and passes: 2, which compares`,
		`resource: hubbix_cpttpe.journals, folders: ["x"], mode: incremental, cursor: c`:                                                                     `use mode: changes, which compares`,
		`resource: gescom.folders, mode: incremental, cursor: c`:                                                                                             `does not give for resource "gescom.folders"`,
		`resource: gescom.generic_query, table: EbpSysGenericImportSettings, folders: ["1"], mode: incremental, cursor: c`:                                   `that of table EbpSysGenericImportSettings is not known: use mode: full`,
		`resource: gescom.generic_query, table: ebpsysgenericimportsettings, folders: ["1"], mode: changes, cursor: c`:                                       `mode changes tells records apart by their key, and that of table EbpSysGenericImportSettings is not known`,
		`resource: gescom.generic_query, tables: [{table: Item}, {table: EbpSysGenericImportSettings}], folders: ["1"], mode: changes, passes: 2, cursor: c`: `that of table EbpSysGenericImportSettings is not known`,
		`resource: gescom.generic_query, tables: [{table: Item}, {table: EbpSysGenericImportSettings}], folders: ["1"], mode: incremental, cursor: c`:        `that of table EbpSysGenericImportSettings is not known`,
		`resource: gescom.clients, folders: ["1"], mode: changes, cursor: c`:                                                                                 `resource "gescom.clients" is read by position in EBP's own order`,
		`resource: gescom.clients, folders: ["1"], mode: changes, passes: 1, cursor: c`:                                                                      `set passes: 2`,
		`resource: gescom.folders, mode: changes, cursor: c`:                                                                                                 `set passes: 2`,
		`resource: hubbix_cpttpe.bank_transactions, folders: ["x"], mode: changes, cursor: c`:                                                                `set passes: 2`,
		hubbix + `mode: changes, cursor: c, parameters: {sortingorder.property: label}`:                                                                      `in the order of parameter sortingorder.property, so that one pass may miss a record`,
		customers + `mode: incremental, cursor: c, parameters: {FromModifiedDate: "2025-01-01"}`:                                                             `parameter FromModifiedDate cannot be set with mode incremental`,
		documents + `mode: incremental, cursor: c, parameters: {sysmodifieddate: "2025-01-01"}`:                                                              `parameter sysmodifieddate cannot be set with mode incremental, which reads by that date itself: start_from says`,
		documents + `mode: changes, cursor: c, parameters: {duration: "30"}`:                                                                                 `parameter Duration without ToDate counts back from the day of the read`,
		`resource: gescom.deals, folders: ["1"], mode: Changes, cursor: c, parameters: {Duration: "30"}`:                                                     `would report what has become older as deleted`,
		customers + `mode: changes, cursor: c, state: "redis://localhost/0"`:                                                                                 `mode changes keeps a digest of every record, which a state in Redis does not`,
		customers + `mode: changes, cursor: c, state: "REDISS://u:tops3cret@localhost/0"`:                                                                    `use file: or postgres:`,
		customers + `mode: incremental, cursor: c, reconcile_every: 24h, state: "rediss://u:${UNKNOWN_TO_TESTS:tops3cret}@h"`:                                `reconcile_every keeps a digest of every record`,
		// Settings of another mode.
		customers + `start_from: now`:                                  `start_from is for mode incremental; mode full reads everything`,
		customers + `mode: changes, cursor: c, start_from: now`:        `start_from is for mode incremental; mode changes reads everything`,
		customers + `reconcile_every: 24h`:                             `reconcile_every is for mode incremental; mode full`,
		customers + `mode: changes, cursor: c, lookback: 5m`:           `lookback is for mode incremental; mode changes does not go by dates`,
		customers + `lookback: 0s`:                                     `lookback is for mode incremental; mode full`,
		customers + `max_deletions: 5`:                                 `max_deletions is for mode changes; mode full reports no deletion`,
		customers + `mode: incremental, cursor: c, max_deletions: "0"`: `max_deletions is for mode changes; mode incremental`,
		customers + `on_config_change: restart`:                        `mode full keeps one only where cursor is set`,
		// Passes.
		customers + `passes: 2`: `table Customer is read by key, which one pass does completely: leave passes out`,
		documents + `passes: 3`: `resource "gescom.sale_documents" is read by key`,
		`resource: hubbix_cpttpe.journals, folders: ["x"], passes: 2`:                                       `comes in one answer, which holds everything: leave passes out`,
		`resource: gescom.generic_query, tables: [{table: Item}, {table: Unit}], folders: ["1"], passes: 2`: `table Item is read by key`,
		hubbix + `passes: 0`:              `passes 0: give 1 to 10`,
		hubbix + `passes: 11`:             `passes 11: give 1 to 10`,
		customers + `checkpoint_limit: 0`: `checkpoint_limit 0: give 1 message or more`,
		// Spelling.
		customers + `cursor: "my cursor"`:                                               `cursor "my cursor" is no name of a cursor. A name has 1 to 200 letters`,
		customers + `cursor: "-c"`:                                                      `begins with a letter or a digit`,
		customers + `cursor: "..", mode: changes`:                                       `is no name of a cursor`,
		customers + `cursor: a/b, mode: incremental`:                                    `is no name of a cursor`,
		customers + `cursor: été`:                                                       `is no name of a cursor`,
		customers + `cursor: ` + strings.Repeat("c", 201):                               `is no name of a cursor`,
		customers + `mode: incremental, cursor: c, start_from: yesterday`:               `start_from "yesterday" is no date: write now, or a date such as 2025-01-31`,
		customers + `mode: incremental, cursor: c, start_from: "2025-02-30"`:            `is no date`,
		customers + `mode: incremental, cursor: c, start_from: "2025-01-31T10:00:00Z"`:  `without a zone`,
		customers + `mode: incremental, cursor: c, start_from: "2025-01-31T10:00:00.5"`: `is no date`,
		customers + `mode: incremental, cursor: c, start_from: "31/01/2025"`:            `is no date`,
		customers + `mode: incremental, cursor: c, start_from: "0202-01-31"`:            `is no date`,
		customers + `mode: incremental, cursor: c, lookback: "60"`:                      `lookback "60" is no duration such as 60s`,
		customers + `mode: incremental, cursor: c, lookback: -1s`:                       `lookback "-1s" is no duration`,
		customers + `mode: incremental, cursor: c, lookback: ""`:                        `lookback "" is no duration`,
		customers + `mode: incremental, cursor: c, lookback: 9000h`:                     `is more than a year`,
		customers + `mode: incremental, cursor: c, reconcile_every: daily`:              `reconcile_every "daily" is no duration such as 24h`,
		customers + `mode: incremental, cursor: c, reconcile_every: 0s`:                 `reconcile_every "0s" is no duration`,
		customers + `mode: changes, cursor: c, max_deletions: "101%"`:                   `max_deletions "101%" is no limit: write a share such as 10%, 100% at most`,
		customers + `mode: changes, cursor: c, max_deletions: a tenth`:                  `max_deletions "a tenth" is no limit`,
		customers + `mode: changes, cursor: c, max_deletions: -1`:                       `is no limit`,
		customers + `mode: changes, cursor: c, max_deletions: ""`:                       `is no limit`,
		customers + `mode: partial`:                                                     `value partial is not a valid option`,
		customers + `on_config_change: ignore, cursor: c`:                               `value ignore is not a valid option`,
	} {
		config := "{" + config + "}"
		texts := lintsOf(t, config)
		require.Len(t, texts, 1, "%s: %v", config, texts)
		assert.Contains(t, texts[0], want, config)
		assert.NotContains(t, texts[0], "tops3cret", config)
		_, err := newInput(t, config)
		require.Error(t, err, "what is linted must not run: %s", config)
		assert.NotContains(t, err.Error(), "tops3cret", config)
	}
}

func TestEveryModeCanBeConfigured(t *testing.T) {
	for _, config := range []string{
		customers + `mode: full, cursor: customers, on_config_change: restart`,
		customers + `mode: full, passes: 1, lookback: 60s, max_deletions: 10%, checkpoint_limit: 1, sweep_marker: true`,
		customers + `mode: full, lookback: 1m, max_deletions: 10 %, on_config_change: FAIL`,
		customers + `mode: incremental, cursor: Customers.of-2025_1`,
		customers + `mode: INCREMENTAL, cursor: c, start_from: now, lookback: 0s, reconcile_every: 24h, state: "file:/tmp/x"`,
		customers + `mode: incremental, cursor: c, state: "redis://localhost/0"`,
		customers + `mode: incremental, cursor: c, start_from: "2025-01-31"`,
		customers + `mode: incremental, cursor: c, start_from: 2025-01-31`,
		customers + `mode: incremental, cursor: c, start_from: 2025-01-31T15:04:05`,
		customers + `mode: incremental, cursor: 2025`,
		customers + `mode: changes, cursor: c, max_deletions: 500, on_config_change: keep`,
		customers + `mode: changes, cursor: c, max_deletions: 100%, state: "postgres://localhost/x"`,
		customers + `mode: changes, cursor: c, parameters: {FromModifiedDate: "2025-01-01"}`,
		documents + `mode: incremental, cursor: c, parameters: {Duration: "30"}`,
		documents + `mode: changes, cursor: c, parameters: {Duration: "30", ToDate: "2025-01-31"}`,
		documents + `mode: changes, cursor: c, parameters: {ToDate: "2025-01-31"}`,
		hubbix + `mode: changes, cursor: c`,
		hubbix + `mode: changes, cursor: c, passes: 2, parameters: {sortingOrder.property: label}`,
		hubbix + `passes: 2`,
		`resource: hubbix_cpttpe.journals, folders: ["x"], mode: changes, cursor: c`,
		`resource: gescom.clients, folders: ["1"], mode: changes, passes: 2, cursor: c`,
		`resource: gescom.clients, folders: ["1"]`,
		`resource: gescom.generic_query, tables: [{table: Item}, {table: StockItem}], folders: ["1"], mode: incremental, cursor: c`,
		`resource: gescom.generic_query, table: TableOfOurOwn, folders: ["1"], mode: changes, cursor: c`,
		`resource: gescom.generic_query, tables: [{table: Item}, {table: EbpSysGenericImportSettings}], folders: ["1"], passes: 2`,
	} {
		config := "{" + config + "}"
		assert.Empty(t, lintsOf(t, config), config)
		_, err := newInput(t, config)
		assert.NoError(t, err, config)
	}
}

func TestWhatComesFromTheEnvironmentIsJudgedWhenItIsKnown(t *testing.T) {
	config := "{" + customers + `mode: "${M}", cursor: "${C}", start_from: "${S}", lookback: "${L}", reconcile_every: "${R}", max_deletions: "${D}", passes: "${P}", checkpoint_limit: "${K}"}`
	assert.Empty(t, Problems(map[string]any{
		fieldResource: "gescom.generic_query", fieldTable: "Customer", fieldFolders: []any{"1"},
		fieldMode: "${M}", fieldCursor: "${C}", fieldStartFrom: "${S}", fieldLookback: "${L}", fieldReconcileEvery: "${R}",
		fieldMaxDeletions: "${D}", fieldPasses: "${P}", fieldCheckpointLimit: "${K}", fieldOnConfigChange: "${O}",
	}))
	_, err := newInput(t, config)
	require.Error(t, err, "a run has no variables left")
	_, err = newInput(t, "{"+customers+`mode: incremental, cursor: "${! uuid_v4() }"}`)
	require.ErrorContains(t, err, "is no name of a cursor", "a name is not interpolated")
}

func TestIncrementalAndChangesNeedALabelOrACursor(t *testing.T) {
	for _, mode := range []string{modeIncremental, modeChanges} {
		_, err := newInput(t, "{"+customers+"mode: "+mode+"}")
		assert.EqualError(t, err, "mode "+mode+" keeps a cursor: give the input a label, or set cursor")
	}
}

func TestModesAreReadFromTheConfiguration(t *testing.T) {
	in, err := newInput(t, "{"+customers+`mode: Incremental, cursor: c, on_config_change: Keep, start_from: 2025-01-31, lookback: 90s, reconcile_every: 24h, passes: 1, checkpoint_limit: 7, sweep_marker: true, interval: 5m, values: Typed, schema_metadata: s}`)
	require.NoError(t, err)
	c := in.conf
	at, _ := sweep.ParseStamp("2025-01-31")
	assert.Equal(t, sweep.Start{At: at}, c.startFrom)
	assert.Equal(t, []any{"incremental", "c", "keep", 90 * time.Second, 24 * time.Hour, 5 * time.Minute, 1, 7, true, true},
		[]any{c.mode, c.cursor, c.onConfigChange, c.lookback, c.reconcileEvery, c.interval, c.passes, c.checkpointLimit, c.sweepMarker, c.typed})
	assert.True(t, c.needsDigests())

	in, err = newInput(t, "{"+customers+`mode: incremental, cursor: c, start_from: now}`)
	require.NoError(t, err)
	assert.Equal(t, sweep.Start{Now: true}, in.conf.startFrom)
	assert.Equal(t, time.Minute, in.conf.lookback)
	assert.False(t, in.conf.needsDigests())

	in, err = newInput(t, "{"+customers+`mode: changes, cursor: c, max_deletions: 500}`)
	require.NoError(t, err)
	assert.Equal(t, deletionLimit{most: 500}, in.conf.maxDeletions)
	assert.True(t, in.conf.needsDigests())

	in, err = newInput(t, "{"+customers+`}`)
	require.NoError(t, err)
	c = in.conf
	assert.Equal(t, []any{"full", "", "fail", sweep.Start{}, time.Duration(0), 1, 1024, false, deletionLimit{most: 10, per: 100}, false},
		[]any{c.mode, c.cursor, c.onConfigChange, c.startFrom, c.reconcileEvery, c.passes, c.checkpointLimit, c.sweepMarker, c.maxDeletions, c.needsDigests()})
}

// Every list of the catalog can be read in full, and every one with a key in one of the
// other modes; the sentence about another mode leads to a configuration that is accepted.
func TestTheSentencesLeadToConfigurationsThatAreAccepted(t *testing.T) {
	for _, resource := range catalog.Lists() {
		op, _ := catalog.LookupList(resource)
		config := map[string]any{fieldResource: resource, fieldCursor: "c"}
		if op.TakesTable() {
			config[fieldTable] = "Customer"
		}
		if op.HasFolder() {
			config[fieldFolders] = []any{"1"}
		}
		assert.Empty(t, Problems(config), resource)
		config[fieldMode] = modeIncremental
		for _, p := range Problems(config) {
			assert.Contains(t, p, "use mode: changes", resource)
			config[fieldMode] = modeChanges
			if strings.Contains(p, "passes: 2") {
				config[fieldPasses] = 2
			}
		}
		assert.Empty(t, Problems(config), resource)
	}
}

func TestTheExamplesAreNotLinted(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for _, e := range examples {
		conf, err := service.NewConfigSpec().Field(service.NewAnyField("input")).Field(service.NewAnyField("output").Optional()).ParseYAML(e.config, nil)
		require.NoError(t, err, e.title)
		in, err := conf.FieldAny("input", "ebp")
		require.NoError(t, err, e.title)
		assert.Empty(t, Problems(in), e.title)
		_, rest, _ := strings.Cut(e.config, "input:\n")
		rest, _, _ = strings.Cut(rest, "\noutput:")
		lints, err := linter.LintInputYAML([]byte(rest))
		require.NoError(t, err, e.title)
		assert.Empty(t, lints, e.title)
	}
}

// odd are values that no field expects.
var odd = []any{
	nil, "", "x", "${X}", "\x00", "100%", "-1", 0, -1, 3, int64(math.MinInt64), uint64(math.MaxUint64), 2.5, math.NaN(), math.Inf(1), true,
	[]any(nil), []any{}, []any{nil, 1, map[string]any{"table": []any{}}, []any{}}, map[string]any{}, map[string]any(nil), map[string]any{"table": nil, "Duration": 1},
	map[any]any{1: 2}, []string{"a"}, time.Unix(0, 0), notAList{}, (*int)(nil), struct{ A any }{}, func() {}, errOdd{},
}

type errOdd struct{}

func (errOdd) Error() string { return "odd" }

func TestProblemsAreFoundInWhateverIsWritten(t *testing.T) {
	fields := []string{
		fieldResource, fieldTable, fieldTables, fieldFolders, fieldColumns, fieldParameters, fieldMode, fieldInterval, fieldValues, fieldSchemaMetadata,
		fieldPageSize, fieldPrefetch, fieldAllowOffset, fieldCursor, fieldOnConfigChange, fieldStartFrom, fieldLookback, fieldReconcileEvery,
		fieldMaxDeletions, fieldSweepMarker, fieldPasses, fieldCheckpointLimit, "url", "state",
	}
	for _, v := range odd {
		assert.NotPanics(t, func() { Problems(v) }, "%#v", v)
	}
	random := rand.New(rand.NewPCG(4, 5))
	resources := []string{"gescom.generic_query", "gescom.sale_documents", "gescom.clients", "hubbix_gctpe.items", "hubbix_cpttpe.journals", "gescom.folders"}
	for range 20_000 {
		config := map[string]any{
			fieldResource: resources[random.IntN(len(resources))],
			fieldMode:     []string{modeFull, modeIncremental, modeChanges}[random.IntN(3)],
		}
		for range 1 + random.IntN(6) {
			config[fields[random.IntN(len(fields))]] = odd[random.IntN(len(odd))]
		}
		require.NotPanics(t, func() {
			for _, p := range Problems(asWritten(config)) {
				require.NotContains(t, p, "%!", "a sentence is written whole")
			}
		}, "%#v", config)
	}
}

func FuzzStartAndLimitAreReadOrRefused(f *testing.F) {
	for _, s := range []string{"", "now", "2025-01-31", "2025-01-31T15:04:05", "0000-01-01", "10%", "100.000001%", "0.0%", "999999999999999999", "9999999999999999999", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if start, ok := parseStart(s); ok && s != "" && !start.Now {
			assert.Equal(t, strings.TrimSuffix(start.At.String(), "T00:00:00"), strings.TrimSuffix(s, "T00:00:00"))
		}
		if l, ok := parseDeletionLimit(s); ok {
			assert.True(t, l.exceeded(math.MaxInt64, 0) || l.most == math.MaxInt64, fmt.Sprint(l))
			assert.False(t, l.exceeded(0, math.MaxInt64))
		}
	})
}

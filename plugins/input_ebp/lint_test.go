package input_ebp

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMistakesAreLintedWithTheNearestSpelling(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for config, want := range map[string]string{
		`{resource: gescom.generic_qery, table: Customer, folders: ["1"]}`:                                                       `did you mean "gescom.generic_query"?`,
		`{resource: gescom.generic_query.get, folders: ["1"]}`:                                                                   `reads no list but is a get operation`,
		`{resource: gescom.generic_query, folders: ["1"]}`:                                                                       `needs a table`,
		`{resource: gescom.generic_query, table: Customer}`:                                                                      `needs folders`,
		`{resource: hubbix_gctpe.items}`:                                                                                         `needs folders: [the domain's id]`,
		`{resource: hubbix_gctpe.items, folders: ["*"]}`:                                                                         `"*" cannot be resolved`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "*"]}`:                                                 `used alone`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "1"]}`:                                                 `is there twice`,
		`{resource: gescom.sale_documents, table: SaleDocument, folders: ["1"]}`:                                                 `always reads SaleDocument`,
		`{resource: gescom.clients, folders: ["1"], parameters: {TypClient: x}}`:                                                 `did you mean TypeClient?`,
		`{resource: gescom.clients, folders: ["1"], columns: [Name]}`:                                                            `does not take columns`,
		`{resource: gescom.sale_documents, folders: ["1"], parameters: {Offset: "10"}}`:                                          `the input pages by itself`,
		`{resource: gescom.generic_query, folders: ["1"], table: Country}`:                                                       `can be read in batiment, not in gescom`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, tables: [{table: Item}]}`:                                 `table and tables are both set`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, columns: ["Id, Name"]}`:                                   `one column each`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, interval: soon}`:                                          `no duration`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, schema_metadata: x}`:                                      `set values: typed`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, page_size: 200}`:                                          `1 to 100 records`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, calls: {per_second: -1}}`:                                 `cannot be negative`,
		`{resource: gescom.folders, url: "sandbx:"}`:                                                                             `write https://… or sandbox:`,
		`{resource: gescom.folders, folders: ["1"]}`:                                                                             `leave folders out`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, colums: [Id]}`:                                            `field colums not recognised`,
		`{resource: hubbix_cpttpe.journals, folders: ["1"], parameters: {foo: bar}}`:                                             `it takes filter, order`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{table: Item, columns: [Id, id]}, {table: SaleDocument}]}`:    `asked for twice`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{table: Item}, {table: Unit}, {table: item}, {table: ITEM}]}`: `tables: item is there twice, its records would be too`,
		`{resource: gescom.clients, folders: ["1"], parameters: {TypeClient: "1", typeclient: "2"}}`:                             `parameter TypeClient is there twice, as TypeClient and typeclient`,
		`{resource: gescom.generic_query, table: Customer, folders: ["*", "*"]}`:                                                 `used alone`,
		`{resource: gescom.generic_query, table: Customer, folders: ["*", "*", "1", "*"]}`:                                       `used alone`,
		`{resource: hubbix_gctpe.items, folders: ["*", "*", "x"]}`:                                                               `"*" cannot be resolved`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "1", "2", "1"]}`:                                       `is there twice`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "", ""]}`:                                              `empty name`,
		// What the host says needs no second sentence.
		`{resource: gescom.generic_query, table: Item, folders: 3691}`:                                        `expected array value`,
		`{resource: gescom.generic_query, table: Item, folders: "3691"}`:                                      `expected array value`,
		`{resource: gescom.generic_query, folders: ["1"], tables: Item}`:                                      `expected array value`,
		`{resource: gescom.generic_query, folders: ["1"], tables: {table: Item}}`:                             `expected array value`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [Item]}`:                                    `expected object value`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{columns: [Id]}]}`:                         `field table is required`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{table: ""}]}`:                             `tables[0] names no table`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, page_size: 0}`:                         `page_size 0: EBP takes 1 to 100`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, prefetch: 0}`:                          `prefetch 0: give 1 to 100`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, http: {timeout: 0s}}`:                  `more time than none`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, http: {max_url_bytes: 100}}`:           `never fits less than 200`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, http: {max_retries: -1}}`:              `cannot be negative`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, http: {backoff: {max_interval: -1s}}}`: `longer than none`,
	} {
		lints, err := linter.LintInputYAML([]byte("ebp: " + config))
		require.NoError(t, err, config)
		var texts []string
		for _, l := range lints {
			texts = append(texts, l.What)
		}
		require.Len(t, texts, 1, "%s: %v", config, texts)
		assert.Contains(t, texts[0], want, config)
		if !strings.Contains(want, "not recognised") { // the host runs with unknown fields
			_, err = newInput(t, config)
			assert.Error(t, err, "what is linted must not run: %s", config)
		}
	}
}

func TestNumbersAreWholeAndNotInQuotes(t *testing.T) {
	for field, most := range map[string]int{fieldPageSize: 100, fieldPrefetch: 100, fieldPasses: 10, fieldCheckpointLimit: math.MaxInt32} {
		for _, c := range []struct {
			value any
			want  string
		}{
			{2.5, field + " 2.5: "}, {"0", field + ` "0": `}, {"50", "written as a number"}, {"2.5", "written as a number"}, {"many", "written as a number"}, {"", "written as a number"},
			{true, "written as a number"}, {nil, "written as a number"}, {[]any{1}, "written as a number"}, {json.Number("2.5"), "as a whole number"}, {json.Number("x"), "written as a number"},
			{math.NaN(), "as a whole number"}, {0, " 1 "}, {-1, " 1 "}, {most + 1, " 1 "}, {int64(most) + 1, " 1 "}, {1e300, " 1 "}, {json.Number("1e10"), " 1 "},
			{1, ""}, {most, ""}, {5.0, ""}, {json.Number("5"), ""}, {"${SIZE}", ""}, {"${SIZE:50}", ""},
		} {
			got := Problems(map[string]any{fieldResource: "hubbix_gctpe.items", fieldFolders: []any{"x"}, field: c.value})
			if c.want == "" {
				assert.Empty(t, got, "%s: %#v", field, c.value)
				continue
			}
			require.Len(t, got, 1, "%s: %#v", field, c.value)
			assert.Contains(t, got[0], c.want, "%s: %#v", field, c.value)
			assert.True(t, strings.HasPrefix(got[0], field+" "), got[0])
		}
	}
}

func TestAnEmptyListIsRefusedThoughTheHostLintsItLikeNone(t *testing.T) {
	for config, want := range map[string]string{
		`{resource: gescom.generic_query, table: Item, folders: []}`:   "needs folders",
		`{resource: gescom.generic_query, folders: ["1"], tables: []}`: "needs a table",
		`{resource: hubbix_gctpe.items, folders: []}`:                  "needs folders: [the domain's id]",
	} {
		_, err := newInput(t, config)
		assert.ErrorContains(t, err, want, config)
	}
	assert.Len(t, Problems(map[string]any{fieldResource: "gescom.generic_query", fieldTable: "Item", fieldFolders: []any{}}), 1)
	assert.Empty(t, Problems(map[string]any{fieldResource: "gescom.generic_query", fieldTable: "Item", fieldFolders: 3691}))
}

func TestGoodConfigurationsAreNotLinted(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for _, config := range []string{
		`{resource: gescom.generic_query, table: Customer, folders: ["*"]}`,
		`{resource: gescom.generic_query.list, table: NewTable, folders: ["1"], columns: [xx_Own, Unit.Caption]}`,
		`{resource: gescom.folders}`,
		`{resource: hubbix_gctpe.printing_models.names, folders: ["x"]}`,
		`{resource: gescom.sale_documents, folders: ["1"], parameters: {duration: "30", DocumentType: "2"}}`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{table: Item, columns: [Id]}, {table: Unit}], interval: 5m, values: typed, schema_metadata: s}`,
	} {
		lints, err := linter.LintInputYAML([]byte("ebp: " + config))
		require.NoError(t, err, config)
		assert.Empty(t, lints, config)
		_, err = newInput(t, config)
		assert.NoError(t, err, config)
	}
}

package input_ebp

import (
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMistakesAreLintedWithTheNearestSpelling(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for config, want := range map[string]string{
		`{resource: gescom.generic_qery, table: Customer, folders: ["1"]}`:                                                    `did you mean "gescom.generic_query"?`,
		`{resource: gescom.generic_query.get, folders: ["1"]}`:                                                                `reads no list but is a get operation`,
		`{resource: gescom.generic_query, folders: ["1"]}`:                                                                    `needs a table`,
		`{resource: gescom.generic_query, table: Customer}`:                                                                   `needs folders`,
		`{resource: hubbix_gctpe.items}`:                                                                                      `needs folders: [the domain's id]`,
		`{resource: hubbix_gctpe.items, folders: ["*"]}`:                                                                      `"*" cannot be resolved`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "*"]}`:                                              `used alone`,
		`{resource: gescom.generic_query, table: Customer, folders: ["1", "1"]}`:                                              `is there twice`,
		`{resource: gescom.sale_documents, table: SaleDocument, folders: ["1"]}`:                                              `always reads SaleDocument`,
		`{resource: gescom.clients, folders: ["1"], parameters: {TypClient: x}}`:                                              `did you mean TypeClient?`,
		`{resource: gescom.clients, folders: ["1"], columns: [Name]}`:                                                         `does not take columns`,
		`{resource: gescom.sale_documents, folders: ["1"], parameters: {Offset: "10"}}`:                                       `the input pages by itself`,
		`{resource: gescom.generic_query, folders: ["1"], table: Country}`:                                                    `can be read in batiment, not in gescom`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, tables: [{table: Item}]}`:                              `table and tables are both set`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, columns: ["Id, Name"]}`:                                `one column each`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, interval: soon}`:                                       `no duration`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, schema_metadata: x}`:                                   `set values: typed`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, page_size: 200}`:                                       `1 to 100 records`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, calls: {per_second: -1}}`:                              `cannot be negative`,
		`{resource: gescom.folders, folders: ["1"]}`:                                                                          `leave folders out`,
		`{resource: gescom.generic_query, folders: ["1"], table: Item, colums: [Id]}`:                                         `field colums not recognised`,
		`{resource: hubbix_cpttpe.journals, folders: ["1"], parameters: {foo: bar}}`:                                          `it takes filter, order`,
		`{resource: gescom.generic_query, folders: ["1"], tables: [{table: Item, columns: [Id, id]}, {table: SaleDocument}]}`: `asked for twice`,
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

package filter

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestConditionsAreWrittenAsTheDocumentShowsThem(t *testing.T) {
	text, err := Encode(Compare("sysModifiedDate", Equal, Date, "2021-07-12 13:43:32.000"))
	require.NoError(t, err)
	assert.Equal(t, strings.Join([]string{
		"type: CustomFilter", "column: sysModifiedDate", "operator: Equal", "valueType: Date", "value:",
		"  - '2021-07-12 13:43:32.000'",
	}, "\n"), text)

	text, err = Encode(Or(
		Compare("Id", Equal, String, "ANIM0001"),
		And(Compare("N", Between, Int, "1", "5"), nil, Compare("Family", IsNull, ""))))
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &got))
	assert.Equal(t, map[string]any{
		"type": "ImbricationFilter", "operator": "Or",
		"left": map[string]any{"type": "CustomFilter", "column": "Id", "operator": "Equal", "valueType": "String", "value": []any{"ANIM0001"}},
		"right": map[string]any{
			"type": "ImbricationFilter", "operator": "And",
			"left":  map[string]any{"type": "CustomFilter", "column": "N", "operator": "Between", "valueType": "Int", "value": []any{1, 5}},
			"right": map[string]any{"type": "CustomFilter", "column": "Family", "operator": "IsNull"},
		},
	}, got)
}

func TestWhatEBPCouldNotReadIsRefused(t *testing.T) {
	for want, n := range map[string]Node{
		"is not a number":         Compare("N", Equal, Int, "1; drop"),
		"takes one value":         Compare("N", Equal, Int),
		"takes two values":        Compare("N", Between, Int, "1"),
		"takes at least one":      Compare("N", In, Int),
		"takes no value, not 1":   Compare("N", IsNull, Int, "1"),
		"names no column":         Compare("", Equal, Int, "1"),
		`"0x1F" is not a number`:  Compare("N", Equal, Decimal, "0x1F"),
		`"1e5" is not a number`:   Compare("N", Equal, Decimal, "1e5"),
		`"1\n2" is not a number`:  Compare("N", Equal, Int, "1\n2"),
		`"[1, 2" is not a number`: And(Compare("A", Equal, String, "x"), Compare("N", Equal, Int, "[1, 2")),
	} {
		_, err := Encode(n)
		assert.ErrorContains(t, err, want)
	}
}

// FuzzNoValueBreaksOut writes any text as a value and reads the YAML back.
func FuzzNoValueBreaksOut(f *testing.F) {
	for _, s := range []string{
		"O'BRIEN", "null", "2021-07-12", "a: b", "- x", "#1", "*a", "&b", "!c", "? d", "%e", "@f", `"`, `\`, "", " ", "\n", "a\n\n b",
		"~", "yes", "1e5", "007", "'", "''", "…\u2028\u0085", "\t", "é", "🧾", "\r\n", "key: |\n  x", "a' \noperator: Or",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, value, column string) {
		if !utf8.ValidString(value) || !utf8.ValidString(column) || column == "" {
			t.Skip("not text")
		}
		text, err := Encode(And(Compare(column, In, String, value, value), Compare("Id", Upper, String, value)))
		require.NoError(t, err, "any text is a value")
		var got struct {
			Type, Operator string
			Left, Right    struct {
				Type, Column, Operator string
				ValueType              string   `yaml:"valueType"`
				Value                  []string `yaml:"value"`
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, "And", got.Operator, text)
		assert.Equal(t, column, got.Left.Column, text)
		assert.Equal(t, []string{value, value}, got.Left.Value, text)
		assert.Equal(t, "Upper", got.Right.Operator)
		assert.Equal(t, []string{value}, got.Right.Value)
	})
}

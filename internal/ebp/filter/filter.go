// Package filter holds conditions on records as EBP's own tree: CustomFilter nodes
// that compare a column with values, and ImbricationFilter nodes that join two
// conditions with And or Or (annex 2, L2590). It writes them as the YAML that the
// parameter WhereCondition takes.
//
// No value can change the structure of what is written: every value is a scalar
// node of a YAML library, quoted wherever its type is not a number.
package filter

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Operator compares a column with values.
type Operator string

// Operators of annex 2 (L2622).
const (
	In                Operator = "In"
	NotIn             Operator = "NotIn"
	Like              Operator = "Like"
	Equal             Operator = "Equal"
	Different         Operator = "Different"
	Lower             Operator = "Lower"
	LowerOrEqual      Operator = "LowerOrEqual"
	Upper             Operator = "Upper"
	UpperOrEqual      Operator = "UpperOrEqual"
	IsNull            Operator = "IsNull"
	IsNotNull         Operator = "IsNotNull"
	Between           Operator = "Between"
	joinAnd                    = "And"
	joinOr                     = "Or"
	customFilter               = "CustomFilter"
	imbricationFilter          = "ImbricationFilter"
)

// ValueType tells EBP how to read the values of a comparison.
type ValueType string

// Value types of annex 2 (L2623).
const (
	String  ValueType = "String"
	Int     ValueType = "Int"
	Decimal ValueType = "Decimal"
	Date    ValueType = "Date"
	// ColumnName compares with another column.
	ColumnName ValueType = "Column"
)

// Node is a condition: a *Comparison or a *Join.
type Node interface {
	yaml() (*yaml.Node, error)
}

// Comparison compares a column with values.
type Comparison struct {
	Column   string
	Operator Operator
	Type     ValueType
	Values   []string
}

// Join is true when both (And) or one (Or) of two conditions are.
type Join struct {
	Or          bool
	Left, Right Node
}

// Compare returns the condition "column operator values".
func Compare(column string, op Operator, t ValueType, values ...string) *Comparison {
	return &Comparison{Column: column, Operator: op, Type: t, Values: values}
}

// And joins conditions; nil ones are left out, and none at all gives nil.
func And(nodes ...Node) Node { return join(false, nodes) }

// Or joins alternatives; nil ones are left out, and none at all gives nil.
func Or(nodes ...Node) Node { return join(true, nodes) }

func join(or bool, nodes []Node) Node {
	var out Node
	for i := len(nodes) - 1; i >= 0; i-- {
		switch {
		case nodes[i] == nil:
		case out == nil:
			out = nodes[i]
		default:
			out = &Join{Or: or, Left: nodes[i], Right: out}
		}
	}
	return out
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// Encode writes the condition as YAML for WhereCondition, not yet URL-encoded. It
// fails for a condition EBP could not read: a number that is none, an operator with
// the wrong count of values, an empty column.
func Encode(n Node) (string, error) {
	tree, err := n.yaml()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2) // the text travels in a URL of limited length
	if err := enc.Encode(tree); err != nil {
		return "", fmt.Errorf("encoding the condition: %w", err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

func plain(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

func quoted(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.SingleQuotedStyle, Value: s}
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: content}
}

func (c *Comparison) yaml() (*yaml.Node, error) {
	if c.Column == "" {
		return nil, fmt.Errorf("a condition (%s) names no column", c.Operator)
	}
	wanted := "one value"
	ok := len(c.Values) == 1
	switch c.Operator {
	case In, NotIn:
		wanted, ok = "at least one value", len(c.Values) > 0
	case Between:
		wanted, ok = "two values", len(c.Values) == 2
	case IsNull, IsNotNull:
		wanted, ok = "no value", len(c.Values) == 0
	}
	if !ok {
		return nil, fmt.Errorf("%s %s takes %s, not %d", c.Column, c.Operator, wanted, len(c.Values))
	}
	m := mapping(
		plain("type"), plain(customFilter),
		plain("column"), quoteIfNeeded(c.Column),
		plain("operator"), plain(string(c.Operator)),
	)
	if len(c.Values) == 0 {
		return m, nil
	}
	values := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range c.Values {
		switch c.Type {
		case Int, Decimal:
			if !number.MatchString(v) {
				return nil, fmt.Errorf("%s %s: %q is not a number", c.Column, c.Operator, v)
			}
			values.Content = append(values.Content, plain(v))
		default:
			values.Content = append(values.Content, quoted(v))
		}
	}
	m.Content = append(m.Content, plain("valueType"), plain(string(c.Type)), plain("value"), values)
	return m, nil
}

// quoteIfNeeded leaves ordinary names plain, as the document writes them.
func quoteIfNeeded(s string) *yaml.Node {
	if identifier.MatchString(s) && !keyword.MatchString(s) {
		return plain(s)
	}
	return quoted(s)
}

// keyword are the words that some YAML reader takes for something else than text.
var keyword = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

func (j *Join) yaml() (*yaml.Node, error) {
	left, err := j.Left.yaml()
	if err != nil {
		return nil, err
	}
	right, err := j.Right.yaml()
	if err != nil {
		return nil, err
	}
	op := joinAnd
	if j.Or {
		op = joinOr
	}
	return mapping(
		plain("left"), left,
		plain("operator"), plain(op),
		plain("type"), plain(imbricationFilter),
		plain("right"), right,
	), nil
}

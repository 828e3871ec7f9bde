package sandbox

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// condition is a WhereCondition compiled to SQL.
type condition struct {
	sql  string
	args []any
}

// badFilter is a 400 about the WhereCondition.
func badFilter(format string, args ...any) error {
	return badRequest("WhereCondition", "Le filtre n'est pas valide : "+format, args...)
}

// compileFilter turns the YAML tree of annex 2 (L2585) into SQL.
func compileFilter(text string, find func(string) (ref, error)) (condition, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return condition{}, badFilter("%v", err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return condition{}, badFilter("il est vide")
	}
	c := &filterCompiler{find: find}
	if err := c.node(doc.Content[0], 0); err != nil {
		return condition{}, err
	}
	return condition{c.b.String(), c.args}, nil
}

type filterCompiler struct {
	find func(string) (ref, error)
	b    strings.Builder
	args []any
}

// maxFilterDepth is how deep a filter may nest.
const maxFilterDepth = 400

// members reads a mapping whose names are known, in any casing.
func members(n *yaml.Node) (map[string]*yaml.Node, error) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil, badFilter("un noeud doit être un objet (ligne %d)", n.Line)
	}
	out := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		name := strings.ToLower(n.Content[i].Value)
		switch name {
		case "type", "column", "operator", "valuetype", "value", "left", "right":
		default:
			return nil, badFilter("la propriété '%s' est inconnue (ligne %d)", n.Content[i].Value, n.Content[i].Line)
		}
		if out[name] != nil {
			return nil, badFilter("la propriété '%s' est donnée deux fois (ligne %d)", n.Content[i].Value, n.Content[i].Line)
		}
		v := n.Content[i+1]
		for v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		out[name] = v
	}
	return out, nil
}

func (c *filterCompiler) node(n *yaml.Node, depth int) error {
	if depth > maxFilterDepth {
		return badFilter("il est trop profond")
	}
	m, err := members(n)
	if err != nil {
		return err
	}
	word := func(name string) string {
		if v := m[name]; v != nil && v.Kind == yaml.ScalarNode {
			return strings.TrimSpace(v.Value)
		}
		return ""
	}
	switch kind := word("type"); strings.ToLower(kind) {
	case "imbricationfilter":
		op := strings.ToUpper(word("operator"))
		if op != "AND" && op != "OR" {
			return badFilter("l'opérateur '%s' ne relie pas deux filtres", word("operator"))
		}
		if m["left"] == nil || m["right"] == nil {
			return badFilter("left et right sont obligatoires")
		}
		c.b.WriteByte('(')
		if err := c.node(m["left"], depth+1); err != nil {
			return err
		}
		c.b.WriteString(" " + op + " ")
		if err := c.node(m["right"], depth+1); err != nil {
			return err
		}
		c.b.WriteByte(')')
		return nil
	case "customfilter":
		if word("column") == "" {
			return badFilter("column est obligatoire")
		}
		col, err := c.find(word("column"))
		if err != nil {
			return err
		}
		values, err := scalars(m["value"])
		if err != nil {
			return err
		}
		return c.comparison(col, word("operator"), word("valuetype"), values)
	default:
		return badFilter("le type de noeud '%s' est inconnu", kind)
	}
}

// scalars reads the list of values, each as its literal text.
func scalars(n *yaml.Node) ([]string, error) {
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, badFilter("value doit être une liste (ligne %d)", n.Line)
	}
	var out []string
	for _, v := range n.Content {
		for v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		if v.Kind != yaml.ScalarNode {
			return nil, badFilter("une valeur doit être simple (ligne %d)", v.Line)
		}
		if v.Tag == "!!null" {
			return nil, badFilter("une valeur est nulle (ligne %d)", v.Line)
		}
		out = append(out, v.Value)
	}
	return out, nil
}

var sqlOperators = map[string]string{
	"equal": "=", "different": "<>", "lower": "<", "lowerorequal": "<=",
	"upper": ">", "upperorequal": ">=",
}

// comparison writes one condition on a column.
func (c *filterCompiler) comparison(col ref, operator, valueType string, values []string) error {
	op := strings.ToLower(operator)
	switch op {
	case "isnull":
		c.b.WriteString(col.sql + " IS NULL")
		return nil
	case "isnotnull":
		c.b.WriteString(col.sql + " IS NOT NULL")
		return nil
	}
	switch strings.ToLower(valueType) {
	case "string", "int", "decimal", "date", "column":
	default:
		return badFilter("le type de valeur '%s' est inconnu", valueType)
	}
	want := func(n int) error {
		if len(values) != n {
			return badFilter("l'opérateur %s attend %d valeur(s), il en a %d", operator, n, len(values))
		}
		return nil
	}
	var operands []operand
	for _, v := range values {
		o, err := c.operand(col, strings.ToLower(valueType), v, op == "like")
		if err != nil {
			return err
		}
		operands = append(operands, o)
	}
	exact := func(o operand) string {
		if o.decimal && col.kind != kindDecimal {
			return "CAST(" + col.sql + " AS TEXT) COLLATE " + collateDecimal
		}
		return col.sql
	}
	switch op {
	case "in", "notin":
		if len(values) == 0 {
			return badFilter("l'opérateur %s attend au moins une valeur", operator)
		}
		left := col.sql
		for _, o := range operands {
			if o.decimal {
				left = exact(o)
			}
		}
		c.b.WriteString(left)
		if op == "notin" {
			c.b.WriteString(" NOT")
		}
		c.b.WriteString(" IN (")
		for i, o := range operands {
			if i > 0 {
				c.b.WriteByte(',')
			}
			c.put(o)
		}
		c.b.WriteByte(')')
		return nil
	case "like":
		if err := want(1); err != nil {
			return err
		}
		c.b.WriteString(functionLike + "(" + col.sql + ", ")
		c.put(operands[0])
		c.b.WriteByte(')')
		return nil
	case "between":
		if err := want(2); err != nil {
			return err
		}
		c.b.WriteString("(" + exact(operands[0]) + " >= ")
		c.put(operands[0])
		c.b.WriteString(" AND " + exact(operands[1]) + " <= ")
		c.put(operands[1])
		c.b.WriteByte(')')
		return nil
	}
	sql, ok := sqlOperators[op]
	if !ok {
		return badFilter("l'opérateur '%s' est inconnu", operator)
	}
	if err := want(1); err != nil {
		return err
	}
	c.b.WriteString(exact(operands[0]) + " " + sql + " ")
	c.put(operands[0])
	return nil
}

// operand is the right side of a comparison.
type operand struct {
	sql     string // a column; else arg is bound
	arg     any
	decimal bool // to be compared as a decimal text, whatever the column
}

func (c *filterCompiler) put(o operand) {
	if o.sql != "" {
		c.b.WriteString(o.sql)
		return
	}
	c.b.WriteByte('?')
	c.args = append(c.args, o.arg)
}

// operand converts a literal to what the column compares with, as SQL Server
// converts between the types; what it could not convert is refused.
func (c *filterCompiler) operand(col ref, valueType, v string, like bool) (operand, error) {
	mismatch := func() error {
		return badFilter("la valeur '%s' de type %s ne se compare pas à la colonne %s", v, valueType, col.name)
	}
	if valueType == "column" {
		other, err := c.find(v)
		if err != nil {
			return operand{}, err
		}
		if group(other.kind) != group(col.kind) || col.kind == kindBytes {
			return operand{}, mismatch()
		}
		if group(col.kind) == kindDecimal {
			return operand{sql: "CAST(" + other.sql + " AS TEXT)", decimal: true}, nil
		}
		return operand{sql: other.sql}, nil
	}
	if valueType == "int" && !isInteger(v) || valueType == "decimal" && !isDecimal(v) {
		return operand{}, badFilter("la valeur '%s' n'est pas de type %s", v, valueType)
	}
	if valueType == "date" {
		d, ok := parseDate(v)
		if !ok {
			return operand{}, badFilter("la valeur '%s' n'est pas une date", v)
		}
		if col.kind == kindDate && !like {
			return operand{arg: d}, nil
		}
	}
	if like {
		if col.kind == kindBytes {
			return operand{}, mismatch()
		}
		return operand{arg: v}, nil
	}
	switch col.kind {
	case kindText:
		if valueType == "int" || valueType == "decimal" {
			return operand{}, mismatch()
		}
		return operand{arg: v}, nil
	case kindGUID:
		g, ok := parseGUID(v)
		if !ok || valueType != "string" {
			return operand{}, mismatch()
		}
		return operand{arg: g}, nil
	case kindDate:
		d, ok := parseDate(v)
		if !ok || valueType != "string" {
			return operand{}, mismatch()
		}
		return operand{arg: d}, nil
	case kindInt, kindBool, kindDecimal:
		if col.kind == kindBool && valueType == "string" {
			switch strings.ToLower(v) {
			case "true":
				v = "1"
			case "false":
				v = "0"
			}
		}
		if !isDecimal(v) || valueType == "date" {
			return operand{}, mismatch()
		}
		var n int64
		if col.kind != kindDecimal && len(v) < 18 && isInteger(v) {
			if _, err := fmt.Sscan(v, &n); err == nil {
				return operand{arg: n}, nil
			}
		}
		return operand{arg: v, decimal: true}, nil
	}
	return operand{}, mismatch()
}

// group joins the kinds that compare with each other.
func group(k kind) kind {
	switch k {
	case kindInt, kindBool, kindDecimal:
		return kindDecimal
	}
	return k
}

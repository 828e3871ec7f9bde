package sandbox_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// where writes a CustomFilter with quoted values.
func where(column, operator, valueType string, values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "type: CustomFilter\ncolumn: %s\noperator: %s\nvalueType : %s\n", column, operator, valueType)
	if operator != "IsNull" && operator != "IsNotNull" {
		b.WriteString("value:\n")
		for _, v := range values {
			fmt.Fprintf(&b, "- '%s'\n", strings.ReplaceAll(v, "'", "''"))
		}
	}
	return b.String()
}

// both joins two filters.
func both(left, operator, right string) string {
	in := func(s string) string { return "  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ") }
	return "left:\n" + in(left) + "\noperator: " + operator + "\ntype: ImbricationFilter\nright:\n" + in(right) + "\n"
}

func (c *client) ids(table, condition string) []any {
	c.t.Helper()
	return column(c.all(table, "Columns", "Id", "WhereCondition", condition), "Id")
}

func TestEveryOperator(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 3})
	require.NoError(t, c.s.Exec(`DELETE FROM f3691_Item`))
	for _, r := range [][]any{
		{"A", "Été", 1, "1.50000000", true, "2024-01-31T10:00:00", "FA1"}, {"b", "été", 2, "-0.00000001", false, "2024-01-31T10:00:01", "FA2"},
		{"C", "ete", 3, "12345678901234567890.12345678", true, nil, nil}, {"d", "100%", -4, "1.5", false, "2025-02-01T00:00:00", "null"},
	} {
		require.NoError(t, c.s.Exec(`INSERT INTO f3691_Item ("Id","Caption","ItemType","Weight","ManageStock","sysModifiedDate","FamilyId") VALUES (?,?,?,?,?,?,?)`, r...))
	}
	for _, k := range []struct {
		condition string
		want      string
	}{
		{where("Id", "Equal", "String", "a"), "A"},
		{where("Id", "equal", "string", "B "), "b"},
		{where("Id", "Different", "String", "A"), "b C d"},
		{where("Id", "Lower", "String", "c"), "A b"},
		{where("Id", "LowerOrEqual", "String", "c"), "A b C"},
		{where("Id", "Upper", "String", "B"), "C d"},
		{where("Id", "UpperOrEqual", "String", "B"), "b C d"},
		{where("Id", "In", "String", "a", "D", "x"), "A d"},
		{where("Id", "NotIn", "String", "a", "D"), "b C"},
		{where("Id", "Between", "String", "B", "c"), "b C"},
		{where("Caption", "Equal", "String", "ÉTÉ"), "A b"},
		{where("Caption", "Like", "String", "ét%"), "A b"},
		{where("Caption", "Like", "String", "E_e"), "C"},
		{where("Caption", "Like", "String", "%[%]"), "d"},
		{where("Caption", "Like", "String", "[a-f]%"), "C"},
		{where("Caption", "Like", "String", "[^0-9]%"), "A b C"},
		{where("FamilyId", "IsNull", "String"), "C"},
		{where("FamilyId", "IsNotNull", "String"), "A b d"},
		{where("FamilyId", "Equal", "String", "null"), "d"},
		{where("FamilyId", "Different", "String", "FA1"), "b d"},
		{where("FamilyId", "NotIn", "String", "FA1"), "b d"},
		{where("ItemType", "Upper", "Int", "1"), "b C"},
		{where("ItemType", "Between", "Int", "-4", "1"), "A d"},
		{where("ItemType", "In", "Int", "2", "3"), "b C"},
		{where("ItemType", "Upper", "Decimal", "1.5"), "b C"},
		{where("ItemType", "Equal", "String", "2"), "b"},
		{where("Weight", "Equal", "Decimal", "1.5"), "A d"},
		{where("Weight", "Equal", "Decimal", "+01.500"), "A d"},
		{where("Weight", "Lower", "Int", "0"), "b"},
		{where("Weight", "Upper", "Decimal", "12345678901234567890.12345677"), "C"},
		{where("Weight", "Upper", "Decimal", "12345678901234567890.12345678"), ""},
		{where("Weight", "In", "Decimal", "-.00000001", "1.50"), "A b d"},
		{where("ManageStock", "Equal", "Int", "1"), "A C"},
		{where("ManageStock", "Equal", "String", "false"), "b d"},
		{where("sysModifiedDate", "Equal", "Date", "2024-01-31 10:00:00.000"), "A"},
		{where("sysModifiedDate", "Upper", "Date", "2024-01-31T10:00:00"), "b d"},
		{where("sysModifiedDate", "Upper", "Date", "2024-01-31 10:00:00.500"), "b d"},
		{where("sysModifiedDate", "Lower", "Date", "2024-01-31 10:00:00.500"), "A"},
		{where("sysModifiedDate", "UpperOrEqual", "Date", "2025-02-01"), "d"},
		{where("sysModifiedDate", "Between", "Date", "2024-01-31", "2024-02-01"), "A b"},
		{where("sysModifiedDate", "Equal", "String", "2025-02-01"), "d"},
		{where("Id", "Equal", "Column", "Item.Id"), "A b C d"},
		{where("Id", "Lower", "Column", "Caption"), "A b C"},
		{where("Weight", "Lower", "Column", "ItemType"), "b"},
		{where("ItemType", "Lower", "Column", "Weight"), "A C d"},
		{both(where("Id", "Equal", "String", "A"), "or", where("Id", "Equal", "String", "C")), "A C"},
		{both(where("ItemType", "Upper", "Int", "0"), "AND", both(where("Id", "Equal", "String", "A"), "Or", where("FamilyId", "IsNull", "String"))), "A C"},
		{"TYPE: customFilter\nColumn: Id\nOperator: in\nValueType: string\nValue: [a, b]", "A b"},
		{"type: CustomFilter\ncolumn: ItemType\noperator: Equal\nvalueType: Int\nvalue:\n- 1", "A"},
		{"type: CustomFilter\ncolumn: sysModifiedDate\noperator: Upper\nvalueType: Date\nvalue:\n- 2024-06-01", "d"},
		{"{type: CustomFilter, column: Id, operator: Equal, valueType: String, value: [\"d\"]}", "d"},
	} {
		var got []string
		for _, id := range c.ids("Item", k.condition) {
			got = append(got, id.(string))
		}
		require.Equal(t, k.want, strings.Join(got, " "), k.condition)
	}
}

func TestMalformedFiltersAreRefusedWithAReason(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	for _, condition := range []string{
		"x", "- a", "type: Filter", "column: Id", "a: [", "type: CustomFilter\noperator: Equal\nvalueType: String\nvalue: ['x']",
		where("Nothing", "Equal", "String", "x"), where("Id", "Same", "String", "x"), where("Id", "Equal", "Text", "x"),
		where("Id", "Equal", "String"), where("Id", "Equal", "String", "a", "b"), where("Id", "Between", "String", "a"), where("Id", "In", "String"),
		"type: CustomFilter\ncolumn: Id\noperator: Equal\nvalueType: String\nvalue: x", "type: CustomFilter\ncolumn: Id\noperator: Equal\nvalueType: String\nvalue: [[x]]",
		"type: CustomFilter\ncolumn: Id\noperator: Equal\nvalueType: String\nvalue: [null]", "type: CustomFilter\ncolumn: Id\ncolumn: Id\noperator: IsNull",
		"type: CustomFilter\ncolumn: Id\noperator: IsNull\nextra: 1", where("Id", "Equal", "Int", "1"), where("ItemType", "Equal", "Int", "1.5"),
		where("ItemType", "Equal", "Int", "x"), where("Weight", "Equal", "Decimal", "1,5"), where("Weight", "Equal", "Decimal", "1e5"), where("sysModifiedDate", "Equal", "Date", "31/01/2024"),
		where("sysModifiedDate", "Equal", "Int", "1"), where("UniqueId", "Equal", "String", "x"), where("ItemImage", "Equal", "String", "x"), where("Id", "Equal", "Column", "Weight"),
		where("Id", "Equal", "Column", "Nothing"), both(where("Id", "IsNull", "String"), "xor", where("Id", "IsNull", "String")),
		"type: ImbricationFilter\noperator: and\nleft:\n  type: CustomFilter\n  column: Id\n  operator: IsNull",
	} {
		e := refused(t, c.get(gescom+"/GenericQuery", "TableName", "Item", "WhereCondition", condition), 400)
		require.NotEmpty(t, e.Message, condition)
	}
}

func TestValuesCannotLeaveTheFilter(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	for _, key := range []string{"O'BRIEN", "null", "2021-07-12", "a:b", "- x", "#1", "1e5", "007", "*a", "&b", "!c", "? d", "%e", "@f", `g"h`, `i\j`, " lead", "fin:"} {
		require.Equal(t, []any{key}, c.ids("Customer", where("Id", "Equal", "String", key)))
	}
	require.Empty(t, c.ids("Customer", where("Id", "Equal", "String", "x' OR '1'='1")))
}

func TestGUIDsCompareInTheServersOrder(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 100})
	ids := c.ids("SaleDocument", where("Id", "IsNotNull", "String"))
	for _, i := range []int{0, 17, 50, 98} {
		require.Equal(t, ids[i+1:], c.ids("SaleDocument", where("Id", "Upper", "String", strings.ToUpper(ids[i].(string))))[:len(ids)-i-1])
	}
}

func TestKeyPagingReadsEachRowOnce(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 250})
	for _, name := range []string{"Customer", "SaleDocument"} {
		whole := column(c.all(name, "Columns", "Id"), "Id")
		var got []any
		last := ""
		for {
			q := []string{"Columns", "Id", "OrderByValue", "Id", "Limit", "33"}
			if last != "" {
				q = append(q, "WhereCondition", where("Id", "Upper", "String", last))
			}
			p := c.table(name, q...)
			require.Equal(t, len(whole)-len(got), p.Paging.Total)
			got = append(got, column(p.Results, "Id")...)
			if p.Paging.Total == p.Paging.Returned {
				break
			}
			last = got[len(got)-1].(string)
		}
		require.Equal(t, whole, got)
	}
}

// item is what the evaluation in Go knows of a row.
type item struct {
	id     string
	n      int64
	weight *big.Rat
	family *string
}

// truth is SQL's three-valued logic: -1 unknown.
type truth int

func of(b bool) truth {
	if b {
		return 1
	}
	return 0
}

// randomFilter draws a tree and its evaluation.
func randomFilter(r *rand.Rand, depth int) (string, func(item) truth) {
	if depth > 0 && r.IntN(3) > 0 {
		ls, lf := randomFilter(r, depth-1)
		rs, rf := randomFilter(r, depth-1)
		if r.IntN(2) == 0 {
			return both(ls, "And", rs), func(i item) truth {
				a, b := lf(i), rf(i)
				switch {
				case a == 0 || b == 0:
					return 0
				case a < 0 || b < 0:
					return -1
				}
				return 1
			}
		}
		return both(ls, "Or", rs), func(i item) truth {
			a, b := lf(i), rf(i)
			switch {
			case a == 1 || b == 1:
				return 1
			case a < 0 || b < 0:
				return -1
			}
			return 0
		}
	}
	ops := []string{"Equal", "Different", "Lower", "LowerOrEqual", "Upper", "UpperOrEqual"}
	op := ops[r.IntN(len(ops))]
	holds := func(c int) truth {
		return of(map[string]bool{"Equal": c == 0, "Different": c != 0, "Lower": c < 0, "LowerOrEqual": c <= 0, "Upper": c > 0, "UpperOrEqual": c >= 0}[op])
	}
	letters := func() string { return string(rune('a'+r.IntN(4))) + string(rune('A'+r.IntN(4))) }
	switch r.IntN(5) {
	case 0:
		v := letters()
		return where("Id", op, "String", v), func(i item) truth { return holds(strings.Compare(strings.ToLower(i.id), strings.ToLower(v))) }
	case 1:
		v := int64(r.IntN(9) - 4)
		return where("ItemType", op, "Int", fmt.Sprint(v)), func(i item) truth { return holds(int(i.n - v)) }
	case 2:
		v := fmt.Sprintf("%d.%d", r.IntN(7)-3, r.IntN(100))
		rat, _ := new(big.Rat).SetString(v)
		return where("Weight", op, "Decimal", v), func(i item) truth { return holds(i.weight.Cmp(rat)) }
	case 3:
		vs := []string{letters(), letters()}
		not := r.IntN(2) == 0
		name := "In"
		if not {
			name = "NotIn"
		}
		return where("FamilyId", name, "String", vs...), func(i item) truth {
			if i.family == nil {
				return -1
			}
			return of(slices.ContainsFunc(vs, func(v string) bool { return strings.EqualFold(v, *i.family) }) != not)
		}
	default:
		if r.IntN(2) == 0 {
			return where("FamilyId", "IsNull", "String"), func(i item) truth { return of(i.family == nil) }
		}
		v := strings.ToLower(letters()[:1])
		return where("FamilyId", "Like", "String", "%"+v+"%"), func(i item) truth {
			if i.family == nil {
				return -1
			}
			return of(strings.Contains(strings.ToLower(*i.family), v))
		}
	}
}

func TestRandomFiltersSelectWhatGoSelects(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	require.NoError(t, c.s.Exec(`DELETE FROM f3691_Item`))
	r := rand.New(rand.NewPCG(1, 2))
	var items []item
	for a := range 4 {
		for b := range 4 {
			i := item{id: string(rune('A'+a)) + string(rune('a'+b)), n: int64(r.IntN(9) - 4)}
			w := fmt.Sprintf("%d.%08d", r.IntN(7)-3, r.IntN(100)*1000000)
			i.weight, _ = new(big.Rat).SetString(w)
			var family any
			if r.IntN(4) > 0 {
				f := string(rune('a'+r.IntN(4))) + string(rune('A'+r.IntN(4)))
				i.family, family = &f, f
			}
			items = append(items, i)
			require.NoError(t, c.s.Exec(`INSERT INTO f3691_Item ("Id","ItemType","Weight","FamilyId") VALUES (?,?,?,?)`, i.id, i.n, w, family))
		}
	}
	for range 300 {
		condition, holds := randomFilter(r, 4)
		want := []any{}
		for _, i := range items {
			if holds(i) == 1 {
				want = append(want, i.id)
			}
		}
		got := c.ids("Item", condition)
		if got == nil {
			got = []any{}
		}
		require.Equal(t, want, got, condition)
	}
}

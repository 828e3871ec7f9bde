package catalog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reference opens a file of the vendor reference, which is not part of the
// project: CI has it beside the checkout and sets EBP_REFERENCE.
func reference(t *testing.T, name string) []map[string]string {
	t.Helper()
	dir := os.Getenv("EBP_REFERENCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "reference")
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		if os.Getenv("EBP_REFERENCE") != "" {
			t.Fatalf("EBP_REFERENCE is set but %s cannot be read: %v", name, err)
		}
		t.Skipf("the vendor reference is not beside this checkout (set EBP_REFERENCE): %v", err)
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	header := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, l := range lines[1:] {
		row := map[string]string{}
		for i, v := range strings.Split(l, "\t") {
			row[header[i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

// render writes an operation as the reference writes it.
func render(o Operation) map[string]string {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	paging := string(o.Paging)
	if o.Paging == PagingTakeSkip {
		paging += ":" + map[bool]string{true: "(no total)", false: o.Total}[o.Total == ""]
	}
	records := strings.Join(o.Records.Keys, "|")
	if o.Records.Array {
		records = "(bare array)"
	} else if o.Records.Whole {
		records = "(whole body)"
	}
	answer := map[AnswerKind]string{
		AnswerEmpty: "empty", AnswerFile: "file", AnswerNumber: "bare number", AnswerText: "text number",
		AnswerJSON: "json",
	}[o.Answer.Kind]
	switch {
	case o.Answer.Field == "number":
		answer = "201 number"
	case o.Answer.Status != 0 && o.Answer.Field != "":
		answer = strconv.Itoa(o.Answer.Status) + " " + o.Answer.Field
	case o.Answer.Field != "":
		answer += " " + o.Answer.Field
	case o.Answer.Status != 0:
		answer = strconv.Itoa(o.Answer.Status) + " " + answer
	}
	body := "-"
	switch o.Body.Kind {
	case BodyForm:
		body = "multipart form"
	case BodyMultipart, BodyJSON:
		body = string(o.Body.Kind)
		switch {
		case o.Body.SameAs != "":
			body += ":(as create)"
		case o.Body.PascalCase:
			body += ", PascalCase names"
		case len(o.Body.Fields) > 0:
			body += ":" + renderParameters(o.Body.Fields)
		}
	}
	return map[string]string{
		"operation": o.Name, "method": o.Method, "path": o.Path, "scope": string(o.Scope), "kind": string(o.Kind),
		"paging": dash(paging), "records": dash(records), "query_params": dash(renderParameters(o.Query)),
		"body": body, "response": answer, "doc_line": strconv.Itoa(o.DocLine),
	}
}

func renderParameters(ps []Parameter) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name+map[bool]string{true: "*"}[p.Required])
	}
	return strings.Join(out, ",")
}

var parenthesis = regexp.MustCompile(`\([^)]*\)`)

func TestCatalogEqualsTheReferenceFieldByField(t *testing.T) {
	rows := reference(t, "operations.tsv")
	all := All()
	require.Len(t, all, len(rows))
	require.Len(t, all, 139)
	for _, row := range rows {
		op, ok := Lookup(row["operation"])
		require.True(t, ok, row["operation"])
		got := render(*op)
		row["query_params"] = parenthesis.ReplaceAllString(row["query_params"], "") // remarks
		if strings.HasPrefix(row["body"], "multipart form fields") {
			row["body"] = "multipart form"
		} else if row["body"] != "json:(as create)" {
			row["body"] = parenthesis.ReplaceAllString(row["body"], "") // remarks
		}
		assert.Equal(t, row, got, row["operation"])
	}
}

func TestColumnsEqualTheReference(t *testing.T) {
	types := map[string]ColumnType{
		"character varying": TypeString, "timestamp without time zone": TypeDateTime, "numeric": TypeDecimal,
		"uuid": TypeUUID, "text": TypeText, "smallint": TypeInt16, "integer": TypeInt32, "boolean": TypeBool, "bytea": TypeBytes,
	}
	seen := map[string]int{}
	for _, row := range reference(t, "tables.tsv") {
		table, ok := LookupTable(row["table"])
		require.True(t, ok, row["table"])
		i := seen[table.Name]
		seen[table.Name]++
		require.Greater(t, len(table.Columns), i, table.Name)
		length, _ := strconv.Atoi(row["max_length"])
		assert.Equal(t, Column{
			Name: row["column"], Type: types[row["type"]], Length: length, Nullable: row["nullable"] == "Y",
		}, table.Columns[i])
	}
	for name, n := range seen {
		table, _ := LookupTable(name)
		assert.Len(t, table.Columns, n, name)
	}
}

func TestEveryOperationIsConsistent(t *testing.T) {
	names := map[string]bool{}
	placeholder := regexp.MustCompile(`\{([^}]+)\}`)
	for _, o := range All() {
		assert.False(t, names[o.Name], "%s twice", o.Name)
		names[o.Name] = true
		assert.Equal(t, o.Scope == ScopeFolderPath, strings.Contains(o.Path, "{FolderId}"), o.Name)
		assert.Equal(t, o.Scope == ScopeFolderQuery, o.has(ParamFolder), o.Name)
		for _, m := range placeholder.FindAllStringSubmatch(o.AlternatePath, -1) {
			assert.Contains(t, o.Path, m[0], o.Name)
		}
		if o.Kind == KindList {
			assert.NotEmpty(t, o.Paging, o.Name)
			assert.True(t, o.Records.Array || len(o.Records.Keys) > 0, o.Name)
			assert.True(t, len(o.Key) > 0 || o.TakesTable(), "%s: what identifies a record?", o.Name)
			got, ok := LookupList(o.Resource())
			require.True(t, ok, o.Name)
			assert.Equal(t, o.Name, got.Name)
		}
		if o.Table != "" {
			_, ok := LookupTable(o.Table)
			assert.True(t, ok, o.Name)
		}
		if o.TakesWhere() {
			assert.NotEmpty(t, o.ModifiedColumn, o.Name)
			assert.Equal(t, ParamOrder, o.SortParameter(), o.Name)
		}
		_, err := json.Marshal(o)
		assert.NoError(t, err)
	}
}

func TestEveryTableKnowsItsOrder(t *testing.T) {
	for _, product := range []string{"gescom", "batiment"} {
		assert.Len(t, Tables(product), 69)
		for _, name := range Tables(product) {
			table, _ := LookupTable(strings.ToUpper(name))
			require.NotNil(t, table, name)
			assert.NotEmpty(t, table.Order, name)
			if len(table.Key) > 0 {
				assert.Equal(t, table.Order, table.Key[0], name)
			}
		}
	}
}

func TestMisspeltNamesFindTheNearestSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"gescom.generic_qery":           "gescom.generic_query",
		"gescom.genericquery":           "gescom.generic_query",
		"Gescom.Sale_Documents":         "gescom.sale_documents",
		"hubbix_gctpe.item_group":       "hubbix_gctpe.item_groups",
		"bank_transactions":             "hubbix_cpttpe.bank_transactions",
		"hubbix_cpttpe.line_entry.list": "hubbix_cpttpe.line_entries",
		"something else entirely":       "",
	} {
		assert.Equal(t, want, NearestList(in), in)
	}
	assert.Equal(t, "SaleDocument", Nearest("SalesDocument", Tables("gescom")))
	assert.Equal(t, "Customer", Nearest("Custmoer", Tables("gescom")))
}

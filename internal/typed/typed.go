// Package typed turns records as EBP sends them into records whose every value has
// the type of its column: keys in the casing of the schema, decimals as canonical
// strings at the column's scale, dates with their zone. What does not fit its type is
// an error that names the column; nothing is rounded, cut or left out.
package typed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/redpanda-data/benthos/v4/public/schema"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// kind is how a value is written.
type kind int

const (
	kindText    kind = iota
	kindInteger      // a JSON number
	kindDecimal      // a string at the scale of EBP's decimals
	kindBoolean
	kindDateTime // a string as RFC 3339
	kindNested   // an object or array, as a string of JSON
)

type column struct {
	name    string // as it is written
	kind    kind
	bits    int // of integers
	common  schema.CommonType
	key     bool
	guessed bool
}

// Schema is what is known of the columns of a table, from the catalog and, for the
// others, from a sample. It does not change once it is made, and may be used by many
// goroutines at once.
type Schema struct {
	name    string
	columns []column
	byName  map[string]*column // by lower-case name
	zone    *time.Location
	any     any
}

// New makes the schema of the records of a sample: in the order of the sample's
// columns, with the types of the table where it knows them. The table may be nil. Key
// names the columns that are never NULL.
func New(name string, table *catalog.Table, key []string, sample [][]byte, zone *time.Location) (*Schema, error) {
	s := &Schema{name: name, byName: map[string]*column{}, zone: zone}
	var order []string
	shapes := map[string]*shape{}
	var members []records.Member
	for _, record := range sample {
		var err error
		if members, err = records.Members(members[:0], record); err != nil {
			return nil, err
		}
		for _, m := range members {
			lower := strings.ToLower(m.Name)
			if shapes[lower] == nil {
				shapes[lower] = &shape{name: m.Name}
				order = append(order, lower)
			}
			shapes[lower].see(m.Value)
		}
	}
	if len(order) == 0 {
		return nil, errors.New("there is no record to learn the columns from")
	}
	for _, lower := range order {
		c := shapes[lower].column()
		if known, ok := lookup(table, shapes[lower].name); ok {
			c = columnOf(known)
		}
		for _, k := range key {
			c.key = c.key || strings.EqualFold(k, c.name)
		}
		s.columns = append(s.columns, c)
	}
	for i := range s.columns {
		s.byName[strings.ToLower(s.columns[i].name)] = &s.columns[i]
	}
	common := s.common()
	if err := common.Validate(); err != nil {
		return nil, fmt.Errorf("describing the columns of %s: %w", name, err)
	}
	s.any = common.ToAny()
	return s, nil
}

// lookup finds a column in its table, or, for a joined one such as Unit_Caption, in
// the table it comes from.
func lookup(table *catalog.Table, name string) (catalog.Column, bool) {
	if table == nil {
		return catalog.Column{}, false
	}
	if c, ok := table.Column(name); ok {
		return c, true
	}
	for i := strings.IndexByte(name, '_'); i > 0; {
		if other, ok := catalog.LookupTable(name[:i]); ok {
			if c, ok := other.Column(name[i+1:]); ok {
				c.Name = other.Name + "_" + c.Name
				return c, true
			}
		}
		next := strings.IndexByte(name[i+1:], '_')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return catalog.Column{}, false
}

func columnOf(c catalog.Column) column {
	out := column{name: c.Name}
	switch c.Type {
	case catalog.TypeInt16:
		out.kind, out.bits, out.common = kindInteger, 16, schema.Int32
	case catalog.TypeInt32:
		out.kind, out.bits, out.common = kindInteger, 32, schema.Int32
	case catalog.TypeDecimal:
		out.kind, out.common = kindDecimal, schema.Decimal
	case catalog.TypeBool:
		out.kind, out.common = kindBoolean, schema.Boolean
	case catalog.TypeDateTime:
		out.kind, out.common = kindDateTime, schema.Timestamp
	default:
		// Texts, GUIDs, and bytes as the base64 that EBP sends.
		out.kind, out.common = kindText, schema.String
	}
	return out
}

// shape is what a sample shows of a column.
type shape struct {
	name                                       string
	texts, integers, decimals, booleans, nests int
}

func (s *shape) see(v []byte) {
	switch {
	case v[0] == '"':
		s.texts++
	case v[0] == '{' || v[0] == '[':
		s.nests++
	case v[0] == 't' || v[0] == 'f':
		s.booleans++
	case v[0] == 'n':
	case bytes.ContainsAny(v, ".eE"):
		s.decimals++
	default:
		s.integers++
	}
}

// column guesses: only what the whole sample agrees on is anything else than text.
func (s *shape) column() column {
	c := column{name: s.name, kind: kindText, common: schema.String, guessed: true}
	switch {
	case s.texts > 0:
	case s.nests > 0:
		c.kind = kindNested
	case s.booleans > 0 && s.integers+s.decimals == 0:
		c.kind, c.common = kindBoolean, schema.Boolean
	case s.decimals > 0:
		c.kind, c.common = kindDecimal, schema.Decimal
	case s.integers > 0 && s.booleans == 0:
		c.kind, c.bits, c.common = kindInteger, 64, schema.Int64
	}
	return c
}

// Guessed returns the columns whose type was learned from the sample.
func (s *Schema) Guessed() []string {
	var out []string
	for _, c := range s.columns {
		if c.guessed {
			out = append(out, c.name)
		}
	}
	return out
}

// Any is the schema in the host's common form, to be put into metadata. It must not
// be changed.
func (s *Schema) Any() any { return s.any }

func (s *Schema) common() schema.Common {
	out := schema.Common{Name: s.name, Type: schema.Object}
	for _, c := range s.columns {
		child := schema.Common{Name: c.name, Type: c.common, Optional: !c.key}
		switch c.common {
		case schema.Decimal:
			child.Logical = &schema.LogicalParams{Decimal: &schema.DecimalParams{Precision: catalog.DecimalPrecision, Scale: catalog.DecimalScale}}
		case schema.Timestamp:
			child.Logical = &schema.LogicalParams{Timestamp: &schema.TimestampParams{Unit: schema.TimeUnitMillis, AdjustToUTC: true}}
		}
		out.Children = append(out.Children, child)
	}
	return out
}

// Convert returns the record with typed values. Its error names the column.
func (s *Schema) Convert(record []byte) ([]byte, error) {
	members, err := records.Members(nil, record)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(record)+len(record)/4)
	out = append(out, '{')
	for i, m := range members {
		c, ok := s.byName[strings.ToLower(m.Name)]
		if !ok {
			return nil, fmt.Errorf("column %s is not in the schema of %s, which was learned from the first page", m.Name, s.name)
		}
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(c.name)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
		out = append(append(out, name...), ':')
		if out, err = s.value(out, c, m.Value); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return append(out, '}'), nil
}

func (s *Schema) value(out []byte, c *column, v []byte) ([]byte, error) {
	if v[0] == 'n' {
		if c.key {
			return out, errors.New("it is part of the key and NULL")
		}
		return append(out, v...), nil
	}
	switch c.kind {
	case kindNested:
		return quote(out, string(v))
	case kindText:
		if v[0] == '"' {
			return append(out, v...), nil
		}
		return quote(out, string(v)) // a number where text was expected keeps its digits
	case kindBoolean:
		return boolean(out, v)
	}
	text, ok := records.Text(v)
	if !ok {
		return out, fmt.Errorf("%s is no single value", v)
	}
	switch c.kind {
	case kindInteger:
		n, err := strconv.ParseInt(text, 10, c.bits)
		if err != nil {
			return out, fmt.Errorf("%q is no integer of %d bits", text, c.bits)
		}
		return strconv.AppendInt(out, n, 10), nil
	case kindDecimal:
		d, err := Decimal(text)
		if err != nil {
			return out, err
		}
		return append(append(append(out, '"'), d...), '"'), nil
	default:
		d, err := DateTime(text, s.zone)
		if err != nil {
			return out, err
		}
		return append(append(append(out, '"'), d...), '"'), nil
	}
}

func quote(out []byte, s string) ([]byte, error) {
	q, err := json.Marshal(s)
	return append(out, q...), err
}

func boolean(out, v []byte) ([]byte, error) {
	switch string(v) {
	case "true", "1", `"true"`:
		return append(out, "true"...), nil
	case "false", "0", `"false"`:
		return append(out, "false"...), nil
	}
	return out, fmt.Errorf("%s is neither true nor false", v)
}

// Decimal writes a decimal canonically at EBP's scale: "12.50000000". It fails for
// what is no number or does not fit decimal(28,8).
func Decimal(text string) (string, error) {
	d, _, err := apd.NewFromString(text)
	if err != nil || d.Form != apd.Finite {
		return "", fmt.Errorf("%q is no decimal number", text)
	}
	const longest = 64 // digits; no number that fits is written with more
	if d.NumDigits() > longest || d.Exponent > longest || d.Exponent < -longest {
		return "", fmt.Errorf("%.40s… does not fit decimal(%d,%d)", text, catalog.DecimalPrecision, catalog.DecimalScale)
	}
	s := d.Text('f')
	negative := strings.HasPrefix(s, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	whole = strings.TrimLeft(whole, "0")
	if extra := strings.TrimRight(fraction, "0"); len(extra) > catalog.DecimalScale {
		return "", fmt.Errorf("%s has more than %d digits after the point", text, catalog.DecimalScale)
	}
	if len(whole) > catalog.DecimalPrecision-catalog.DecimalScale {
		return "", fmt.Errorf("%s has more than %d digits before the point", text, catalog.DecimalPrecision-catalog.DecimalScale)
	}
	if len(fraction) > catalog.DecimalScale {
		fraction = fraction[:catalog.DecimalScale]
	}
	fraction += strings.Repeat("0", catalog.DecimalScale-len(fraction))
	if whole == "" {
		whole = "0"
	}
	if negative && strings.Trim(whole+fraction, "0") != "" {
		whole = "-" + whole
	}
	return whole + "." + fraction, nil
}

// layouts of EBP's dates: second precision (L1783), sometimes fractions, a date alone,
// and for Hubbix a zone.
var layouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"}

// DateTime writes a date of EBP with its zone, as RFC 3339. The digits of the local
// time stay as they are. Of the hour that comes twice in autumn the first is meant; a
// time in the hour that spring leaves out has the offset from before.
//
// RFC 3339 has no seconds in offsets, and local times before clocks were unified do: in
// Paris nine minutes and 21 seconds until 1911. Such dates get the zone's standard
// offset of today, +01:00 for Paris. They are 0001-01-01, 1753-01-01 and 1900-01-01,
// which stand for "no date", rather than moments.
func DateTime(text string, zone *time.Location) (string, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.Format(time.RFC3339Nano), nil
	}
	for _, layout := range layouts {
		wall, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		local := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
		_, offset := local.Zone()
		_, before := local.Add(-3 * time.Hour).Zone()
		if before != offset {
			first := wall.Add(-time.Duration(before) * time.Second)
			if _, at := first.In(zone).Zone(); at == before || !sameWall(local, wall) {
				offset = before
			}
		}
		if offset%60 != 0 {
			offset = standardOffset(zone)
		}
		return wall.In(time.UTC).Format("2006-01-02T15:04:05.999999999") + offsetText(offset), nil
	}
	return "", fmt.Errorf("%q is no date", text)
}

// standardOffset is the zone's offset of today outside of summer time, in seconds. The
// smaller one is it on both halves of the earth.
func standardOffset(zone *time.Location) int {
	const modern = 2024
	_, january := time.Date(modern, time.January, 1, 0, 0, 0, 0, zone).Zone()
	_, july := time.Date(modern, time.July, 1, 0, 0, 0, 0, zone).Zone()
	return min(january, july)
}

func sameWall(a, b time.Time) bool {
	return a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Day() == b.Day()
}

func offsetText(seconds int) string {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60)
}

package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Layout says where the records of an answer sit and which of their members are
// wanted.
type Layout struct {
	// Keys are the members of the answer that may hold the array of records; the
	// first that is there holds them. None: the answer itself is the array.
	Keys []string
	// Total is the member of the answer that holds the number of records in all, as
	// "total" or "paging.total"; "" where there is none.
	Total string
	// Fields are members of a record whose value is wanted, whatever their casing.
	Fields []string
}

// Record is one record of a page. Its slices are parts of the answer.
type Record struct {
	// Raw are the record's bytes exactly as they were sent.
	Raw []byte
	// Fields are the JSON values of Layout.Fields in that order; nil where the
	// record has no such member. A {"value": …, "hasRight": …} wrapper is seen
	// through (L1960).
	Fields [][]byte
}

// Page is an answer cut into records.
type Page struct {
	Records []Record
	// Total is the number of records in all, -1 where the answer does not say.
	Total int
}

// ErrNoRecords is wrapped where an answer is JSON but holds no records at the place
// where they belong.
var ErrNoRecords = errors.New("the answer holds no records")

// Split cuts an answer into its records. The result shares the answer's memory,
// which must not change afterwards.
func Split(answer []byte, layout Layout) (*Page, error) {
	p := &Page{Total: -1}
	s := &scanner{data: answer}
	s.start()
	var err error
	if len(layout.Keys) == 0 {
		if !s.at('[') {
			return nil, fmt.Errorf("%w: it should be an array and starts with %s", ErrNoRecords, s.excerpt())
		}
		err = p.readArray(s, layout)
	} else {
		err = p.readObject(s, layout)
	}
	if err != nil {
		return nil, err
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Page) readObject(s *scanner, layout Layout) error {
	if !s.at('{') {
		return fmt.Errorf("%w: it should be an object with the member %q and starts with %s", ErrNoRecords, layout.Keys[0], s.excerpt())
	}
	outer, inner, nested := bytes.Cut([]byte(layout.Total), []byte("."))
	found := false
	err := s.object(func(name []byte) error {
		switch {
		case !found && isOneOf(name, layout.Keys):
			found = true
			if s.at('{') {
				// The document shows "results": {} for no result at all (L1772).
				start := s.i
				if err := s.value(); err != nil {
					return err
				}
				if len(bytes.Trim(s.data[start:s.i], "{} \r\n\t")) > 0 {
					return fmt.Errorf("%w: %q is an object, not an array", ErrNoRecords, name)
				}
				return nil
			}
			if s.at('n') {
				return s.literal("null")
			}
			if !s.at('[') {
				return fmt.Errorf("%w: %q should be an array and starts with %s", ErrNoRecords, name, s.excerpt())
			}
			return p.readArray(s, layout)
		case nested && bytes.EqualFold(name, outer) && s.at('{'):
			return s.object(func(name []byte) error {
				if bytes.EqualFold(name, inner) {
					return p.readTotal(s)
				}
				return s.value()
			})
		case !nested && layout.Total != "" && bytes.EqualFold(name, outer):
			return p.readTotal(s)
		}
		return s.value()
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w: it has no member %q", ErrNoRecords, layout.Keys[0])
	}
	return nil
}

func isOneOf(name []byte, keys []string) bool {
	for _, k := range keys {
		if equalFold(name, k) {
			return true
		}
	}
	return false
}

// readTotal reads the number of records. What is no number of records is taken for not
// said: the list is then read until it ends.
func (p *Page) readTotal(s *scanner) error {
	start := s.i
	if err := s.value(); err != nil {
		return err
	}
	// Numbers come as strings in places (L1392).
	n, err := strconv.Atoi(string(bytes.Trim(s.data[start:s.i], `"`)))
	if err == nil && n >= 0 {
		p.Total = n
	}
	return nil
}

// expected is how many records a page has most often: EBP gives no more.
const expected = 100

func (p *Page) readArray(s *scanner, layout Layout) error {
	width := len(layout.Fields)
	block := min(expected, len(s.data)/16+1) // no more than the answer can hold
	p.Records = make([]Record, 0, block)
	var fields [][]byte // of all records, allocated in blocks
	return s.array(func() error {
		var own [][]byte
		if width > 0 {
			if len(fields) < width {
				fields = make([][]byte, width*block)
			}
			own, fields = fields[:width:width], fields[width:]
		}
		start := s.i
		if err := s.record(layout.Fields, own); err != nil {
			return err
		}
		p.Records = append(p.Records, Record{Raw: s.data[start:s.i:s.i], Fields: own})
		return nil
	})
}

// record reads one record and notes its wanted members.
func (s *scanner) record(names []string, fields [][]byte) error {
	if !s.at('{') || len(names) == 0 {
		return s.value()
	}
	return s.object(func(name []byte) error {
		start := s.i
		for f, want := range names {
			if fields[f] != nil || !equalFold(name, want) {
				continue
			}
			if s.at('{') {
				return s.wrapped(&fields[f])
			}
			if err := s.value(); err != nil {
				return err
			}
			fields[f] = s.data[start:s.i:s.i]
			return nil
		}
		return s.value()
	})
}

// wrapped reads {"value": …} and notes the value.
func (s *scanner) wrapped(into *[]byte) error {
	return s.object(func(name []byte) error {
		start := s.i
		if err := s.value(); err != nil {
			return err
		}
		if equalFold(name, "value") {
			*into = s.data[start:s.i:s.i]
		}
		return nil
	})
}

// equalFold compares a name with a wanted one without regard to ASCII casing.
func equalFold(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i := range len(want) {
		a, b := name[i], want[i]
		if a == b {
			continue
		}
		if a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z' {
			return false
		}
	}
	return true
}

const excerptLength = 40

// excerpt shows the next bytes for an error message.
func (s *scanner) excerpt() string {
	rest := s.data[s.i:]
	if len(rest) == 0 {
		return "nothing (it is empty)"
	}
	if len(rest) > excerptLength {
		return strconv.Quote(string(rest[:excerptLength])) + "…"
	}
	return strconv.Quote(string(rest))
}

// Text returns a JSON value as text: strings without their quotes and escapes,
// numbers and booleans as written. ok is false for null, objects, arrays and nil.
func Text(value []byte) (text string, ok bool) {
	b, ok := AppendText(nil, value)
	return string(b), ok
}

// IsSingle reports whether a JSON value is text, a number or a boolean: whether Text
// gives it.
func IsSingle(value []byte) bool {
	return len(value) > 0 && value[0] != 'n' && value[0] != '{' && value[0] != '['
}

// AppendText appends a JSON value as Text gives it. ok is false, and nothing is
// appended, where Text's is.
func AppendText(dst, value []byte) (out []byte, ok bool) {
	if !IsSingle(value) {
		return dst, false
	}
	if value[0] != '"' {
		return append(dst, value...), true
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return append(dst, value[1:len(value)-1]...), true
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return dst, false
	}
	return append(dst, text...), true
}

// IsNumber reports whether a JSON value is a number.
func IsNumber(value []byte) bool {
	return len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9')
}

// Member is a name with its value, both as written in the record.
type Member struct {
	Name  string
	Value []byte
}

// Members appends the members of a record that is an object to dst. Names are
// unescaped; values share the record's memory.
func Members(dst []Member, record []byte) ([]Member, error) {
	s := &scanner{data: record}
	s.start()
	if !s.at('{') {
		return dst, fmt.Errorf("%w: a record should be an object and starts with %s", ErrNoRecords, s.excerpt())
	}
	err := s.object(func(name []byte) error {
		start := s.i
		if err := s.value(); err != nil {
			return err
		}
		n := string(name)
		if bytes.IndexByte(name, '\\') >= 0 {
			if err := json.Unmarshal([]byte(`"`+n+`"`), &n); err != nil {
				return fmt.Errorf("%w: %w", ErrNotJSON, err)
			}
		}
		dst = append(dst, Member{Name: n, Value: s.data[start:s.i:s.i]})
		return nil
	})
	if err != nil {
		return dst, err
	}
	return dst, s.end()
}

// Field is a JSON value that was noted to be compared later, bytes against bytes. It
// keeps its answer's memory alive.
type Field []byte

// Same reports whether v is written with the same bytes.
func (f Field) Same(v []byte) bool { return bytes.Equal(f, v) }

// SameFold reports whether a server might take v for the same text: it differs only in
// casing or in spaces at its end.
func (f Field) SameFold(v []byte) bool {
	trim := func(b []byte) []byte { return bytes.TrimRight(bytes.TrimSuffix(b, []byte(`"`)), " ") }
	return bytes.EqualFold(trim(f), trim(v))
}

// Package records finds the records of an answer without touching their bytes: a
// page is read once, checked to be JSON from its first byte to its last, and cut
// into slices of itself. Nothing is decoded, so no digit of a decimal can change.
//
// Everything here reads bytes that a server sent: bad input gives an error with the
// offset of what is wrong, and never a part of the records.
package records

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that a hostile answer cannot exhaust the stack.
const maxDepth = 512

// ErrNotJSON is wrapped by every error about bytes that are not the JSON they
// should be.
var ErrNotJSON = errors.New("the answer is not valid JSON")

// scanner walks over JSON text. Its methods check what starts at data[i], white
// space skipped already, and leave i behind it.
type scanner struct {
	data  []byte
	i     int
	depth int
}

func (s *scanner) wanted(what string) error {
	if s.i >= len(s.data) {
		return fmt.Errorf("%w: it ends after %d bytes where %s should follow", ErrNotJSON, len(s.data), what)
	}
	return fmt.Errorf("%w: %q at byte %d where %s should be", ErrNotJSON, s.data[s.i], s.i, what)
}

// at reports whether the next byte is c.
func (s *scanner) at(c byte) bool { return s.i < len(s.data) && s.data[s.i] == c }

func (s *scanner) space() {
	for s.i < len(s.data) {
		switch s.data[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) value() error {
	if s.i >= len(s.data) {
		return s.wanted("a value")
	}
	switch c := s.data[s.i]; c {
	case '"':
		return s.text()
	case '{':
		return s.object(nil)
	case '[':
		return s.array(nil)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return s.number()
		}
	}
	return s.wanted("a value")
}

func (s *scanner) literal(word string) error {
	if len(s.data)-s.i < len(word) || string(s.data[s.i:s.i+len(word)]) != word {
		return s.wanted(word)
	}
	s.i += len(word)
	return nil
}

func (s *scanner) digits() error {
	start := s.i
	for s.i < len(s.data) && s.data[s.i] >= '0' && s.data[s.i] <= '9' {
		s.i++
	}
	if s.i == start {
		return s.wanted("a digit")
	}
	return nil
}

func (s *scanner) number() error {
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++ // nothing but a point or an exponent may follow
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.at('.') {
		s.i++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		return s.digits()
	}
	return nil
}

// plain marks the bytes that stand for themselves in a string: neither quote nor
// backslash nor control character nor part of a character beyond ASCII.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\'
	}
	return
}()

func (s *scanner) text() error {
	s.i++
	for s.i < len(s.data) {
		s.plainText()
		if s.i >= len(s.data) {
			break
		}
		c := s.data[s.i]
		switch {
		case plain[c]:
			s.i++
		case c == '"':
			s.i++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.wanted("a character (line breaks must be escaped)")
		default:
			r, n := utf8.DecodeRune(s.data[s.i:])
			if r == utf8.RuneError && n == 1 {
				return s.wanted("UTF-8 text")
			}
			s.i += n
		}
	}
	return s.wanted(`a closing "`)
}

// plainText skips plain characters, eight at a time: of eight bytes in a word, those
// that need a closer look get their highest bit set.
func (s *scanner) plainText() {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	data, i := s.data, s.i
	for len(data)-i >= 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// The lowest marked byte is exact: a borrow only spoils those above it.
		if odd := (w | (w - ones*' ') | (quote - ones) | (slash - ones)) & high; odd != 0 {
			s.i = i + bits.TrailingZeros64(odd)/8
			return
		}
		i += 8
	}
	s.i = i
}

func (s *scanner) escape() error {
	s.i++
	if s.i >= len(s.data) {
		return s.wanted("an escape")
	}
	switch s.data[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return nil
	case 'u':
		s.i++
		for end := s.i + 4; s.i < end; s.i++ {
			if s.i >= len(s.data) || !isHex(s.data[s.i]) {
				return s.wanted("a hexadecimal digit")
			}
		}
		return nil
	}
	return s.wanted("an escape")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("%w: it is nested more than %d levels deep", ErrNotJSON, maxDepth)
	}
	s.i++
	s.space()
	return nil
}

// object calls member, where given, for every member with its name as written
// (without quotes, escapes kept); member must consume the value.
func (s *scanner) object(member func(name []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if s.at('}') {
		s.i++
		return nil
	}
	for {
		if !s.at('"') {
			return s.wanted("a name in quotes")
		}
		start := s.i + 1
		if err := s.text(); err != nil {
			return err
		}
		name := s.data[start : s.i-1]
		s.space()
		if !s.at(':') {
			return s.wanted(`":"`)
		}
		s.i++
		s.space()
		var err error
		if member == nil {
			err = s.value()
		} else {
			err = member(name)
		}
		if err != nil {
			return err
		}
		if more, err := s.next('}'); !more {
			return err
		}
	}
}

// array calls element, where given, for every element; it must consume it.
func (s *scanner) array(element func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if s.at(']') {
		s.i++
		return nil
	}
	for {
		var err error
		if element == nil {
			err = s.value()
		} else {
			err = element()
		}
		if err != nil {
			return err
		}
		if more, err := s.next(']'); !more {
			return err
		}
	}
}

func (s *scanner) leave() { s.depth-- }

// next reports whether another member or element follows, and skips the comma.
func (s *scanner) next(closing byte) (more bool, err error) {
	s.space()
	if s.at(closing) {
		s.i++
		return false, nil
	}
	if !s.at(',') {
		return false, s.wanted(`"," or "` + string(closing) + `"`)
	}
	s.i++
	s.space()
	return true, nil
}

// end checks that nothing but white space follows.
func (s *scanner) end() error {
	s.space()
	if s.i < len(s.data) {
		return s.wanted("the end")
	}
	return nil
}

// start skips what may stand before the value: white space and a byte order mark.
func (s *scanner) start() {
	if len(s.data) >= 3 && string(s.data[:3]) == "\ufeff" {
		s.i = 3
	}
	s.space()
}

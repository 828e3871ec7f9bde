package sandbox

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"modernc.org/sqlite"
)

// Names of the collations and functions this package registers with the
// SQLite driver. They exist in every connection of the process opened after
// this package is initialised; Exec may use them.
const (
	collateText    = "EBP_TEXT"    // French, case-insensitive, accent-sensitive, trailing spaces ignored
	collateGUID    = "EBP_GUID"    // the order of SQL Server's uniqueidentifier
	collateDecimal = "EBP_DECIMAL" // exact numeric order of decimal text
	functionLike   = "ebp_like"    // ebp_like(value, pattern), LIKE under EBP_TEXT
)

func init() {
	sqlite.MustRegisterCollationUtf8(collateText, compareText)
	sqlite.MustRegisterCollationUtf8(collateGUID, compareGUID)
	sqlite.MustRegisterCollationUtf8(collateDecimal, compareDecimal)
	registerLike()
}

// accents maps each accented Latin letter French data can hold to its base
// letter and a rank among the variants of that base.
var accents = map[rune]struct {
	base rune
	rank int
}{}

func init() {
	for base, variants := range map[rune]string{
		'a': "áàâäãåā", 'c': "ç", 'e': "éèêëē", 'i': "íìîïī", 'n': "ñ",
		'o': "óòôöõøō", 'u': "úùûüū", 'y': "ýÿ", 's': "šß", 'z': "ž",
	} {
		for i, v := range []rune(variants) {
			accents[v] = struct {
				base rune
				rank int
			}{base, i + 1}
		}
	}
}

// weight returns the primary and secondary weight of a rune. A primary weight
// of zero marks the characters a word sort looks at last (hyphen, apostrophe).
func weight(r rune) (primary, secondary int) {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z':
			return 0x2000 + int(r-'a')*4, 0
		case r >= 'A' && r <= 'Z':
			return 0x2000 + int(r-'A')*4, 0
		case r >= '0' && r <= '9':
			return 0x1000 + int(r), 0
		case r == '-' || r == '\'':
			return 0, 0
		}
		return 1 + int(r), 0
	}
	r = unicode.ToLower(r)
	if a, ok := accents[r]; ok {
		return 0x2000 + int(a.base-'a')*4, a.rank
	}
	switch r {
	case 'œ':
		return 0x2000 + int('o'-'a')*4 + 1, 0
	case 'æ':
		return 0x2000 + 1, 0 // right after the letter a
	}
	return 0x10000 + int(r), 0
}

// nextWeight decodes the next rune of s that has a primary weight and returns
// the rest. special tells that characters without one were passed over.
func nextWeight(s string) (primary, secondary int, rest string, special bool) {
	for len(s) > 0 {
		c := s[0]
		if c < utf8.RuneSelf {
			s = s[1:]
			if primary, _ = weight(rune(c)); primary == 0 {
				special = true
				continue
			}
			return primary, 0, s, special
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		primary, secondary = weight(r)
		return primary, secondary, s, special
	}
	return -1, 0, "", special
}

// compareText orders text as a French case-insensitive, accent-sensitive
// SQL Server collation does: letters first by base, then by accent, hyphens
// and apostrophes last, case never, trailing spaces never.
func compareText(a, b string) int {
	if a == b {
		return 0
	}
	a, b = strings.TrimRight(a, " "), strings.TrimRight(b, " ")
	x, y := a, b
	second, special := 0, false
	for {
		var px, sx, py, sy int
		var ex, ey bool
		px, sx, x, ex = nextWeight(x)
		py, sy, y, ey = nextWeight(y)
		special = special || ex || ey
		if px != py {
			return sign(px - py)
		}
		if px < 0 {
			break
		}
		if second == 0 && sx != sy {
			second = sign(sx - sy)
		}
	}
	if second != 0 || !special {
		return second
	}
	return compareFolded(a, b)
}

// compareFolded compares rune by rune without regard to case.
func compareFolded(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		ra, na := utf8.DecodeRuneInString(a)
		rb, nb := utf8.DecodeRuneInString(b)
		if ra, rb = fold(ra), fold(rb); ra != rb {
			return sign(int(ra) - int(rb))
		}
		a, b = a[na:], b[nb:]
	}
	return sign(len(a) - len(b))
}

func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(r)
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// guidOrder lists the positions of the hexadecimal pairs of a canonical GUID
// in the order in which SQL Server compares them: the last group first, the
// first group last and backwards.
var guidOrder = [16]int{24, 26, 28, 30, 32, 34, 19, 21, 16, 14, 11, 9, 6, 4, 2, 0}

// compareGUID orders canonical GUIDs as SQL Server orders uniqueidentifier.
func compareGUID(a, b string) int {
	if a == b {
		return 0
	}
	if len(a) != 36 || len(b) != 36 {
		return sign(strings.Compare(strings.ToLower(a), strings.ToLower(b)))
	}
	for _, i := range guidOrder {
		for j := i; j < i+2; j++ {
			if x, y := fold(rune(a[j])), fold(rune(b[j])); x != y {
				return sign(int(x - y))
			}
		}
	}
	return 0
}

// compareDecimal compares two decimal texts by value, exactly, whatever their
// number of digits. Text that is no decimal sorts after every number.
func compareDecimal(a, b string) int {
	if a == b {
		return 0
	}
	na, ia, fa, oka := splitDecimal(a)
	nb, ib, fb, okb := splitDecimal(b)
	if !oka || !okb {
		switch {
		case oka:
			return -1
		case okb:
			return 1
		}
		return strings.Compare(a, b)
	}
	if na != nb {
		if na {
			return -1
		}
		return 1
	}
	c := sign(len(ia) - len(ib))
	if c == 0 {
		c = strings.Compare(ia, ib)
	}
	if c == 0 {
		c = strings.Compare(fa, fb)
	}
	if na {
		return -c
	}
	return c
}

// splitDecimal cuts a decimal text in sign, integer digits without leading
// zeros and fraction without trailing zeros. Zero is never negative.
func splitDecimal(s string) (negative bool, integer, fraction string, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	integer, fraction, _ = strings.Cut(s, ".")
	if integer == "" && fraction == "" {
		return false, "", "", false
	}
	for _, part := range [2]string{integer, fraction} {
		for i := 0; i < len(part); i++ {
			if part[i] < '0' || part[i] > '9' {
				return false, "", "", false
			}
		}
	}
	integer = strings.TrimLeft(integer, "0")
	fraction = strings.TrimRight(fraction, "0")
	if integer == "" && fraction == "" {
		negative = false
	}
	return negative, integer, fraction, true
}

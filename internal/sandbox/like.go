package sandbox

import (
	"database/sql/driver"
	"unicode/utf8"

	"modernc.org/sqlite"
)

// registerLike registers ebp_like(value, pattern): NULL when either is NULL,
// else 1 or 0.
func registerLike() {
	sqlite.MustRegisterDeterministicScalarFunction(functionLike, 2,
		func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			if args[0] == nil || args[1] == nil {
				return nil, nil
			}
			if like(text(args[0]), text(args[1])) {
				return int64(1), nil
			}
			return int64(0), nil
		})
}

// like matches SQL Server's LIKE: % any run, _ one character, [abc], [a-f],
// [^abc] one of (or none of) a set; without regard to case, with regard to
// accents.
func like(value, pattern string) bool {
	for pattern != "" {
		p, n := utf8.DecodeRuneInString(pattern)
		switch p {
		case '%':
			pattern = pattern[n:]
			if pattern == "" {
				return true
			}
			for {
				if like(value, pattern) {
					return true
				}
				if value == "" {
					return false
				}
				_, k := utf8.DecodeRuneInString(value)
				value = value[k:]
			}
		case '_':
			if value == "" {
				return false
			}
			_, k := utf8.DecodeRuneInString(value)
			value, pattern = value[k:], pattern[n:]
		case '[':
			if value == "" {
				return false
			}
			v, k := utf8.DecodeRuneInString(value)
			in, rest, ok := likeSet(fold(v), pattern[n:])
			if !ok || !in {
				return false
			}
			value, pattern = value[k:], rest
		default:
			if value == "" {
				return false
			}
			v, k := utf8.DecodeRuneInString(value)
			if fold(v) != fold(p) {
				return false
			}
			value, pattern = value[k:], pattern[n:]
		}
	}
	return value == ""
}

// likeSet evaluates a bracketed set whose opening bracket is already read. ok
// is false when the set is not closed.
func likeSet(v rune, pattern string) (in bool, rest string, ok bool) {
	not := false
	if pattern != "" && pattern[0] == '^' {
		not, pattern = true, pattern[1:]
	}
	first := true
	for pattern != "" {
		r, n := utf8.DecodeRuneInString(pattern)
		pattern = pattern[n:]
		if r == ']' && !first {
			return in != not, pattern, true
		}
		first = false
		lo := fold(r)
		hi := lo
		if len(pattern) > 1 && pattern[0] == '-' && pattern[1] != ']' {
			e, n := utf8.DecodeRuneInString(pattern[1:])
			hi, pattern = fold(e), pattern[1+n:]
		}
		if v >= lo && v <= hi {
			in = true
		}
	}
	return false, "", false
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return itoa(v)
	}
	return ""
}

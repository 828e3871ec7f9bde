package sandbox

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const hexDigits = "0123456789abcdef"

// writeString writes a JSON string with accents and markup as they are.
func writeString(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b.WriteString(s[start:i])
				b.WriteString(`\ufffd`)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b.WriteString(s[start:i])
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
		i++
		start = i
	}
	b.WriteString(s[start:])
	b.WriteByte('"')
}

// writeValue writes what the database holds as JSON, by the column's kind.
func writeValue(b *bytes.Buffer, k kind, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case int64:
		switch k {
		case kindBool:
			b.WriteString(strconv.FormatBool(v != 0))
		case kindText, kindGUID, kindDate:
			b.WriteByte('"')
			b.WriteString(itoa(v))
			b.WriteByte('"')
		default:
			b.Write(strconv.AppendInt(b.AvailableBuffer(), v, 10))
		}
	case float64:
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), v, 'f', -1, 64))
	case []byte:
		b.WriteByte('"')
		b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), v))
		b.WriteByte('"')
	case string:
		if k == kindDecimal || k == kindInt {
			b.WriteString(v)
			return
		}
		if k == kindBytes {
			writeValue(b, k, []byte(v))
			return
		}
		writeString(b, v)
	}
}

// writePaging writes the paging member every list of the gescom family ends
// with (L1744).
func writePaging(b *bytes.Buffer, total, returned, offset, limit int) {
	b.WriteString(`"paging":{"total":` + strconv.Itoa(total) + `,"returned":` + strconv.Itoa(returned) +
		`,"offset":` + strconv.Itoa(offset) + `,"limit":` + strconv.Itoa(limit) + `}`)
}

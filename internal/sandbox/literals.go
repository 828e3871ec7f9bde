package sandbox

import (
	"strings"
	"time"
	_ "time/tzdata" // the zone of EBP's dates is needed where the system has none
)

// isInteger reports whether a text is digits with an optional sign.
func isInteger(s string) bool { return isDecimal(s) && !strings.Contains(s, ".") }

// isDecimal reports whether a text is a decimal number with a dot and no
// exponent.
func isDecimal(s string) bool {
	_, _, _, ok := splitDecimal(s)
	return ok
}

// parseGUID returns the canonical form of a GUID, with or without braces.
func parseGUID(s string) (string, bool) {
	s = strings.ToLower(s)
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 {
		return "", false
	}
	for i, c := range []byte(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return "", false
			}
		} else if !strings.ContainsRune(hexDigits, rune(c)) {
			return "", false
		}
	}
	return s, true
}

const dateLayout = "2006-01-02T15:04:05"

// ebpZone is the zone of EBP's dates, which carry none.
var ebpZone = loadZone()

func loadZone() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.FixedZone("CET", 3600)
	}
	return z
}

// parseTime reads a date, with a space or a T before the time, with or
// without a fraction. One with an offset is moved to EBP's zone.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 10 && (s[10] == ' ' || s[10] == 't') {
		s = s[:10] + "T" + s[11:]
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		t = t.In(ebpZone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC), true
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseDate reads a date as the text the database compares: a fraction is
// kept only when it is not zero.
func parseDate(s string) (string, bool) {
	t, ok := parseTime(s)
	if !ok {
		return "", false
	}
	return t.Format("2006-01-02T15:04:05.999999999"), true
}

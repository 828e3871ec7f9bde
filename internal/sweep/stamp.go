package sweep

import (
	"encoding/json"
	"fmt"
	"time"
)

// Stamp is a date as EBP writes it: what a clock on the wall shows, without a zone. It is
// held as that time in UTC. The zero Stamp stands for no date.
type Stamp struct{ t time.Time }

// stampFormat is how EBP writes dates; a fraction is written where there is one.
const stampFormat = "2006-01-02T15:04:05.999999999"

// ParseStamp reads a date of EBP's. It reports false for what is none, "" among it.
func ParseStamp(s string) (Stamp, bool) {
	// The parser takes a fraction that the layout does not name.
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return Stamp{t}, true
		}
	}
	return Stamp{}, false
}

// StampAt is what a clock in zone shows at an instant.
func StampAt(at time.Time, zone *time.Location) Stamp {
	l := at.In(zone)
	return Stamp{time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)}
}

// String writes the stamp as EBP does, "" for none.
func (s Stamp) String() string {
	if s.t.IsZero() {
		return ""
	}
	return s.t.Format(stampFormat)
}

// IsZero reports whether there is no date.
func (s Stamp) IsZero() bool { return s.t.IsZero() }

// Before reports whether s is an earlier date than o.
func (s Stamp) Before(o Stamp) bool { return s.t.Before(o.t) }

func (s Stamp) add(d time.Duration) Stamp { return Stamp{s.t.Add(d)} }

// MarshalJSON implements json.Marshaler.
func (s Stamp) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == "" {
		*s = Stamp{}
		return nil
	}
	var ok bool
	if *s, ok = ParseStamp(text); !ok {
		return fmt.Errorf("%q is no date", text)
	}
	return nil
}

// aroundAutumn is for how long before and after the clock is set back the order of dates
// is not trusted.
const aroundAutumn = 2 * time.Hour

// setBack reports whether the clocks of zone were set back within aroundAutumn before at,
// or are within that and lookback after it.
func setBack(at time.Time, zone *time.Location, lookback time.Duration) bool {
	_, before := at.Add(-aroundAutumn).In(zone).Zone()
	_, after := at.Add(aroundAutumn + lookback).In(zone).Zone()
	return after < before
}

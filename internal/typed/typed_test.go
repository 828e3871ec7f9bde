package typed

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/schema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

func paris(t testing.TB) *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	return l
}

func TestNoDigitOfADecimalIsLost(t *testing.T) {
	for in, want := range map[string]string{
		"12345678901234567890.12345678":  "12345678901234567890.12345678",
		"-12345678901234567890.12345678": "-12345678901234567890.12345678",
		"-0.00000001":                    "-0.00000001",
		"0":                              "0.00000000",
		"-0.0":                           "0.00000000",
		"1545.0000000000000000000000000": "1545.00000000",
		"12.5":                           "12.50000000",
		"1e5":                            "100000.00000000",
		"1E-8":                           "0.00000001",
		"007.5":                          "7.50000000",
	} {
		got, err := Decimal(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got, in)
	}
	for in, want := range map[string]string{
		"0.000000001":                   "more than 8 digits after",
		"123456789012345678901.0":       "more than 20 digits before",
		"1e300":                         "does not fit",
		strings.Repeat("9", 100_000):    "does not fit",
		"NaN":                           "no decimal number",
		"Infinity":                      "no decimal number",
		"":                              "no decimal number",
		"12,5":                          "no decimal number",
		"0." + strings.Repeat("0", 200): "does not fit",
	} {
		_, err := Decimal(in)
		assert.ErrorContains(t, err, want, in)
		assert.Less(t, len(err.Error()), 200)
	}
}

func FuzzDecimalKeepsTheValue(f *testing.F) {
	f.Add("12.50")
	f.Add("-1e-3")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Decimal(in)
		if err != nil {
			return
		}
		a, ok := new(big.Rat).SetString(in)
		if !ok {
			return // a spelling that only one of the two reads
		}
		b, ok := new(big.Rat).SetString(got)
		require.True(t, ok)
		require.Zero(t, a.Cmp(b), "%s became %s", in, got)
	})
}

func TestDatesGetTheirZoneAndKeepTheirDigits(t *testing.T) {
	for in, want := range map[string]string{
		"2019-07-22T11:33:02":       "2019-07-22T11:33:02+02:00",
		"2019-01-22T11:33:02":       "2019-01-22T11:33:02+01:00",
		"2019-01-22T11:33:02.123":   "2019-01-22T11:33:02.123+01:00",
		"2019-01-22 11:33:02.5":     "2019-01-22T11:33:02.5+01:00",
		"2019-01-22":                "2019-01-22T00:00:00+01:00",
		"2023-12-10T00:00:00Z":      "2023-12-10T00:00:00Z",
		"2023-12-10T00:00:00+05:00": "2023-12-10T00:00:00+05:00",
		"2026-10-25T02:30:00":       "2026-10-25T02:30:00+02:00", // twice: the first
		"2026-03-29T02:30:00":       "2026-03-29T02:30:00+01:00", // never: as before
		"1911-03-12T00:00:00":       "1911-03-12T00:00:00+00:00",
	} {
		got, err := DateTime(in, paris(t))
		require.NoError(t, err, in)
		assert.Equal(t, want, got, in)
		_, err = time.Parse(time.RFC3339Nano, got)
		require.NoError(t, err)
	}
	_, err := DateTime("22/07/2019", paris(t))
	require.ErrorContains(t, err, "no date")
}

func TestDatesFromBeforeClocksWereUnifiedKeepTheirDigitsAndTheirOrder(t *testing.T) {
	for name, want := range map[string]string{"Europe/Paris": "+01:00", "America/New_York": "-05:00", "Australia/Sydney": "+10:00"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		var last time.Time
		for _, in := range []string{"0001-01-01T00:00:00", "1753-01-01T00:00:00", "1753-01-01T12:34:56.789", "1800-07-14", "1850-01-01T23:59:59"} {
			got, err := DateTime(in, zone)
			require.NoError(t, err, in)
			digits := in
			if len(in) == len(time.DateOnly) {
				digits += "T00:00:00"
			}
			assert.Equal(t, digits+want, got, name)
			instant, err := time.Parse(time.RFC3339Nano, got)
			require.NoError(t, err)
			again, err := DateTime(got, zone)
			require.NoError(t, err)
			assert.Equal(t, got, again)
			_, offset := instant.Zone()
			assert.Zero(t, offset%60)
			assert.Equal(t, digits, instant.Format("2006-01-02T15:04:05.999999999"))
			assert.True(t, instant.After(last) || last.IsZero(), in)
			last = instant
		}
	}
	got, err := DateTime("1900-01-01T00:00:00", paris(t))
	require.NoError(t, err)
	assert.Equal(t, "1900-01-01T00:00:00+01:00", got)
}

func TestRecordsGetTheTypesOfTheirTable(t *testing.T) {
	item, _ := catalog.LookupTable("Item")
	record := []byte(`{"ID":"O'BRIEN","caption":"Clé \"12\"","SalePriceVatExcluded":12345678901234567890.12345678,"ItemType":0,"ManageStock":true,"sysModifiedDate":"2019-07-22T11:33:02","Unit_Caption":null,"NotesClear":"a\nb","xx_Extra":3,"xx_Price":1.5,"Lines":[{"a":1}]}`)
	s, err := New("Item", item, item.Key, [][]byte{record}, paris(t))
	require.NoError(t, err)
	got, err := s.Convert(record)
	require.NoError(t, err)
	assert.Equal(t, `{"Id":"O'BRIEN","Caption":"Clé \"12\"","SalePriceVatExcluded":"12345678901234567890.12345678","ItemType":0,"ManageStock":true,"sysModifiedDate":"2019-07-22T11:33:02+02:00","Unit_Caption":null,"NotesClear":"a\nb","xx_Extra":3,"xx_Price":"1.50000000","Lines":"[{\"a\":1}]"}`, string(got))
	assert.Equal(t, []string{"xx_Extra", "xx_Price", "Lines"}, s.Guessed())

	common, err := schema.ParseFromAny(s.Any())
	require.NoError(t, err)
	types := map[string]schema.CommonType{}
	for _, c := range common.Children {
		types[c.Name] = c.Type
		assert.Equal(t, c.Name != "Id", c.Optional, c.Name)
	}
	assert.Equal(t, map[string]schema.CommonType{
		"Id": schema.String, "Caption": schema.String, "SalePriceVatExcluded": schema.Decimal, "ItemType": schema.Int32, "ManageStock": schema.Boolean,
		"sysModifiedDate": schema.Timestamp, "Unit_Caption": schema.String, "NotesClear": schema.String, "xx_Extra": schema.Int64, "xx_Price": schema.Decimal, "Lines": schema.String,
	}, types)
}

func TestWhatDoesNotFitIsAnErrorThatNamesTheColumn(t *testing.T) {
	item, _ := catalog.LookupTable("Item")
	first := []byte(`{"Id":"A","SalePriceVatExcluded":1,"ItemType":1,"ManageStock":false,"sysModifiedDate":null,"n":1}`)
	s, err := New("Item", item, item.Key, [][]byte{first}, paris(t))
	require.NoError(t, err)
	for record, want := range map[string]string{
		`{"Id":"A","SalePriceVatExcluded":0.000000001}`: "column SalePriceVatExcluded",
		`{"Id":"A","ItemType":70000}`:                   "column ItemType",
		`{"Id":"A","ItemType":1.0}`:                     "column ItemType",
		`{"Id":"A","ManageStock":"yes"}`:                "column ManageStock",
		`{"Id":"A","sysModifiedDate":"yesterday"}`:      "column sysModifiedDate",
		`{"Id":null}`:            "column Id",
		`{"Id":"A","n":1.5}`:     "column n",
		`{"Id":"A","unknown":1}`: "column unknown is not in the schema",
		`{"Id":"A","SalePriceVatExcluded":{"value":1.00}}`: "no single value",
		`["A"]`: "should be an object",
	} {
		_, err := s.Convert([]byte(record))
		assert.ErrorContains(t, err, want, record)
	}
	_, err = New("Item", item, item.Key, nil, paris(t))
	require.ErrorContains(t, err, "no record")
}

func FuzzConvertNeverMakesInvalidJSON(f *testing.F) {
	f.Add([]byte(`{"Id":"A","SalePriceVatExcluded":1.5,"é\"":1}`), []byte(`{"Id":"\u0000"}`))
	f.Fuzz(func(t *testing.T, sample, record []byte) {
		item, _ := catalog.LookupTable("Item")
		s, err := New("Item", item, item.Key, [][]byte{sample}, time.UTC)
		if err != nil {
			return
		}
		for _, r := range [][]byte{sample, record} {
			if out, err := s.Convert(r); err == nil && !json.Valid(out) {
				t.Fatalf("%q became %q", r, out)
			}
		}
	})
}

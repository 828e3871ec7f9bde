package records

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var generic = Layout{Keys: []string{"results", "result"}, Total: "paging.total", Fields: []string{"Id", "sysModifiedDate"}}

func TestRecordsKeepEveryByte(t *testing.T) {
	first := `{ "id" : "O'BRIEN\u0041", "Amount":12345678901234567890.12345678,"nested":{"Id":"x"} , "SYSMODIFIEDDATE":null}`
	second := `{"ID":{"hasRight":true,"value":"7"},"é":"\n\"]}", "sysModifiedDate":"2019-07-22T11:33:02"}`
	p, err := Split([]byte("\ufeff {\"results\": [\n"+first+" ,\t"+second+"\n], \"paging\":{\"total\":56,\"returned\":2}} "), generic)
	require.NoError(t, err)
	require.Len(t, p.Records, 2)
	assert.Equal(t, 56, p.Total)
	assert.Equal(t, first, string(p.Records[0].Raw))
	assert.Equal(t, second, string(p.Records[1].Raw))
	key, ok := Text(p.Records[0].Fields[0])
	assert.True(t, ok)
	assert.Equal(t, "O'BRIENA", key)
	_, ok = Text(p.Records[0].Fields[1])
	assert.False(t, ok)
	key, _ = Text(p.Records[1].Fields[0])
	assert.Equal(t, "7", key)
	assert.Equal(t, `"2019-07-22T11:33:02"`, string(p.Records[1].Fields[1]))
}

func TestEveryPlaceOfRecordsIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		layout  Layout
		records int
		total   int
	}{
		"empty object for no result": {`{"results":{},"paging":{"total":0}}`, generic, 0, 0},
		"null for no result":         {`{"results":null,"paging":null}`, generic, 0, -1},
		"the other spelling":         {`{"result":[{"Id":1}]}`, generic, 1, -1},
		"other casing":               {`{"Paging":{"Total":3},"Results":[1,"two",{"Id":3}]}`, generic, 3, 3},
		"bare array":                 {`[{"id":1},{"id":2}]`, Layout{}, 2, -1},
		"total beside the records":   {`{"take":2,"elements":[{"id":1}],"total":36}`, Layout{Keys: []string{"elements"}, Total: "total"}, 1, 36},
		"total as text":              {`{"data":[1],"totalRecords":"17"}`, Layout{Keys: []string{"data"}, Total: "totalRecords"}, 1, 17},
		"total below zero":           {`{"results":[],"paging":{"total":-1}}`, generic, 0, -1},
		"total that is no number":    {`{"results":[],"paging":{"total":"many"}}`, generic, 0, -1},
		"total null":                 {`{"data":[],"totalRecords":null}`, Layout{Keys: []string{"data"}, Total: "totalRecords"}, 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Split([]byte(c.body), c.layout)
			require.NoError(t, err)
			assert.Len(t, p.Records, c.records)
			assert.Equal(t, c.total, p.Total)
		})
	}
}

func TestAnswersWithoutRecordsAreErrorsNotEmptyPages(t *testing.T) {
	for body, want := range map[string]string{
		``:                                       "it is empty",
		`[]`:                                     `member "results"`,
		`{}`:                                     `no member "results"`,
		`{"message":"no"}`:                       `no member "results"`,
		`<html>`:                                 "starts with",
		`{"results":[{"Id":1}`:                   "it ends after 20 bytes",
		`{"results":[{"Id":1},]}`:                "a value",
		`{"results":[{"Id":1}]} x`:               "the end",
		`{"results":[{"Id":01}]}`:                `"," or "}"`,
		`{"results":[{"Id":"a` + "\n" + `"}]}`:   "line breaks must be escaped",
		`{"results":"many"}`:                     "should be an array",
		`{"results":{"Id":1}}`:                   "is an object, not an array",
		`{"results":` + strings.Repeat("[", 600): "nested more than",
		`{"results":[{"Id":"` + "\xff" + `"}]}`:  "UTF-8",
		`{"results":[` + strings.Repeat(`{"a":`, 600) + `1` + `]`: "nested more than",
	} {
		_, err := Split([]byte(body), generic)
		assert.ErrorContains(t, err, want, body)
	}
}

// FuzzSplitAgreesWithTheStandardLibrary reads any bytes with both.
func FuzzSplitAgreesWithTheStandardLibrary(f *testing.F) {
	for _, s := range []string{
		`{"results":[{"Id":"é\n","n":-0.10e+5},{},[],null,true,"x"],"paging":{"total":1}}`, `{"results":[]}`, `{"results":[{"Id":{"value":1}}]}`,
		`{"results":[1,2`, `{"results":[01]}`, `{"results":["\ud800"]}`, "{\"results\":[\"\x7f\"]}", `{"results":[1.]}`, `{"results":[-]}`, `{"Results":[1],"results":[2]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Split(body, generic)
		valid := json.Valid(bytes.TrimPrefix(body, []byte("\ufeff"))) && utf8.Valid(body)
		if err != nil {
			if valid {
				require.ErrorIs(t, err, ErrNoRecords, "valid JSON was refused: %v", err)
			}
			return
		}
		require.True(t, valid, "invalid JSON was accepted")
		for _, r := range p.Records {
			require.True(t, json.Valid(r.Raw))
			var std map[string]json.RawMessage
			if json.Unmarshal(r.Raw, &std) == nil && std != nil {
				members, err := Members(nil, r.Raw)
				require.NoError(t, err)
				got := map[string]json.RawMessage{}
				for _, m := range members {
					got[m.Name] = m.Value
				}
				for name, v := range std {
					require.Equal(t, string(v), string(got[name]))
				}
			}
		}
	})
}

func BenchmarkSplitAPageOf100Records(b *testing.B) {
	record := `{"Id":"CL00001234","Name":"Établissements Lefèvre & fils","MainInvoicingAddress_City":"Saint-Denis","CurrentAmount":1545.00000000,"ActiveState":0,"sysModifiedDate":"2019-07-22T11:33:02"}`
	page := []byte(`{"results":[` + strings.Repeat(record+",", 99) + record + `],"paging":{"total":1000,"returned":100,"offset":0,"limit":100}}`)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := Split(page, generic)
		if err != nil || len(p.Records) != 100 {
			b.Fatal(err)
		}
	}
}

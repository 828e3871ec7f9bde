package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	_ "github.com/benthos-ebp/benthos-ebp/plugins/input_ebp"
)

// listen starts the server in this process. Its work carries the profile label
// part=server, which `go tool pprof -tagignore part=server` leaves out.
func listen(tb testing.TB, rows int) (base string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { l.Close() })
	s := &server{scenario: scenario{Rows: rows}}
	go pprof.Do(context.Background(), pprof.Labels("part", "server"), func(context.Context) { s.listen(l) })
	return "http://" + l.Addr().String()
}

// What a record costs from the network to a batch of messages, and nothing of what a
// pipeline does with it.
//
//	go test ./tests/bench -bench Input -cpuprofile cpu.out -memprofile mem.out -memprofilerate 512
func BenchmarkInput(b *testing.B) {
	for _, values := range []string{"raw", "typed"} {
		b.Run(values, func(b *testing.B) { benchmarkInput(b, values) })
	}
}

func benchmarkInput(b *testing.B, values string) {
	base := listen(b, b.N)
	var parsed struct {
		Input map[string]map[string]any
	}
	require.NoError(b, yaml.Unmarshal([]byte(ebpPipeline(base, b.TempDir(), 0, "")), &parsed))
	parsed.Input["ebp"]["values"] = values
	config, err := yaml.Marshal(map[string]any{"input": parsed.Input})
	require.NoError(b, err)
	conf, err := service.NewConfigSpec().Field(service.NewInputField("input")).ParseYAML(string(config), nil)
	require.NoError(b, err)
	in, err := conf.FieldInput("input")
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	read := 0
	for read < b.N {
		batch, ack, err := in.ReadBatch(b.Context())
		require.NoError(b, err)
		read += len(batch)
		require.NoError(b, ack(b.Context(), nil))
	}
	b.StopTimer()
	require.NoError(b, in.Close(context.WithoutCancel(b.Context())))
	require.Equal(b, b.N, read)
}

// What a record costs in a whole pipeline that drops it.
func BenchmarkPipeline(b *testing.B) {
	base := listen(b, b.N)
	builder := service.NewStreamBuilder()
	require.NoError(b, builder.SetYAML(ebpPipeline(base, b.TempDir(), 0, dropOutput)))
	require.NoError(b, builder.SetLoggerYAML("level: NONE"))
	stream, err := builder.Build()
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, stream.Run(b.Context()))
}

// What the contenders without a pipeline pay for cutting a page.
func BenchmarkSplitters(b *testing.B) {
	page := appendPage(nil, 0, maxPage, fullRows, 0, maxPage)
	for name, split := range splitters {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			var records [][]byte
			for b.Loop() {
				var err error
				if records, _, err = split(page, records[:0]); err != nil || len(records) != maxPage {
					b.Fatal(len(records), err)
				}
			}
		})
	}
}

func TestEveryRowIsAValidRecordOfItsOwn(t *testing.T) {
	ids := map[string]bool{}
	for _, i := range []int{0, 1, 99, 100, 4_999, 5_000, 123_456, 999_999} {
		var r map[string]any
		d := json.NewDecoder(bytes.NewReader(row(i)))
		d.UseNumber()
		require.NoError(t, d.Decode(&r))
		assert.Len(t, r, len(columns))
		assert.Len(t, r["CurrentAmount"], 29, "28 digits and a point")
		ids[r["Id"].(string)] = true
		got, ok := indexOfID(row(i))
		assert.True(t, ok)
		assert.Equal(t, i, got)
	}
	assert.Len(t, ids, 8)
}

func TestAPageHoldsTheRowsAskedForWhereverItBegins(t *testing.T) {
	for _, p := range [][2]int{{0, 100}, {0, 1}, {7, 7}, {50, 150}, {99, 101}, {4_950, 5_050}, {1_234, 1_235}} {
		page := appendPage(nil, p[0], p[1], 10, 3, 100)
		require.True(t, json.Valid(page), "%s", page)
		for name, split := range splitters {
			records, total, err := split(page, nil)
			require.NoError(t, err, name)
			assert.Equal(t, 10, total, name)
			require.Len(t, records, p[1]-p[0], name)
			for i, r := range records {
				assert.Equal(t, string(row(p[0]+i)), string(r), name)
			}
		}
	}
}

func TestTheComparisonNoticesLostDigitsAndMissingRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.jsonl")
	spoiled := bytes.Replace(row(1), decimal(row(1)), []byte("1.2e19"), 1)
	require.NoError(t, os.WriteFile(path, bytes.Join([][]byte{row(3), row(0), spoiled, row(3), nil}, []byte("\n")), 0o600))
	got, err := compare(path, 4)
	require.NoError(t, err)
	assert.Equal(t, exact{once: 2, bytes: 3, decimals: 3}, got)
}

func TestARequirementThatIsNotMetFailsTheCheck(t *testing.T) {
	good := func() *report {
		r := &report{options: options{rows: 1000, memoryRows: [2]int{1, 2}}, results: map[string][]result{}, exact: map[string]exact{ebpName: {once: exactRows, bytes: exactRows}}}
		r.results[bareName] = []result{{recordsPerSecond: 100, cpuPerRecord: 2}}
		r.results[stockName] = []result{{recordsPerSecond: 30, cpuPerRecord: 9000}}
		r.results[ebpName] = []result{{recordsPerSecond: 80, cpuPerRecord: 4000, calls: 10, arrived: 1000}}
		r.idle, r.peaks = []int64{50 << 20}, [2][]int64{{100 << 20}, {101 << 20}}
		r.paced.Arrivals = []int64{0, 1_010_000_000, 2_020_000_000}
		return r
	}
	require.True(t, good().passed())
	quick := good()
	quick.quick, quick.results[ebpName][0].recordsPerSecond = true, 1
	require.True(t, quick.passed(), "a tenth of a second says nothing about speed")
	for name, spoil := range map[string]func(*report){
		"too slow":        func(r *report) { r.results[ebpName][0].recordsPerSecond = 69 },
		"too much CPU":    func(r *report) { r.results[ebpName][0].cpuPerRecord = 4600 },
		"too many calls":  func(r *report) { r.results[ebpName][0].calls = 12 },
		"a record lost":   func(r *report) { r.results[ebpName][0].arrived = 999 },
		"a byte changed":  func(r *report) { r.exact[ebpName] = exact{once: exactRows, bytes: exactRows - 1} },
		"memory grows":    func(r *report) { r.peaks[1][0] = 111 << 20 },
		"too much memory": func(r *report) { r.idle[0] = 40 << 20 },
		"too few calls":   func(r *report) { r.paced.Arrivals = []int64{0, 1_010_000_000, 2_100_000_000} },
		"calls too close": func(r *report) { r.paced.Arrivals = []int64{0, 1_040_000_000, 2_030_000_000} },
	} {
		r := good()
		spoil(r)
		assert.False(t, r.passed(), name)
	}
}

func TestTheServerRefusesWhatEBPWouldNotUnderstand(t *testing.T) {
	base := listen(t, 1000)
	p := &serverProcess{url: base}
	require.NoError(t, p.begin(t.Context(), scenario{Rows: 1000}))
	require.NoError(t, runBare(t.Context(), []string{base, "scan"}))
	s, err := p.seen(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1000, s.Records)
	assert.Equal(t, 10, s.Calls)

	require.Error(t, runBare(t.Context(), []string{base + "/elsewhere", "scan"}))
	_, err = p.seen(t.Context())
	require.ErrorContains(t, err, "no such path")
}

func TestAPipelineThatSaysNothingIsNotBelieved(t *testing.T) {
	n, err := sent(`{"level":"info","msg":"Counter metric","name":"output_sent","path":"root.output","value":42}`)
	require.NoError(t, err)
	assert.Equal(t, 42, n)
	_, err = sent(fmt.Sprint(errors.New("nothing")))
	require.Error(t, err)
}

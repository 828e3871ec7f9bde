package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// document is where -write puts the report, from the root of the module.
const document = "docs/benchmarks.md"

// What must hold.
const (
	leastOfBare    = 0.70        // records per second
	mostOfStock    = 0.50        // CPU per record
	mostGrowth     = 0.10        // peak memory, many records against few
	mostOverIdle   = 60 << 20    // bytes
	leastPerSecond = 0.97        // calls
	leastApart     = time.Second // two calls
	moreCalls      = 1           // than pages
)

// report is what the parts found.
type report struct {
	options
	machine    string
	contenders []contender
	results    map[string][]result
	exact      map[string]exact
	idle       []int64
	peaks      [2][]int64
	paced      seen
}

// requirement is something that must hold, with what was measured.
type requirement struct {
	text, measured string
	ok             bool
	// long is set where only a long run tells: -quick shows it and does not check it.
	long bool
}

func (r *report) requirements() []requirement {
	pages := (r.rows + maxPage - 1) / maxPage
	speed := r.ratio(ebpName, bareName, perSecond)
	cpu := r.ratio(ebpName, stockName, cpuOf)
	calls, arrived, exactly := 0, true, r.exact[ebpName]
	for _, res := range r.results[ebpName] {
		calls = max(calls, res.calls)
		arrived = arrived && res.arrived == r.rows
	}
	few, many, idle := median(r.peaks[0]), median(r.peaks[1]), median(r.idle)
	growth := float64(many)/float64(few) - 1
	return []requirement{
		{fmt.Sprintf("at least %.0f %% of the records per second of the bare program", 100*leastOfBare),
			fmt.Sprintf("%.0f %%", 100*speed), speed >= leastOfBare, true},
		{fmt.Sprintf("at most %.0f %% of the CPU time per record of the stock way", 100*mostOfStock),
			fmt.Sprintf("%.0f %%", 100*cpu), cpu <= mostOfStock, true},
		{fmt.Sprintf("at most %d calls (a page is a call) and %d more", pages, moreCalls),
			strconv.Itoa(calls), calls <= pages+moreCalls, false},
		{fmt.Sprintf("all %s records arrive, in every round", thousands(r.rows)), yes(arrived), arrived, false},
		{fmt.Sprintf("%s records arrive once each, with the bytes that were sent", thousands(exactRows)),
			thousands(exactly.bytes), exactly.once == exactRows && exactly.bytes == exactRows, false},
		{fmt.Sprintf("peak memory at %s records within %.0f %% of that at %s", thousands(r.memoryRows[1]), 100*mostGrowth, thousands(r.memoryRows[0])),
			fmt.Sprintf("%+.1f %%", 100*growth), few > 0 && growth <= mostGrowth && growth >= -mostGrowth, false},
		{fmt.Sprintf("and at most %s above the idle binary", megabytes(mostOverIdle)),
			megabytes(max(few, many) - idle), few > 0 && max(few, many)-idle <= mostOverIdle, false},
		{fmt.Sprintf("at least %.2f calls per second at `calls.per_second: 1`", leastPerSecond),
			fmt.Sprintf("%.3f", r.paced.callsPerSecond()), r.paced.callsPerSecond() >= leastPerSecond, true},
		{fmt.Sprintf("and never two calls less than %.1f s apart", leastApart.Seconds()),
			fmt.Sprintf("%.3f s", r.paced.closest().Seconds()), r.paced.closest() >= leastApart, false},
	}
}

func (r *report) passed() bool {
	for _, q := range r.requirements() {
		if !q.ok && (!q.long || !r.quick) {
			return false
		}
	}
	return true
}

func perSecond(res result) float64 { return res.recordsPerSecond }
func cpuOf(res result) float64     { return micro(res.cpuPerRecord) }

// ratio is the median of the rounds' ratios: within a round the contenders ran shortly
// after each other.
func (r *report) ratio(a, b string, of func(result) float64) float64 {
	var out []float64
	for i := range r.results[a] {
		out = append(out, of(r.results[a][i])/of(r.results[b][i]))
	}
	return median(out)
}

func (r *report) median(name string, of func(result) float64) float64 {
	var out []float64
	for _, res := range r.results[name] {
		out = append(out, of(res))
	}
	return median(out)
}

func median[T cmp.Ordered](in []T) (out T) {
	if len(in) == 0 {
		return out
	}
	sorted := slices.Sorted(slices.Values(in))
	return sorted[len(sorted)/2]
}

func (r *report) markdown() string {
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	f("# Benchmarks\n")
	f("Made by `go run ./tests/bench -write`%s. Everything runs on one machine in one run; what matters are the ratios.\n", map[bool]string{true: " with `-quick`: not to be quoted"}[r.quick])
	f("%s\n", r.machine)
	f("## Requirements\n")
	f("| | must | measured |\n| --- | --- | --- |")
	for _, q := range r.requirements() {
		f("| %s | %s | %s |", map[bool]string{true: "PASS", false: "**FAIL**"}[q.ok], q.text, q.measured)
	}
	f("\n## Speed\n")
	f("%s records of %d columns (%d bytes each on average) in pages of %d, over loopback, without pacing. Medians of %d rounds; in each round the contenders run one after the other, and the ratios are medians of the rounds' own ratios.\n",
		thousands(r.rows), len(columns), len(appendRows(nil, 0, blockRows*blocks))/(blockRows*blocks), maxPage, r.rounds)
	f("| | records/s | CPU µs per record | calls | peak memory | records/s, bare = 1 | CPU, stock = 1 |")
	f("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, c := range r.contenders {
		last := r.results[c.name][len(r.results[c.name])-1]
		peak := r.median(c.name, func(res result) float64 { return float64(res.peakRSS) })
		f("| %s | %s | %.2f | %s | %s | %.2f | %.2f |", c.name, thousands(int(r.median(c.name, perSecond))), r.median(c.name, cpuOf),
			thousands(last.calls), megabytes(int64(peak)), r.ratio(c.name, bareName, perSecond), r.ratio(c.name, stockName, cpuOf))
	}
	f("")
	for _, c := range r.contenders {
		f("- **%s**: %s", c.name, c.what)
	}
	f("\nRecords per second are from the arrival of the first call to the answer of the last, as the server sees them, so that no start-up counts. CPU is user and system time of the process without that of the same program reading one page (median). The server is a process of its own on the same cores; it copies rendered pages. %s reads by key (`Id > last`), the others by offset. For the stock way the end is told from the length of the empty last page, the cheapest test there is.\n", ebpName)
	f("## Exactness\n")
	f("%s records with a decimal of 28 digits, to a file of lines.\n", thousands(exactRows))
	f("| | arrived once | with the bytes that were sent | with every digit |\n| --- | ---: | ---: | ---: |")
	for _, name := range []string{ebpName, stockName} {
		e := r.exact[name]
		f("| %s | %s | %s | %s |", name, thousands(e.once), thousands(e.bytes), thousands(e.decimals))
	}
	f("\n## Memory\n")
	f("Peak resident memory of the binary, medians of %d runs. Idle: input `stdin`, with nothing on it for %.0f s.\n", memoryRounds, idleTime.Seconds())
	f("| idle | %s records | %s records |\n| ---: | ---: | ---: |", thousands(r.memoryRows[0]), thousands(r.memoryRows[1]))
	f("| %s | %s | %s |", megabytes(median(r.idle)), megabytes(median(r.peaks[0])), megabytes(median(r.peaks[1])))
	f("\n## Pacing\n")
	f("`calls.per_second: 1` against a server that takes %d ms for a call: %d calls in %.1f s, %.3f calls per second, the two closest %.3f s apart.",
		pacedDelay.Milliseconds(), r.paced.Calls, time.Duration(r.paced.Arrivals[len(r.paced.Arrivals)-1]-r.paced.Arrivals[0]).Seconds(), r.paced.callsPerSecond(), r.paced.closest().Seconds())
	return b.String()
}

func describeMachine() string {
	memory := ""
	if kB, err := strconv.Atoi(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		memory = fmt.Sprintf(", %d GB of memory", (kB+500_000)/1_000_000)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	busy, _, _ := strings.Cut(string(load), " ")
	if busy != "" {
		busy = ", load before the run " + busy
	}
	return fmt.Sprintf("%s, %d cores%s, %s %s, %s%s.", cmp.Or(procValue("/proc/cpuinfo", "model name"), "Unknown processor"),
		runtime.NumCPU(), memory, runtime.GOOS, runtime.GOARCH, runtime.Version(), busy)
}

// procValue finds a value in a file of lines "name : value".
func procValue(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/(1<<20)) }

func yes(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

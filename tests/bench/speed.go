package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// contender is a way to read all rows.
type contender struct {
	name string
	what string // for the report
	// command prepares a run; arrived says of a run how many records came through.
	command func(context.Context) (*exec.Cmd, error)
	arrived func(usage) (int, error)
}

// result is what one run of a contender came to.
type result struct {
	recordsPerSecond float64
	cpu, startCPU    time.Duration // of all rows, and of one page
	cpuPerRecord     time.Duration // of all rows without the start-up
	calls, arrived   int
	peakRSS          int64
}

func (b *bench) contenders() []contender {
	bare := func(split string) func(context.Context) (*exec.Cmd, error) {
		return func(ctx context.Context) (*exec.Cmd, error) {
			self, err := os.Executable()
			return exec.CommandContext(ctx, self, roleBare, b.server.url, split), err
		}
	}
	printed := func(u usage) (int, error) { return strconv.Atoi(strings.TrimSpace(u.Stdout)) }
	metric := func(u usage) (int, error) { return sent(u.Stdout + u.Stderr) } // the host logs to either
	return []contender{
		{bareName, "`net/http`, split with `encoding/json` into `json.RawMessage`", bare("json"), printed},
		{scanName, "`net/http`, split by counting braces, nothing checked", bare("scan"), printed},
		{ebpName, "input `ebp`, output `drop`", func(ctx context.Context) (*exec.Cmd, error) {
			state, err := b.state()
			if err != nil {
				return nil, err
			}
			return b.pipeline(ctx, ebpPipeline(b.server.url, state, 0, dropOutput))
		}, metric},
		{stockName, "input `http_client`, `unarchive: json_array`, output `drop`", func(ctx context.Context) (*exec.Cmd, error) {
			return b.pipeline(ctx, stockPipeline(b.server.url, dropOutput))
		}, metric},
	}
}

const (
	bareName  = "bare"
	scanName  = "bare, unchecked"
	ebpName   = "benthos-ebp"
	stockName = "stock"
)

// speed runs the contenders in turn, round after round, so that what else the machine
// does meets them all.
func (b *bench) speed(ctx context.Context, r *report) error {
	all := b.contenders()
	r.contenders = all
	r.results = map[string][]result{}
	for round := range b.rounds {
		for _, c := range all {
			res, err := b.race(ctx, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			say("round %d of %d: %-15s %8.0f records/s, %5.2f s CPU, of which %.2f s to start", round+1, b.rounds, c.name, res.recordsPerSecond, res.cpu.Seconds(), res.startCPU.Seconds())
			r.results[c.name] = append(r.results[c.name], res)
		}
	}
	for _, results := range r.results {
		share(results, b.rows)
	}
	return nil
}

// share works out the CPU time per record. What a start costs varies from run to run
// more than what it costs to read; the median of all starts is taken off every run.
func share(results []result, rows int) {
	var starts []time.Duration
	for _, res := range results {
		starts = append(starts, res.startCPU)
	}
	for i := range results {
		results[i].cpuPerRecord = (results[i].cpu - median(starts)) / time.Duration(rows)
	}
}

// race runs a contender over one page, which is its start-up, and over all rows.
func (b *bench) race(ctx context.Context, c contender) (out result, err error) {
	start, _, err := b.once(ctx, c, min(maxPage, b.rows))
	if err != nil {
		return out, err
	}
	used, s, err := b.once(ctx, c, b.rows)
	if err != nil {
		return out, err
	}
	if s.Records != b.rows {
		return out, fmt.Errorf("%d records were served instead of %d", s.Records, b.rows)
	}
	out = result{
		recordsPerSecond: float64(s.Records) / s.took().Seconds(),
		cpu:              used.CPU,
		startCPU:         start.CPU,
		calls:            s.Calls + s.Empty,
		peakRSS:          used.PeakRSS,
	}
	out.arrived, err = c.arrived(used)
	return out, err
}

func (b *bench) once(ctx context.Context, c contender, rows int) (usage, seen, error) {
	if err := b.server.begin(ctx, scenario{Rows: rows}); err != nil {
		return usage{}, seen{}, err
	}
	cmd, err := c.command(ctx)
	if err != nil {
		return usage{}, seen{}, err
	}
	u, err := measure(cmd, 0)
	if err != nil {
		return u, seen{}, err
	}
	s, err := b.server.seen(ctx)
	return u, s, err
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Command bench measures what docs/benchmarks.md claims: the input ebp against a bare
// loop of net/http and against the stock way of doing the same with http_client, in one
// run on one machine.
//
//	go run ./tests/bench            # about three minutes once built; prints the report
//	go run ./tests/bench -quick     # less than one minute
//	go run ./tests/bench -write     # the same as the first, into docs/benchmarks.md
//	go run ./tests/bench -check     # exits with 1 when a requirement is not met
//
// It builds the distribution and starts every contender, and the server they read, as
// processes of their own. Nothing leaves the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// distribution is what is built and measured.
const distribution = "github.com/benthos-ebp/benthos-ebp"

// options are the flags, after -quick has had its say.
type options struct {
	rows        int
	rounds      int
	pacedCalls  int
	memoryRows  [2]int
	quick       bool
	check       bool
	write       bool
	out, binary string
}

const (
	fullRows, quickRows     = 200_000, 20_000
	fullRounds, quickRounds = 7, 5
	fullPaced, quickPaced   = 61, 11 // calls: one more than seconds
)

func parseOptions() options {
	var o options
	flag.IntVar(&o.rows, "rows", 0, fmt.Sprintf("records of the speed test (%d, with -quick %d)", fullRows, quickRows))
	flag.IntVar(&o.rounds, "rounds", 0, fmt.Sprintf("how often every contender runs (%d, with -quick %d)", fullRounds, quickRounds))
	flag.BoolVar(&o.quick, "quick", false, "fewer records, rounds and seconds: enough to notice that something broke, not to quote")
	flag.BoolVar(&o.check, "check", false, "exit with 1 when a requirement is not met (with -quick, those of speed and of calls per second are shown and not checked)")
	flag.StringVar(&o.out, "out", "", "write the report to this file instead of the terminal")
	flag.BoolVar(&o.write, "write", false, "write the report to "+document)
	flag.StringVar(&o.binary, "binary", "", "measure this binary of the distribution instead of building it")
	flag.Parse()
	rows, rounds := fullRows, fullRounds
	o.pacedCalls, o.memoryRows = fullPaced, [2]int{100_000, 1_000_000}
	if o.quick {
		rows, rounds = quickRows, quickRounds
		o.pacedCalls, o.memoryRows = quickPaced, [2]int{100_000, 300_000}
	}
	if o.rows <= 0 {
		o.rows = rows
	}
	if o.rounds <= 0 {
		o.rounds = rounds
	}
	return o
}

func main() {
	// The contenders that are no binary of the distribution are this program again.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case roleServer:
			exitOn(runServer(context.Background()))
			return
		case roleBare:
			exitOn(runBare(context.Background(), os.Args[2:]))
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	passed, err := run(ctx, parseOptions())
	exitOn(err)
	if !passed {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

// run runs all parts. It reports whether what -check checks holds.
func run(ctx context.Context, o options) (passed bool, err error) {
	dir, err := os.MkdirTemp("", "benthos-ebp-bench-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.binary == "" {
		say("building the distribution (some minutes the first time)")
		o.binary = filepath.Join(dir, "benthos-ebp")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.binary, distribution).CombinedOutput(); err != nil {
			return false, fmt.Errorf("building the distribution: %w\n%s", err, out)
		}
	}
	if o.binary, err = filepath.Abs(o.binary); err != nil {
		return false, err
	}
	server, err := startServer(ctx)
	if err != nil {
		return false, err
	}
	defer server.stop()

	b := &bench{options: o, dir: dir, server: server}
	r := &report{options: o, machine: describeMachine()}
	for _, part := range []func(context.Context, *report) error{b.exactness, b.speed, b.memory, b.pacing} {
		if err := part(ctx, r); err != nil {
			return false, err
		}
	}
	if err := deliver(ctx, o, r); err != nil {
		return false, err
	}
	return r.passed() || !o.check, nil
}

// bench is what the parts share.
type bench struct {
	options
	dir    string
	server *serverProcess
}

// deliver writes the report to where the flags say.
func deliver(ctx context.Context, o options, r *report) error {
	text := r.markdown()
	switch {
	case o.write:
		out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
		if err != nil {
			return fmt.Errorf("finding the module: %w", err)
		}
		o.out = filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), document)
	case o.out == "":
		fmt.Print(text)
		return nil
	}
	say("writing %s", o.out)
	return os.WriteFile(o.out, []byte(text), 0o644)
}

// say tells the person who waits what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

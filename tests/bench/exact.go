package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// exactRows is how many records are compared one by one.
const exactRows = 20_000

// exact is what became of records on their way to a file.
type exact struct {
	once     int // records that arrived once
	bytes    int // of those, how many are the bytes that were sent
	decimals int // of those, how many have every digit of their decimal
}

// exactness sends rows to a file of lines and compares them with what was served. It is
// a run of its own: a file costs more than the rest.
func (b *bench) exactness(ctx context.Context, r *report) error {
	say("comparing %d records byte for byte", exactRows)
	r.exact = map[string]exact{}
	for _, name := range []string{ebpName, stockName} {
		path := filepath.Join(b.dir, "records.jsonl")
		var config string
		if name == ebpName {
			state, err := b.state()
			if err != nil {
				return err
			}
			config = ebpPipeline(b.server.url, state, 0, fileOutput(path))
		} else {
			config = stockPipeline(b.server.url, fileOutput(path))
		}
		if err := b.server.begin(ctx, scenario{Rows: exactRows}); err != nil {
			return err
		}
		cmd, err := b.pipeline(ctx, config)
		if err != nil {
			return err
		}
		if _, err := measure(cmd, 0); err != nil {
			return err
		}
		if _, err := b.server.seen(ctx); err != nil {
			return err
		}
		if r.exact[name], err = compare(path, exactRows); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// compare reads a file of records, in any order.
func compare(path string, rows int) (out exact, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	times := make([]int, rows)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Bytes()
		i, ok := indexOfID(line)
		if !ok || i >= rows {
			return out, fmt.Errorf("not a record that was served: %.80q", line)
		}
		times[i]++
		want := row(i)
		if bytes.Equal(line, want) {
			out.bytes++
		}
		if bytes.Equal(decimal(line), decimal(want)) {
			out.decimals++
		}
	}
	for _, n := range times {
		if n == 1 {
			out.once++
		}
	}
	return out, lines.Err()
}

// decimal returns the digits of a record's decimal.
func decimal(record []byte) []byte {
	_, rest, _ := bytes.Cut(record, []byte(`"CurrentAmount":`))
	if end := bytes.IndexAny(rest, ",}"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

package incremental

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	mega = 1 << 20
	// mostMemory is what a sweep may need beside what the program needs to do nothing.
	mostMemory = 60 * mega
)

const idle = `
input: { generate: { interval: 1h, mapping: root = "" } }
output: { drop: {} }
http: { enabled: false }
logger: { level: WARN }
metrics: { none: {} }
`

// peak returns the most memory that a run of the program held at once, until it ended, or
// for a while for one that does nothing.
func peak(t *testing.T, config string, most time.Duration) int64 {
	t.Helper()
	p := startProgram(t, config)
	status := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	var out int64
	until := time.After(most)
	for {
		out = max(out, highWater(status)) // it only grows; what is missed is the last instant
		select {
		case <-p.ended:
			require.NoError(t, p.err, "%s", p.log)
			return out
		case <-until:
			p.kill()
			return out
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// highWater reads VmHWM of a process.
func highWater(status string) int64 {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kB, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kB << 10
}

// The rows of a first load are old, or all of this second: then the cursor has to remember
// each of them until that second is settled, and the next sweep to recognise them.
func TestASweepOverManyRowsNeedsLittleMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the peak of a process: /proc/PID/status")
	}
	rows := amount(t, "EBP_TEST_ROWS", 20_000)
	base := peak(t, idle, 2*time.Second)
	for name, tied := range map[string]int{"old rows": 1, "rows of one second": rows} {
		t.Run(name, func(t *testing.T) {
			r := newRowServer(t, rows, tied)
			config := fmt.Sprintf(`
input:
  label: under_test
  ebp:
    resource: gescom.generic_query
    table: Customer
    folders: ["1"]
    columns: [Id, Name, sysModifiedDate, sysCreatedDate]
    mode: incremental
    url: %q
    subscription_key: rows
    oauth2: { url: %q, client_id: rows, client_secret: rows-secret, refresh_token: rows-seed }
    state: "file:%s"
    calls: { per_second: 0, per_day: 0 }
output: { drop: {} }
http: { enabled: false }
logger: { level: WARN }
metrics: { none: {} }
`, r.URL, r.URL, t.TempDir())
			for _, sweep := range []string{"first", "second"} {
				r.later(5 * time.Second)
				began := time.Now()
				most := peak(t, config, 10*time.Minute)
				calls, records, refused := r.seen()
				require.Empty(t, refused)
				t.Logf("%s sweep of %d rows: %d calls, %d records, %.1f s; peak %.1f MB, %.1f MB above the idle program (%.1f MB)",
					sweep, rows, calls, records, time.Since(began).Seconds(), float64(most)/mega, float64(most-base)/mega, float64(base)/mega)
				assert.LessOrEqual(t, most-base, int64(mostMemory))
				assert.LessOrEqual(t, calls, pages(rows)+fixing)
				want := tied
				if sweep == "first" {
					want = rows
				}
				assert.GreaterOrEqual(t, records, want)
			}
		})
	}
}

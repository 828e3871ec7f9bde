package incremental

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const (
	modeIncremental = "incremental"
	modeChanges     = "changes"
)

// subject is a list that is followed in a mode.
type subject struct {
	mode string
	list *list
}

// subjects are all that a schedule may be about, so that neighbours differ.
func subjects() []subject {
	var out []subject
	for i := range max(len(datedLists), len(otherLists)) {
		out = append(out, subject{modeIncremental, datedLists[i%len(datedLists)]}, subject{modeChanges, otherLists[i%len(otherLists)]})
		if i < len(datedLists) {
			out = append(out, subject{modeChanges, datedLists[i]})
		}
	}
	return out
}

// Somebody inserts, changes and deletes rows before each call and between the sweeps, the
// pipeline is stopped at random messages and refuses random pages: in the end the table
// that it keeps is EBP's.
func TestEveryScheduleOfEditsEndsWithWhatEBPHolds(t *testing.T) {
	t.Parallel()
	first, n := 1, amount(t, "EBP_TEST_SCHEDULES", 60)
	if one := os.Getenv("EBP_TEST_SEED"); one != "" {
		var err error
		first, err = strconv.Atoi(one)
		require.NoError(t, err)
		n = 1
	}
	all := subjects()
	var sum totals
	t.Run("schedules", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			about := all[seed%len(all)]
			t.Run(fmt.Sprintf("EBP_TEST_SEED=%d %s %s", seed, about.mode, about.list.name), func(t *testing.T) {
				t.Parallel()
				runSchedule(t, uint64(seed), about, &sum)
			})
		}
	})
	t.Logf("%d schedules: %d edits, %d calls, %d runs, %d messages of which %d repeats after a refusal or a restart, %d deletions",
		sum.schedules.Load(), sum.edits.Load(), sum.calls.Load(), sum.runs.Load(), sum.messages.Load(), sum.repeats.Load(), sum.deletes.Load())
	if sum.schedules.Load() >= 20 {
		assert.Positive(t, sum.repeats.Load(), "no refusal and no restart met anything: the test tests less than it says")
		assert.Positive(t, sum.deletes.Load())
	}
}

type totals struct{ schedules, edits, calls, runs, messages, repeats, deletes atomic.Int64 }

// schedule is one of them while it runs.
type schedule struct {
	t      *testing.T
	about  subject
	s      *source
	w      *worker
	book   *book
	rng    *rand.Rand // decides what the pipeline meets; the worker has its own
	fields string

	mu       sync.Mutex // guards the worker too: a call that nobody waits for any more may still arrive
	working  bool       // somebody edits before calls
	lookback int
	steps    []string
}

func runSchedule(t *testing.T, seed uint64, about subject, sum *totals) {
	rng := rand.New(rand.NewPCG(seed, 2))
	s := newSource(t, morning.Add(time.Duration(rng.IntN(1_000_000))*time.Millisecond), sandbox.Options{Rows: 20 + rng.IntN(160), Seed: int64(seed)})
	b := newBook(about.list)
	c := &schedule{t: t, about: about, s: s, book: b, rng: rng, lookback: []int{60, 60, 60, 10, 1}[rng.IntN(5)]}
	c.w = newWorker(t, s, about.list, b, seed)
	c.w.lateness = c.lookback - 1
	if rng.IntN(4) == 0 {
		c.w.ahead = []time.Duration{-2 * time.Hour, -90 * time.Second, 20 * time.Second, time.Hour}[rng.IntN(4)]
	}
	c.fields = c.config()
	c.note("%s\nlookback %d s, EBP's dates %s ahead of its clock", c.fields, c.lookback, c.w.ahead)
	s.SetFault(c.beforeCall)
	defer s.SetFault(nil)

	interrupted := false
	for range 2 + rng.IntN(4) {
		c.between()
		interrupted = c.run(true)
	}
	c.between()
	c.setWorking(false)
	quiet := 1
	if interrupted {
		quiet = 2 // the first goes on with the sweep that saw less
	}
	for range quiet {
		c.run(false)
	}
	c.compare()
	before, _ := b.counts()
	c.run(false)
	after, _ := b.counts()
	assert.Equal(t, before, after, "a sweep over what has not changed delivers nothing")
	assert.Empty(t, b.wrong)
	if t.Failed() {
		t.Logf("EBP_TEST_SEED=%d\n%s", seed, strings.Join(c.steps, "\n"))
	}
	sum.schedules.Add(1)
	sum.edits.Add(int64(c.edits()))
	sum.calls.Add(int64(s.CallCount()))
	sum.runs.Add(int64(b.restarts))
	sum.messages.Add(int64(b.messages))
	sum.repeats.Add(int64(b.repeats))
	sum.deletes.Add(int64(b.deletes))
}

// config draws the configuration of the input.
func (c *schedule) config() string {
	size := []int{7, 20, 100}[c.rng.IntN(3)]
	if c.about.list.large {
		size = pageSize
	}
	f := fmt.Sprintf("%s\nfolders: [%s]\nmode: %s\ncursor: schedule\npage_size: %d\nprefetch: %d\ncheckpoint_limit: %d",
		c.about.list.fields, quotedList(c.w.places), c.about.mode, size, 1+c.rng.IntN(3), []int{1, 50, 1024}[c.rng.IntN(3)])
	if c.about.mode == modeIncremental {
		f += fmt.Sprintf("\nlookback: %ds", c.lookback)
	} else {
		f += "\nmax_deletions: \"100%\""
	}
	if c.rng.IntN(2) == 0 {
		f += "\nsweep_marker: true"
	}
	return f
}

func (c *schedule) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, fmt.Sprintf(format, args...))
}

func (c *schedule) edits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.w.edits
}

func (c *schedule) setWorking(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working = on
}

// mostEdits bounds the work of a schedule, so that continuous sweeps come to rest.
const mostEdits = 150

// beforeCall is somebody at work while a call is on its way.
func (c *schedule) beforeCall(call sandbox.Call) *sandbox.Fault {
	if call.Folder == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.w.rng
	c.s.clock.advance([]time.Duration{0, 0, 0, 300 * time.Millisecond, time.Second, 3 * time.Second}[r.IntN(6)])
	if r.IntN(20) == 0 {
		c.s.clock.advance(time.Duration(1+r.IntN(90)) * time.Second)
	}
	if !c.working || c.w.edits >= mostEdits || r.IntN(2) == 0 {
		return nil
	}
	for range 1 + r.IntN(3) {
		c.w.edit()
	}
	return nil
}

// between is what happens while nothing reads.
func (c *schedule) between() {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := []time.Duration{0, 0, time.Second, 30 * time.Second, 61 * time.Second, 10 * time.Minute, 2 * time.Hour, 30 * time.Hour}
	c.s.clock.advance(pause[c.rng.IntN(len(pause))])
	for range c.rng.IntN(8) {
		c.w.edit()
		if c.rng.IntN(3) == 0 {
			c.s.clock.advance(time.Duration(c.rng.IntN(5000)) * time.Millisecond)
		}
	}
	c.s.clock.advance(pause[c.rng.IntN(len(pause))])
}

// run runs the pipeline once and reports whether it was stopped before its end. A quiet
// one meets nobody at work and acknowledges everything.
func (c *schedule) run(eventful bool) (interrupted bool) {
	c.setWorking(eventful)
	continuous, stopAt, sweeps := false, 0, 0
	fields := c.fields
	if eventful {
		if c.rng.IntN(3) == 0 {
			continuous, sweeps = true, 2+c.rng.IntN(4)
			fields = strings.ReplaceAll(fields, "\nsweep_marker: true", "") + "\ninterval: 1ms\nsweep_marker: true"
		}
		if c.rng.IntN(2) == 0 {
			stopAt = 1 + c.rng.IntN(300)
		}
	}
	before, endsBefore := c.book.counts()
	enough := make(chan struct{})
	tell := sync.OnceFunc(func() { close(enough) })
	take := rand.New(rand.NewPCG(c.rng.Uint64(), 3)) // of the goroutine of the output
	st := c.s.start(c.t, fields, func(batch service.MessageBatch) error {
		refuse := eventful && take.IntN(8) == 0
		c.book.take(received(c.t, batch), !refuse, take.IntN(2) == 0)
		n, ends := c.book.counts()
		if stopAt > 0 && n-before >= stopAt || continuous && ends-endsBefore >= sweeps*len(c.w.places) {
			tell()
		}
		if refuse {
			return fmt.Errorf("refused by the test")
		}
		return nil
	})
	interrupted = c.await(st, enough)
	c.book.restart()
	n, ends := c.book.counts()
	c.note("run at %s: eventful %t, continuous %t, to stop at %d: %d messages, %d ends of sweeps, interrupted %t, %d calls so far, %d edits so far\n%s",
		stampOf(c.s.clock.Now()), eventful, continuous, stopAt, n-before, ends-endsBefore, interrupted, c.s.CallCount(), c.edits(), st.log)
	return interrupted
}

// await waits until a pipeline ends, or stops it when there is enough.
func (c *schedule) await(st *stream, enough <-chan struct{}) (interrupted bool) {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); ; {
		select {
		case <-st.ended:
			require.Empty(c.t, st.log.errors(), "%s", strings.Join(c.steps, "\n"))
			return false
		case <-enough:
			st.stop()
			return true
		case <-look.C:
			// One that goes on by itself would make the same error for ever.
			if len(st.log.errors()) > 0 || time.Now().After(end) {
				st.stop()
				require.Fail(c.t, "the pipeline neither ends nor delivers", "%s\n%s", strings.Join(c.steps, "\n"), st.log)
			}
		}
	}
}

// compare compares the table that was kept with what a plain full read delivers.
func (c *schedule) compare() {
	want := map[string]string{}
	undated := 0
	for _, m := range c.s.readAll(c.t, fmt.Sprintf("%s\nfolders: [%s]", c.about.list.fields, quotedList(c.w.places))) {
		want[rowKey(m.folder, m.key)] = m.payload
		if c.about.mode == modeIncremental && !hasDate(c.t, m.payload) {
			// Not promised: nothing says when it changed.
			undated++
			delete(want, rowKey(m.folder, m.key))
		}
	}
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	lost, stale, extra, shown := 0, 0, 0, 0
	show := func(n *int, what, format string, args ...any) {
		*n++
		if shown++; shown <= 3 {
			assert.Fail(c.t, what, fmt.Sprintf(format, args...))
		}
	}
	for at, payload := range want {
		got, ok := c.book.rows[at]
		switch {
		case !ok:
			show(&lost, "a row is missing", "%q of EBP: %s\n%s", at, payload, c.past(at))
		case got != payload:
			show(&stale, "a row is not in its last version", "%q\n have %s\n want %s\n%s", at, got, payload, c.past(at))
		}
	}
	if c.about.mode == modeChanges {
		for at, payload := range c.book.rows {
			if _, ok := want[at]; !ok {
				show(&extra, "a row that EBP does not have any more is still there", "%q: %s\n%s", at, payload, c.past(at))
			}
		}
	}
	c.note("compared %d rows, %d more without any date; %d are missing, %d stale, %d too many", len(want), undated, lost, stale, extra)
}

// past is what came for a row.
func (c *schedule) past(at string) string { return strings.Join(c.book.past[at], "\n") }

func hasDate(t *testing.T, payload string) bool {
	t.Helper()
	var row struct{ SysModifiedDate, SysCreatedDate *string }
	require.NoError(t, json.Unmarshal([]byte(payload), &row), "%s", payload)
	return row.SysModifiedDate != nil || row.SysCreatedDate != nil
}

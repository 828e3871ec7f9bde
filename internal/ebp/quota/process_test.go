package quota

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Run as a child, this binary makes calls until its time is up or it is killed, and
// prints when each was released.
const (
	envChild   = "QUOTA_TEST_CHILD" // the location of the state
	envName    = "QUOTA_TEST_NAME"
	envRate    = "QUOTA_TEST_PER_SECOND"
	envSeconds = "QUOTA_TEST_SECONDS"
)

func child() {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := state.Open(os.Getenv(envChild))
	if err != nil {
		fail(err)
	}
	rate, _ := strconv.ParseFloat(os.Getenv(envRate), 64)
	seconds, _ := strconv.Atoi(os.Getenv(envSeconds))
	a := New(Config{Name: os.Getenv(envName), Limits: Limits{PerSecond: rate, PerDay: 1 << 50}, Store: s})
	a.released = func(now time.Time) { fmt.Println(now.UnixNano()) }
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // all begin together
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		if err := a.Wait(context.Background()); err != nil {
			fail(err)
		}
		if rate == 0 {
			fmt.Println(time.Now().UnixNano()) // of a block, which is not observed
		}
	}
	if err := a.Close(context.Background()); err != nil {
		fail(err)
	}
	os.Exit(0)
}

// process is a running child.
type process struct {
	cmd      *exec.Cmd
	out, err bytes.Buffer
	begin    func()
	read     chan struct{} // closed when all of out was read
}

func start(t *testing.T, location, name string, rate float64, seconds int) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), envChild+"="+location, envName+"="+name, fmt.Sprintf("%s=%g", envRate, rate), fmt.Sprintf("%s=%d", envSeconds, seconds))
	p.cmd.Stderr = &p.err
	in, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	out, w, err := os.Pipe() // read to its end, also when the process is killed
	require.NoError(t, err)
	p.cmd.Stdout = w
	require.NoError(t, p.cmd.Start())
	require.NoError(t, w.Close())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	p.read = make(chan struct{})
	go func() {
		defer close(p.read)
		defer out.Close()
		_, _ = p.out.ReadFrom(r)
	}()
	p.begin = func() { _ = in.Close() }
	return p
}

// wait returns when the calls of an ended process were released.
func (p *process) wait(t *testing.T) (times []time.Time) {
	t.Helper()
	_ = p.cmd.Wait()
	<-p.read
	require.Empty(t, p.err.String())
	for _, line := range strings.Fields(p.out.String()) {
		n, err := strconv.ParseInt(line, 10, 64)
		require.NoError(t, err)
		times = append(times, time.Unix(0, n))
	}
	return times
}

// sharedStores are the locations of stores that processes can share.
func sharedStores(t *testing.T, f func(t *testing.T, location string)) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for name, env := range map[string]string{"file": "", "redis": "EBP_TEST_REDIS_URL", "postgres": "EBP_TEST_POSTGRES_DSN"} {
		t.Run(name, func(t *testing.T) {
			location := "file:" + t.TempDir()
			if env != "" {
				if location = os.Getenv(env); location == "" {
					t.Skipf("set $%s to test with %s", env, name)
				}
			}
			f(t, location)
		})
	}
}

func TestEightProcessesKeepOnePaceAndCountEveryCall(t *testing.T) {
	sharedStores(t, func(t *testing.T, location string) {
		const rate, seconds = 20, 3
		name := "test-" + rand.Text()
		var processes []*process
		for range 8 {
			processes = append(processes, start(t, location, name, rate, seconds))
		}
		begun := time.Now()
		for _, p := range processes {
			p.begin()
		}
		var all []time.Time
		for _, p := range processes {
			all = append(all, p.wait(t)...) // each waits until it got its last place
		}
		assert.Less(t, time.Since(begun), 10*seconds*time.Second, "a process is left waiting")
		slices.SortFunc(all, time.Time.Compare)
		assert.GreaterOrEqual(t, closest(all, 1), time.Second/rate, "the machine's clock may take some of the margin")
		assert.GreaterOrEqual(t, len(all), len(processes))
		assert.Equal(t, len(all), used(t, location, name))
		t.Logf("%d calls, the closest %s apart", len(all), closest(all, 1))
	})
}

func used(t *testing.T, location, name string) int {
	t.Helper()
	s, err := state.Open(location)
	require.NoError(t, err)
	defer s.Close()
	stored, err := s.Get(t.Context(), "quota/"+name)
	if errors.Is(err, state.ErrNotFound) {
		return 0
	}
	require.NoError(t, err)
	r, err := decode(stored.Value)
	require.NoError(t, err)
	return r.Used
}

func TestKilledProcessesNeverCountTooLittle(t *testing.T) {
	sharedStores(t, func(t *testing.T, location string) {
		for mode, rate := range map[string]float64{"pace": 200, "blocks": 0} {
			t.Run(mode, func(t *testing.T) {
				name, made, kills := "test-"+rand.Text(), 0, 0
				for round := range 8 {
					var processes []*process
					for range 2 {
						processes = append(processes, start(t, location, name, rate, 60))
					}
					for _, p := range processes {
						p.begin()
					}
					time.Sleep(time.Duration(30+round*17) * time.Millisecond)
					for _, p := range processes {
						require.NoError(t, p.cmd.Process.Kill())
						kills++
					}
					for _, p := range processes {
						made += len(p.wait(t))
					}
					n := used(t, location, name)
					require.GreaterOrEqual(t, n, made, "a call was made and not counted")
					// Those reserved, and the one that was about to be printed.
					require.LessOrEqual(t, n, made+kills*(largestBlock+1))
				}
				assert.Positive(t, made)
				t.Logf("%d calls made, %d counted", made, used(t, location, name))
			})
		}
	})
}

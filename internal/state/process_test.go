package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	envRole     = "STATE_TEST_ROLE"
	envLocation = "STATE_TEST_LOCATION"
	envArgument = "STATE_TEST_ARGUMENT"
)

// Run with a role, this binary is one of the processes of a test.
func TestMain(m *testing.M) {
	role := os.Getenv(envRole)
	if role == "" {
		_ = flag.Set("test.parallel", "5") // they wait more than they work
		os.Exit(m.Run())
	}
	s, err := Open(os.Getenv(envLocation))
	if err == nil {
		err = roles[role](shorten(s, shortLease), os.Getenv(envArgument))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var roles = map[string]func(s Store, argument string) error{
	"count":          countSome,
	"count forever":  countForever,
	"hold":           holdForever,
	"take turns":     takeTurns,
	"die writing":    dieWriting,
	"delete forever": deleteForever,
	"save forever":   saveForever,
	"save some":      saveSome,
}

// process starts this binary in a role.
func process(t *testing.T, role, location, argument string) (cmd *exec.Cmd, printed *bytes.Buffer) {
	t.Helper()
	printed = &bytes.Buffer{}
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"="+role, envLocation+"="+location, envArgument+"="+argument)
	cmd.Stdout, cmd.Stderr = printed, printed
	return cmd, printed
}

// count adds one to a counter.
func count(s Store, padding int) (int, error) {
	ctx := context.Background()
	for {
		r, err := s.Get(ctx, "count")
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(r.Value)))
		next := fmt.Sprintf("%d%s", n+1, strings.Repeat(" ", padding))
		_, err = s.Put(ctx, "count", []byte(next), r.Version)
		if err == nil {
			return n + 1, nil
		}
		if !errors.Is(err, ErrConflict) {
			return 0, err
		}
	}
}

func countSome(s Store, times string) error {
	n, err := strconv.Atoi(times)
	for range n {
		if _, err = count(s, 0); err != nil {
			return err
		}
	}
	return err
}

func countForever(s Store, _ string) error {
	for {
		n, err := count(s, 20_000) // several disk pages
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestNoUpdateOfEightProcessesIsLost(t *testing.T) {
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			const processes, times = 8, 20
			location := place(t, kind)
			all(t, processes, "count", location, strconv.Itoa(times))
			r, err := open(t, location).Get(t.Context(), "count")
			require.NoError(t, err)
			assert.Equal(t, strconv.Itoa(processes*times), string(r.Value))
			assert.EqualValues(t, processes*times, r.Version)
		})
	}
}

// all runs a role in several processes at once until each has ended well.
func all(t *testing.T, processes int, role, location, argument string) {
	t.Helper()
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			cmd, printed := process(t, role, location, argument)
			assert.NoError(t, cmd.Run(), "%s", printed)
		})
	}
	wg.Wait()
}

// takeTurns counts in a plain file, which goes wrong as soon as two do so at once.
func takeTurns(s Store, file string) error {
	for range 12 {
		lease, err := s.Lease(context.Background(), "turn")
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(data))
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
		if !lease.Held(0) {
			return errors.New("the lease was lost")
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(n+1)), 0o600); err != nil {
			return err
		}
		lease.Release()
	}
	return s.Close()
}

func TestALeaseHasOneHolderInEightProcesses(t *testing.T) {
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "turns")
			require.NoError(t, os.WriteFile(file, []byte("0"), 0o600))
			all(t, 8, "take turns", place(t, kind), file)
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, "96", string(data))
		})
	}
}

func holdForever(s Store, name string) error {
	if _, err := s.Lease(context.Background(), name); err != nil {
		return err
	}
	fmt.Println("held")
	select {}
}

func TestALeaseIsNotTakenFromALiveProcessAndFreeAfterItIsKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			location := place(t, kind)
			s := open(t, location)
			cmd, _ := process(t, "hold", location, "tokens")
			cmd.Stdout = nil
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			defer func() { _ = cmd.Wait() }()
			defer func() { _ = cmd.Process.Kill() }()
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "held\n", line)

			// It holds for longer than the lease time.
			ctx, cancel := context.WithTimeout(t.Context(), 2*shortLease)
			defer cancel()
			_, err = s.Lease(ctx, "tokens")
			require.ErrorIs(t, err, context.DeadlineExceeded, "the lease was taken from a live process")

			require.NoError(t, cmd.Process.Kill())
			killed := time.Now()
			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			lease, err := s.Lease(ctx, "tokens")
			require.NoError(t, err)
			defer lease.Release()
			if kind == "file" {
				assert.Less(t, time.Since(killed), shortLease, "it should be free at once")
			}
		})
	}
}

func TestKilledWritersLeaveAWholeRecordAndNoLock(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	t.Parallel()
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			location := place(t, kind)
			s := open(t, location)
			last := 0
			for round := range 12 {
				last = killStorm(t, s, location, time.Duration(20+round*9)*time.Millisecond, last)
			}
			assert.Positive(t, last)
		})
	}
}

// killStorm lets two processes count, kills them, and returns what the record then says.
func killStorm(t *testing.T, s Store, location string, after time.Duration, last int) int {
	t.Helper()
	var children []*exec.Cmd
	var outs []*bytes.Buffer
	for range 2 {
		c, out := process(t, "count forever", location, "")
		require.NoError(t, c.Start())
		children, outs = append(children, c), append(outs, out)
	}
	time.Sleep(after)
	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	confirmed := last
	for _, out := range outs {
		for _, l := range strings.Fields(out.String()) {
			n, err := strconv.Atoi(l)
			require.NoError(t, err, out.String())
			confirmed = max(confirmed, n)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	n, err := count(s, 0) // nothing that was left behind keeps others from writing
	require.NoError(t, err)
	r, err := s.Get(ctx, "count")
	require.NoError(t, err)
	assert.Greater(t, n, confirmed, "a write that returned was lost")
	assert.EqualValues(t, n, r.Version, "a version was written twice")
	return n
}

// dieWriting is killed as soon as a write call has returned, before anything is synced.
func dieWriting(s Store, argument string) error {
	f, ctx := s.(*File), context.Background()
	if argument == "reserved" {
		if err := f.Reserve(ctx, "tokens/x", 5000); err != nil {
			return err
		}
	}
	if _, err := f.lock(ctx, "tokens/x"); err != nil {
		return err
	}
	r, err := f.settle("tokens/x")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	data, err := seal("tokens/x", r.Version+1, []byte("the answer that had just arrived"))
	if err != nil {
		return err
	}
	if err := f.makeDirectory("records"); err != nil {
		return err
	}
	if _, err := beginNext(f.path("tokens/x"), data); err != nil {
		return err
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func TestAProcessKilledRightAfterItsWriteCallHasLostNothing(t *testing.T) {
	for _, argument := range []string{"", "reserved"} {
		for before := range 2 {
			t.Run(fmt.Sprintf("%s after %d", argument, before), func(t *testing.T) {
				location := place(t, "file")
				s, ctx := open(t, location), t.Context()
				if before > 0 {
					_, err := s.Put(ctx, "tokens/x", []byte("the one before"), 0)
					require.NoError(t, err)
				}
				cmd, printed := process(t, "die writing", location, argument)
				var exit *exec.ExitError
				require.ErrorAs(t, cmd.Run(), &exit, "%s", printed)
				require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", printed)
				_, err := os.Stat(s.(*File).path("tokens/x") + nextSuffix)
				require.NoError(t, err, "the process was to leave its write unfinished")
				r, err := s.Get(ctx, "tokens/x")
				require.NoError(t, err)
				assert.Equal(t, "the answer that had just arrived", string(r.Value))
				assert.EqualValues(t, before+1, r.Version)
				_, err = os.Stat(s.(*File).path("tokens/x") + nextSuffix)
				assert.ErrorIs(t, err, os.ErrNotExist)
				again, err := s.Get(ctx, "tokens/x")
				require.NoError(t, err)
				assert.Equal(t, r, again)
			})
		}
	}
}

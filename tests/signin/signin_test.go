// Package signin has the tests of the sign-in that need processes, servers and time: what
// is killed, what is shared, what goes away and comes back.
//
// They are short by default. EBP_TEST_KILLS and EBP_TEST_SECONDS make them as long as a
// release deserves.
package signin

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// envRole makes this binary one of the processes that the tests start.
const envRole = "SIGNIN_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = flag.Set("test.parallel", "8") // they wait more than they work
	os.Exit(m.Run())
}

var roles = map[string]func() error{
	"renew": renewForever,
	"call":  callForAWhile,
}

// amount reads how much of something a test should do.
func amount(t *testing.T, name string, usual int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err, name)
	return n
}

func startSandbox(t *testing.T, o sandbox.Options) *sandbox.Server {
	t.Helper()
	if o.Rows == 0 {
		o.Rows = 1
	}
	s, err := sandbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// environment is that of a process which signs in to a sandbox.
func environment(s *sandbox.Server, role, location, seed string) []string {
	c := s.Credentials()
	env := []string{
		envRole + "=" + role,
		"EBP_URL=" + s.URL(), "EBP_LOGIN_URL=" + s.LoginURL(), "EBP_SUBSCRIPTION_KEY=" + c.SubscriptionKey,
		"EBP_CLIENT_ID=" + c.ClientID, "EBP_CLIENT_SECRET=" + c.ClientSecret, "EBP_REFRESH_TOKEN=" + seed, "EBP_STATE=" + location,
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EBP_") {
			env = append(env, v)
		}
	}
	return env
}

// mostShown is how much of what a process has printed is shown of one that fails.
const mostShown = 2000

// process is one that a test has started.
type process struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements io.Writer for what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.out.String(); len(text) > mostShown && !strings.HasPrefix(text, lineReady) {
		return text[:mostShown/2] + "\n…\n" + text[len(text)-mostShown/2:]
	}
	return p.out.String()
}

func startProcess(t *testing.T, env []string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p, p
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// log keeps what a source tells a person.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) Infof(format string, args ...any) { l.Warnf(format, args...) }
func (l *log) Warnf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// signIn describes the sign-in that the processes of a test share, as one of them.
func signIn(t *testing.T, s *sandbox.Server, store state.Store, seed string, said auth.Log) auth.Config {
	t.Helper()
	u, err := url.Parse(s.LoginURL())
	require.NoError(t, err)
	c := s.Credentials()
	return auth.Config{
		URL: u, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Profile: "default", Seed: seed,
		Store: store, HTTP: httpClient(nil), Log: said,
	}
}

func closeSource(source *auth.Source) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return source.Close(ctx)
}

// pause lets a process run for a moment.
func pause(d time.Duration) { time.Sleep(d) }

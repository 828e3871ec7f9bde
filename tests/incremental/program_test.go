package incremental

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const envBinary = "EBP_TEST_BINARY"

var (
	builtDir  string
	buildOnce = sync.OnceValues(build)
)

// build makes the program. Only a test that runs it pays for it.
func build() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return filepath.Abs(path)
	}
	var err error
	if builtDir, err = os.MkdirTemp("", "benthos-ebp-incremental-"); err != nil {
		return "", err
	}
	path := filepath.Join(builtDir, "benthos-ebp")
	cmd := exec.Command("go", "build", "-o", path, "github.com/benthos-ebp/benthos-ebp")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("building the program: " + string(out))
	}
	return path, nil
}

// program is a run of the program itself.
type program struct {
	t     testing.TB
	cmd   *exec.Cmd
	log   *logs
	ended chan struct{}
	err   error
}

// command returns a command of the program, with nothing of this process's own settings.
func command(t testing.TB, arguments ...string) *exec.Cmd {
	t.Helper()
	binary, err := buildOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, arguments...)
	cmd.Dir = t.TempDir()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EBP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// pipeline is the configuration of a run: an input with these fields, and an output.
func (s *source) pipeline(fields, output string) string {
	return "input:\n  label: under_test\n  ebp:" + s.connection() + indented(fields) + output + `
http: { enabled: false }
logger: { level: WARN }
metrics: { none: {} }
`
}

// startProgram runs a pipeline.
func startProgram(t testing.TB, config string) *program {
	t.Helper()
	cmd := command(t)
	path := filepath.Join(cmd.Dir, "pipeline.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	cmd.Args = append(cmd.Args, "run", path)
	p := &program{t: t, cmd: cmd, log: &logs{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	require.NoError(t, cmd.Start())
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// kill ends it as a power cut does.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// endsWithin waits until it ends by itself and returns its exit code.
func (p *program) endsWithin(d time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(d):
		p.kill()
		require.Fail(p.t, "the program does not end", "after %s:\n%s", d, p.log)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, p.err)
	return 0
}

// succeeds waits until it ends by itself, having done everything.
func (p *program) succeeds() {
	p.t.Helper()
	require.Zero(p.t, p.endsWithin(patience), "%s", p.log)
}

// over reports whether it has ended.
func (p *program) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// intoFile is an output that appends a line for each message: what happened, the dossier,
// the key and the payload.
func intoFile(path string) string {
	return fmt.Sprintf(`
output:
  file:
    path: %q
    codec: lines
  processors:
    - mapping: |
        root = [ @ebp_change, @ebp_folder, @ebp_key.or(""), content().string() ]
`, path)
}

// fileLines returns the complete lines of such a file; none where there is no file.
func fileLines(t testing.TB, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	content = content[:bytes.LastIndexByte(content, '\n')+1] // a killed process leaves half a line
	var out []string
	for line := range strings.Lines(string(content)) {
		out = append(out, strings.TrimSuffix(line, "\n"))
	}
	return out
}

// repeated counts the lines that are there already.
func repeated(lines []string) int {
	seen := map[string]bool{}
	n := 0
	for _, l := range lines {
		if seen[l] {
			n++
		}
		seen[l] = true
	}
	return n
}

// until waits for something that should take a moment.
func until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			require.Fail(t, "waited in vain", what)
		}
	}
}

package destinations

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

const (
	envBinary = "EBP_TEST_BINARY"
	examples  = "../../config/examples"

	runTimeout = 2 * time.Minute
)

var (
	builtDir  string
	buildOnce = sync.OnceValues(build)
)

func TestMain(m *testing.M) {
	// For the reading side of the S3 tests; pipelines are given their own.
	_ = os.Setenv("AWS_ACCESS_KEY_ID", s3Key)
	_ = os.Setenv("AWS_SECRET_ACCESS_KEY", s3Secret)
	code := m.Run()
	if builtDir != "" {
		_ = os.RemoveAll(builtDir)
	}
	os.Exit(code)
}

// build makes the program. Only a test that runs it pays for it.
func build() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return filepath.Abs(path)
	}
	var err error
	if builtDir, err = os.MkdirTemp("", "benthos-ebp-destinations-"); err != nil {
		return "", err
	}
	path := filepath.Join(builtDir, "benthos-ebp")
	cmd := exec.Command("go", "build", "-o", path, "github.com/benthos-ebp/benthos-ebp")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("building the program: " + string(out))
	}
	return path, nil
}

// pipeline is an example, its environment and what is changed in it.
type pipeline struct {
	file string            // a name in config/examples, or an absolute path
	env  map[string]string // besides what the sandbox needs
	set  map[string]string // --set PATH=VALUE
	// deadLetter is where the example puts refused records.
	deadLetter string
	dir        string
}

// example prepares a pipeline that reads the sandbox as fast as it can.
func example(t *testing.T, s *source, file string) *pipeline {
	t.Helper()
	dir := t.TempDir()
	p := &pipeline{
		file:       file,
		dir:        dir,
		deadLetter: filepath.Join(dir, "dead_letter.jsonl"),
		env:        map[string]string{},
		set: map[string]string{
			"http.enabled":               "false",
			"logger.level":               "WARN",
			"input.ebp.calls.per_second": "0",
		},
	}
	p.env["DEAD_LETTER"] = p.deadLetter
	if s != nil {
		for k, v := range s.environment() {
			p.env[k] = v
		}
	}
	return p
}

// command returns the run as a command, with nothing of this process's own
// settings of EBP or AWS.
func (p *pipeline) command(ctx context.Context, t *testing.T) *exec.Cmd {
	t.Helper()
	binary, err := buildOnce()
	require.NoError(t, err)

	file := p.file
	if !filepath.IsAbs(file) {
		file, err = filepath.Abs(filepath.Join(examples, file))
		require.NoError(t, err)
	}
	args := []string{"run"}
	for path, value := range p.set {
		args = append(args, "--set", path+"="+value)
	}
	cmd := exec.CommandContext(ctx, binary, append(args, file)...)
	cmd.Dir = p.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "EBP_") || strings.HasPrefix(v, "AWS_")
	})
	cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+filepath.Join(p.dir, "xdg"))
	for k, v := range p.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// run runs the pipeline to its end and returns what it printed.
func (p *pipeline) run(t *testing.T) (stdout string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	cmd := p.command(ctx, t)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if err != nil || t.Failed() {
		t.Logf("log of %s:\n%s", p.file, log.String())
	}
	require.NoError(t, err, "running %s", p.file)
	return out.String()
}

// runFor lets the pipeline run for a while, then ends it, and returns its log.
func (p *pipeline) runFor(t *testing.T, d time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	cmd := p.command(ctx, t)
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "the pipeline ended by itself:\n%s", out)
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "the pipeline ended by itself:\n%s", out)
	return string(out)
}

// letter is one line of a dead letter file.
type letter struct {
	Error    string         `json:"error"`
	Metadata map[string]any `json:"metadata"`
	Record   string         `json:"record"`
}

// letters reads what the pipeline has put aside; no file means nothing.
func (p *pipeline) letters(t *testing.T) []letter {
	t.Helper()
	f, err := os.Open(p.deadLetter)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	var out []letter
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l letter
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l))
		out = append(out, l)
	}
	require.NoError(t, lines.Err())
	return out
}

// onlyLetter returns the one record that was put aside, after checking that it is
// this one and that it can be sent again.
func (p *pipeline) onlyLetter(t *testing.T, table, key string) letter {
	t.Helper()
	letters := p.letters(t)
	require.Len(t, letters, 1)
	l := letters[0]
	assert.NotEmpty(t, l.Error)
	assert.Equal(t, key, l.Metadata["ebp_key"])
	assert.Equal(t, table, l.Metadata["ebp_table"])
	assert.Equal(t, folder, l.Metadata["ebp_folder"])
	assert.Equal(t, key, record(t, []byte(l.Record))["Id"])
	return l
}

// withInput returns the pipeline with another input in its example: what the
// example does to records stays.
func (p *pipeline) withInput(t *testing.T, input string) *pipeline {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(examples, p.file))
	require.NoError(t, err)
	var config, replaced map[string]any
	require.NoError(t, yaml.Unmarshal(content, &config))
	require.NoError(t, yaml.Unmarshal([]byte(input), &replaced))
	config["input"] = replaced
	content, err = yaml.Marshal(config)
	require.NoError(t, err)

	other := *p
	other.file = filepath.Join(t.TempDir(), filepath.Base(p.file))
	require.NoError(t, os.WriteFile(other.file, content, 0o600))
	other.set = map[string]string{"http.enabled": "false", "logger.level": "WARN"}
	return &other
}

// replaying returns the pipeline that reads the dead letter of this one instead of
// EBP.
func (p *pipeline) replaying(t *testing.T) *pipeline {
	t.Helper()
	other := p.withInput(t, `
file:
  paths: [ `+p.deadLetter+` ]
processors:
  - mapping: |
      meta = this.metadata
      root = this.record
`)
	other.deadLetter = filepath.Join(t.TempDir(), "dead_letter.jsonl")
	other.env = map[string]string{}
	for k, v := range p.env {
		other.env[k] = v
	}
	other.env["DEAD_LETTER"] = other.deadLetter
	return other
}

// record decodes a record with every digit of its numbers.
func record(t *testing.T, content []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var out map[string]any
	require.NoError(t, d.Decode(&out), "%s", content)
	return out
}

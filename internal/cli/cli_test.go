package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// runCommand runs one command as the program would and returns what it printed.
func runCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	app := &ucli.App{Name: binaryName, Writer: &out, ErrWriter: &out, Commands: Commands(), ExitErrHandler: func(*ucli.Context, error) {}}
	err := app.RunContext(t.Context(), append([]string{binaryName}, args...))
	return out.String(), err
}

func TestOperationsListsTheWholeCatalogAsJSON(t *testing.T) {
	out, err := runCommand(t, "operations", "--format", "json")
	require.NoError(t, err)

	var operations []struct{ Operation, Method, Path, Scope, Kind string }
	require.NoError(t, json.Unmarshal([]byte(out), &operations))
	require.Len(t, operations, len(catalog.All()))
	for _, op := range operations {
		assert.NotEmpty(t, op.Operation)
		assert.NotEmpty(t, op.Method, op.Operation)
		assert.True(t, strings.HasPrefix(op.Path, "/"), op.Operation)
		assert.NotEmpty(t, op.Scope, op.Operation)
		assert.NotEmpty(t, op.Kind, op.Operation)
	}
}

func TestOperationsPrintsOneLineForEachOperation(t *testing.T) {
	out, err := runCommand(t, "operations")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, len(catalog.All())+1)
	assert.Equal(t, []string{"OPERATION", "KIND", "METHOD", "PATH", "SCOPE"}, strings.Fields(lines[0]))
	for i, op := range catalog.All() {
		assert.Equal(t, []string{op.Name, string(op.Kind), op.Method, op.Path, string(op.Scope)}, strings.Fields(lines[i+1]))
	}
}

func TestMistypedArgumentsAreErrors(t *testing.T) {
	for _, test := range []struct {
		args        []string
		errContains string
	}{
		{[]string{"operations", "--format", "xml"}, `unknown format "xml": write table or json`},
		{[]string{"operations", "json"}, `operations takes no argument, but was given "json"`},
		{[]string{"sandbox", "rows=5"}, `sandbox takes no argument, but was given "rows=5"`},
		{[]string{"sandbox", "--listen", "127.0.0.1:0", "--rows", "-1"}, "rows must be at least 1"},
		{[]string{"sandbox", "--listen", "nowhere"}, "nowhere"},
	} {
		_, err := runCommand(t, test.args...)
		require.ErrorContains(t, err, test.errContains, test.args)
	}
}

func TestTheCommandsAreThoseOfTheProgram(t *testing.T) {
	opts := append(Options("1.2.3"), service.CLIOptSetArgs(binaryName, "operations", "--format", "xml"))
	code, err := service.RunCLIToCode(t.Context(), opts...)
	assert.Equal(t, 1, code)
	require.ErrorContains(t, err, "unknown format")
}

func TestEveryCommandHelpsWithAnExample(t *testing.T) {
	for _, command := range Commands() {
		assert.NotEmpty(t, command.Usage, command.Name)
		assert.Contains(t, command.Description, "  {{.BinaryName}} "+command.Name, command.Name)
	}
}

// A person pastes what the command prints; the shell's own reading of it counts.
func TestSandboxPrintsVariablesWithWhichItAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		o := sandbox.DefaultOptions()
		o.Rows = 3
		ended <- serveSandbox(ctx, writer, o, false)
		_ = writer.Close()
	}()
	script := readLines(t, reader, 8)

	shell := exec.CommandContext(ctx, "sh", "-c", script+"\nenv")
	out, err := shell.CombinedOutput()
	require.NoError(t, err, string(out))
	env := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(EBP_\w+)=(.*)$`).FindAllStringSubmatch(string(out), -1) {
		env[m[1]] = m[2]
	}
	for _, name := range []string{"EBP_URL", "EBP_LOGIN_URL", "EBP_CLIENT_ID", "EBP_CLIENT_SECRET", "EBP_SUBSCRIPTION_KEY", "EBP_REFRESH_TOKEN"} {
		require.NotEmpty(t, env[name], name)
	}

	response, err := http.PostForm(env["EBP_LOGIN_URL"]+"/connect/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {env["EBP_REFRESH_TOKEN"]},
		"client_id": {env["EBP_CLIENT_ID"]}, "client_secret": {env["EBP_CLIENT_SECRET"]},
	})
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, response.StatusCode, string(body))
	assert.Contains(t, string(body), "access_token")

	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the sandbox did not end when it was interrupted")
	}
	_, err = http.Get(env["EBP_URL"])
	require.Error(t, err, "nothing may listen any more")
}

func TestSandboxEnvPrintsNothingButVariables(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		o := sandbox.DefaultOptions()
		o.Rows = 3
		ended <- serveSandbox(ctx, writer, o, true)
	}()
	for line := range strings.Lines(readLines(t, reader, 6)) {
		assert.Regexp(t, `^export EBP_[A-Z_]+=`, line)
	}
	cancel()
	require.NoError(t, <-ended)
}

// readLines reads n lines of what a command prints while it runs.
func readLines(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	var text strings.Builder
	buf := make([]byte, 4096)
	for strings.Count(text.String(), "\n") < n {
		read, err := r.Read(buf)
		text.Write(buf[:read])
		require.NoError(t, err, text.String())
	}
	return text.String()
}

func TestShellQuoteGivesOneWordWithTheSameText(t *testing.T) {
	for _, s := range []string{"", "plain", "http://127.0.0.1:80/a?b=c", "it's", "a b", "$HOME `id` \\ \"", "é\n*"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shellQuote(s)).Output()
		require.NoError(t, err)
		assert.Equal(t, s, string(out))
	}
}

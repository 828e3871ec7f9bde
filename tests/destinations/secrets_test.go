package destinations

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// everything is what a person, a log collector or a neighbour on the machine can see of a
// run.
type everything struct {
	mu   sync.Mutex
	seen map[string]*bytes.Buffer
}

func (e *everything) add(what string, text []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[what] == nil {
		e.seen[what] = &bytes.Buffer{}
	}
	e.seen[what].Write(text)
	e.seen[what].WriteByte('\n')
}

// watch reads what can be seen from outside of a process while it runs: its command line,
// and what its HTTP server shows.
func (e *everything) watch(ctx context.Context, pid int, server string) {
	for ctx.Err() == nil {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(line) > 0 {
			e.add("the process list", line)
		}
		for _, path := range []string{"/metrics", "/stats", "/ready", "/version"} {
			if res, err := http.Get("http://" + server + path); err == nil {
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				e.add("the HTTP server's "+path, body)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// storedTokens are those that a file state holds.
func storedTokens(t *testing.T, location string) []string {
	t.Helper()
	var out []string
	dir := strings.TrimPrefix(location, "file:")
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), "tokens") || filepath.Ext(path) != ".json" {
			return err
		}
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var envelope struct{ Value []byte }
		require.NoError(t, json.Unmarshal(content, &envelope))
		var tokens struct {
			RefreshToken string `json:"refresh_token"`
			AccessToken  string `json:"access_token"`
		}
		require.NoError(t, json.Unmarshal(envelope.Value, &tokens))
		out = append(out, tokens.RefreshToken, tokens.AccessToken)
		return nil
	}))
	return out
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
}

// Whatever goes well or wrong: nothing that is secret is in the log at its most verbose,
// in an error, in the metrics, in the process list or in what `echo` and `lint` print.
func TestNoSecretCanBeSeenOfARun(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *source, p *pipeline){
		"all well":     func(*source, *pipeline) {},
		"revoked":      func(s *source, _ *pipeline) { s.RevokeTokens() },
		"wrong secret": func(_ *source, p *pipeline) { p.env["EBP_CLIENT_SECRET"] = "wrong/Secret+1" },
		"wrong key":    func(_ *source, p *pipeline) { p.env["EBP_SUBSCRIPTION_KEY"] = "wrong/Key+1" },
		"no Redis":     func(_ *source, p *pipeline) { p.env["EBP_STATE"] = "redis://user:state+Secret%2F1@127.0.0.1:1/0" },
		"no Postgres":  func(_ *source, p *pipeline) { p.env["EBP_STATE"] = "postgres://user:state+Secret%2F1@127.0.0.1:1/db" },
		"odd Postgres": func(_ *source, p *pipeline) { p.env["EBP_STATE"] = "postgres://user:state+Secret%2F1@127.0.0.1:x/db" },
		"odd state":    func(_ *source, p *pipeline) { p.env["EBP_STATE"] = "mysql://user:state+Secret%2F1@127.0.0.1/db" },
		"no proxy": func(_ *source, p *pipeline) {
			p.set["input.ebp.http.proxy_url"] = "http://user:${PROXY_PASSWORD}@127.0.0.1:1"
			p.env["PROXY_PASSWORD"] = "proxySecret1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t)
			p := example(t, s, "all_folders.yaml")
			p.env["EBP_OUT"] = filepath.Join(p.dir, "out")
			server := freeAddress(t)
			p.set["logger.level"] = "TRACE"
			p.set["http.enabled"], p.set["http.address"] = "true", server
			change(s, p)
			secrets := []string{
				p.env["EBP_CLIENT_SECRET"], p.env["EBP_SUBSCRIPTION_KEY"], p.env["EBP_REFRESH_TOKEN"],
				"wrong/Secret", "wrong%2FSecret", "wrong/Key", "state+Secret", "state%2BSecret", "proxySecret1", "Bearer ",
			}
			saw := &everything{seen: map[string]*bytes.Buffer{}}
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
			defer cancel()
			cmd := p.command(ctx, t)
			var log bytes.Buffer
			cmd.Stderr, cmd.Stdout = &log, &log
			require.NoError(t, cmd.Start())
			watching := make(chan struct{})
			go func() { defer close(watching); saw.watch(ctx, cmd.Process.Pid, server) }()
			_ = cmd.Wait()
			cancel()
			<-watching
			saw.add("the log", log.Bytes())

			// The same with the secrets in the file itself.
			p.file = filepath.Join(p.dir, "literal.yaml")
			require.NoError(t, os.WriteFile(p.file, []byte(fmt.Sprintf(`
input:
  ebp:
    resource: gescom.folders
    url: %q
    subscription_key: %q
    state: %q
    oauth2: { url: %q, client_id: %q, client_secret: %q, refresh_token: %q }
    http: { proxy_url: "http://user:proxySecret1@127.0.0.1:1" }
output:
  stdout: {}
`, p.env["EBP_URL"], p.env["EBP_SUBSCRIPTION_KEY"], p.env["EBP_STATE"], p.env["EBP_LOGIN_URL"], p.env["EBP_CLIENT_ID"], p.env["EBP_CLIENT_SECRET"], p.env["EBP_REFRESH_TOKEN"])), 0o600))
			for _, command := range []string{"echo", "lint"} {
				cmd := p.command(t.Context(), t)
				cmd.Args = []string{cmd.Args[0], command, p.file}
				text, _ := cmd.CombinedOutput()
				saw.add("`"+command+"`", text)
			}
			if strings.HasPrefix(p.env["EBP_STATE"], "file:") {
				secrets = append(secrets, storedTokens(t, p.env["EBP_STATE"])...)
			}

			require.Contains(t, saw.seen, "the process list")
			require.NotEmpty(t, strings.TrimSpace(saw.seen["the log"].String()))
			if name == "all well" {
				assert.Contains(t, saw.seen["the log"].String(), "gescom.folders.list", "the log is not at its most verbose")
				metrics := saw.seen["the HTTP server's /metrics"].String()
				assert.Regexp(t, `ebp_token_expiry_seconds\{[^}]*profile="default"[^}]*\} 2\.59\d+e\+06`, metrics, "30 days")
				assert.Regexp(t, `ebp_quota_remaining\{[^}]*\} 99\d\d`, metrics)
				assert.Contains(t, metrics, "ebp_calls")
				assert.Greater(t, len(secrets), 11, "no token was stored")
			}
			for what, text := range saw.seen {
				for _, secret := range secrets {
					if secret != "" && strings.Contains(text.String(), secret) {
						for line := range strings.Lines(text.String()) {
							if strings.Contains(line, secret) {
								assert.Fail(t, what+" shows a secret", "%s\n%s", secret, line)
								break
							}
						}
					}
				}
			}
		})
	}
}

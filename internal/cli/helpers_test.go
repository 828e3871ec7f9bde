package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"

	_ "github.com/redpanda-data/connect/v4/public/components/io"

	_ "github.com/benthos-ebp/benthos-ebp/plugins/input_ebp"
	_ "github.com/benthos-ebp/benthos-ebp/plugins/sandbox"
)

// patienceOfTests bounds what must happen at once, and eventually is how often it is looked for.
const (
	patienceOfTests = 20 * time.Second
	eventually      = 2 * time.Millisecond
)

// desk is a machine on which somebody uses the commands, with an EBP to sign in to.
type desk struct {
	server   *sandbox.Server
	state    string // the directory
	redirect string
	wire     *wiretap
}

// newDesk starts an EBP and points the environment to it.
func newDesk(t *testing.T, change ...func(*sandbox.Options)) *desk {
	t.Helper()
	d := &desk{state: filepath.Join(t.TempDir(), "state"), redirect: fmt.Sprintf("http://localhost:%d", testserver.FreePort(t))}
	o := sandbox.Options{Rows: 1, RedirectURIs: []string{d.redirect, "https://etl.example/cb"}}
	for _, f := range change {
		f(&o)
	}
	var err error
	d.server, err = sandbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.server.Close() })
	d.wire = tap(t, d.server.LoginURL())
	creds := d.server.Credentials()
	for name, v := range map[string]string{
		connection.EnvURL: d.server.URL(), connection.EnvLoginURL: d.wire.url,
		connection.EnvClientID: creds.ClientID, connection.EnvClientSecret: creds.ClientSecret,
		connection.EnvSubscriptionKey: creds.SubscriptionKey, connection.EnvRefreshToken: "",
		connection.EnvState: "file:" + d.state, envRedirect: d.redirect,
		"BROWSER": "true", // the command that does nothing
	} {
		t.Setenv(name, v)
	}
	return d
}

// wiretap stands before the authorization server and keeps every secret that passes.
type wiretap struct {
	url     string
	mu      sync.Mutex
	secrets []string
}

var secretMember = regexp.MustCompile(`"(?:access_token|refresh_token|id_token)":"([^"]+)"`)

func tap(t *testing.T, login string) *wiretap {
	t.Helper()
	target, err := url.Parse(login)
	require.NoError(t, err)
	w := &wiretap{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		for _, m := range secretMember.FindAllStringSubmatch(string(body), -1) {
			w.keep(m[1])
		}
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/connect/token" {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			form, _ := url.ParseQuery(string(body))
			for _, name := range []string{"code", "code_verifier", "client_secret", "refresh_token"} {
				w.keep(form.Get(name))
			}
		}
		proxy.ServeHTTP(out, r)
	})}
	w.url = "http://" + l.Addr().String()
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

func (w *wiretap) keep(secret string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if secret != "" {
		w.secrets = append(w.secrets, secret)
	}
}

// assertNoSecret fails where a text holds what went over the wire, or what is
// configured.
func (d *desk) assertNoSecret(t *testing.T, text string) {
	t.Helper()
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	creds := d.server.Credentials()
	for _, secret := range append([]string{creds.ClientSecret, creds.SubscriptionKey}, d.wire.secrets...) {
		assert.NotContains(t, text, secret)
	}
}

// running is a command under way.
type running struct {
	desk       *desk
	out, notes screen
	interrupt  context.CancelFunc
	ended      chan error
}

// screen is what a command has printed so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (d *desk) start(t *testing.T, in io.Reader, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{desk: d, interrupt: cancel, ended: make(chan error, 1)}
	t.Cleanup(cancel)
	app := &ucli.App{
		Name: binaryName, Reader: in, Writer: &r.out, ErrWriter: &r.notes, Commands: Commands(),
		ExitErrHandler: func(*ucli.Context, error) {},
	}
	go func() { r.ended <- app.RunContext(ctx, append([]string{binaryName}, args...)) }()
	return r
}

// end waits for the end of the command, and returns how it ended. No secret may have
// been printed.
func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		text := r.out.String() + r.notes.String()
		if err != nil {
			text += err.Error()
		}
		r.desk.assertNoSecret(t, text)
		return err
	case <-time.After(patienceOfTests):
		require.FailNow(t, "the command did not end", "%s\n%s", r.out.String(), r.notes.String())
		return nil
	}
}

// run runs a command to its end: results, the rest, error.
func (d *desk) run(t *testing.T, args ...string) (out, notes string, err error) {
	t.Helper()
	r := d.start(t, strings.NewReader(""), args...)
	err = r.end(t)
	return r.out.String(), r.notes.String(), err
}

var addressLine = regexp.MustCompile(`(?m)^ {2}(http\S+/connect/authorize\?\S+)$`)

// address waits for the address to open.
func (r *running) address(t *testing.T) string {
	t.Helper()
	require.Eventually(t, func() bool { return addressLine.MatchString(r.notes.String()) || len(r.ended) > 0 }, patienceOfTests, eventually)
	m := addressLine.FindStringSubmatch(r.notes.String())
	if m == nil {
		require.NoError(t, r.end(t), "no address: %s", r.notes.String())
		require.FailNow(t, "no address")
	}
	return m[1]
}

// visitor is a browser, with its cookies, and the person before it.
type visitor struct {
	client *http.Client
	// stopAt, where set, is an address that the browser is not to follow to.
	stopAt string
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	v := &visitor{}
	v.client = &http.Client{Jar: jar, Timeout: patienceOfTests, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if v.stopAt != "" && strings.HasPrefix(r.URL.String(), v.stopAt) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return v
}

// seen is a page that a visitor is on.
type seen struct {
	address  string
	status   int
	header   http.Header
	text     string
	location string // where it would have gone, were it not to stop
}

func (v *visitor) look(t *testing.T, response *http.Response, err error) seen {
	t.Helper()
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return seen{response.Request.URL.String(), response.StatusCode, response.Header, string(text), response.Header.Get("Location")}
}

func (v *visitor) open(t *testing.T, address string) seen {
	t.Helper()
	response, err := v.client.Get(address)
	return v.look(t, response, err)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// submit sends the form of a page.
func (v *visitor) submit(t *testing.T, p seen, fields url.Values) seen {
	t.Helper()
	m := csrfField.FindStringSubmatch(p.text)
	require.NotNil(t, m, p.text)
	fields.Set("csrf", m[1])
	response, err := v.client.PostForm(p.address, fields)
	return v.look(t, response, err)
}

// signIn goes through EBP's pages to where they lead.
func (v *visitor) signIn(t *testing.T, address, email, decision string) seen {
	t.Helper()
	p := v.open(t, address)
	p = v.submit(t, p, url.Values{"email": {email}, "password": {"secret of Camille"}})
	return v.submit(t, p, url.Values{"decision": {decision}})
}

const camille = "camille.martin@example.fr"

// signedIn is a desk at which Camille has signed in.
func signedIn(t *testing.T, change ...func(*sandbox.Options)) *desk {
	t.Helper()
	d := newDesk(t, change...)
	r := d.start(t, nil, "login")
	newVisitor(t).signIn(t, r.address(t), camille, "allow")
	require.NoError(t, r.end(t), r.notes.String())
	return d
}

// storedFiles are the files of the state.
func (d *desk) storedFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(d.state, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	}))
	return out
}

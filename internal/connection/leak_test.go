package connection

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

// Every secret of this test holds this word, and nothing else does.
const leak = "LEAK"

// echoServer is an EBP, an authorization server and a proxy that sends back whatever
// it was sent, in any place where a client may quote it.
type echoServer struct {
	url string

	mu     sync.Mutex
	answer func(echo string) string // to a call
	token  func(echo string) string // to a call of the token endpoint
	tokens int
	calls  int
}

func newEchoServer(t *testing.T) *echoServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &echoServer{url: "http://" + l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *echoServer) serve(conn net.Conn) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	form, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(form))
	_ = r.ParseForm()
	echo := strings.Join([]string{
		r.Header.Get("ebp-subscription-key"), r.Header.Get("Authorization"), r.Header.Get("Proxy-Authorization"), string(form),
		r.PostForm.Get("client_secret"), r.PostForm.Get("refresh_token"),
	}, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !strings.HasSuffix(r.URL.Path, "/connect/token"):
		s.calls++
		fmt.Fprint(conn, s.answer(echo))
	case s.token != nil:
		fmt.Fprint(conn, s.token(echo))
	default:
		s.tokens++
		fmt.Fprint(conn, withBody(200, "application/json", fmt.Sprintf(`{"access_token":"access+LEAK/%d","refresh_token":"refresh-LEAK-%d","expires_in":3600}`, s.tokens, s.tokens)))
	}
}

func (s *echoServer) set(answer, token func(string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer, s.token = answer, token
}

func withBody(status int, contentType, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), contentType, len(body), body)
}

// oneWord makes a text that can stand where spaces would end it.
func oneWord(echo string) string { return strings.ReplaceAll(strings.TrimSpace(echo), " ", "_") }

// answers are the places where a server can put what it was sent.
var answers = map[string]func(echo string) string{
	"status":   func(e string) string { return "HTTP/1.1 " + oneWord(e) + " Bad\r\n\r\n" },
	"protocol": func(e string) string { return oneWord(e) + " 200 OK\r\n\r\n" },
	"reason": func(e string) string {
		return "HTTP/1.1 400 " + e + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	},
	"no protocol":       func(e string) string { return e + "\r\n\r\n" },
	"malformed header":  func(e string) string { return "HTTP/1.1 200 OK\r\n" + e + "\r\n\r\n" },
	"length":            func(e string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + e + "\r\n\r\n" },
	"transfer encoding": func(e string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + e + "\r\n\r\n" },
	"chunk":             func(e string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + e + "\r\n" },
	"compression": func(e string) string {
		return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n" + e
	},
	"broken-off body": func(e string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + e },
	"redirect": func(e string) string {
		return "HTTP/1.1 302 Found\r\nLocation: https://" + oneWord(e) + "/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	},
	"Retry-After": func(e string) string {
		return "HTTP/1.1 429 X\r\nRetry-After: " + e + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	},
	"headers of a refusal": func(e string) string {
		return "HTTP/1.1 401 X\r\nWWW-Authenticate: " + e + "\r\nDate: " + e + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	},
	"content type": func(e string) string { return withBody(400, e, "x") },
	"text":         func(e string) string { return withBody(400, "text/plain", e) },
	"text, cut":    func(e string) string { return withBody(400, "text/plain", strings.Repeat("x", 1990)+e) },
	"page":         func(e string) string { return withBody(502, "text/html", "<h1>"+e+"</h1>") },
	"EBP's shape": func(e string) string {
		return withBody(400, "application/json", fmt.Sprintf(`{"title":%q,"message":%q,"errorType":%q,"errors":[{"errorCode":%q,"errorMessage":%q}],"systemMessage":%q}`, e, e, e, e, e, e))
	},
	"Hubbix's shape": func(e string) string {
		return withBody(404, "application/json", fmt.Sprintf(`{"status":404,"errorCode":%q,"data":{%q:%q},"message":%q}`, e, e, e, e))
	},
	"the gateway's shape": func(e string) string {
		return withBody(401, "application/json", fmt.Sprintf(`{"statusCode":401,"message":%q}`, "invalid subscription key "+e))
	},
	"quota": func(e string) string {
		return withBody(403, "application/json", fmt.Sprintf(`{"statusCode":403,"message":%q}`, "Out of call volume quota "+e))
	},
	"problem details": func(e string) string {
		return withBody(400, "application/json", fmt.Sprintf(`{"title":%q,"status":400,"detail":%q}`, e, e))
	},
	"escapes of other kinds": func(e string) string {
		return withBody(400, "application/json", `{"message":"`+strings.NewReplacer("/", `\/`, "+", `\u002b`).Replace(e)+`"}`)
	},
	"server error": func(e string) string { return withBody(500, "text/plain", e) },
	"success": func(e string) string {
		return withBody(200, "application/json", fmt.Sprintf(`{"folders":[],"x":%q}`, e))
	},
	"nothing": func(string) string { return "" },
}

// tokenAnswers are those of the token endpoint besides.
var tokenAnswers = map[string]func(echo string) string{
	"refused": func(e string) string {
		return withBody(400, "application/json", fmt.Sprintf(`{"error":"invalid_grant","error_description":%q,"error_uri":%q}`, e, e))
	},
	"client": func(e string) string {
		return withBody(400, "application/json", fmt.Sprintf(`{"error":"invalid_client","error_description":%q}`, e))
	},
	"other":   func(e string) string { return withBody(400, "application/json", fmt.Sprintf(`{"error":%q}`, e)) },
	"no JSON": func(e string) string { return withBody(200, "application/json", e) },
	"form":    func(e string) string { return withBody(200, "application/x-www-form-urlencoded", "%zz"+e) },
	"odd":     func(e string) string { return withBody(200, "application/json", fmt.Sprintf(`{"expires_in":%q}`, e)) },
}

func TestWhateverAServerEchoesNoSecretIsLoggedTracedOrInAnError(t *testing.T) {
	clean(t)
	s := newEchoServer(t)
	var logged lockedBuffer
	mgr := service.MockResources(service.MockResourcesOptUseLogger(service.NewLoggerFromSlog(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.Level(-100)})))))
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	seeds := 0
	open := func(proxy bool) *Client {
		seeds++
		yaml := fmt.Sprintf(`{url: '%s', subscription_key: key-LEAK-1, state: 'file:%s', profile: p%d, calls: {per_second: 0, when_exhausted: error, account: a%d},
			oauth2: {url: '%s', client_id: id, client_secret: 'sec+LEAK/2="x"', refresh_token: 'seed/LEAK+%d'},
			http: {timeout: 2s, max_retries: 1, backoff: {initial_interval: 1ms, max_interval: 1ms}, proxy_url: '%s'}}`,
			s.url, t.TempDir(), seeds, seeds, s.url, seeds, map[bool]string{true: strings.Replace(s.url, "http://", "http://user:pro%2BLEAK%2F4@", 1)}[proxy])
		conf, err := parse(t, yaml)
		require.NoError(t, err)
		client, err := conf.Open(mgr)
		require.NoError(t, err)
		client.observer.tracer = tracer // the mocked resources have none that can be read
		return client
	}
	var told strings.Builder // all errors, however deep
	tell := func(name string, err error) {
		var walk func(err error)
		walk = func(err error) {
			fmt.Fprintf(&told, "%s: %v %+v %#v %q\n", name, err, err, err, err)
			switch e := err.(type) { //nolint:errorlint // to look at every one
			case interface{ Unwrap() error }:
				if e.Unwrap() != nil {
					walk(e.Unwrap())
				}
			case interface{ Unwrap() []error }:
				for _, e := range e.Unwrap() {
					walk(e)
				}
			}
		}
		if err != nil {
			walk(err)
		}
	}
	folders, _ := catalog.Lookup("gescom.folders.list")
	write, _ := catalog.Lookup("maintenance.users.unlog_all")
	fine := answers["success"]
	for _, proxy := range []bool{false, true} {
		for name, answer := range answers {
			client := open(proxy) // its own: after some answers no further call is made
			s.set(answer, nil)
			for _, op := range []*catalog.Operation{folders, write} {
				_, err := client.Do(t.Context(), ebp.Request{Operation: op, Folder: "3691"})
				assert.Equal(t, name == "success", err == nil, "%s: %v", name, err)
				tell(name, err)
			}
			_ = client.Close()
		}
		for _, all := range []map[string]func(string) string{answers, tokenAnswers} {
			for name, answer := range all {
				if name == "success" {
					continue
				}
				s.set(fine, answer)
				client := open(proxy)
				_, err := client.Do(t.Context(), ebp.Request{Operation: folders})
				require.Error(t, err, name)
				tell("token "+name, err)
				_ = client.Close()
			}
		}
	}
	var traced strings.Builder
	for _, span := range spans.Ended() {
		fmt.Fprintf(&traced, "%s %v %+v %+v\n", span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	for what, text := range map[string]string{"the log": logged.String(), "an error": told.String(), "a span": traced.String()} {
		require.NotEmpty(t, text, what)
		for _, line := range strings.Split(text, "\n") {
			// The password of the proxy goes over the wire in base64.
			for _, secret := range []string{leak, "leak", "dXNlcjpwcm8rTEVBSy80", "sec+", "sec%2", "x%22"} {
				assert.NotContains(t, line, secret, "%s shows a secret", what)
			}
		}
	}
	assert.Contains(t, told.String(), "[secret]")
	assert.Contains(t, logged.String(), "trying again", "the log was not at its most verbose")
	assert.Greater(t, len(spans.Ended()), 2*len(answers))
}

// lockedBuffer is written by many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Package ebp is the client of the EBP REST APIs. It knows EBP and nothing of
// Benthos. A Client makes single calls of the catalog's operations: authorised,
// paced, retried where that is safe, answered by bytes or by an error that says which
// call failed and why. What is built of several calls stands in the packages below:
// paging, and later jobs.
package ebp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/redact"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Config is everything a client needs. There are no defaults here: the connection
// fields of the components have them.
type Config struct {
	URL             string // base of the API
	LoginURL        string // authorization server
	SubscriptionKey string
	ClientID        string
	ClientSecret    string
	RefreshToken    string // seed
	Scopes          []string
	Profile         string
	Store           state.Store
	// Login is the command by which a person signs in, as auth.Config says.
	Login string
	// Log is told of the sign-in's renewals; nil is told nothing.
	Log auth.Log
	// WatchSignIn, where set, is called as auth.Config says of Watch.
	WatchSignIn func(auth.Status)

	// Pacers are asked before each call. Clients of one subscription share them.
	Pacers       []transport.Pacer
	WaitForQuota bool

	Timeout          time.Duration
	MaxRetries       int
	BackoffInitial   time.Duration
	BackoffMax       time.Duration
	MaxResponseBytes int64
	MaxURLBytes      int
	TLS              *tls.Config
	ProxyURL         string // "" = from the environment
	AcceptLanguage   string
	UserAgent        string
}

// Client calls the API. It may be used by many goroutines at once.
type Client struct {
	cfg      Config
	base     *url.URL
	chain    http.RoundTripper
	tokens   *auth.Source
	redactor *redact.Redactor
	network  *http.Transport

	mu        sync.RWMutex
	alternate map[string]bool // operations whose other path answers
}

// New returns a client. It makes no call, and fails for settings that cannot work.
func New(cfg Config) (*Client, error) {
	base, err := parseURL("url", cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.MaxResponseBytes <= 0 || cfg.Store == nil {
		return nil, errors.New("a client needs a store and a limit of response bytes")
	}
	signIn, network, err := signIn(cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, base: base, network: network, alternate: map[string]bool{},
		redactor: signIn.Redactor, tokens: auth.NewSource(signIn),
	}
	c.chain = transport.Chain(transport.Layers{
		Retry: transport.Retry{
			Max: cfg.MaxRetries, Initial: cfg.BackoffInitial, Longest: cfg.BackoffMax,
			WaitForQuota: cfg.WaitForQuota, Redact: c.redactor.String,
		},
		Credentials: transport.Credentials{
			SubscriptionKey: cfg.SubscriptionKey, AcceptLanguage: cfg.AcceptLanguage, UserAgent: cfg.UserAgent, Tokens: c.tokens,
			FirstPause: refusedPause, LongestPause: longestRefusedPause,
		},
		Pacers: cfg.Pacers, Host: transport.Host{URL: base},
		Timeout: cfg.Timeout, MaxBytes: cfg.MaxResponseBytes, Base: network,
	})
	return c, nil
}

// After EBP has refused the credentials, calls are not made for a while: they would use
// up the day's calls.
const (
	refusedPause        = 30 * time.Second
	longestRefusedPause = 15 * time.Minute
)

// SignIn returns the sign-in of a client, for commands that make, look at or end one. It
// makes no call, and fails for settings that cannot work.
func SignIn(cfg Config) (auth.Config, error) {
	c, _, err := signIn(cfg)
	return c, err
}

func signIn(cfg Config) (auth.Config, *http.Transport, error) {
	login, err := parseURL("oauth2.url", cfg.LoginURL)
	if err != nil {
		return auth.Config{}, nil, err
	}
	for name, v := range map[string]string{
		"subscription_key": cfg.SubscriptionKey, "oauth2.client_id": cfg.ClientID, "oauth2.client_secret": cfg.ClientSecret,
	} {
		if strings.ContainsAny(v, "\r\n\x00") {
			return auth.Config{}, nil, fmt.Errorf("%s holds a line break; it was probably copied with one", name)
		}
	}
	network := http.DefaultTransport.(*http.Transport).Clone()
	network.TLSClientConfig = cfg.TLS
	network.MaxIdleConnsPerHost = 8
	if cfg.ProxyURL != "" {
		proxy, err := parseProxy(cfg.ProxyURL)
		if err != nil {
			return auth.Config{}, nil, err
		}
		network.Proxy = http.ProxyURL(proxy)
	}
	redactor := redact.New(cfg.SubscriptionKey, cfg.ClientSecret, cfg.RefreshToken)
	redactor.AddStatic(proxySecrets(cfg.ProxyURL)...)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		redactor.AddStatic(proxySecrets(os.Getenv(name))...)
	}
	return auth.Config{
		URL: login, ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Profile: cfg.Profile, Scopes: cfg.Scopes,
		Seed: cfg.RefreshToken, Store: cfg.Store, Redactor: redactor, Login: cfg.Login, Log: cfg.Log, Watch: cfg.WatchSignIn,
		HTTP: &http.Client{
			Transport:     network,
			Timeout:       cfg.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, network, nil
}

// parseURL accepts https, and http to this machine only.
func parseURL(field, raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s is not a URL such as https://api-developpeurs.ebp.com", field)
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s must not hold a user, a query or a fragment", field)
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s is plain http to %s: tokens would travel in the clear; use https (http is for this machine only)", field, u.Host)
	default:
		return nil, fmt.Errorf("%s has the scheme %q; use https", field, u.Scheme)
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// parseProxy reads the URL of a proxy. Its errors do not quote it: it may hold a
// password.
func parseProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, errors.New("http.proxy_url is not a URL such as http://proxy.example:3128")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, errors.New("http.proxy_url has a scheme that is none of http, https, socks5 and socks5h")
}

// proxySecrets returns what must not be shown of the URL of a proxy: its password, and
// the header that carries it. What is no URL is looked into all the same, since errors
// may quote it.
func proxySecrets(raw string) []string {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		rest = raw
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return nil
	}
	user, password, ok := strings.Cut(rest[:at], ":")
	if !ok || password == "" {
		return []string{user} // which may be a token
	}
	out := []string{password}
	if p, err := url.PathUnescape(password); err == nil {
		if u, err := url.PathUnescape(user); err == nil {
			out = append(out, p, base64.StdEncoding.EncodeToString([]byte(u+":"+p)))
		}
	}
	return out
}

// closingTime bounds how long Close waits.
const closingTime = 15 * time.Second

// Close frees the client's connections. A renewal of the sign-in that is under way may
// end first, and its token be saved: it is the only one that works. An error says that
// this is not so yet: then the store must stay open until CloseLate has ended.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	err := c.tokens.Close(ctx)
	c.network.CloseIdleConnections()
	return err
}

// CloseLate goes on where Close gave up, for as long as an exchange and saving its result
// may take.
func (c *Client) CloseLate() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout+lateTime)
	defer cancel()
	return c.tokens.Close(ctx)
}

// lateTime is for saving a token that came after Close gave up.
const lateTime = 2 * time.Minute

// SignedIn makes sure that there is an access token. It costs no API call, and at
// most one of the authorization server.
func (c *Client) SignedIn(ctx context.Context) error {
	_, err := c.tokens.Token(ctx)
	return err
}

// MaxURLBytes is how long a URL may get.
func (c *Client) MaxURLBytes() int { return c.cfg.MaxURLBytes }

// Request is one call.
type Request struct {
	Operation *catalog.Operation
	// Folder is the dossier, tenant or domain; empty where the operation has none.
	Folder string
	// Path are the values of the path's {names}, the folder left out.
	Path map[string]string
	// Query are the query parameters, spelled as in the catalog.
	Query url.Values
	// Observer and Pacer, where set, are this call's own.
	Observer transport.Observer
	Pacer    transport.Pacer
}

// Answer is what a successful call brought.
type Answer struct {
	Status int
	Header http.Header
	// Body is the whole answer. It belongs to the caller.
	Body []byte
}

// Do makes the call. Its errors are *apierror.Error for an answer that is no
// success, *auth.Error where there is no sign-in, *transport.TooLargeError,
// *transport.PaceError where the call was not made, the context's, or one of the network that names the call. Cancelling ctx stops it at
// once, also while it waits for its turn or for a retry.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	op := r.Operation
	c.mu.RLock()
	useAlternate := c.alternate[op.Name]
	c.mu.RUnlock()
	path := op.Path
	if useAlternate {
		path = op.AlternatePath
	}
	a, err := c.do(ctx, r, path)
	var e *apierror.Error
	if op.AlternatePath == "" || useAlternate || !errors.As(err, &e) || e.Status != http.StatusNotFound {
		return a, err
	}
	// The document spells this path in two ways. If the other one works it is
	// remembered; if not, the first error tells more.
	b, otherErr := c.do(ctx, r, op.AlternatePath)
	if otherErr != nil {
		return nil, err
	}
	c.mu.Lock()
	c.alternate[op.Name] = true
	c.mu.Unlock()
	return b, nil
}

func (c *Client) do(ctx context.Context, r Request, path string) (*Answer, error) {
	u, err := c.url(r, path)
	if err != nil {
		return nil, err
	}
	op := r.Operation
	call := &transport.Call{
		Operation: op.Name, Product: op.Product(), Folder: r.Folder, Idempotent: op.Method == http.MethodGet,
		Observer: r.Observer, Pacer: r.Pacer,
	}
	req, err := http.NewRequestWithContext(transport.WithCall(ctx, call), op.Method, u, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op.Name, err)
	}
	switch op.Scope {
	case catalog.ScopeTenantHeader:
		req.Header.Set("tenantid", r.Folder)
	case catalog.ScopeDomainHeader:
		req.Header.Set("DomainId", r.Folder)
	}
	req.Header.Set("Accept", "application/json, */*;q=0.5")
	res, err := c.chain.RoundTrip(req) //nolint:bodyclose // the chain answers with bodies in memory
	if err != nil {
		return nil, c.failed(ctx, op, err)
	}
	body, err := transport.Bytes(res)
	if err != nil {
		return nil, c.failed(ctx, op, err)
	}
	if res.StatusCode/100 != 2 { // any 2xx is success (field notes on L321)
		// Before it is cut, since a secret may lie across the cut, and after, since it
		// may have been written with escapes.
		body = []byte(c.redactor.String(string(body)))
		e := apierror.Parse(res.StatusCode, res.Header, body, time.Now())
		e.Operation, e.Method, e.Path, e.Folder = op.Name, op.Method, req.URL.Path, r.Folder
		e.Text, e.Code = c.redactor.String(e.Text), c.redactor.String(e.Code)
		return nil, e
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// failed names the call in errors that do not, and takes secrets out of those of the
// network.
func (c *Client) failed(ctx context.Context, op *catalog.Operation, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var signIn *auth.Error
	if errors.As(err, &signIn) {
		return signIn
	}
	var tooLarge *transport.TooLargeError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("%s: %w", op.Name, tooLarge)
	}
	var pace *transport.PaceError
	if errors.As(err, &pace) {
		return fmt.Errorf("%s: %w", op.Name, pace)
	}
	var certificate *tls.CertificateVerificationError
	return &NetworkError{
		Operation: op.Name, Text: c.redactor.String(err.Error()), cause: err,
		Untrusted: errors.As(err, &certificate),
	}
}

// NetworkError is a call without an answer. Whether it had an effect is not known,
// but for reads, which have none. It holds no secret.
type NetworkError struct {
	Operation, Text string
	// Untrusted is true where the server's certificate was not accepted, which no
	// further attempt changes.
	Untrusted bool
	// cause may hold what Text does not: nobody outside gets at it.
	cause error
}

func (e *NetworkError) Error() string { return e.Operation + ": no answer: " + e.Text }

// Is reports whether the cause is target. The cause itself cannot be had: what the
// network says may quote a secret that the server sent back.
func (e *NetworkError) Is(target error) bool { return errors.Is(e.cause, target) }

var placeholder = regexp.MustCompile(`\{([^}]+)\}`)

func (c *Client) url(r Request, path string) (string, error) {
	op := r.Operation
	if op.HasFolder() && r.Folder == "" {
		return "", fmt.Errorf("%s works on a dossier, and none was given", op.Name)
	}
	var missing error
	path = placeholder.ReplaceAllStringFunc(path, func(m string) string {
		name := m[1 : len(m)-1]
		v := r.Path[name]
		if name == catalog.ParamFolder {
			v = r.Folder
		}
		// A dot segment would be taken out of the path by servers and proxies.
		if v == "" || v == "." || v == ".." {
			missing = fmt.Errorf("%s: path parameter %s cannot be %q", op.Name, name, v)
		}
		return url.PathEscape(v)
	})
	if missing != nil {
		return "", missing
	}
	query := r.Query
	if op.Scope == catalog.ScopeFolderQuery {
		query = url.Values{}
		for k, v := range r.Query {
			query[k] = v
		}
		query.Set(catalog.ParamFolder, r.Folder)
	}
	u := c.base.String() + path
	if len(query) > 0 {
		// %20 rather than +: both are read as a space, and the document uses %20.
		u += "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	return u, nil
}

// URLBytes returns how long the URL of a call is.
func (c *Client) URLBytes(r Request) int {
	u, err := c.url(r, r.Operation.Path)
	if err != nil {
		return 0
	}
	return len(u)
}

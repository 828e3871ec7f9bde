package connection

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// settings are what a client of the process is made of.
type settings struct {
	URL, LoginURL, SubscriptionKey, ClientID, ClientSecret, RefreshToken, Profile, State string

	PerSecond    float64
	PerMinute    int
	WaitForQuota bool

	Timeout, BackoffInitial, BackoffMax       time.Duration
	MaxRetries, MaxResponseBytes, MaxURLBytes int
	ProxyURL, AcceptLanguage                  string
	TLS                                       *tls.Config
}

// subscription names what the server counts calls by.
func (s *settings) subscription() string {
	key := sha256.Sum256([]byte(s.SubscriptionKey))
	return s.URL + "\n" + hex.EncodeToString(key[:8])
}

// identity names the client: one subscription, one sign-in.
func (s *settings) identity() string {
	return strings.Join([]string{s.subscription(), s.LoginURL, s.ClientID, s.Profile}, "\n")
}

// normalURL writes a URL in one way, so that two spellings of it are one server: scheme
// and host in lower case, without the port that the scheme implies and without slashes
// at the end. What is no URL stays as it is, to be refused by who uses it.
func normalURL(raw string) string {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(raw), "/"))
	if err != nil || u.Host == "" {
		return raw
	}
	u.Host = strings.ToLower(u.Host)
	if implied := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; implied != "" {
		u.Host = strings.TrimSuffix(u.Host, implied)
	}
	return u.String()
}

// difference names a setting in which two components of one client differ.
func (s *settings) difference(o *settings) string {
	names := map[string]string{
		"ClientSecret": "oauth2.client_secret", "RefreshToken": "oauth2.refresh_token", "State": "state",
		"PerSecond": "calls.per_second", "PerMinute": "calls.per_minute", "WaitForQuota": "calls.when_exhausted",
		"Timeout": "http.timeout", "BackoffInitial": "http.backoff.initial_interval", "BackoffMax": "http.backoff.max_interval",
		"MaxRetries": "http.max_retries", "MaxResponseBytes": "http.max_response_bytes", "MaxURLBytes": "http.max_url_bytes",
		"ProxyURL": "http.proxy_url", "AcceptLanguage": "http.accept_language",
	}
	a, b := reflect.ValueOf(*s), reflect.ValueOf(*o)
	for i := range a.NumField() {
		if name, ok := names[a.Type().Field(i).Name]; ok && !a.Field(i).Equal(b.Field(i)) {
			return name
		}
	}
	if !sameTLS(s.TLS, o.TLS) {
		return "http.tls"
	}
	return ""
}

// sameTLS reports whether two configurations trust the same servers in the same way,
// and show them the same certificates.
func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.InsecureSkipVerify == b.InsecureSkipVerify && a.ServerName == b.ServerName &&
		a.MinVersion == b.MinVersion && a.MaxVersion == b.MaxVersion && a.Renegotiation == b.Renegotiation &&
		slices.Equal(a.CipherSuites, b.CipherSuites) && a.RootCAs.Equal(b.RootCAs) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool {
			return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
		})
}

// Embedded is an EBP that runs inside this process.
type Embedded struct {
	URL, LoginURL, SubscriptionKey, ClientID, ClientSecret, RefreshToken string
	// Unlimited is true where it takes calls at any pace.
	Unlimited bool
	Close     func() error
}

var embedded struct {
	sync.Mutex
	start func(url string) (*Embedded, error)
}

// RegisterEmbedded sets what URLs that begin with "sandbox:" start.
func RegisterEmbedded(start func(url string) (*Embedded, error)) {
	embedded.Lock()
	defer embedded.Unlock()
	embedded.start = start
}

// isEmbedded reports whether a URL asks for an embedded EBP.
func isEmbedded(url string) bool { return strings.HasPrefix(url, "sandbox:") }

func startEmbedded(url string) (*Embedded, error) {
	embedded.Lock()
	start := embedded.start
	embedded.Unlock()
	if start == nil {
		return nil, errors.New("this build has no sandbox: import the package plugins/sandbox, or set url to EBP's")
	}
	return start(url)
}

// shared is a client with the components that use it.
type shared struct {
	settings settings
	client   *ebp.Client
	store    state.Store
	embedded *Embedded
	pace     *pace
	users    int
}

// pace is that of one subscription. Its clients, one for each sign-in, share it.
type pace struct {
	perSecond float64
	perMinute int
	pacers    []transport.Pacer
	users     int
}

// registry holds the clients of the process, one source of tokens each, and the paces
// of their subscriptions, whichever pipelines and components they serve.
//
// A pace stays when its last client goes: one that comes back at once must not call
// earlier than the last would have.
var registry = struct {
	sync.Mutex
	clients map[string]*shared
	paces   map[string]*pace
}{clients: map[string]*shared{}, paces: map[string]*pace{}}

// acquire returns the client for these settings, made at its first use, and the
// function that gives it back. The last user closes it.
func acquire(s settings) (*ebp.Client, func() error, error) {
	registry.Lock()
	defer registry.Unlock()
	id := s.identity()
	sh, ok := registry.clients[id]
	if !ok {
		var err error
		if sh, err = open(s); err != nil {
			return nil, nil, err
		}
		registry.clients[id] = sh
	}
	if field := s.difference(&sh.settings); field != "" {
		return nil, nil, fmt.Errorf("%s differs from that of another component with the same sign-in and profile, which share one client: make them equal", field)
	}
	sh.users++
	return sh.client, sync.OnceValue(func() error {
		if sh.leave(id) {
			return sh.close() // outside of the lock, since it may take a moment
		}
		return nil
	}), nil
}

// leave reports whether the user that left was the last one.
func (sh *shared) leave(id string) bool {
	registry.Lock()
	defer registry.Unlock()
	if sh.users--; sh.users > 0 {
		return false
	}
	delete(registry.clients, id)
	sh.pace.users--
	return true
}

// acquirePace returns the pace of a subscription. The registry is locked.
func acquirePace(s *settings) (*pace, error) {
	id := s.subscription()
	p := registry.paces[id]
	if p != nil {
		field := ""
		switch {
		case p.perSecond != s.PerSecond:
			field = "calls.per_second"
		case p.perMinute != s.PerMinute:
			field = "calls.per_minute"
		}
		switch {
		case field == "":
			p.users++
			return p, nil
		case p.users > 0:
			return nil, fmt.Errorf("%s differs from that of another component with the same subscription_key, which share one pace: make them equal", field)
		}
	}
	p = &pace{perSecond: s.PerSecond, perMinute: s.PerMinute, pacers: transport.Pacers(s.PerSecond, s.PerMinute), users: 1}
	registry.paces[id] = p
	return p, nil
}

func open(s settings) (*shared, error) {
	sh := &shared{settings: s}
	if err := sh.open(); err != nil {
		if sh.pace != nil {
			sh.pace.users--
		}
		_ = sh.close() // nothing was obtained that could be lost
		return nil, err
	}
	return sh, nil
}

func (sh *shared) open() (err error) {
	s := sh.settings
	use := s
	if isEmbedded(s.URL) {
		if sh.embedded, err = startEmbedded(s.URL); err != nil {
			return err
		}
		e := sh.embedded
		use.URL, use.LoginURL, use.SubscriptionKey = e.URL, e.LoginURL, e.SubscriptionKey
		use.ClientID, use.ClientSecret, use.RefreshToken = e.ClientID, e.ClientSecret, e.RefreshToken
		use.ProxyURL = ""
		use.State = "memory:" // its tokens end with it, so the field state is not for them
		if e.Unlimited {
			use.PerSecond = 0
		}
	}
	if sh.store, err = state.Open(use.State); err != nil {
		return err
	}
	if sh.pace, err = acquirePace(&use); err != nil {
		return err
	}
	sh.client, err = ebp.New(ebp.Config{
		URL: use.URL, LoginURL: use.LoginURL, SubscriptionKey: use.SubscriptionKey,
		ClientID: use.ClientID, ClientSecret: use.ClientSecret, RefreshToken: use.RefreshToken,
		Profile: use.Profile, Store: sh.store,
		Pacers: sh.pace.pacers, WaitForQuota: use.WaitForQuota,
		Timeout: use.Timeout, MaxRetries: use.MaxRetries, BackoffInitial: use.BackoffInitial, BackoffMax: use.BackoffMax,
		MaxResponseBytes: int64(use.MaxResponseBytes), MaxURLBytes: use.MaxURLBytes, TLS: use.TLS,
		ProxyURL: use.ProxyURL, AcceptLanguage: use.AcceptLanguage, UserAgent: "benthos-ebp",
	})
	return err
}

// close returns what went wrong with the sign-in's last token, if anything did.
func (sh *shared) close() (err error) {
	if sh.client != nil {
		err = sh.client.Close()
	}
	if sh.store != nil {
		_ = sh.store.Close()
	}
	if sh.embedded != nil {
		_ = sh.embedded.Close()
	}
	return err
}

// missingError are the settings that a sign-in needs and does not have.
type missingError struct{ fields []string }

func (e *missingError) Error() string {
	verb, pronoun := "is", "it"
	if len(e.fields) > 1 {
		verb, pronoun = "are", "them"
	}
	return fmt.Sprintf("%s %s not set: set %s, or try url: \"sandbox:\" which needs none", strings.Join(e.fields, ", "), verb, pronoun)
}

// IsMissingCredentials reports whether an error of Open says that no sign-in is
// configured, which is another thing than one that is wrong or refused.
func IsMissingCredentials(err error) bool {
	var e *missingError
	return errors.As(err, &e)
}

// missing names what a sign-in needs and does not have.
func (s *settings) missing() error {
	if isEmbedded(s.URL) {
		return nil
	}
	var missing []string
	for _, f := range []struct{ value, name, env string }{
		{s.SubscriptionKey, "subscription_key", EnvSubscriptionKey},
		{s.ClientID, "oauth2.client_id", EnvClientID},
		{s.ClientSecret, "oauth2.client_secret", EnvClientSecret},
	} {
		if f.value == "" {
			missing = append(missing, f.name+" ($"+f.env+")")
		}
	}
	if len(missing) > 0 {
		return &missingError{fields: missing}
	}
	return nil
}

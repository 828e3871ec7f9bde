package connection

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
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

// identity names the client: one subscription, one sign-in, one pace.
func (s *settings) identity() string {
	key := sha256.Sum256([]byte(s.SubscriptionKey))
	return strings.Join([]string{s.URL, s.LoginURL, s.ClientID, s.Profile, hex.EncodeToString(key[:8])}, "\n")
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
	if (s.TLS == nil) != (o.TLS == nil) {
		return "http.tls"
	}
	return ""
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
	users    int
}

// registry holds the clients of the process: one pacer, one quota and one source of
// tokens for each, whichever pipeline or component it serves.
var registry = struct {
	sync.Mutex
	clients map[string]*shared
}{clients: map[string]*shared{}}

// acquire returns the client for these settings, made at its first use, and the
// function that gives it back. The last user closes it.
func acquire(s settings) (*ebp.Client, func(), error) {
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
	return sh.client, sync.OnceFunc(func() {
		registry.Lock()
		defer registry.Unlock()
		if sh.users--; sh.users == 0 {
			delete(registry.clients, id)
			sh.close()
		}
	}), nil
}

func open(s settings) (*shared, error) {
	sh := &shared{settings: s}
	if err := sh.open(); err != nil {
		sh.close()
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
		use.State = "memory:" // sandbox tokens are worth nothing and are not kept
		if e.Unlimited {
			use.PerSecond = 0
		}
	}
	if sh.store, err = state.Open(use.State); err != nil {
		return err
	}
	sh.client, err = ebp.New(ebp.Config{
		URL: use.URL, LoginURL: use.LoginURL, SubscriptionKey: use.SubscriptionKey,
		ClientID: use.ClientID, ClientSecret: use.ClientSecret, RefreshToken: use.RefreshToken,
		Profile: use.Profile, Store: sh.store,
		CallsPerSecond: use.PerSecond, CallsPerMinute: use.PerMinute, WaitForQuota: use.WaitForQuota,
		Timeout: use.Timeout, MaxRetries: use.MaxRetries, BackoffInitial: use.BackoffInitial, BackoffMax: use.BackoffMax,
		MaxResponseBytes: int64(use.MaxResponseBytes), MaxURLBytes: use.MaxURLBytes, TLS: use.TLS,
		ProxyURL: use.ProxyURL, AcceptLanguage: use.AcceptLanguage, UserAgent: "benthos-ebp",
	})
	return err
}

func (sh *shared) close() {
	if sh.client != nil {
		sh.client.Close()
	}
	if sh.store != nil {
		_ = sh.store.Close()
	}
	if sh.embedded != nil {
		_ = sh.embedded.Close()
	}
}

// missing names what a sign-in needs and does not have.
func (s *settings) missing() error {
	if isEmbedded(s.URL) {
		return nil
	}
	for _, f := range []struct{ value, name, env string }{
		{s.SubscriptionKey, "subscription_key", EnvSubscriptionKey},
		{s.ClientID, "oauth2.client_id", EnvClientID},
		{s.ClientSecret, "oauth2.client_secret", EnvClientSecret},
	} {
		if f.value == "" {
			return fmt.Errorf("%s is not set: set it or $%s, or try url: \"sandbox:\" which needs none", f.name, f.env)
		}
	}
	return nil
}

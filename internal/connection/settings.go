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
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// settings are what a client of the process is made of.
type settings struct {
	URL, LoginURL, SubscriptionKey, ClientID, ClientSecret, RefreshToken, Profile, State string

	Scopes string // separated by spaces

	// Login is the command by which a person makes this sign-in, with what it needs to find
	// the same state; empty for the plain one.
	Login string

	PerSecond         float64
	PerMinute, PerDay int
	WaitForQuota      bool
	Account           string

	Timeout, BackoffInitial, BackoffMax       time.Duration
	MaxRetries, MaxResponseBytes, MaxURLBytes int
	ProxyURL, AcceptLanguage                  string
	TLS                                       *tls.Config
}

// account names what calls are counted by.
func (s *settings) account() string { return AccountName(s.URL, s.SubscriptionKey, s.Account) }

// AccountName names the shared count of calls of a subscription: by the name that a
// person gave it, else by its key. It holds no secret.
func AccountName(url, subscriptionKey, account string) string {
	if account == "" {
		account = "key " + shortDigest(subscriptionKey)
	}
	return shortDigest(normalURL(url)) + "/" + account
}

func shortDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// identity names the client: one subscription, one sign-in.
func (s *settings) identity() string {
	return strings.Join([]string{s.URL, shortDigest(s.SubscriptionKey), s.LoginURL, s.ClientID, s.Profile}, "\n")
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

// withoutUser is a URL without a user and a password, which may be in it.
func withoutUser(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "unknown"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// difference names a setting in which two components of one client differ.
func (s *settings) difference(o *settings) string {
	names := map[string]string{
		"ClientSecret": "oauth2.client_secret", "RefreshToken": "oauth2.refresh_token", "State": "state",
		"Scopes": "oauth2.scopes", "Account": "calls.account",
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

// client are the settings as the client takes them.
func (s *settings) client(store state.Store, pacers []transport.Pacer, log auth.Log) ebp.Config {
	return ebp.Config{
		URL: s.URL, LoginURL: s.LoginURL, SubscriptionKey: s.SubscriptionKey,
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, RefreshToken: s.RefreshToken,
		Scopes: strings.Fields(s.Scopes), Profile: s.Profile, Store: store, Login: s.Login, Log: log,
		Pacers: pacers, WaitForQuota: s.WaitForQuota,
		Timeout: s.Timeout, MaxRetries: s.MaxRetries, BackoffInitial: s.BackoffInitial, BackoffMax: s.BackoffMax,
		MaxResponseBytes: int64(s.MaxResponseBytes), MaxURLBytes: s.MaxURLBytes, TLS: s.TLS,
		ProxyURL: s.ProxyURL, AcceptLanguage: s.AcceptLanguage, UserAgent: "benthos-ebp",
	}
}

// missingError are the settings that a sign-in needs and does not have.
type missingError struct {
	fields []string
	try    string // what needs none of them
}

func (e *missingError) Error() string {
	verb, pronoun := "is", "it"
	if len(e.fields) > 1 {
		verb, pronoun = "are", "them"
	}
	return fmt.Sprintf("%s %s not set: set %s, or try %s", strings.Join(e.fields, ", "), verb, pronoun, e.try)
}

// IsMissingCredentials reports whether an error of Open says that no sign-in is
// configured, which is another thing than one that is wrong or refused.
func IsMissingCredentials(err error) bool {
	var e *missingError
	return errors.As(err, &e)
}

// credential is a setting that a sign-in or a call needs.
type credential struct{ value, name, env string }

// signInFields are what a sign-in needs.
func (s *settings) signInFields() []credential {
	return []credential{
		{s.ClientID, "oauth2.client_id", EnvClientID},
		{s.ClientSecret, "oauth2.client_secret", EnvClientSecret},
	}
}

// missing names what a call needs and does not have.
func (s *settings) missing() error {
	if isEmbedded(s.URL) {
		return nil
	}
	return missing(append([]credential{{s.SubscriptionKey, "subscription_key", EnvSubscriptionKey}}, s.signInFields()...),
		`url: "sandbox:" which needs none`)
}

func missing(needed []credential, try string) error {
	var names []string
	for _, f := range needed {
		if f.value == "" {
			names = append(names, f.name+" ($"+f.env+")")
		}
	}
	if len(names) > 0 {
		return &missingError{fields: names, try: try}
	}
	return nil
}

package sandbox

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Options tune a sandbox. The zero value of a field means what its comment
// says; note that zero means no limit for PerSecond and PerDay, while
// DefaultOptions and ParseURL set the limits of the real service.
type Options struct {
	// Rows is the number of rows of each main table (Customer, Item,
	// SaleDocument, …) in each dossier. 0 means 250.
	Rows int
	// Seed draws the data: the same seed and size give the same data. 0 means 1.
	Seed int64
	// PerSecond is the number of calls one subscription may make per second
	// (L9780: 1). 0 means no limit.
	PerSecond float64
	// PerDay is the number of calls one subscription may make per day
	// (L9780: 10000). 0 means no limit.
	PerDay int
	// MaxLimit is the greatest number of records per page (L9775). 0 means 100.
	MaxLimit int
	// Folders is the number of gescom dossiers; there is one batiment dossier
	// besides. From three on, the last gescom dossier answers 403. 0 means 2.
	Folders int
	// Latency is added to each API answer.
	Latency time.Duration
	// AccessTokenLifetime is how long an access token is valid, up to a second
	// longer: its expiry is a whole second. 0 means one hour (L71).
	AccessTokenLifetime time.Duration
	// RefreshTokenLifetime is how long a refresh token is valid. 0 means 30
	// days (L71).
	RefreshTokenLifetime time.Duration
	// CodeLifetime is how long an authorization code is valid. 0 means five
	// minutes (L71).
	CodeLifetime time.Duration
	// RedirectURIs are the addresses to which the sign-in page may send a
	// browser back: they must be the client's to the letter, but for a slash
	// at the end. Empty means "http://localhost:3333" alone (L52).
	RedirectURIs []string
	// Listen is the address to listen on. Empty means "127.0.0.1:0".
	Listen string
	// Credentials are the credentials to accept; each empty field gets a
	// fixed default.
	Credentials Credentials
	// Now is the clock of tokens, limits, default dates and the Date header of answers. nil
	// means time.Now.
	Now func() time.Time
}

// Credentials are what a client needs to call the API.
type Credentials struct {
	ClientID        string
	ClientSecret    string
	SubscriptionKey string
	RefreshToken    string // single use (L71)
}

// DefaultOptions returns the options of the real service: one call per second
// and 10 000 calls per day, and of "sandbox:" without parameters.
func DefaultOptions() Options {
	return Options{PerSecond: 1, PerDay: 10000}.withDefaults()
}

func (o Options) withDefaults() Options {
	if o.Rows == 0 {
		o.Rows = 250
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.MaxLimit == 0 {
		o.MaxLimit = 100
	}
	if o.Folders == 0 {
		o.Folders = 2
	}
	if o.AccessTokenLifetime == 0 {
		o.AccessTokenLifetime = time.Hour
	}
	if o.RefreshTokenLifetime == 0 {
		o.RefreshTokenLifetime = 30 * 24 * time.Hour
	}
	if o.CodeLifetime == 0 {
		o.CodeLifetime = 5 * time.Minute
	}
	if len(o.RedirectURIs) == 0 {
		o.RedirectURIs = []string{"http://localhost:3333"}
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.Credentials.ClientID, "sandbox-client")
	def(&o.Credentials.ClientSecret, "sandbox-secret")
	def(&o.Credentials.SubscriptionKey, "0123456789abcdef0123456789abcdef")
	return o
}

func (o Options) check() error {
	switch {
	case o.Rows < 1:
		return errors.New("sandbox: rows must be at least 1")
	case !(o.PerSecond >= 0) || math.IsInf(o.PerSecond, 0) || o.PerDay < 0:
		return errors.New("sandbox: rate and per_day must not be negative; 0 means no limit")
	case o.MaxLimit < 1:
		return errors.New("sandbox: max_limit must be at least 1")
	case o.Folders < 1 || o.Folders > len(gescomFolders):
		return fmt.Errorf("sandbox: folders must be between 1 and %d", len(gescomFolders))
	case o.Latency < 0 || o.AccessTokenLifetime < 0 || o.RefreshTokenLifetime < 0 || o.CodeLifetime < 0:
		return errors.New("sandbox: latency, token_lifetime, refresh_token_lifetime and code_lifetime must not be negative")
	}
	for _, one := range o.RedirectURIs {
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Contains(one, "#") {
			return errors.New("sandbox: redirect_uri must be a whole http or https address, without a password or #, such as http://localhost:3333")
		}
	}
	return nil
}

// urlParameters are the parameters ParseURL knows.
var urlParameters = map[string]func(*Options, string) error{
	"rows":                   func(o *Options, v string) error { return parseInt(&o.Rows, v) },
	"folders":                func(o *Options, v string) error { return parseInt(&o.Folders, v) },
	"per_day":                func(o *Options, v string) error { return parseInt(&o.PerDay, v) },
	"max_limit":              func(o *Options, v string) error { return parseInt(&o.MaxLimit, v) },
	"latency":                func(o *Options, v string) error { return parseDuration(&o.Latency, v) },
	"token_lifetime":         func(o *Options, v string) error { return parseDuration(&o.AccessTokenLifetime, v) },
	"refresh_token_lifetime": func(o *Options, v string) error { return parseDuration(&o.RefreshTokenLifetime, v) },
	"code_lifetime":          func(o *Options, v string) error { return parseDuration(&o.CodeLifetime, v) },
	"redirect_uri":           func(o *Options, v string) error { o.RedirectURIs = []string{v}; return nil },
	"listen":                 func(o *Options, v string) error { o.Listen = v; return nil },
	"seed": func(o *Options, v string) (err error) {
		o.Seed, err = strconv.ParseInt(v, 10, 64)
		return err
	},
	"rate": func(o *Options, v string) (err error) {
		o.PerSecond, err = strconv.ParseFloat(v, 64)
		return err
	},
}

func parseInt(p *int, v string) (err error) {
	*p, err = strconv.Atoi(v)
	return err
}

func parseDuration(p *time.Duration, v string) (err error) {
	*p, err = time.ParseDuration(v)
	return err
}

// ParseURL reads "sandbox:" and "sandbox:?rows=5000&seed=7&rate=0". The
// parameters are code_lifetime, folders, latency, listen, max_limit, per_day,
// rate (calls per second), redirect_uri, refresh_token_lifetime, rows, seed
// and token_lifetime; what is not given has the value of DefaultOptions. An
// unknown or malformed parameter is an error that names the known ones.
func ParseURL(raw string) (Options, error) {
	o := DefaultOptions()
	rest, ok := strings.CutPrefix(raw, "sandbox:")
	if !ok {
		return o, fmt.Errorf("%q is not a sandbox address: it must start with \"sandbox:\"", raw)
	}
	rest = strings.TrimPrefix(rest, "//")
	if rest != "" && !strings.HasPrefix(rest, "?") {
		return o, fmt.Errorf("%q is not a sandbox address: after sandbox: only ?name=value parameters may follow (%s)", raw, knownParameters())
	}
	values, err := url.ParseQuery(strings.TrimPrefix(rest, "?"))
	if err != nil {
		return o, fmt.Errorf("sandbox address %q: %v (known parameters: %s)", raw, err, knownParameters())
	}
	for name, given := range values {
		set, ok := urlParameters[name]
		if !ok {
			return o, fmt.Errorf("unknown sandbox parameter %q; the known ones are %s", name, knownParameters())
		}
		if len(given) != 1 {
			return o, fmt.Errorf("sandbox parameter %q is given %d times; the known ones are %s", name, len(given), knownParameters())
		}
		if err := set(&o, given[0]); err != nil {
			return o, fmt.Errorf("sandbox parameter %s=%q is malformed; the known ones are %s", name, given[0], knownParameters())
		}
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w (known parameters: %s)", err, knownParameters())
	}
	return o, nil
}

func knownParameters() string {
	names := make([]string, 0, len(urlParameters))
	for n := range urlParameters {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

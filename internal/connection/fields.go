// Package connection is what every component shares: the configuration fields of a
// connection to EBP, and the registry of the process's clients behind them.
package connection

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// Names of the connection fields.
const (
	FieldURL             = "url"
	FieldSubscriptionKey = "subscription_key"
	FieldOAuth2          = "oauth2"
	FieldOAuth2URL       = "url"
	FieldClientID        = "client_id"
	FieldClientSecret    = "client_secret"
	FieldRefreshToken    = "refresh_token"
	FieldScopes          = "scopes"
	FieldProfile         = "profile"
	FieldState           = "state"
	FieldCalls           = "calls"
	FieldPerSecond       = "per_second"
	FieldPerMinute       = "per_minute"
	FieldPerDay          = "per_day"
	FieldWhenExhausted   = "when_exhausted"
	FieldAccount         = "account"
	FieldRateLimit       = "rate_limit"
	FieldHTTP            = "http"
	FieldTimeout         = "timeout"
	FieldMaxRetries      = "max_retries"
	FieldBackoff         = "backoff"
	FieldInitial         = "initial_interval"
	FieldMaxInterval     = "max_interval"
	FieldMaxResponse     = "max_response_bytes"
	FieldMaxURL          = "max_url_bytes"
	FieldTLS             = "tls"
	FieldProxyURL        = "proxy_url"
	FieldAcceptLanguage  = "accept_language"
	FieldTimeZone        = "time_zone"
)

// Environment variables that stand in for fields left empty.
const (
	EnvURL             = "EBP_URL"
	EnvLoginURL        = "EBP_LOGIN_URL"
	EnvSubscriptionKey = "EBP_SUBSCRIPTION_KEY"
	EnvClientID        = "EBP_CLIENT_ID"
	EnvClientSecret    = "EBP_CLIENT_SECRET"
	EnvRefreshToken    = "EBP_REFRESH_TOKEN"
	EnvState           = "EBP_STATE"
)

// Where EBP's services are (L33, L50).
const (
	DefaultURL      = "https://api-developpeurs.ebp.com"
	DefaultLoginURL = "https://api-login.ebp.com"
)

// DefaultScopes are what a sign-in asks for (L53).
var DefaultScopes = []string{"openid", "profile", "offline_access"}

func toAny(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

const (
	whenExhaustedWait  = "wait"
	whenExhaustedError = "error"
)

// Bounds of settings, and what is said beyond them, by the linter and by FromParsed.
const (
	leastResponse = 1024
	leastURL      = 200 // no call fits into less

	tooSmallResponse = "an answer of EBP never fits less than 1024 bytes"
	tooShortURL      = "a URL of EBP never fits less than 200 bytes"
	tooShortTimeout  = "an attempt needs more time than none, such as 60s"
	tooShortBackoff  = "a wait must be longer than none, such as 500ms"
	unknownState     = "this state is not known: write file:/path/to/directory, redis://host:6379/0, rediss://…, or postgres://user:password@host:5432/database"
	negativeRetries  = "retries cannot be negative; 0 means none"
)

// StateLintRule is the lint rule of fields that name a state.
var StateLintRule = fmt.Sprintf(`root = if this.type() == "string" && this != "" && !this.lowercase().re_match("^(file:.|memory:$|rediss?://|postgres(ql)?://)") { [ %q ] }`, unknownState)

func lintLess(least int, what string) string {
	return fmt.Sprintf(`root = if this.type() == "number" && this < %d { [ %q ] }`, least, what)
}

// lintDuration finds durations that are zero or negative; what is no duration is
// found when it is read. A pattern, since parse_duration is not in every build.
func lintDuration(what string) string {
	return fmt.Sprintf(`root = if this.string().re_match("^(-.*|[+]?(0+([.]0*)?[a-zµμ]*)+)$") { [ %q ] }`, what)
}

// Fields returns the connection fields, in the order in which documentation shows
// them. Every component that talks to EBP has them all.
func Fields() []*service.ConfigField {
	return []*service.ConfigField{
		service.NewStringField(FieldURL).
			Description("The base of the API. Empty: `$EBP_URL`, else `" + DefaultURL + "`. `sandbox:` starts a local EBP with invented data inside this process and signs in to it; `sandbox:?rows=5000&seed=7&rate=0` tunes it. Plain http is refused except to this machine.").
			Example("sandbox:").Example("sandbox:?rows=5000&rate=0").
			Default(""),
		service.NewStringField(FieldSubscriptionKey).
			Description("The primary or secondary key of your profile on EBP's developer portal. Empty: `$EBP_SUBSCRIPTION_KEY`.").
			Default("").Secret().Advanced(),
		service.NewObjectField(FieldOAuth2,
			service.NewStringField(FieldOAuth2URL).
				Description("The authorization server. Empty: `$EBP_LOGIN_URL`, else `"+DefaultLoginURL+"`.").
				Default(""),
			service.NewStringField(FieldClientID).
				Description("The client id from EBP's e-mail. Empty: `$EBP_CLIENT_ID`.").
				Default(""),
			service.NewStringField(FieldClientSecret).
				Description("The client secret from EBP's e-mail. Empty: `$EBP_CLIENT_SECRET`.").
				Default("").Secret(),
			service.NewStringField(FieldRefreshToken).
				Description("A refresh token to begin with. Empty: `$EBP_REFRESH_TOKEN`. It works once: its successors are kept in `state`, and it is used again only when it is a new one and the one in `state` is missing or was refused.").
				Default("").Secret(),
			service.NewStringListField(FieldScopes).
				Description("What `benthos-ebp login` asks EBP for. Without `offline_access` there is no refresh token.").
				Default(toAny(DefaultScopes)).
				LintRule(`root = if this.type() == "array" && !this.contains("offline_access") { [ "without offline_access EBP gives no refresh token, and the sign-in ends after an hour" ] }`),
		).Description("The sign-in. `benthos-ebp login` makes it.").Advanced(),
		service.NewStringField(FieldProfile).
			Description("The name under which the tokens of this sign-in are kept. Two profiles are two sign-ins.").
			Default("default").Advanced(),
		service.NewStringField(FieldState).
			Description("Where tokens and the count of the day's calls are kept: `file:DIR`, a directory on a local disk; `redis://`, `rediss://` or `postgres://`, for several machines. Whoever reads it can act for the person who signed in. Empty: `$EBP_STATE`, else `file:` and the directory `benthos-ebp` in the user's state directory (`$XDG_STATE_HOME`, `~/.local/state`). Tokens of `sandbox:` end with it and stay in memory, whatever is set here.").
			Example("file:/var/lib/benthos-ebp").
			Example("rediss://user:${REDIS_PASSWORD}@redis.example:6379/0").
			Example("postgres://user:${PGPASSWORD}@db.example:5432/etl").
			Default("").Secret().Advanced().
			LintRule(StateLintRule),
		service.NewObjectField(FieldCalls,
			service.NewFloatField(FieldPerSecond).
				Description("Calls per second, evenly spaced; 0 for no limit. EBP allows one.").
				Default(1.0).LintRule(lintLess(0, "calls per second cannot be negative; 0 means no limit")),
			service.NewIntField(FieldPerMinute).
				Description("Calls in any 60 seconds; 0 for no limit.").
				Default(0).LintRule(lintLess(0, "calls per minute cannot be negative; 0 means no limit")),
			service.NewIntField(FieldPerDay).
				Description("Calls per day; 0 for no limit. EBP allows 10,000. The day turns at midnight UTC until EBP says otherwise.").
				Default(10000).LintRule(lintLess(0, "calls per day cannot be negative; 0 means no limit")),
			service.NewStringAnnotatedEnumField(FieldWhenExhausted, map[string]string{
				whenExhaustedWait:  "Wait for the next day's calls.",
				whenExhaustedError: "Fail.",
			}).Description("What to do when the calls of the day are used up, by our count or as EBP says.").
				Default(whenExhaustedWait),
			service.NewStringField(FieldAccount).
				Description("The name under which calls are counted. Empty: a digest of `subscription_key`. EBP counts the primary and the secondary key of one subscription together: where both are in use, give both the same name.").
				Default(""),
		).Description("The pace of calls, and their count. All components and processes with the same `url`, `state` and `account` share them, whichever `profile` they sign in with.").Advanced(),
		service.NewStringField(FieldRateLimit).
			Description("The label of a rate limit resource to consult before each call as well.").
			Default("").Advanced(),
		service.NewObjectField(FieldHTTP,
			service.NewDurationField(FieldTimeout).Description("How long one attempt may take, its answer included.").
				Default("60s").LintRule(lintDuration(tooShortTimeout)),
			service.NewIntField(FieldMaxRetries).Description("Further attempts after a failed one that cannot have had an effect.").
				Default(5).LintRule(lintLess(0, negativeRetries)),
			service.NewObjectField(FieldBackoff,
				service.NewDurationField(FieldInitial).Description("The first wait; it doubles each time.").
					Default("500ms").LintRule(lintDuration(tooShortBackoff)),
				service.NewDurationField(FieldMaxInterval).Description("The longest wait.").
					Default("30s").LintRule(lintDuration(tooShortBackoff)),
			).Description("The wait before another attempt, where EBP does not say how long."),
			service.NewIntField(FieldMaxResponse).
				Description("The longest answer taken. A longer one is asked for again in smaller pages, and never cut.").
				Default(64<<20).LintRule(lintLess(leastResponse, tooSmallResponse)),
			service.NewIntField(FieldMaxURL).Description("The longest URL sent.").
				Default(2000).LintRule(lintLess(leastURL, tooShortURL)),
			service.NewTLSToggledField(FieldTLS),
			service.NewStringField(FieldProxyURL).Description("A proxy, `http:`, `https:` or `socks5:`; it may hold a user and a password. Empty: as `$HTTPS_PROXY` says.").Default("").Secret(),
			service.NewStringField(FieldAcceptLanguage).Description("The language of EBP's messages.").Default("fr-FR"),
		).Description("HTTP settings.").Advanced(),
		service.NewStringField(FieldTimeZone).
			Description("The zone of EBP's dates, which are written without one.").
			Default("Europe/Paris").Advanced(),
	}
}

// Config is a parsed connection.
type Config struct {
	settings
	RateLimit  string
	TimeZone   *time.Location
	stateGiven bool // the field state is set
}

// FromParsed reads the connection fields of a component.
func FromParsed(conf *service.ParsedConfig) (*Config, error) {
	c := &Config{}
	r := reader{conf: conf}
	c.URL = normalURL(r.text(EnvURL, DefaultURL, FieldURL))
	c.SubscriptionKey = r.text(EnvSubscriptionKey, "", FieldSubscriptionKey)
	c.LoginURL = normalURL(r.text(EnvLoginURL, DefaultLoginURL, FieldOAuth2, FieldOAuth2URL))
	c.ClientID = r.text(EnvClientID, "", FieldOAuth2, FieldClientID)
	c.ClientSecret = r.text(EnvClientSecret, "", FieldOAuth2, FieldClientSecret)
	c.RefreshToken = r.text(EnvRefreshToken, "", FieldOAuth2, FieldRefreshToken)
	c.Scopes = strings.Join(read(&r, conf.FieldStringList, []string{FieldOAuth2, FieldScopes}), " ")
	c.Profile = r.text("", "default", FieldProfile)
	c.stateGiven = r.text("", "", FieldState) != ""
	c.State = r.text(EnvState, "", FieldState)
	if r.configured {
		c.Login = "benthos-ebp login --config PIPELINE --profile " + c.Profile
	}
	c.PerSecond = r.float(FieldCalls, FieldPerSecond)
	c.PerMinute = r.int(FieldCalls, FieldPerMinute)
	c.PerDay = r.int(FieldCalls, FieldPerDay)
	c.Account = r.text("", "", FieldCalls, FieldAccount)
	c.WaitForQuota = r.text("", whenExhaustedWait, FieldCalls, FieldWhenExhausted) == whenExhaustedWait
	c.RateLimit = r.text("", "", FieldRateLimit)
	c.Timeout = r.duration(FieldHTTP, FieldTimeout)
	c.MaxRetries = r.int(FieldHTTP, FieldMaxRetries)
	c.BackoffInitial = r.duration(FieldHTTP, FieldBackoff, FieldInitial)
	c.BackoffMax = r.duration(FieldHTTP, FieldBackoff, FieldMaxInterval)
	c.MaxResponseBytes = r.int(FieldHTTP, FieldMaxResponse)
	c.MaxURLBytes = r.int(FieldHTTP, FieldMaxURL)
	c.ProxyURL = r.text("", "", FieldHTTP, FieldProxyURL)
	c.AcceptLanguage = r.text("", "", FieldHTTP, FieldAcceptLanguage)
	zone := r.text("", "Europe/Paris", FieldTimeZone)
	if r.err != nil {
		return nil, r.err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	tls, enabled, err := conf.FieldTLSToggled(FieldHTTP, FieldTLS)
	if err != nil {
		return nil, err
	}
	if enabled {
		c.TLS = tls
	}
	if c.TimeZone, err = time.LoadLocation(zone); err != nil {
		return nil, fmt.Errorf("%s %q is not a time zone such as Europe/Paris: %w", FieldTimeZone, zone, err)
	}
	if c.State == "" {
		if c.State, err = DefaultState(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// check says which setting cannot work. Not every configuration is linted.
func (s *settings) check() error {
	for _, c := range []struct {
		wrong       bool
		field, what string
	}{
		{!(s.PerSecond >= 0) || math.IsInf(s.PerSecond, 0) || s.PerMinute < 0 || s.PerDay < 0, "calls", "a pace cannot be negative; 0 means no limit"},
		{s.Timeout <= 0, "http.timeout", tooShortTimeout},
		{s.MaxRetries < 0, "http.max_retries", negativeRetries},
		{s.BackoffInitial <= 0, "http.backoff.initial_interval", tooShortBackoff},
		{s.BackoffMax <= 0, "http.backoff.max_interval", tooShortBackoff},
		{s.MaxResponseBytes < leastResponse, "http.max_response_bytes", tooSmallResponse},
		{s.MaxURLBytes < leastURL, "http.max_url_bytes", tooShortURL},
	} {
		if c.wrong {
			return fmt.Errorf("%s: %s", c.field, c.what)
		}
	}
	return nil
}

// DefaultState is the store of a person who configured none, by the XDG base directory
// specification.
func DefaultState() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification says to ignore others
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("there is no home directory for the state; set %s or $%s: %w", FieldState, EnvState, err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return "file:" + filepath.Join(dir, "benthos-ebp"), nil
}

// reader reads fields and keeps the first error.
type reader struct {
	conf *service.ParsedConfig
	err  error
	// configured is true where a field is set that an environment variable could stand in
	// for: then the environment alone does not find the sign-in.
	configured bool
}

func read[T any](r *reader, f func(...string) (T, error), path []string) T {
	v, err := f(path...)
	if err != nil && r.err == nil {
		r.err = err
	}
	return v
}

func (r *reader) text(env, fallback string, path ...string) string {
	v := read(r, r.conf.FieldString, path)
	r.configured = r.configured || v != "" && env != ""
	if v == "" && env != "" {
		v = os.Getenv(env)
	}
	if v == "" {
		return fallback
	}
	return v
}

func (r *reader) float(path ...string) float64 { return read(r, r.conf.FieldFloat, path) }
func (r *reader) int(path ...string) int       { return read(r, r.conf.FieldInt, path) }
func (r *reader) duration(path ...string) time.Duration {
	return read(r, r.conf.FieldDuration, path)
}

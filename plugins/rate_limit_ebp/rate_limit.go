// Package rate_limit_ebp is the rate limit `ebp`: the pace and the daily count of calls
// to EBP, for components that are not of EBP. Import it to register the component.
package rate_limit_ebp //nolint:revive // the house names plugin folders after their components

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func init() {
	service.MustRegisterRateLimit("ebp", rateLimitSpec(),
		func(conf *service.ParsedConfig, mgr *service.Resources) (service.RateLimit, error) {
			return rateLimitFromParsed(conf, mgr)
		})
}

const negative = "a limit cannot be negative; 0 means none"

func lintNegative(field string) string {
	return fmt.Sprintf(`root = if this.type() == "number" && this < 0 { [ %q ] }`, field+": "+negative)
}

func rateLimitSpec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Summary("Keeps the calls that other components, such as `http`, make to EBP within what EBP allows, together with those of the `ebp` components.").
		Description(`
EBP counts the calls of a subscription, whoever makes them: one per second and 10,000 a day. The `+"`ebp`"+` components keep to that by themselves. This rate limit is for other components that call EBP, with the key of the same subscription: it takes its calls from the same pace and the same count of the day as theirs, and those of other processes, where `+"`url`, `state` and `account`"+`, or the key, are the same as there. Set them in one place for all: `+"`$EBP_URL`, `$EBP_STATE` and `$EBP_SUBSCRIPTION_KEY`"+`.

The count of the day survives restarts. A call is counted before it is made, so that none is ever missing; one that is then not made stays counted. When the calls of the day are used up, by the count or because EBP told an `+"`ebp`"+` component so, calls wait for the next day, and the log says until when. While `+"`state`"+` cannot be reached no call is made.

Do not set `+"`rate_limit`"+` of an `+"`ebp`"+` component to this: its calls would count twice. What EBP answers to other components is not seen here: leave it to them to wait after a 429.
`).
		Fields(
			service.NewFloatField(connection.FieldPerSecond).
				Description("Calls per second, evenly spaced; 0 for no limit. EBP allows one.").
				Default(1.0).LintRule(lintNegative(connection.FieldPerSecond)),
			service.NewIntField(connection.FieldPerMinute).
				Description("Calls in any 60 seconds; 0 for no limit.").
				Default(0).LintRule(lintNegative(connection.FieldPerMinute)),
			service.NewIntField(connection.FieldPerDay).
				Description("Calls per day; 0 for no limit. EBP allows 10,000. The day turns at midnight UTC until EBP says otherwise.").
				Default(10000).LintRule(lintNegative(connection.FieldPerDay)),
			service.NewStringField(connection.FieldAccount).
				Description("The name under which calls are counted, as `calls.account` of the `ebp` components. Empty: a digest of `subscription_key`.").
				Default(""),
			service.NewStringField(connection.FieldSubscriptionKey).
				Description("The primary or secondary key of your profile on EBP's developer portal. It is not sent; without an `account` it tells whose calls to count. Empty: `$EBP_SUBSCRIPTION_KEY`.").
				Default("").Secret().Advanced(),
			service.NewStringField(connection.FieldURL).
				Description("The base of the API, a part of the name under which calls are counted. Empty: `$EBP_URL`, else `"+connection.DefaultURL+"`.").
				Default("").Advanced(),
			service.NewStringField(connection.FieldState).
				Description("Where the count is kept, as `state` of the `ebp` components: `file:DIR`, a directory on a local disk; `redis://`, `rediss://` or `postgres://`, for several machines. Empty: `$EBP_STATE`, else `file:` and the directory `benthos-ebp` in the user's state directory (`$XDG_STATE_HOME`, `~/.local/state`).").
				Example("file:/var/lib/benthos-ebp").
				Default("").Secret().Advanced().LintRule(connection.StateLintRule),
		).
		Example("A call that no component makes",
			"The processor `http` asks EBP about each message, in turn with the input, which reads with the same subscription: at one call per second, a page of 100 records takes 100 seconds. `EBP_ACCESS_TOKEN` stands for a token that you provide.",
			`
input:
  ebp:
    resource: gescom.generic_query
    table: Customer
    folders: ["3691"]
    columns: [Id]

pipeline:
  processors:
    - split: {} # a record at a time
    - branch:
        request_map: root = ""
        processors:
          - http:
              url: 'https://api-developpeurs.ebp.com/gescom/api/v1/Folders/3691/GenericQuery/${! @ebp_key.escape_url_query().replace_all("+", "%20") }?TableName=Customer'
              verb: GET
              rate_limit: ebp_calls
              headers:
                ebp-subscription-key: "${EBP_SUBSCRIPTION_KEY}"
                Authorization: "Bearer ${EBP_ACCESS_TOKEN}"
        result_map: root.details = this

rate_limit_resources:
  - label: ebp_calls
    ebp: {}

output:
  stdout: {}
`)
}

// longestQueue is how long a call stands in line within Access, at least.
const longestQueue = 10 * time.Second

// rateLimit is an account of the quota as a rate limit resource.
type rateLimit struct {
	account *quota.Account
	store   state.Store
	queue   time.Duration
}

func rateLimitFromParsed(conf *service.ParsedConfig, mgr *service.Resources) (*rateLimit, error) {
	limits, err := limitsFromParsed(conf)
	if err != nil {
		return nil, err
	}
	var errs [4]error
	text := func(i int, field, env, fallback string) (v string) {
		if v, errs[i] = conf.FieldString(field); v == "" && env != "" {
			v = os.Getenv(env)
		}
		if v == "" {
			v = fallback
		}
		return v
	}
	account := text(0, connection.FieldAccount, "", "")
	key := text(1, connection.FieldSubscriptionKey, connection.EnvSubscriptionKey, "")
	url := text(2, connection.FieldURL, connection.EnvURL, connection.DefaultURL)
	location := text(3, connection.FieldState, connection.EnvState, "")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if account == "" && key == "" {
		return nil, fmt.Errorf("whose calls to count is not known: set %s ($%s), or %s", connection.FieldSubscriptionKey, connection.EnvSubscriptionKey, connection.FieldAccount)
	}
	if location == "" {
		if location, err = connection.DefaultState(); err != nil {
			return nil, err
		}
	}
	store, err := state.Open(location)
	if err != nil {
		return nil, err
	}
	r := &rateLimit{store: store, queue: longestQueue}
	if limits.PerSecond > 0 {
		r.queue = max(r.queue, time.Duration(3*float64(time.Second)/limits.PerSecond))
	}
	r.account = quota.New(quota.Config{
		Name: connection.AccountName(url, key, account), Limits: limits,
		Store: store, WaitWhenExhausted: true, Warn: mgr.Logger().Warnf,
	})
	return r, nil
}

func limitsFromParsed(conf *service.ParsedConfig) (l quota.Limits, err error) {
	if l.PerSecond, err = conf.FieldFloat(connection.FieldPerSecond); err != nil {
		return l, err
	}
	if l.PerMinute, err = conf.FieldInt(connection.FieldPerMinute); err != nil {
		return l, err
	}
	if l.PerDay, err = conf.FieldInt(connection.FieldPerDay); err != nil {
		return l, err
	}
	if l.PerSecond < 0 || l.PerMinute < 0 || l.PerDay < 0 { // not every configuration is linted
		return l, errors.New(negative)
	}
	return l, nil
}

// Access returns 0 when the call may be made, else how long to wait before asking again.
//
// The calls of ebp components that wait reserve the places ahead, and would leave none
// to one that only looks now and then. So a call whose turn may be near stands in line
// here like theirs; only a longer wait is handed back.
func (r *rateLimit) Access(ctx context.Context) (time.Duration, error) {
	wait, err := r.account.Try(ctx)
	if err != nil || wait == 0 || wait > r.queue {
		return wait, err
	}
	line, cancel := context.WithTimeout(ctx, r.queue)
	defer cancel()
	if err = r.account.Wait(line); err == nil {
		return 0, nil
	}
	if line.Err() != nil && ctx.Err() == nil {
		return wait, nil
	}
	return 0, err
}

// Close gives back what was reserved, and closes the store.
func (r *rateLimit) Close(ctx context.Context) error {
	return errors.Join(r.account.Close(ctx), r.store.Close())
}

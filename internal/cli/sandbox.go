package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const (
	flagListen  = "listen"
	flagRows    = "rows"
	flagSeed    = "seed"
	flagRate    = "rate"
	flagPerDay  = "per-day"
	flagFolders = "folders"
	flagLatency = "latency"
	flagEnv     = "env"

	flagTokenLifetime        = "token-lifetime"
	flagRefreshTokenLifetime = "refresh-token-lifetime"
	flagSandboxRedirect      = "redirect-uri"

	defaultSandboxListen = "127.0.0.1:8080"
)

func sandboxCommand() *ucli.Command {
	defaults := sandbox.DefaultOptions()
	return &ucli.Command{
		Name:  "sandbox",
		Usage: "Serve a local EBP with data to try pipelines on",
		Description: `
Serves a local EBP until it is interrupted: its authorization server with a
sign-in page that takes any password, its APIs with their limits, and French
data drawn from a seed. It prints the environment variables with which
pipelines reach it.

  {{.BinaryName}} sandbox --rows 5000 --rate 0

To set the variables in a shell and leave the sandbox running behind it:

  {{.BinaryName}} sandbox --env > sandbox.env &
  sleep 2 && . ./sandbox.env`[1:],
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: flagListen, Value: defaultSandboxListen, Usage: "the address to listen on; port 0 takes a free one"},
			&ucli.IntFlag{Name: flagRows, Value: defaults.Rows, Usage: "how many rows the main tables of each dossier have"},
			&ucli.Int64Flag{Name: flagSeed, Value: defaults.Seed, Usage: "the seed of the data: the same seed gives the same data"},
			&ucli.Float64Flag{Name: flagRate, Value: defaults.PerSecond, Usage: "calls per second a subscription may make, 0 for no limit"},
			&ucli.IntFlag{Name: flagPerDay, Value: defaults.PerDay, Usage: "calls per day a subscription may make, 0 for no limit"},
			&ucli.IntFlag{Name: flagFolders, Value: defaults.Folders, Usage: "how many dossiers there are"},
			&ucli.DurationFlag{Name: flagLatency, Value: defaults.Latency, Usage: "how long each answer is held back"},
			&ucli.DurationFlag{Name: flagTokenLifetime, Value: defaults.AccessTokenLifetime, Usage: "how long an access token is valid"},
			&ucli.DurationFlag{Name: flagRefreshTokenLifetime, Value: defaults.RefreshTokenLifetime, Usage: "how long a refresh token is valid"},
			&ucli.StringSliceFlag{Name: flagSandboxRedirect, Value: ucli.NewStringSlice(defaults.RedirectURIs...), Usage: "an address to which the sign-in page may lead back; may be given several times"},
			&ucli.BoolFlag{Name: flagEnv, Usage: "print nothing but the variables"},
		},
		Action: func(c *ucli.Context) error {
			if err := refuseArguments(c); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return serveSandbox(ctx, c.App.Writer, sandboxOptions(c), c.Bool(flagEnv))
		},
	}
}

func sandboxOptions(c *ucli.Context) sandbox.Options {
	o := sandbox.DefaultOptions()
	o.Listen = c.String(flagListen)
	o.Rows = c.Int(flagRows)
	o.Seed = c.Int64(flagSeed)
	o.PerSecond = c.Float64(flagRate)
	o.PerDay = c.Int(flagPerDay)
	o.Folders = c.Int(flagFolders)
	o.Latency = c.Duration(flagLatency)
	o.AccessTokenLifetime = c.Duration(flagTokenLifetime)
	o.RefreshTokenLifetime = c.Duration(flagRefreshTokenLifetime)
	o.RedirectURIs = c.StringSlice(flagSandboxRedirect)
	return o
}

// serveSandbox serves until ctx is done. The variables are printed once the
// sandbox answers calls.
func serveSandbox(ctx context.Context, w io.Writer, o sandbox.Options, envOnly bool) error {
	// Another one at each start: a client that has used up the last start's would take
	// the same text for the token it knows to be dead.
	o.Credentials.RefreshToken = rand.Text()
	server, err := sandbox.Start(o)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: another program listens there; choose another port with --%s 127.0.0.1:0", err, flagListen)
	}
	if err != nil {
		return err
	}
	if !envOnly {
		fmt.Fprintf(w, "# A local EBP answers at %s until it is interrupted.\n# Paste these lines into another shell to point pipelines at it:\n", server.URL())
	}
	creds := server.Credentials()
	for _, v := range [][2]string{
		{"EBP_URL", server.URL()},
		{"EBP_LOGIN_URL", server.LoginURL()},
		{"EBP_CLIENT_ID", creds.ClientID},
		{"EBP_CLIENT_SECRET", creds.ClientSecret},
		{"EBP_SUBSCRIPTION_KEY", creds.SubscriptionKey},
		{"EBP_REFRESH_TOKEN", creds.RefreshToken},
	} {
		fmt.Fprintf(w, "export %s=%s\n", v[0], shellQuote(v[1]))
	}
	<-ctx.Done()
	return server.Close()
}

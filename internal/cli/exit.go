package cli

import (
	"context"
	"errors"
	"net/http"
	"os/signal"
	"sync/atomic"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

// commandCode is the exit code that the last command of ours asked for: the host knows
// failure by one code only.
var commandCode atomic.Int32

// errNotSignedIn is wrapped where a command has found no sign-in.
var errNotSignedIn = errors.New("not signed in to EBP")

// exitCodeOf returns the exit code of a command that ends with err.
func exitCodeOf(err error) int {
	var signIn *auth.Error
	var refused *apierror.Error
	switch {
	case err == nil:
		return 0
	case connection.IsMissingCredentials(err),
		errors.Is(err, errNotSignedIn),
		errors.Is(err, auth.ErrDenied), errors.Is(err, auth.ErrCodeRefused), errors.Is(err, auth.ErrClientRefused),
		errors.As(err, &signIn) && (signIn.Refused || signIn.Misdirected),
		errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return connection.ExitCredentials
	}
	return 1
}

// action is what a command without arguments does.
func action(do func(c *ucli.Context, talk *talk) error) ucli.ActionFunc {
	return func(c *ucli.Context) error {
		return act(c, refuseArguments(c), do)
	}
}

// act does what a command does, unless its arguments were wrong. An interrupt ends it
// through its context, so that what has begun ends in order.
func act(c *ucli.Context, err error, do func(c *ucli.Context, talk *talk) error) error {
	if err == nil {
		ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		c.Context = ctx
		if err = do(c, newTalk(c)); errors.Is(err, context.Canceled) {
			err = errInterrupted
		}
	}
	commandCode.Store(int32(exitCodeOf(err)))
	return err
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

const (
	flagRefresh = "refresh"

	// renewalTime bounds a renewal that a person waits for, and the saving of its result.
	renewalTime = 2 * time.Minute
	// warnBefore is from when on a person is warned of a refresh token that nobody renews.
	warnBefore = 7 * 24 * time.Hour
)

func tokenCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "token",
		Usage: "Show who is signed in and until when",
		Description: `
Shows the sign-in of a profile: who, where its tokens are, when they end and when
they were last renewed. It shows no token and, without --refresh, makes no call.
Ends with code 3 where nobody is signed in.

  {{.BinaryName}} token
  {{.BinaryName}} token --refresh --format json`[1:] + connectionHelp,
		Flags: append(connectionFlags(),
			&ucli.BoolFlag{Name: flagRefresh, Usage: "renew the sign-in now"},
			formatFlag("an object with at least profile, store and signed_in"),
		),
		Action: action(func(c *ucli.Context, talk *talk) error {
			if err := checkFormat(c); err != nil {
				return err
			}
			return withSignIn(c, talk, func(s *connection.SignIn) error {
				if c.Bool(flagRefresh) {
					if err := renew(c.Context, s.Auth); err != nil {
						return err
					}
				}
				return showToken(c, talk, s)
			})
		}),
	}
}

// renew exchanges the refresh token for a new one, and returns when that is saved.
func renew(ctx context.Context, cfg auth.Config) error {
	ctx, cancel := context.WithTimeout(ctx, renewalTime)
	defer cancel()
	source := auth.NewSource(cfg)
	err := source.Renew(ctx)
	// Also when a person has given up: a renewal that has begun must be saved.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalTime)
	defer cancel()
	return errors.Join(err, source.Close(closing))
}

func showToken(c *ucli.Context, talk *talk, s *connection.SignIn) error {
	status, err := auth.Inspect(c.Context, s.Auth)
	if err != nil {
		return err
	}
	if c.String(flagFormat) == formatJSON {
		err = printJSON(talk.out, status)
	} else {
		err = printPairs(talk.out, describe(status, time.Now()))
	}
	if err != nil {
		return err
	}
	if !status.SignedIn {
		hint := fmt.Sprintf("run `%s`", s.Auth.Login)
		if s.Auth.Seed != "" {
			hint += fmt.Sprintf("; pipelines, and `benthos-ebp token --%s`, try the refresh token of $%s or oauth2.refresh_token first", flagRefresh, connection.EnvRefreshToken)
		}
		return fmt.Errorf("profile %q is %w: %s; %s", s.Auth.Profile, errNotSignedIn, status.Reason, hint)
	}
	if left := time.Until(status.RefreshExpires); left < warnBefore {
		talk.Warnf("the refresh token ends %s: let a pipeline run, or run `benthos-ebp token --%s`, before then; afterwards the person must sign in again", distance(left), flagRefresh)
	}
	return nil
}

// describe tells a person what is known of a sign-in.
func describe(s auth.Status, now time.Time) [][2]string {
	when := func(t time.Time, write func(time.Time) string) string {
		if t.IsZero() {
			return ""
		}
		return write(t)
	}
	ago := func(t time.Time) string { return until(t, now) }
	end := func(t time.Time) string {
		if t.Before(now) {
			return "ended " + until(t, now)
		}
		return "good until " + until(t, now)
	}
	signedIn := "yes"
	if !s.SignedIn {
		signedIn = "no: " + s.Reason
	}
	who := ""
	if s.Email != "" || s.Name != "" || s.SignedIn {
		who = person(s.Name, s.Email)
	}
	access, refresh := when(s.AccessExpires, end), when(s.RefreshExpires, end)
	switch {
	case !s.SignedIn && s.RefreshExpires.After(now):
		access, refresh = "", "" // EBP does not take them any more, whatever their dates say
	case s.SignedIn && access != "" && s.AccessExpires.Before(now):
		access += "; the next run renews it"
	}
	interrupted := ""
	if !s.Interrupted.IsZero() {
		interrupted = fmt.Sprintf("begun %s by %s and not finished: if that does not run any more, the outcome is not known, and the next run tries the token once more", moment(s.Interrupted), printable(s.RenewingBy))
	}
	return [][2]string{
		{"profile", s.Profile},
		{"signed in", signedIn},
		{"who", who},
		{"state", s.Store},
		{"since", when(s.SignedInAt, ago)},
		{"last renewal", when(s.Renewed, ago)},
		{"access token", access},
		{"refresh token", refresh},
		{"renewal", interrupted},
	}
}

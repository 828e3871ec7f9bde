package cli

import (
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

func logoutCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "logout",
		Usage: "Forget the tokens of a sign-in",
		Description: `
Removes the tokens of a profile from the state. Pipelines that use it have no access
from then on, those that run once their access token ends, within the hour. EBP
documents no way to withdraw a refresh token: whoever has a copy may use it until it
ends.

  {{.BinaryName}} logout
  {{.BinaryName}} logout --profile archive`[1:] + connectionHelp,
		Flags: append(connectionFlags(), formatFlag("an object with profile, store, was_signed_in and refresh_token_expires")),
		Action: action(func(c *ucli.Context, talk *talk) error {
			if err := checkFormat(c); err != nil {
				return err
			}
			return withSignIn(c, talk, func(s *connection.SignIn) error { return logout(c, talk, s) })
		}),
	}
}

// withSignIn does something with the sign-in that a command is about.
func withSignIn(c *ucli.Context, talk *talk, do func(s *connection.SignIn) error) error {
	conf, err := connect(c, talk)
	if err != nil {
		return err
	}
	if err := talk.askForClientSecret(c.Context, conf); err != nil {
		return err
	}
	s, err := conf.SignIn(talk)
	if err != nil {
		return err
	}
	err = do(s)
	if closeErr := s.Close(); closeErr != nil {
		talk.Warnf("closing %s: %v", s.Auth.Store, closeErr)
	}
	return err
}

// logoutResult is what a script is told.
type logoutResult struct {
	Profile        string    `json:"profile"`
	Store          string    `json:"store"`
	WasSignedIn    bool      `json:"was_signed_in"`
	RefreshExpires time.Time `json:"refresh_token_expires,omitzero"`
}

func logout(c *ucli.Context, talk *talk, s *connection.SignIn) error {
	// A record that cannot be read is put aside by SignOut, and has no dates to tell.
	before, _ := auth.Inspect(c.Context, s.Auth)
	was, err := auth.SignOut(c.Context, s.Auth)
	if err != nil {
		return err
	}
	if s.Auth.Seed != "" {
		talk.say("$%s, or oauth2.refresh_token of the pipeline, is still set: pipelines sign in again with it if it was not used before.", connection.EnvRefreshToken)
	}
	result := logoutResult{Profile: s.Auth.Profile, Store: s.Auth.Store.String(), WasSignedIn: was}
	if was && before.SignedIn {
		result.RefreshExpires = before.RefreshExpires
	}
	if c.String(flagFormat) == formatJSON {
		return printJSON(talk.out, result)
	}
	if !was {
		return printPairs(talk.out, [][2]string{{"signed out", "nobody was signed in"}, {"profile", result.Profile}, {"state", result.Store}})
	}
	if err := printPairs(talk.out, [][2]string{
		{"signed out", person(before.Name, before.Email)}, {"profile", result.Profile}, {"state", result.Store + ", which holds no token of this profile any more"},
	}); err != nil {
		return err
	}
	if !result.RefreshExpires.IsZero() {
		talk.say("\nEBP documents no way to withdraw a refresh token: a copy of it would work until %s.\nPipelines that are running may read until their access token ends, at %s.",
			moment(result.RefreshExpires), moment(before.AccessExpires))
	}
	return nil
}

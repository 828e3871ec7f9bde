package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

const (
	flagRedirect  = "redirect"
	flagNoBrowser = "no-browser"
	flagTimeout   = "timeout"

	envRedirect = "EBP_REDIRECT_URL"

	// defaultRedirect is the address that EBP has registered for every client (L52).
	defaultRedirect = "http://localhost:3333"
	defaultTimeout  = 5 * time.Minute

	// readyTime bounds the look at the store before a person is sent to EBP.
	readyTime = 30 * time.Second
	// listTime bounds the list of dossiers after it: the sign-in itself is done.
	listTime = time.Minute
)

// offlineAccess is the right without which EBP gives no refresh token (L83).
const offlineAccess = "offline_access"

func loginCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "login",
		Usage: "Sign in to EBP in a browser and keep the tokens for pipelines",
		Description: `
Opens EBP's sign-in page in a browser, takes the answer on a port of this machine
and keeps the tokens in the state, where pipelines find and renew them. Then lists
the dossiers that this sign-in may read.

  {{.BinaryName}} login
  {{.BinaryName}} login --config pipeline.yaml --profile archive

On a machine without a browser, the address is printed, to be opened anywhere, and
the address at which the browser ends is pasted back:

  {{.BinaryName}} login --no-browser`[1:] + connectionHelp,
		Flags: append(connectionFlags(),
			&ucli.StringFlag{Name: flagScopes, Usage: "what EBP is asked for, if not \"openid profile offline_access\""},
			&ucli.StringFlag{Name: flagRedirect, Value: defaultRedirect, EnvVars: []string{envRedirect}, Usage: "the `URL` that EBP sends the browser back to; EBP must have registered it for the client id"},
			&ucli.BoolFlag{Name: flagNoBrowser, Usage: "print the address instead of opening a browser, and take the answer from what is pasted"},
			&ucli.DurationFlag{Name: flagTimeout, Value: defaultTimeout, Usage: "how long to wait for the person"},
			formatFlag("an object with profile, store, email, name, access_token_expires, refresh_token_expires and folders"),
		),
		Action: action(func(c *ucli.Context, talk *talk) error {
			if err := checkFormat(c); err != nil {
				return err
			}
			redirect, err := parseRedirect(c.String(flagRedirect), c.Bool(flagNoBrowser))
			if err != nil {
				return err
			}
			if c.Duration(flagTimeout) <= 0 {
				return fmt.Errorf("--%s must be longer than none, such as 5m", flagTimeout)
			}
			conf, err := connect(c, talk)
			if err != nil {
				return err
			}
			if err := talk.askForClientSecret(c.Context, conf); err != nil {
				return err
			}
			l := &login{talk: talk, conf: conf, redirect: redirect, paste: c.Bool(flagNoBrowser), timeout: c.Duration(flagTimeout), format: c.String(flagFormat)}
			return l.run(c.Context)
		}),
	}
}

// login is a sign-in of a person, from the question to the list of dossiers.
type login struct {
	talk     *talk
	conf     *connection.Config
	redirect *redirect
	paste    bool
	timeout  time.Duration
	format   string
}

func (l *login) run(ctx context.Context) error {
	signIn, err := l.signIn()
	if err != nil {
		return err
	}
	status, finish, err := l.ask(ctx, signIn)
	defer finish() // the page is delivered while the dossiers are read
	if closeErr := signIn.Close(); err == nil && closeErr != nil {
		l.talk.Warnf("closing %s: %v", status.Store, closeErr)
	}
	if err != nil {
		return err
	}
	result := loginResult{
		Profile: status.Profile, Store: status.Store, Email: status.Email, Name: status.Name,
		AccessExpires: status.AccessExpires, RefreshExpires: status.RefreshExpires,
	}
	if l.format == formatTable {
		if err := result.printSignIn(l.talk); err != nil {
			return err
		}
	}
	if result.Folders, err = l.folders(ctx); err != nil {
		result.FoldersError = err.Error()
	}
	return result.print(l.talk, l.format)
}

// signIn opens the sign-in and refuses what would waste a person's time.
func (l *login) signIn() (*connection.SignIn, error) {
	if l.conf.State == "memory:" {
		return nil, errors.New(`the state "memory:" ends with this command, and the sign-in with it: set another one, such as file:/var/lib/benthos-ebp`)
	}
	signIn, err := l.conf.SignIn(l.talk)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(signIn.Auth.Scopes, offlineAccess) {
		_ = signIn.Close()
		return nil, fmt.Errorf("the scopes lack %s: without it EBP gives no refresh token, and the sign-in would end after an hour", offlineAccess)
	}
	return signIn, nil
}

// ask sends the person to EBP and waits for the answer. finish, never nil, ends what
// still talks to the browser.
func (l *login) ask(ctx context.Context, signIn *connection.SignIn) (status auth.Status, finish func(), err error) {
	flow := auth.NewFlow(signIn.Auth, l.redirect.raw)
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	// A damaged record is no obstacle: the new one takes its place, and it is put aside.
	if err := flow.Ready(ready); err != nil {
		if ctx.Err() != nil {
			err = errInterrupted
		}
		return auth.Status{}, func() {}, err
	}
	warnOfForgetful(ctx, signIn.Auth.Store, l.talk)
	if l.paste {
		status, err = l.askByPaste(ctx, flow)
		return status, func() {}, err
	}
	return l.askByBrowser(ctx, flow)
}

// warnOfForgetful tells a person of a store that may lose what they are about to make.
func warnOfForgetful(ctx context.Context, store state.Store, talk *talk) {
	if s, ok := store.(state.Durable); ok {
		if warning := s.Durability(ctx); warning != "" {
			talk.Warnf("%s", warning)
		}
	}
}

// askByBrowser takes the answer on the port of the redirect address.
func (l *login) askByBrowser(ctx context.Context, flow *auth.Flow) (auth.Status, func(), error) {
	listeners, err := l.redirect.listen(ctx)
	if err != nil {
		return auth.Status{}, func() {}, err
	}
	back := newCallback(l.redirect, flow.Belongs, func(answer url.Values) (auth.Status, error) { return flow.Finish(ctx, answer) })
	back.serve(listeners)

	waiting, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	l.talk.say("%s\n\n  %s\n", l.announce(flow.URL()), flow.URL())
	l.talk.say("Waiting %s for EBP's answer at %s (Ctrl-C gives up).", plainly(l.timeout), l.redirect.raw)
	status, err := back.wait(waiting)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = errInterrupted
	case errors.Is(err, errNoAnswer):
		err = l.tooLate(back.strays())
	}
	return status, back.close, err
}

// announce opens the browser, and says so.
func (l *login) announce(address string) string {
	err := openBrowser(address)
	switch {
	case err == nil:
		return "Sign in to EBP in the browser. If none has opened, open this address yourself:"
	case overSSH():
		return fmt.Sprintf("This is a session over SSH, and EBP's answer comes to port %[1]s of this machine. If you came here with\n"+
			"\"ssh -L %[1]s:localhost:%[1]s …\", open this address in your own browser; if not, use \"benthos-ebp login --%[2]s\":", l.redirect.port, flagNoBrowser)
	}
	return fmt.Sprintf("No browser could be opened (%v). Open this address in one on this machine; on another machine, use --%s instead:", err, flagNoBrowser)
}

// errInterrupted is returned where a person gives up.
var errInterrupted = errors.New("interrupted")

func (l *login) tooLate(strays int) error {
	if strays > 0 {
		return fmt.Errorf("nobody has signed in within %s; what did come (%d times) belongs to another attempt, whose page was still open: close it, begin again, and use the newest page", plainly(l.timeout), strays)
	}
	return fmt.Errorf("nobody has signed in within %s: begin again, with a longer --%s if need be; if EBP's page showed an error, check the client id, and whether EBP has registered %s for it",
		plainly(l.timeout), flagTimeout, l.redirect.raw)
}

// plainly writes 5m rather than 5m0s.
func plainly(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return span(d)
}

// folders lists the dossiers of the new sign-in. An error says why they are not listed;
// the sign-in stands.
func (l *login) folders(ctx context.Context) ([]folder, error) {
	if l.conf.SubscriptionKey == "" {
		return nil, fmt.Errorf("the subscription key is missing: set %s, and `benthos-ebp folders` lists them", connection.EnvSubscriptionKey)
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	client, err := l.conf.Open(l.talk.resources())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := client.Close(); err != nil {
			l.talk.Warnf("%v", err)
		}
	}()
	// Most have gescom; who has not may have batiment.
	found, err := listFolders(ctx, client, "gescom", l.talk)
	if notForUs(err) {
		found, err = listFolders(ctx, client, "batiment", l.talk)
		if notForUs(err) {
			return nil, fmt.Errorf("this sign-in has no dossier of Gescom or Batiment (%w); Hubbix has no list of them: the tenant or domain id is shown by the application", err)
		}
	}
	return found, err
}

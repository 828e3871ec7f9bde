package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// talk is a command's conversation with a person. Results go to out, which a script may
// read; everything else goes to notes.
type talk struct {
	in    io.Reader
	out   io.Writer
	notes io.Writer
	lines *bufio.Reader // what was read of in and not used yet
}

func newTalk(c *ucli.Context) *talk {
	return &talk{in: c.App.Reader, out: c.App.Writer, notes: c.App.ErrWriter}
}

// say tells a person something that is no result.
func (t *talk) say(format string, args ...any) { fmt.Fprintf(t.notes, format+"\n", args...) }

// Infof implements auth.Log: what goes as it should is no news for a person who waits
// for the result.
func (t *talk) Infof(string, ...any) {}

// Warnf implements auth.Log.
func (t *talk) Warnf(format string, args ...any) { t.say("warning: "+format, args...) }

// resources are what a client of a command reports to: the warnings come here.
func (t *talk) resources() *service.Resources {
	return service.MockResources(service.MockResourcesOptUseLogger(service.NewLoggerFromSlog(slog.New(warnings{t}))))
}

// warnings is a log of which only warnings and errors are shown.
type warnings struct{ talk *talk }

func (warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	w.talk.say("%s: %s", map[bool]string{true: "error", false: "warning"}[r.Level >= slog.LevelError], r.Message)
	return nil
}

func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w warnings) WithGroup(string) slog.Handler      { return w }

// readLine reads a line that a person, or a script, gives. At the end of the input the
// error is io.EOF.
func (t *talk) readLine() (string, error) {
	if t.lines == nil {
		t.lines = bufio.NewReader(io.LimitReader(t.in, 1<<20)) // nobody pastes that much
	}
	line, err := t.lines.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return line, err
}

// onTerminal returns the terminal a person can be asked on, nil where there is none.
func (t *talk) onTerminal() *os.File {
	if f, ok := t.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// askFor fills in a secret that is not configured, if a person is there to be asked.
// What is typed is not shown.
func (t *talk) askFor(ctx context.Context, secret *string, what, env string) error {
	terminal := t.onTerminal()
	if *secret != "" || terminal == nil {
		return nil
	}
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return fmt.Errorf("preparing the terminal: %w", err)
	}
	fmt.Fprintf(t.notes, "%s ($%s is not set; what you type is not shown): ", what, env)
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // an interrupt does not end the read
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	defer t.say("")
	select {
	case a := <-answers:
		if a.err != nil {
			return fmt.Errorf("reading the %s: %w", strings.ToLower(what), a.err)
		}
		*secret = strings.TrimSpace(string(a.text))
		return nil
	case <-ctx.Done():
		_ = term.Restore(fd, before) // the shell comes next
		return errInterrupted
	}
}

func (t *talk) askForClientSecret(ctx context.Context, conf *connection.Config) error {
	if conf.IsSandbox() || conf.ClientID == "" {
		return nil // the client id, which is no secret, is asked for by an error
	}
	return t.askFor(ctx, &conf.ClientSecret, "Client secret", connection.EnvClientSecret)
}

func (t *talk) askForKey(ctx context.Context, conf *connection.Config) error {
	if conf.IsSandbox() {
		return nil
	}
	return t.askFor(ctx, &conf.SubscriptionKey, "Subscription key", connection.EnvSubscriptionKey)
}

// printable is a text from a server as it may go to a terminal: on one line, and
// without what the terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// person names somebody who signed in.
func person(name, email string) string {
	switch {
	case name == "" && email == "":
		return "somebody whose access token does not say who it is"
	case name == "":
		return printable(email)
	case email == "":
		return printable(name)
	}
	return printable(name) + " <" + printable(email) + ">"
}

// moment writes a time as it is here.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// until writes an end, and how far it is.
func until(t, now time.Time) string { return moment(t) + " (" + distance(t.Sub(now)) + ")" }

func distance(d time.Duration) string {
	if d.Abs() < time.Second {
		return "now"
	}
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if n := int(d.Round(u.size) / u.size); n >= 2 || u.size == time.Second {
			if n == 1 {
				return "1 " + u.name
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return ""
}

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

const (
	flagFolder = "folder"
	flagTo     = "to"
)

// cursorHelp is what the help of these commands says of where they look.
const cursorHelp = `

The state is that of --state, else of the pipeline of --config, else EBP_STATE, else the
one in your home directory. Nobody has to be signed in, and EBP is not called.`

func cursorFlags(json string, more ...ucli.Flag) []ucli.Flag {
	return append([]ucli.Flag{
		&ucli.StringFlag{Name: flagConfig, Usage: "take the state of the first EBP component of this `PIPELINE`, or of the one that has the profile of --profile"},
		&ucli.StringFlag{Name: flagProfile, Usage: "with --config: the profile of the component to take the state of"},
		&ucli.StringFlag{Name: flagState, Usage: "`WHERE` the cursors are kept, such as file:/var/lib/benthos-ebp; what has a password in it belongs into EBP_STATE"},
		formatFlag(json),
	}, more...)
}

func folderFlag() ucli.Flag {
	return &ucli.StringFlag{Name: flagFolder, Usage: "only what was read of this `FOLDER`"}
}

func cursorCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "cursor",
		Usage: "Look at the cursors of pipelines, and change them by hand",
		Description: `
A cursor keeps how far the input ebp has read, list by list. It is changed only while
no pipeline uses it.

  {{.BinaryName}} cursor list
  {{.BinaryName}} cursor show customers
  {{.BinaryName}} cursor rewind customers --to 2025-01-31
  {{.BinaryName}} cursor reset customers --folder 3691
  {{.BinaryName}} cursor confirm customers`[1:] + cursorHelp,
		Subcommands: []*ucli.Command{
			{
				Name:   "list",
				Usage:  "List the cursors of a state",
				Flags:  cursorFlags("a list of objects with at least name, mode, resource, lists and folders"),
				Action: action(listCursors),
				Description: `
Lists the cursors of a state, of all profiles.`[1:] + cursorHelp,
			},
			{
				Name: "show", Usage: "Show what a cursor has read, list by list", ArgsUsage: "NAME",
				Flags:           cursorFlags("a list of objects with at least profile, folder, list, config and sweeps"),
				Action:          actionOn(showCursor),
				HideHelpCommand: true, // a cursor may be called help
				Description: `
Shows each list that a cursor has read: when, and from which date the next read reads.`[1:] + cursorHelp,
			},
			{
				Name: "reset", Usage: "Forget a cursor, so that the next run begins anew", ArgsUsage: "NAME",
				Flags:           cursorFlags("an object with cursor, folder and lists, the number of lists that are forgotten", folderFlag()),
				Action:          actionOn(resetCursor),
				HideHelpCommand: true,
				Description: `
Forgets a cursor, damaged or not. The next run reads everything and delivers everything
again; mode changes takes all records for new ones.`[1:] + cursorHelp,
			},
			{
				Name: "rewind", Usage: "Read again what was modified since a date", ArgsUsage: "NAME",
				Flags: cursorFlags("an object with cursor, folder, to and lists, the number of lists that are rewound", folderFlag(),
					&ucli.StringFlag{Name: flagTo, Usage: "the `DATE` in EBP's own time: 2025-01-31 or 2025-01-31T15:04:05"}),
				Action:          actionOn(rewindCursor),
				HideHelpCommand: true,
				Description: `
Has the next read of a cursor of mode incremental deliver everything modified since a
date, also what was delivered before. A read that was interrupted is given up.`[1:] + cursorHelp,
			},
			{
				Name: "confirm", Usage: "Believe deletions that were held back", ArgsUsage: "NAME",
				Flags:           cursorFlags("an object with cursor and deletions, the number of those that are believed"),
				Action:          actionOn(confirmDeletions),
				HideHelpCommand: true,
				Description: `
Mode changes reports no deletion where a read misses more records than max_deletions
allows. Look into EBP first: a right that was withdrawn, or a list that came back empty,
looks the same. After confirm the next read reports that many deletions.`[1:] + cursorHelp,
			},
		},
		Action: func(c *ucli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("cursor has no command %q: its commands are list, show, reset, rewind and confirm", c.Args().First())
			}
			return ucli.ShowSubcommandHelp(c)
		},
	}
}

// actionOn is what a command does with the cursor that it is given.
func actionOn(do func(c *ucli.Context, talk *talk, name string) error) ucli.ActionFunc {
	return func(c *ucli.Context) error {
		name, err := nameOf(c)
		if errors.Is(err, flag.ErrHelp) {
			return ucli.ShowSubcommandHelp(c)
		}
		return act(c, err, func(c *ucli.Context, talk *talk) error { return do(c, talk, name) })
	}
}

// nameOf returns the argument of a command, and reads the flags that follow it: the host's
// parser takes them for arguments.
func nameOf(c *ucli.Context) (string, error) {
	after := flag.NewFlagSet(c.Command.Name, flag.ContinueOnError)
	after.SetOutput(io.Discard)
	for _, f := range c.Command.Flags {
		if f.Names()[0] == ucli.HelpFlag.Names()[0] {
			continue // the parser reports it
		}
		if err := f.Apply(after); err != nil {
			return "", err
		}
	}
	var names []string
	for rest := c.Args().Slice(); len(rest) > 0; rest = after.Args() {
		names = append(names, rest[0])
		if err := after.Parse(rest[1:]); err != nil {
			return "", fmt.Errorf("%s: %w", c.Command.Name, err)
		}
	}
	var err error
	after.Visit(func(f *flag.Flag) { err = errors.Join(err, c.Set(f.Name, f.Value.String())) })
	switch {
	case err != nil:
		return "", err
	case len(names) == 0 || names[0] == "":
		return "", fmt.Errorf("%s needs the name of a cursor; those there are: benthos-ebp cursor list", c.Command.Name)
	case len(names) > 1:
		return "", fmt.Errorf("%s takes one name, but was given %q as well", c.Command.Name, names[1])
	}
	return names[0], nil
}

// withCursors does something with the state that a command is about.
func withCursors(c *ucli.Context, talk *talk, do func(store state.Store) error) (err error) {
	if err := checkFormat(c); err != nil {
		return err
	}
	conf, err := connect(c, talk)
	if err != nil {
		return err
	}
	store, err := state.Open(conf.State)
	if err != nil {
		return fmt.Errorf("%s ($%s): %w", connection.FieldState, connection.EnvState, err)
	}
	defer func() {
		if closeErr := store.Close(); closeErr != nil {
			talk.Warnf("closing %s: %v", store, closeErr)
		}
	}()
	err = do(store)
	if errors.Is(err, sweep.ErrNoCursor) {
		err = fmt.Errorf("%w; those there are: benthos-ebp cursor list", err)
		if conf.IsSandbox() {
			err = fmt.Errorf("%w (a pipeline on sandbox: keeps its cursors to itself, unless its field state is set)", err)
		}
	}
	return err
}

// cursorChange is what a script is told of a change.
type cursorChange struct {
	Cursor string      `json:"cursor"`
	Folder string      `json:"folder,omitempty"`
	To     sweep.Stamp `json:"to,omitzero"`
	Lists  int         `json:"lists"`
}

func resetCursor(c *ucli.Context, talk *talk, name string) error {
	return withCursors(c, talk, func(store state.Store) error {
		n, err := sweep.ResetCursor(c.Context, store, name, c.String(flagFolder))
		if err != nil {
			return err
		}
		if c.String(flagFormat) == formatJSON {
			return printJSON(talk.out, cursorChange{Cursor: name, Folder: c.String(flagFolder), Lists: n})
		}
		return printPairs(talk.out, [][2]string{
			{"cursor", name}, {"folder", printable(c.String(flagFolder))},
			{"forgotten", lists(n) + "; the next run reads and delivers everything"}, {"state", store.String()},
		})
	})
}

// firstDate is the first that EBP's database knows.
var firstDate, _ = sweep.ParseStamp("1753-01-01")

func rewindCursor(c *ucli.Context, talk *talk, name string) error {
	to, ok := sweep.ParseStamp(c.String(flagTo))
	switch {
	case c.String(flagTo) == "":
		return errors.New("rewind needs --to and a date, such as --to 2025-01-31")
	case !ok || to.Before(firstDate):
		return fmt.Errorf("--to %q is no date: write 2025-01-31 or 2025-01-31T15:04:05, in EBP's own time and without a zone", c.String(flagTo))
	}
	return withCursors(c, talk, func(store state.Store) error {
		if err := refuseForwards(c.Context, store, name, c.String(flagFolder), to); err != nil {
			return err
		}
		n, err := sweep.RewindCursor(c.Context, store, name, c.String(flagFolder), to)
		if err != nil {
			return err
		}
		if c.String(flagFormat) == formatJSON {
			return printJSON(talk.out, cursorChange{Cursor: name, Folder: c.String(flagFolder), To: to, Lists: n})
		}
		return printPairs(talk.out, [][2]string{
			{"cursor", name}, {"folder", printable(c.String(flagFolder))},
			{"rewound", lists(n) + "; the next run delivers what was modified since " + to.String()}, {"state", store.String()},
		})
	})
}

// refuseForwards keeps a date that was mistyped from making the cursor pass over records
// which nobody has read.
func refuseForwards(ctx context.Context, store state.Store, name, folder string, to sweep.Stamp) error {
	all, err := sweep.ShowCursor(ctx, store, name)
	if err != nil {
		return err
	}
	furthest, read := sweep.Stamp{}, false
	for _, l := range all {
		if l.Err != "" || folder != "" && l.Folder != folder || l.Config.Mode != sweep.Incremental {
			return nil // whoever rewinds says what is wrong with it
		}
		if from, ok := sweep.ParseStamp(l.From); ok && furthest.Before(from) {
			furthest = from
		}
		read = true
	}
	if !read || to.Before(furthest) {
		return nil
	}
	if furthest.IsZero() {
		return fmt.Errorf("cursor %s has read nothing to its end yet, so that the next run reads everything: there is nothing to go back from", name)
	}
	return fmt.Errorf("cursor %s reads from %s on: %s is not back from there, and what lies between would never be read", name, furthest, to)
}

// confirmation is what a script is told.
type confirmation struct {
	Cursor    string `json:"cursor"`
	Deletions int64  `json:"deletions"`
}

func confirmDeletions(c *ucli.Context, talk *talk, name string) error {
	return withCursors(c, talk, func(store state.Store) error {
		n, err := sweep.ConfirmDeletions(c.Context, store, name)
		if err != nil {
			return err
		}
		if c.String(flagFormat) == formatJSON {
			return printJSON(talk.out, confirmation{name, n})
		}
		what := fmt.Sprintf("%d deletions; the next read reports them, if it misses no more than that", n)
		if n == 0 {
			what = "nothing: no deletions are held back"
		}
		return printPairs(talk.out, [][2]string{{"cursor", name}, {"confirmed", what}, {"state", store.String()}})
	})
}

func lists(n int) string {
	if n == 1 {
		return "1 list"
	}
	return fmt.Sprintf("%d lists", n)
}

// momentOf writes a time that may not have come yet.
func momentOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return moment(t)
}

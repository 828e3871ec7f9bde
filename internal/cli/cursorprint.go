package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

func listCursors(c *ucli.Context, talk *talk) error {
	return withCursors(c, talk, func(store state.Store) error {
		found, err := sweep.ListCursors(c.Context, store)
		if err != nil {
			return err
		}
		if c.String(flagFormat) == formatJSON {
			return printJSON(talk.out, append([]sweep.CursorInfo{}, found...))
		}
		if len(found) == 0 {
			talk.say("There is no cursor in %s.", store)
			return nil
		}
		if err := printCursors(talk.out, found); err != nil {
			return err
		}
		for _, f := range found {
			if f.Err != "" {
				talk.Warnf("cursor %s: %s", printable(f.Name), printable(f.Err))
			}
		}
		return nil
	})
}

func printCursors(w io.Writer, cursors []sweep.CursorInfo) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tMODE\tRESOURCE\tFOLDERS\tLISTS\tLAST READ\tNOTES")
	for _, c := range cursors {
		var notes []string
		if c.UnderWay > 0 {
			notes = append(notes, "in the middle of "+lists(c.UnderWay))
		}
		if c.Held > 0 {
			notes = append(notes, "deletions to confirm in "+lists(c.Held))
		}
		if c.Err != "" {
			notes = append(notes, "damaged")
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", printable(c.Name), printable(string(c.Mode)), printable(c.Resource),
			c.Folders, c.Lists, momentOf(c.Last), strings.Join(notes, "; "))
	}
	return tw.Flush()
}

func showCursor(c *ucli.Context, talk *talk, name string) error {
	return withCursors(c, talk, func(store state.Store) error {
		found, err := sweep.ShowCursor(c.Context, store, name)
		if err != nil {
			return err
		}
		if c.String(flagFormat) == formatJSON {
			return printJSON(talk.out, found)
		}
		if err := printLists(talk.out, found); err != nil {
			return err
		}
		for _, l := range found {
			if l.Err != "" {
				talk.Warnf("%s of folder %q: %s", printable(l.List), printable(l.Folder), printable(l.Err))
			}
		}
		return nil
	})
}

func printLists(w io.Writer, found []sweep.ListInfo) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PROFILE\tFOLDER\tLIST\tMODE\tLAST READ\tRECORDS\tDELIVERED\tREADS FROM\tNOTES")
	for _, l := range found {
		records, delivered := "", ""
		if n := l.LastCounts; n != nil {
			records, delivered = fmt.Sprint(n.Records), fmt.Sprint(n.Delivered)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(l.Profile), printable(l.Folder), printable(l.List),
			printable(string(l.Config.Mode)), momentOf(l.LastStart), records, delivered, readsFrom(l), notesOn(l))
	}
	return tw.Flush()
}

// readsFrom says what the next read of a list reads.
func readsFrom(l sweep.ListInfo) string {
	switch {
	case l.Err != "":
		return ""
	case l.From == "":
		return "everything"
	case l.Exclusive:
		return "after " + l.From
	}
	return l.From
}

func notesOn(l sweep.ListInfo) string {
	var notes []string
	if l.UnderWay != "" {
		note := "a read began at " + moment(l.Since)
		if l.Progress != nil {
			note += fmt.Sprintf(", %d records so far", l.Progress.Records)
		}
		notes = append(notes, note)
	}
	switch {
	case l.HeldDeletions > 0 && l.Confirmed >= l.HeldDeletions:
		notes = append(notes, fmt.Sprintf("%d deletions confirmed", l.Confirmed))
	case l.HeldDeletions > 0:
		notes = append(notes, fmt.Sprintf("%d of %d records missing: deletions to confirm", l.HeldDeletions, l.Known))
	}
	if l.Err != "" {
		notes = append(notes, "damaged")
	}
	return strings.Join(notes, "; ")
}

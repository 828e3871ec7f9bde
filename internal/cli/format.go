package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	ucli "github.com/urfave/cli/v2"
)

const (
	flagFormat  = "format"
	formatTable = "table"
	formatJSON  = "json"
)

// formatFlag is for commands whose results scripts read; json says what they get.
func formatFlag(json string) ucli.Flag {
	return &ucli.StringFlag{Name: flagFormat, Value: formatTable, Usage: "table, or json: " + json}
}

// checkFormat is for commands that do something before they print.
func checkFormat(c *ucli.Context) error {
	if f := c.String(flagFormat); f != formatTable && f != formatJSON {
		return unknownFormat(f)
	}
	return nil
}

func unknownFormat(format string) error {
	return fmt.Errorf("unknown format %q: write %s or %s", format, formatTable, formatJSON)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printPairs prints names and values in two columns. An empty value leaves its line out.
func printPairs(w io.Writer, pairs [][2]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		if p[1] != "" {
			fmt.Fprintf(tw, "%s\t%s\n", p[0], p[1])
		}
	}
	return tw.Flush()
}

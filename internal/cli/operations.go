package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

func operationsCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "operations",
		Usage: "Print the operations of the EBP APIs that pipelines can name",
		Description: `
Prints the catalog of documented operations. The list operations, whose kind is
"list", are those that the input ebp reads; ".list" may be left out there.

  {{.BinaryName}} operations
  {{.BinaryName}} operations --format json`[1:],
		Flags: []ucli.Flag{
			formatFlag("a list of objects with at least operation, method, path, scope and kind"),
		},
		Action: func(c *ucli.Context) error {
			if err := refuseArguments(c); err != nil {
				return err
			}
			return printOperations(c.App.Writer, c.String(flagFormat), catalog.All())
		},
	}
}

func printOperations(w io.Writer, format string, operations []catalog.Operation) error {
	switch format {
	case formatTable:
		return printOperationsTable(w, operations)
	case formatJSON:
		return printJSON(w, operations)
	}
	return unknownFormat(format)
}

func printOperationsTable(w io.Writer, operations []catalog.Operation) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "OPERATION\tKIND\tMETHOD\tPATH\tSCOPE")
	for _, op := range operations {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", op.Name, op.Kind, op.Method, op.Path, op.Scope)
	}
	return tw.Flush()
}

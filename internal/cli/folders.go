package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

const flagProduct = "product"

// folder is a dossier, as scripts are told of it.
type folder struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Product string `json:"product"`
}

// folderLists are the operations that list dossiers, by product.
func folderLists() []*catalog.Operation {
	var out []*catalog.Operation
	for _, op := range catalog.All() {
		if op.Kind == catalog.KindList && strings.HasSuffix(op.Name, ".folders.list") {
			out = append(out, &op)
		}
	}
	return out
}

func foldersCommand() *ucli.Command {
	var products []string
	for _, op := range folderLists() {
		products = append(products, op.Product())
	}
	return &ucli.Command{
		Name:  "folders",
		Usage: "List the dossiers that this sign-in may read",
		Description: `
Lists the dossiers by product. Their ids are what the field folders of pipelines
takes. Hubbix has no such list: the application shows the tenant or domain id.

  {{.BinaryName}} folders
  {{.BinaryName}} folders --product gescom --format json`[1:] + connectionHelp,
		Flags: append(connectionFlags(),
			&ucli.StringFlag{Name: flagProduct, Usage: "only those of one `PRODUCT`: " + strings.Join(products, ", ")},
			formatFlag("a list of objects with id, name and product"),
		),
		Action: action(func(c *ucli.Context, talk *talk) error {
			if err := checkFormat(c); err != nil {
				return err
			}
			if p := c.String(flagProduct); p != "" {
				if !slices.Contains(products, p) {
					return fmt.Errorf("there is no list of dossiers of %q: the products with one are %s", p, strings.Join(products, ", "))
				}
				products = []string{p}
			}
			return printFoldersOf(c, talk, products)
		}),
	}
}

func printFoldersOf(c *ucli.Context, talk *talk, products []string) (err error) {
	conf, err := connect(c, talk)
	if err != nil {
		return err
	}
	if err := talk.askForClientSecret(c.Context, conf); err != nil {
		return err
	}
	if err := talk.askForKey(c.Context, conf); err != nil {
		return err
	}
	client, err := conf.Open(talk.resources())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	found, refused := []folder{}, []error{}
	for _, product := range products {
		some, err := listFolders(c.Context, client, product, talk)
		if err != nil && !notForUs(err) {
			return err
		}
		if err != nil {
			refused = append(refused, err)
			talk.say("no dossiers of %s: %v", product, err)
		}
		found = append(found, some...)
	}
	if len(refused) == len(products) {
		return errors.New("this sign-in may read no product's list of dossiers")
	}
	if c.String(flagFormat) == formatJSON {
		return printJSON(talk.out, found)
	}
	if len(found) == 0 {
		talk.say("This sign-in has no dossier.")
		return nil
	}
	return printFolders(talk.out, found)
}

// notForUs reports whether an error says that a product is not there for this sign-in.
func notForUs(err error) bool {
	var refused *apierror.Error
	return errors.As(err, &refused) && !refused.QuotaExhausted() &&
		(refused.Status == http.StatusForbidden || refused.Status == http.StatusNotFound)
}

// listFolders reads the whole list of dossiers of a product.
func listFolders(ctx context.Context, client paging.Caller, product string, talk *talk) ([]folder, error) {
	op, ok := catalog.Lookup(product + ".folders.list")
	if !ok {
		return nil, fmt.Errorf("%s has no list of dossiers", product)
	}
	reader, err := paging.New(client, paging.Spec{Operation: op, Warn: talk.Warnf})
	if err != nil {
		return nil, err
	}
	out := []folder{}
	seen := map[string]bool{} // one that moves while the list is read may come twice
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			if seen[r.Key] {
				continue
			}
			seen[r.Key] = true
			var d struct{ Name string }
			if err := json.Unmarshal(r.Raw, &d); err != nil {
				return nil, fmt.Errorf("%s: reading a dossier: %w", op.Name, err)
			}
			out = append(out, folder{ID: r.Key, Name: d.Name, Product: product})
		}
	}
}

func printFolders(w io.Writer, folders []folder) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "PRODUCT\tID\tNAME")
	for _, f := range folders {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", f.Product, printable(f.ID), printable(f.Name))
	}
	return tw.Flush()
}

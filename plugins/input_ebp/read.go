package input_ebp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

// A sign-in that was refused is looked at again after a while that grows from
// signInFirst to signInLongest: refreshes burn nothing of the quota, but nobody should
// be asked all the time.
const (
	signInFirst   = 30 * time.Second
	signInLongest = 15 * time.Minute
)

// read makes one sweep, or one after the other.
func (in *input) read(ctx context.Context) {
	for wait := signInFirst; ; {
		started := time.Now()
		err := in.sweep(ctx, started)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && in.conf.interval == 0:
			connection.SetExitCode(exitCodeOf(err))
			return
		case in.conf.interval == 0:
			return
		}
		next := time.Until(started.Add(in.conf.interval))
		if err != nil && exitCodeOf(err) == connection.ExitCredentials {
			next = max(next, wait)
			wait = min(2*wait, signInLongest)
		} else {
			wait = signInFirst
		}
		if in.settled(ctx) != nil || pause(ctx, next) != nil {
			return
		}
	}
}

func exitCodeOf(err error) int {
	var signIn *auth.Error
	var refused *apierror.Error
	if errors.As(err, &signIn) && signIn.Refused || errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		return connection.ExitCredentials
	}
	return connection.ExitIncomplete
}

// errIncomplete ends a sweep in which something could not be read; what it was is in
// the log.
var errIncomplete = errors.New("the read is incomplete")

// sweep reads every table of every dossier once. What cannot be read does not keep the
// rest from being read, unless it is the sign-in.
func (in *input) sweep(ctx context.Context, started time.Time) error {
	folders, err := in.folders(ctx)
	if err != nil {
		if ctx.Err() == nil {
			in.log.Errorf("finding the dossiers to read: %v", err)
		}
		return err
	}
	incomplete := false
	for _, folder := range folders {
		for _, table := range in.conf.tables {
			err := in.readList(ctx, started, folder, table)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err == nil:
				continue
			}
			in.log.Errorf("%v", err)
			if exitCodeOf(err) == connection.ExitCredentials {
				return err
			}
			incomplete = true
		}
	}
	if incomplete {
		return errIncomplete
	}
	return nil
}

// folders returns the dossiers of a sweep; one empty name where there are none.
func (in *input) folders(ctx context.Context) ([]string, error) {
	op := in.conf.op
	if !op.HasFolder() {
		return []string{""}, nil
	}
	if len(in.conf.folders) != 1 || in.conf.folders[0] != allFolders {
		return in.conf.folders, nil
	}
	folders, ok := op.Folders()
	if !ok {
		return nil, errors.New(`this product has no list of dossiers: name them instead of "*"`)
	}
	reader, err := paging.New(in.client, paging.Spec{Operation: folders, Warn: in.log.Warnf})
	if err != nil {
		return nil, err
	}
	var out []string
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			if len(out) == 0 {
				in.log.Warnf("this sign-in has no dossier of %s", op.Product())
			}
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			out = append(out, r.Key)
		}
	}
}

// readList reads one list to its end.
func (in *input) readList(ctx context.Context, started time.Time, folder string, table tableSpec) error {
	op := in.conf.op
	size := in.sizes[table.table]
	if size == nil {
		size = paging.NewPageSize(in.conf.pageSize)
		in.sizes[table.table] = size
		in.remarkOn(table)
	}
	reader, err := paging.New(in.client, paging.Spec{
		Operation: op, Folder: folder, Table: table.table, Columns: table.columns, Parameters: in.conf.parameters,
		PageSize: size, AllowOffset: in.conf.allowOffset, Warn: in.log.Warnf,
	})
	if err != nil {
		return err
	}
	progress := newProgress(in, folder, table.table)
	in.log.Debugf("%s: %s", progress.name, reader.Promise())
	maker := newMaker(in, started, folder, table.table)
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			progress.finished()
			return nil
		}
		if err != nil {
			return err
		}
		messages, err := maker.batch(page)
		if err != nil {
			return err
		}
		if err := in.deliver(ctx, batch{messages: messages}); err != nil {
			return err
		}
		in.metrics.records.Incr(int64(len(messages)), op.Product(), op.Resource(), maker.table, folder)
		progress.page(page)
	}
}

// remarkOn says what may be a mistake and is tried all the same.
func (in *input) remarkOn(table tableSpec) {
	if !in.conf.op.TakesTable() {
		return
	}
	known, ok := catalog.LookupTable(table.table)
	if !ok {
		hint := ""
		if near := catalog.Nearest(table.table, catalog.Tables(in.conf.op.Product())); near != "" {
			hint = " (did you mean " + near + "?)"
		}
		in.log.Warnf("table %s is not documented%s: trying it", table.table, hint)
		return
	}
	for _, c := range table.columns {
		if _, ok := known.Column(c); ok || len(known.Columns) == 0 {
			continue
		}
		var names []string
		for _, col := range known.Columns {
			names = append(names, col.Name)
		}
		if near := catalog.Nearest(c, names); near != "" {
			in.log.Debugf("column %s of %s is not known (did you mean %s?): trying it", c, known.Name, near)
		}
	}
}

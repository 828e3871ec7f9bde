package input_ebp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// patience is how long the input waits for what passes by itself.
type patience struct {
	// A sign-in that was refused is looked at again after a while that grows from
	// signInFirst to signInLongest.
	signInFirst, signInLongest time.Duration
	// A call that failed for a reason that passes is made again for callFor long, with
	// waits from callFirst to callLongest, on top of the client's own attempts: a read
	// of hours should not end for a server that is away for minutes.
	callFor, callFirst, callLongest time.Duration
}

var defaultPatience = patience{
	signInFirst: 30 * time.Second, signInLongest: 15 * time.Minute,
	callFor: 15 * time.Minute, callFirst: 5 * time.Second, callLongest: 2 * time.Minute,
}

// read makes one sweep, or one after the other.
func (in *input) read(ctx context.Context) {
	for _, table := range in.conf.tables {
		in.remarkOn(table)
	}
	for wait := in.patience.signInFirst; ; {
		started := time.Now()
		err := in.sweep(ctx, started)
		if ctx.Err() != nil {
			return
		}
		if in.conf.interval == 0 {
			if err != nil {
				connection.SetExitCode(exitCodeOf(err))
			}
			return
		}
		// The next sweep begins when this one is delivered, and not before its time.
		if in.settled(ctx) != nil {
			return
		}
		next := time.Until(started.Add(in.conf.interval))
		if err != nil && exitCodeOf(err) == connection.ExitCredentials {
			next = max(next, wait)
			in.log.Infof("looking again in %s", next.Round(time.Second))
			wait = min(2*wait, in.patience.signInLongest)
		} else {
			wait = in.patience.signInFirst
		}
		if pause(ctx, next) != nil {
			return
		}
	}
}

func exitCodeOf(err error) int {
	var signIn *auth.Error
	var refused *apierror.Error
	var config *connection.ConfigError
	switch {
	case errors.As(err, &signIn):
		if isLasting(err) {
			return connection.ExitCredentials
		}
	case errors.As(err, &refused):
		if refused.Status == http.StatusUnauthorized {
			return connection.ExitCredentials
		}
	case connection.IsMissingCredentials(err):
		return connection.ExitCredentials
	case errors.As(err, &config):
		return connection.ExitConfig
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
		left := &budget{left: in.patience.callFor}
		for _, table := range in.conf.tables {
			err := in.readList(ctx, started, folder, table, left)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err == nil:
				continue
			}
			in.log.Errorf("%v", err)
			if endsSweep(err) {
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

// endsSweep reports whether an error would meet every other list too.
func endsSweep(err error) bool {
	var signIn *auth.Error
	var refused *apierror.Error
	return exitCodeOf(err) == connection.ExitCredentials || errors.As(err, &signIn) || errors.As(err, &refused) && refused.QuotaExhausted() || quota.NoCall(err)
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
	seen := map[string]bool{} // one that moves while the list is read may come twice
	left := &budget{left: in.patience.callFor}
	for {
		page, err := in.next(ctx, reader, left)
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
			if !seen[r.Key] {
				seen[r.Key] = true
				out = append(out, r.Key)
			}
		}
	}
}

// readList reads one list to its end.
func (in *input) readList(ctx context.Context, started time.Time, folder string, table tableSpec, left *budget) error {
	op := in.conf.op
	size := in.sizes[table.table]
	if size == nil {
		size = paging.NewPageSize(in.conf.pageSize)
		in.sizes[table.table] = size
	}
	reader, err := paging.New(in.client, paging.Spec{
		Operation: op, Folder: folder, Table: table.table, Columns: table.columns, Parameters: in.conf.parameters,
		PageSize: size, AllowOffset: in.conf.allowOffset, Warn: in.log.Warnf,
	})
	if err != nil {
		return err
	}
	progress := newProgress(in, folder, table.table)
	in.tell(table, reader)
	maker := newMaker(in, started, folder, table.table)
	for {
		page, err := in.next(ctx, reader, left)
		if errors.Is(err, io.EOF) {
			progress.finished()
			return nil
		}
		if err != nil {
			return err
		}
		if err := maker.prepare(page); err != nil {
			return err
		}
		if err := in.deliver(ctx, &delivery{page: page, maker: maker}); err != nil {
			return err
		}
		in.metrics.records.Incr(int64(len(page.Records)), op.Product(), op.Resource(), maker.table, folder)
		progress.page(page)
	}
}

// tell says once per list what is promised of its read: aloud where it is less than
// everything.
func (in *input) tell(table tableSpec, reader paging.Reader) {
	if in.told[table.table] {
		return
	}
	in.told[table.table] = true
	say := in.log.Debugf
	if !reader.ByKey() {
		say = in.log.Infof
	}
	say("%s: %s", strings.TrimSpace(in.conf.op.Resource()+" "+table.table), reader.Promise())
}

// budget is the time that the reads of one dossier may spend waiting in a sweep before
// any of its calls succeeds: one that stays broken must not keep the others waiting for
// each of its tables.
type budget struct{ left time.Duration }

// next returns the next page of a reader. After an error it asks the same page again
// for as long as that may help.
func (in *input) next(ctx context.Context, reader paging.Reader, left *budget) (*paging.Page, error) {
	wait := in.patience.callFirst
	for again := 0; ; again++ {
		page, err := reader.Next(ctx)
		if err == nil {
			left.left = in.patience.callFor
		}
		if err == nil || ctx.Err() != nil || again >= rounds(err) || wait > left.left {
			return page, err
		}
		in.log.Warnf("%v; trying again in %s", err, wait)
		left.left -= wait
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		wait = min(2*wait, in.patience.callLongest)
	}
}

// rounds says how often a call that failed so may be made again, on top of the client's
// own attempts: never, a little, or as long as patience lasts.
func rounds(err error) int {
	const little, lasting = 2, 1 << 30
	var signIn *auth.Error
	if errors.As(err, &signIn) {
		if isLasting(err) {
			return 0
		}
		return lasting
	}
	var refused *apierror.Error
	if errors.As(err, &refused) {
		switch {
		case refused.Status == http.StatusTooManyRequests && !refused.QuotaExhausted(),
			refused.Status == http.StatusBadGateway, refused.Status == http.StatusServiceUnavailable, refused.Status == http.StatusGatewayTimeout:
			return lasting
		case refused.Status >= 500:
			return little // EBP itself says what is wrong, and will say it again
		}
		return 0
	}
	var network *ebp.NetworkError
	var notCounted *quota.NotCountedError
	switch {
	case errors.As(err, &notCounted):
		return lasting // the state may come back
	case errors.As(err, &network):
		if network.Untrusted {
			return 0
		}
		return lasting
	case errors.Is(err, records.ErrNotJSON):
		return little
	}
	return 0
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
			in.log.Warnf("column %s of %s is not documented (did you mean %s?): trying it", c, known.Name, near)
		}
	}
}

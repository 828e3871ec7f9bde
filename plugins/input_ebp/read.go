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
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
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

// read makes one sweep, or one after the other, until ctx ends or everything is read.
func (in *input) read(ctx context.Context) {
	for _, table := range in.conf.tables {
		in.remarkOn(table)
		in.tell(table)
	}
	s := newSchedule(in)
	for wait := in.patience.signInFirst; ; {
		err := s.work(ctx)
		if ctx.Err() != nil {
			return
		}
		if in.conf.interval == 0 {
			if err != nil {
				connection.SetExitCode(exitCodeOf(err))
			}
			return
		}
		// What ended the work would meet every list: nothing else to do but wait.
		next := in.conf.interval
		if exitCodeOf(err) == connection.ExitCredentials {
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

// tell says once per list what is promised of its read: aloud where it is less than
// everything.
func (in *input) tell(table tableSpec) {
	promise, everything, err := sweep.Promise(in.job(table, ""))
	if err != nil {
		return // the read meets the error again, and says so
	}
	say := in.log.Debugf
	if !everything {
		say = in.log.Infof
	}
	say("%s: %s", strings.TrimSpace(in.conf.op.Resource()+" "+table.table), promise)
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
	case errors.As(err, &config), errors.Is(err, sweep.ErrConfigChanged):
		return connection.ExitConfig
	}
	return connection.ExitIncomplete
}

// endsSweep reports whether an error would meet every other list too.
func endsSweep(err error) bool {
	var signIn *auth.Error
	var refused *apierror.Error
	return exitCodeOf(err) == connection.ExitCredentials || errors.As(err, &signIn) || errors.As(err, &refused) && refused.QuotaExhausted() || quota.NoCall(err)
}

// everyFolder reports whether EBP is asked which dossiers there are.
func (c *inputConfig) everyFolder() bool {
	return len(c.folders) == 1 && c.folders[0] == allFolders
}

// dossiers asks for those of this sign-in, or returns those that are configured; one empty
// name where there are none.
func (in *input) dossiers(ctx context.Context) ([]string, error) {
	op := in.conf.op
	if !op.HasFolder() {
		return []string{""}, nil
	}
	if !in.conf.everyFolder() {
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
	retry := newRetry(in)
	for {
		page, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			if len(out) == 0 {
				in.log.Warnf("this sign-in has no dossier of %s", op.Product())
			}
			return out, nil
		}
		if err != nil {
			wait, again := retry.after(err)
			if !again || ctx.Err() != nil {
				return nil, err
			}
			in.log.Warnf("%v; trying again in %s", err, wait)
			if err := pause(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		retry.succeeded()
		for _, r := range page.Records {
			if !seen[r.Key] {
				seen[r.Key] = true
				out = append(out, r.Key)
			}
		}
	}
}

// retry decides how often, and when, a call that failed is made again.
type retry struct {
	in    *input
	wait  time.Duration // before the next attempt
	again int           // attempts of the same call
	// left is the time that may be spent waiting before any call succeeds: a dossier that
	// stays broken must not be waited for at each of its tables.
	left time.Duration
}

func newRetry(in *input) *retry {
	return &retry{in: in, wait: in.patience.callFirst, left: in.patience.callFor}
}

func (r *retry) succeeded() { *r = *newRetry(r.in) }

// nextCall begins with another call, within what is left of the time.
func (r *retry) nextCall() { r.wait, r.again = r.in.patience.callFirst, 0 }

// after says after which time the call that failed is to be made again, if at all.
func (r *retry) after(err error) (time.Duration, bool) {
	if r.again >= rounds(err) || r.wait > r.left {
		return 0, false
	}
	wait := r.wait
	r.again++
	r.left -= wait
	r.wait = min(2*r.wait, r.in.patience.callLongest)
	return wait, true
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
	if errors.Is(err, sweep.ErrState) && !errors.Is(err, sweep.ErrCursor) && !isUnusable(err) {
		return lasting
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

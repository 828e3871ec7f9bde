package sweep

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// ConfigChange is what to do with a cursor that was made for another configuration.
type ConfigChange string

// What can be done with it.
const (
	// Fail refuses to read.
	Fail ConfigChange = "fail"
	// Restart forgets the cursor and begins anew.
	Restart ConfigChange = "restart"
	// Keep goes on with the cursor as it is.
	Keep ConfigChange = "keep"
)

// Start is where mode incremental begins a cursor; the zero Start is at the beginning.
type Start struct {
	Now bool
	At  Stamp
}

// Log is where a person is told of what they should know.
type Log interface {
	Infof(format string, args ...any)
	Warnf(format string, args ...any)
}

// Job says what to read and how: one list of one dossier.
type Job struct {
	// Cursor names the cursor; "" keeps nothing, which only mode full does without.
	Cursor  string
	Profile string
	Store   state.Store
	Caller  paging.Caller
	// Spec is the list. Where, Dates, KeyObjects and From are this package's to set.
	Spec paging.Spec
	// Source names the EBP, without secrets.
	Source         string
	Mode           Mode
	OnConfigChange ConfigChange
	Start          Start
	// Lookback is the disorder of dates that is allowed for, see the package comment.
	Lookback time.Duration
	// ReconcileEvery is the time between full comparisons in mode incremental, 0 for none.
	ReconcileEvery time.Duration
	// Zone is that of EBP's dates.
	Zone *time.Location
	// Run identifies the run of the pipeline: sweeps of one run belong together.
	Run    time.Time
	Marker bool
	// TooMany reports whether so many deletions of so many known records are suspicious.
	TooMany func(deletions, known int64) bool
	Log     Log
	// Wake is called, from any goroutine, when Step may have something to do again after
	// it returned ErrPending.
	Wake func()
}

// ErrPending says that the list has to wait, for acknowledgements or for the state.
var ErrPending = errors.New("waiting for acknowledgements")

// config is the job as the cursor keeps it.
func (j *Job) config() Config {
	c := Config{Source: j.Source, Resource: j.Spec.Operation.Resource(), Table: j.Spec.Table, Mode: j.Mode, Columns: j.Spec.Columns}
	for k, v := range j.Spec.Parameters {
		if c.Parameters == nil {
			c.Parameters = map[string]string{}
		}
		c.Parameters[k] = fmt.Sprint(v)
		if len(v) == 1 {
			c.Parameters[k] = v[0]
		}
	}
	return c
}

// list names the list within a dossier.
func (j *Job) list() string {
	if j.Spec.Table != "" {
		return j.Spec.Operation.Resource() + " " + tableName(j)
	}
	return j.Spec.Operation.Resource()
}

// tableName is the table in the casing of the schema: EBP takes any.
func tableName(j *Job) string {
	if t := j.Spec.Operation.TableOf(j.Spec.Table); t != nil {
		return t.Name
	}
	return j.Spec.Table
}

// needsDigests reports whether the job compares with what was read before.
func (j *Job) needsDigests() bool { return j.Mode == Changes || j.ReconcileEvery > 0 }

// counting counts the calls of a list, and notes what EBP's clock showed.
type counting struct {
	paging.Caller
	calls atomic.Int64
	date  time.Time // of the last answer, zero where it has none
}

// Do implements paging.Caller.
func (c *counting) Do(ctx context.Context, r ebp.Request) (*ebp.Answer, error) {
	c.calls.Add(1)
	a, err := c.Caller.Do(ctx, r)
	if err == nil {
		c.date, _ = http.ParseTime(a.Header.Get("Date"))
	}
	return a, err
}

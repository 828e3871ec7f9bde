package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

// Mode is how a list is read.
type Mode string

// The modes of the input `ebp`.
const (
	// Full reads every record, each time.
	Full Mode = "full"
	// Incremental reads what was modified since.
	Incremental Mode = "incremental"
	// Changes reads everything and tells what was inserted, updated and deleted.
	Changes Mode = "changes"
)

// kind is what one sweep does.
type kind string

const (
	kindFull        kind = "full"
	kindIncremental kind = "incremental"
	kindChanges     kind = "changes"
	// kindReconcile is a full comparison within mode incremental.
	kindReconcile kind = "reconcile"
)

// Config is what a cursor was made for. Where it differs the cursor may not mean what it
// meant.
type Config struct {
	// Source names the EBP, without secrets.
	Source     string            `json:"source"`
	Resource   string            `json:"resource"`
	Table      string            `json:"table,omitempty"`
	Mode       Mode              `json:"mode"`
	Columns    []string          `json:"columns,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Where      string            `json:"where,omitempty"`
}

// differences names what differs from another configuration, a phrase each.
func (c Config) differences(now Config) []string {
	var out []string
	differ := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s was %s and is %s", what, orNone(a), orNone(b)))
		}
	}
	differ("url", c.Source, now.Source)
	differ("resource", c.Resource, now.Resource)
	differ("mode", string(c.Mode), string(now.Mode))
	differ("columns", columnSet(c.Columns), columnSet(now.Columns))
	differ("parameters", parameterSet(c.Parameters), parameterSet(now.Parameters))
	differ("where", c.Where, now.Where)
	return out
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}

// columnSet writes columns in one way: their order and casing change no record's meaning.
func columnSet(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = strings.ToLower(strings.TrimSpace(c))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

func parameterSet(parameters map[string]string) string {
	var out []string
	for k, v := range parameters {
		out = append(out, fmt.Sprintf("%s=%q", k, v))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// record is the cursor of one list as it is stored.
type record struct {
	Cursor  string `json:"cursor"`
	Profile string `json:"profile"`
	Folder  string `json:"folder"`
	List    string `json:"list"`
	Config  Config `json:"config"`
	// Sweeps numbers the sweeps, from 1; it is that of the last one that began.
	Sweeps int64 `json:"sweeps"`
	// Bounds say from where the sweep under way, or else the next one, reads.
	Bounds Bounds `json:"bounds"`
	// Window are the versions delivered above the floor by the sweeps before.
	Window window `json:"window"`
	// Current is the sweep under way.
	Current *current `json:"current,omitempty"`
	// Last is the last complete sweep.
	Last *completed `json:"last,omitempty"`
	// Reconciled is the start of the last complete comparison, in mode incremental.
	Reconciled time.Time `json:"reconciled,omitzero"`
	// Held are deletions that were not believed, Confirmed how many a person has confirmed.
	Held      *held `json:"held,omitempty"`
	Confirmed int64 `json:"confirmed,omitempty"`
}

// current is a sweep under way, up to where all is acknowledged.
type current struct {
	Kind    kind      `json:"kind"`
	Run     time.Time `json:"run"`     // the run of the pipeline that it belongs to
	Started time.Time `json:"started"` // by our clock
	// Next is what holds once it is complete.
	Next     Bounds           `json:"next"`
	Window   window           `json:"window"`
	Position *paging.Position `json:"position,omitempty"`
	Counts   Counts           `json:"counts"`
}

// Counts say what a sweep did.
type Counts struct {
	// Records are those read, Delivered those that became messages.
	Records   int64 `json:"records"`
	Delivered int64 `json:"delivered"`
	Calls     int64 `json:"calls"`
	Inserts   int64 `json:"inserts,omitempty"`
	Updates   int64 `json:"updates,omitempty"`
	Deletes   int64 `json:"deletes,omitempty"`
}

type completed struct {
	Kind    kind      `json:"kind"`
	Run     time.Time `json:"run"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Counts  Counts    `json:"counts"`
}

type held struct {
	At        time.Time `json:"at"`
	Deletions int64     `json:"deletions"`
	Known     int64     `json:"known"`
}

// Errors that callers decide on.
var (
	// ErrCursor: a stored cursor cannot be used. It is never taken for a missing one.
	ErrCursor = errors.New("the cursor cannot be used")
	// ErrConfigChanged: the cursor was made for another configuration.
	ErrConfigChanged = errors.New("the cursor was made for another configuration")
)

// cursorPrefix begins the keys of all cursors, windowPrefix those of their windows.
const (
	cursorPrefix = "cursors/"
	windowPrefix = "windows/"
)

func escaped(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// unit names the list that a record is of, within cursors, windows and digests.
func (r *record) unit() string { return escaped(r.Cursor, r.Profile, r.Folder, r.List) }

func (r *record) key() string { return cursorPrefix + r.unit() }

// leaseName is the lease of a dossier under a cursor. Whoever has it reads the lists of
// the dossier.
func leaseName(cursor, profile, folder string) string {
	return "cursor/" + escaped(cursor, profile, folder)
}

// recordFormat is the layout of a stored record.
const recordFormat = 1

type sealed struct {
	Format int             `json:"format"`
	Digest string          `json:"sha256"`
	Record json.RawMessage `json:"record"`
}

func encode(r *record) ([]byte, error) {
	inner, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding the cursor %s: %w", r.Cursor, err)
	}
	return json.Marshal(sealed{recordFormat, digestOf(inner), inner})
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// decode reads a record. A cursor that somebody edited is refused: a floor that is too
// high loses records without a sign. `cursor rewind` and `cursor reset` change cursors.
func decode(value []byte) (*record, error) {
	var s sealed
	if err := strictly(value, &s); err != nil {
		return nil, fmt.Errorf("%w: it is not a whole record (%d bytes)", ErrCursor, len(value))
	}
	switch {
	case s.Format > recordFormat:
		return nil, fmt.Errorf("%w: it has format %d and this program reads %d: a newer version of the program wrote it, use that", ErrCursor, s.Format, recordFormat)
	case s.Format != recordFormat || s.Digest != digestOf(s.Record):
		return nil, fmt.Errorf("%w: its digest does not match its content", ErrCursor)
	}
	r := &record{}
	if err := strictly(s.Record, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return r, nil
}

// strictly decodes one JSON value with known members and nothing after it.
func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() || len(bytes.TrimSpace(data[d.InputOffset():])) > 0 {
		return errors.New("something follows it")
	}
	return nil
}

func (r *record) check() error {
	switch {
	case r.Cursor == "" || r.Config.Resource == "" || r.Config.Mode == "":
		return errors.New("it does not say what it is of")
	case r.Sweeps < 0 || r.Confirmed < 0:
		return errors.New("a count is negative")
	case r.Last != nil && r.Config.Mode == Incremental && r.Bounds.Floor.IsZero() && r.Last.Kind == kindIncremental:
		return errors.New("it has no floor after a complete sweep")
	}
	if err := r.Window.check(); err != nil {
		return err
	}
	if r.Current != nil {
		return r.Current.Window.check()
	}
	return nil
}

// sameAs makes sure that a stored record is the one that was asked for.
func (r *record) sameAs(want *record) error {
	if r.unit() != want.unit() {
		return fmt.Errorf("%w: it is that of another list", ErrCursor)
	}
	return nil
}

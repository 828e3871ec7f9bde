package sweep

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Errors of what a person does to cursors.
var (
	// ErrNoCursor: there is no cursor of that name.
	ErrNoCursor = errors.New("no such cursor")
	// ErrInUse: a running pipeline holds the cursor.
	ErrInUse = errors.New("a running pipeline uses the cursor")
)

// CursorInfo is what is known of a cursor.
type CursorInfo struct {
	Name     string    `json:"name"`
	Mode     Mode      `json:"mode,omitempty"`
	Resource string    `json:"resource,omitempty"`
	Lists    int       `json:"lists"`
	Folders  int       `json:"folders"`
	Last     time.Time `json:"last,omitzero"` // start of the oldest last complete sweep
	UnderWay int       `json:"under_way"`     // lists in the middle of a sweep
	Held     int       `json:"held"`          // lists with deletions to confirm
	Err      string    `json:"error,omitempty"`
}

// ListInfo is what is known of one list of a cursor.
type ListInfo struct {
	Cursor  string `json:"cursor"`
	Profile string `json:"profile"`
	Folder  string `json:"folder,omitempty"`
	List    string `json:"list"`
	Config  Config `json:"config"`
	Sweeps  int64  `json:"sweeps"`
	// From is the date from which the sweep under way or the next one reads, "" for all.
	From      string `json:"from,omitempty"`
	Exclusive bool   `json:"exclusive,omitempty"`
	// Recognised is how many versions are known not to be delivered again.
	Recognised int       `json:"recognised"`
	UnderWay   string    `json:"under_way,omitempty"` // the kind of the sweep under way
	Since      time.Time `json:"since,omitzero"`
	Progress   *Counts   `json:"progress,omitempty"`
	LastStart  time.Time `json:"last_start,omitzero"`
	LastEnd    time.Time `json:"last_end,omitzero"`
	LastCounts *Counts   `json:"last_counts,omitempty"`
	// HeldDeletions wait for a person's word, out of Known records.
	HeldDeletions int64  `json:"held_deletions,omitempty"`
	Known         int64  `json:"known,omitempty"`
	Confirmed     int64  `json:"confirmed,omitempty"`
	Err           string `json:"error,omitempty"`
}

// unitParts are the cursor, profile, folder and list in a key.
func unitParts(key string) ([4]string, bool) {
	var out [4]string
	parts := strings.Split(strings.TrimPrefix(key, cursorPrefix), "/")
	if len(parts) != len(out) {
		return out, false
	}
	for i, p := range parts {
		var err error
		if out[i], err = url.PathUnescape(p); err != nil {
			return out, false
		}
	}
	return out, true
}

// ListCursors returns the cursors of a store, by name. One that cannot be read has Err set.
func ListCursors(ctx context.Context, store state.Store) ([]CursorInfo, error) {
	keys, err := store.Keys(ctx, cursorPrefix)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, k := range keys {
		if p, ok := unitParts(k); ok && !slices.Contains(names, p[0]) {
			names = append(names, p[0])
		}
	}
	var out []CursorInfo
	for _, name := range names {
		lists, err := ShowCursor(ctx, store, name)
		if err != nil {
			return nil, err
		}
		c := CursorInfo{Name: name, Lists: len(lists)}
		var folders []string
		for i, l := range lists {
			if f := l.Profile + "\x00" + l.Folder; !slices.Contains(folders, f) {
				folders = append(folders, f)
			}
			if l.Err != "" {
				c.Err = l.Err
				continue
			}
			c.Mode, c.Resource = l.Config.Mode, l.Config.Resource
			if i == 0 || l.LastStart.Before(c.Last) {
				c.Last = l.LastStart
			}
			if l.UnderWay != "" {
				c.UnderWay++
			}
			if l.HeldDeletions > 0 {
				c.Held++
			}
		}
		c.Folders = len(folders)
		out = append(out, c)
	}
	return out, nil
}

// ShowCursor returns the lists of a cursor, or ErrNoCursor.
func ShowCursor(ctx context.Context, store state.Store, name string) ([]ListInfo, error) {
	var out []ListInfo
	err := each(ctx, store, name, "", func(key string, parts [4]string, rec *record, _ state.Version, err error) error {
		l := ListInfo{Cursor: parts[0], Profile: parts[1], Folder: parts[2], List: parts[3]}
		if err != nil {
			l.Err = err.Error()
		} else {
			l.fill(rec)
		}
		out = append(out, l)
		return nil
	})
	return out, err
}

func (l *ListInfo) fill(rec *record) {
	l.Config, l.Sweeps = rec.Config, rec.Sweeps
	l.From, l.Exclusive = rec.Bounds.Floor.At.String(), rec.Bounds.Floor.Exclusive
	l.Recognised = rec.Window.Chunks*chunkVersions + len(rec.Window.Tail)/versionBytes
	if c := rec.Current; c != nil {
		l.UnderWay, l.Since, l.Progress = string(c.Kind), c.Started, &c.Counts
	}
	if c := rec.Last; c != nil {
		l.LastStart, l.LastEnd, l.LastCounts = c.Started, c.Ended, &c.Counts
	}
	if rec.Held != nil {
		l.HeldDeletions, l.Known = rec.Held.Deletions, rec.Held.Known
	}
	l.Confirmed = rec.Confirmed
}

// each calls f for every list of a cursor, of one folder if folder is not "". A record
// that cannot be read is handed over as an error.
func each(ctx context.Context, store state.Store, name, folder string, f func(key string, parts [4]string, rec *record, v state.Version, err error) error) error {
	keys, err := store.Keys(ctx, cursorPrefix+escaped(name)+"/")
	if err != nil {
		return err
	}
	n := 0
	for _, k := range keys {
		parts, ok := unitParts(k)
		if !ok || folder != "" && parts[2] != folder {
			continue
		}
		n++
		var rec *record
		stored, err := store.Get(ctx, k)
		if errors.Is(err, state.ErrNotFound) {
			continue
		}
		if err == nil {
			rec, err = decode(stored.Value)
		}
		if err := f(k, parts, rec, stored.Version, err); err != nil {
			return err
		}
	}
	switch {
	case n > 0:
		return nil
	case folder != "":
		return fmt.Errorf("%w: %s of folder %s in %s", ErrNoCursor, name, folder, store)
	}
	return fmt.Errorf("%w: %s in %s", ErrNoCursor, name, store)
}

// change calls f for every list of a cursor while no pipeline can use it.
func change(ctx context.Context, store state.Store, name, folder string, f func(key string, parts [4]string, rec *record, v state.Version, err error) error) error {
	leases := map[string]state.Lease{}
	defer func() {
		for _, l := range leases {
			l.Release()
		}
	}()
	// All leases first: a cursor is changed as a whole or not at all.
	if err := each(ctx, store, name, folder, func(_ string, parts [4]string, _ *record, _ state.Version, _ error) error {
		lease := leaseName(parts[0], parts[1], parts[2])
		if leases[lease] != nil {
			return nil
		}
		l, err := store.TryLease(ctx, lease)
		if err != nil {
			return err
		}
		if l == nil {
			return fmt.Errorf("%w: %s is reading folder %q with it; stop it first (one that was killed holds it for half a minute)", ErrInUse, name, parts[2])
		}
		leases[lease] = l
		return nil
	}); err != nil {
		return err
	}
	return each(ctx, store, name, folder, f)
}

// ResetCursor forgets a cursor, of one folder or of all: the next run begins anew. It
// returns how many lists it was of. What is damaged is set aside as well. ErrNoCursor,
// ErrInUse.
func ResetCursor(ctx context.Context, store state.Store, name, folder string) (n int, err error) {
	err = change(ctx, store, name, folder, func(key string, parts [4]string, rec *record, _ state.Version, _ error) error {
		unit := escaped(parts[:]...)
		if d, ok := store.(state.Digester); ok {
			if err := dropDigests(ctx, d, unit); err != nil {
				return err
			}
		}
		if _, err := store.SetAside(ctx, key); err != nil {
			return err
		}
		n++
		if folder == "" {
			if err := dropRun(ctx, store, parts[0], parts[1]); err != nil {
				return err
			}
		}
		return dropWindows(ctx, store, unit)
	})
	return n, err
}

func dropDigests(ctx context.Context, d state.Digester, unit string) error {
	set, err := d.Digests(ctx, unit)
	if err != nil {
		return err
	}
	return errors.Join(set.Drop(ctx), set.Close())
}

func dropWindows(ctx context.Context, store state.Store, unit string) error {
	keys, err := store.Keys(ctx, windowPrefix+unit+"/")
	if err != nil {
		return err
	}
	for _, k := range keys {
		r, err := store.Get(ctx, k)
		if err == nil {
			err = store.Delete(ctx, k, r.Version)
		}
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
	}
	return nil
}

// RewindCursor has the next sweep of an incremental cursor read everything modified since
// a date, which is EBP's own, without zone. A sweep under way is given up, and versions
// that were delivered are delivered again. It never moves a list forwards: one that reads
// from before that date goes on doing so. It returns how many lists it changed.
// ErrNoCursor, ErrInUse.
func RewindCursor(ctx context.Context, store state.Store, name, folder string, to Stamp) (n int, err error) {
	err = change(ctx, store, name, folder, func(key string, _ [4]string, rec *record, v state.Version, err error) error {
		switch {
		case err != nil:
			return err
		case rec.Config.Mode != Incremental:
			return fmt.Errorf("cursor %s is of mode %s, which has no date to go back to: reset it instead", name, rec.Config.Mode)
		}
		back := (Floor{At: to}).lower(rec.Bounds.Floor)
		if !back && rec.Current == nil && rec.Window.Chunks == 0 && len(rec.Window.Tail) == 0 {
			return nil
		}
		if back {
			rec.Bounds = Bounds{Floor: Floor{At: to}}
		}
		rec.Current = nil
		dropped := rec.Window
		rec.Window = window{}
		rec.Sweeps++ // a sweep under way had that number, and its chunks go by it
		value, err := encode(rec)
		if err != nil {
			return err
		}
		if _, err := store.Put(ctx, key, value, v); err != nil {
			return err
		}
		n++
		(&keeper{store: store, unit: rec.unit()}).dropWindow(ctx, dropped)
		return nil
	})
	return n, err
}

// ConfirmDeletions has the next sweeps believe the deletions that were held back, and
// returns how many those are. ErrNoCursor; ErrInUse while a sweep is under way.
func ConfirmDeletions(ctx context.Context, store state.Store, name string) (n int64, err error) {
	err = change(ctx, store, name, "", func(key string, _ [4]string, rec *record, v state.Version, err error) error {
		if err != nil {
			return err
		}
		if rec.Held == nil {
			return nil
		}
		n += rec.Held.Deletions
		rec.Confirmed = rec.Held.Deletions
		value, err := encode(rec)
		if err != nil {
			return err
		}
		_, err = store.Put(ctx, key, value, v)
		return err
	})
	return n, err
}

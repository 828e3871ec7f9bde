package sweep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// sift returns the records of a page that are to be delivered, and notes in m what has to
// be stored for them.
func (l *List) sift(ctx context.Context, page *paging.Page, m *mark) ([]Change, error) {
	stored, err := l.lookUp(ctx, page)
	if err != nil {
		return nil, err
	}
	out := make([]Change, 0, len(page.Records))
	var first []state.DigestEntry
	for i := range page.Records {
		r := &page.Records[i]
		kind, deliver := Upsert, true
		if _, known := ParseStamp(r.Modified); l.cur.Kind == kindIncremental && r.Modified != "" && !known {
			return nil, fmt.Errorf("reading %s: record %s has the %s %q, which is not written as EBP writes dates: what was modified cannot be told (mode: changes can)", l.what(), r.Key, l.job.Spec.Operation.ModifiedColumn, r.Modified)
		}
		if l.cur.Kind == kindIncremental && (!l.floor.below(effective(r)) || l.recognised(r, m)) {
			deliver = false
		}
		if stored != nil {
			digest := contentDigest(r.Raw)
			entry := state.DigestEntry{Key: r.Key, Object: r.KeyObject, Digest: digest}
			switch {
			case stored[i] == digest:
				deliver, entry.Digest = false, state.Digest{} // only seen
			case l.cur.Kind == kindChanges && stored[i] == state.Digest{}:
				kind = Insert
				first = append(first, state.DigestEntry{Key: r.Key, Object: r.KeyObject, Digest: handedOut})
			case l.cur.Kind == kindChanges && stored[i] == handedOut:
				kind = Insert
			case l.cur.Kind == kindChanges:
				kind = Update
			case l.cur.Kind == kindReconcile && stored[i] == state.Digest{} && l.silent() && !l.floor.below(effective(r)):
				deliver = false
			}
			m.step.seen = append(m.step.seen, entry)
		}
		if deliver {
			out = append(out, Change{Record: *r, Kind: kind})
		}
	}
	if len(first) > 0 {
		if err := l.digests.Save(ctx, l.sweep-1, first); err != nil {
			return nil, stateError("keeping what is about to be delivered", err)
		}
	}
	return out, nil
}

// handedOut stands for the digest of a record that was handed out for the first time and
// is not acknowledged. It may have arrived all the same: if it is deleted before it is
// read again, its deletion has to follow.
var handedOut = state.Digest{'h', 'a', 'n', 'd', 'e', 'd', ' ', 'o', 'u', 't'}

// silent reports whether what is not known yet is what start_from left out.
func (l *List) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rec.Reconciled.IsZero() && l.job.Start != (Start{})
}

// recognised reports whether a version was delivered by an earlier sweep, and remembers it
// if the next sweep will read it again.
func (l *List) recognised(r *paging.Record, m *mark) bool {
	date := effective(r)
	again := !date.IsZero() && l.cur.Next.Floor.below(date)
	if !again && len(l.old) == 0 {
		return false
	}
	v := versionOf(r, date)
	if again && l.keeper != nil {
		full := l.built.full
		if c := l.built.add(l.keeper.unit, v); c != nil {
			m.step.chunks = append(m.step.chunks, c)
		}
		if l.built.full && !full {
			l.job.Log.Warnf("%s: more than %d records have dates so close together that the next sweep reads them again, and delivers those beyond that number again", l.what(), mostChunks*chunkVersions)
		}
	}
	return l.old.has(v)
}

func contentDigest(raw []byte) (d state.Digest) {
	sum := sha256.Sum256(raw)
	copy(d[:], sum[:])
	return d
}

// lookUp returns the stored digests of a page, nil where none are kept.
func (l *List) lookUp(ctx context.Context, page *paging.Page) ([]state.Digest, error) {
	if l.digests == nil {
		return nil, nil
	}
	keys := make([]string, len(page.Records))
	for i, r := range page.Records {
		if keys[i] = r.Key; r.Key == "" {
			return nil, fmt.Errorf("reading %s: a record has no key, so that it cannot be compared with what was read before", l.what())
		}
	}
	stored, err := l.digests.Lookup(ctx, keys)
	if err != nil {
		return nil, stateError("comparing with what was read before", err)
	}
	return stored, nil
}

// deletionPage is how many deletions make a batch.
const deletionPage = 100

// ErrHeld says that a sweep missed suspiciously many records, and a person has to say whether they
// are deleted.
var ErrHeld = errors.New("suspiciously many records are missing")

// deletions hands out what the sweep, which was read to its end, has not met.
func (l *List) deletions(ctx context.Context) (*Batch, error) {
	if l.pending() {
		return nil, ErrPending
	}
	if l.cur.Kind == kindChanges && l.after == "" {
		if err := l.guard(ctx); err != nil {
			return nil, err
		}
	}
	gone, err := l.digests.Unseen(ctx, l.sweep, l.after, deletionPage)
	if err != nil {
		return nil, stateError("looking for what is gone", err)
	}
	if len(gone) == 0 {
		l.phase = marking
		return l.Step(ctx)
	}
	l.after = gone[len(gone)-1].Key
	m := &mark{}
	var changes []Change
	for _, g := range gone {
		m.step.removed = append(m.step.removed, g.Key)
		if l.cur.Kind == kindChanges {
			changes = append(changes, Change{Record: paging.Record{Raw: g.Object, Key: g.Key, KeyObject: g.Object}, Kind: Delete})
		}
	}
	return l.hand(changes, 0, -1, m), nil
}

// guard refuses to believe that very many records are gone.
func (l *List) guard(ctx context.Context) error {
	gone, known, err := l.digests.Count(ctx, l.sweep)
	if err != nil {
		return stateError("looking for what is gone", err)
	}
	if gone == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if gone <= l.rec.Confirmed || l.job.TooMany == nil || !l.job.TooMany(gone, known) {
		return nil
	}
	rec := *l.rec
	rec.Sweeps, rec.Current = l.sweep, nil
	rec.Held = &held{At: l.cur.Started, Deletions: gone, Known: known}
	l.store(&rec, step{sweep: l.sweep})
	l.phase, l.cur, l.reader = between, nil, nil
	return fmt.Errorf("%w: %s: of %d records that were known %d were not returned any more, which is more than max_deletions; nothing is reported deleted. If they are, say so: benthos-ebp cursor confirm %s, and the next sweep reports them", ErrHeld, l.what(), known, gone, rec.Cursor)
}

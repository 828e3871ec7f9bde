package state

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	sqlite3 "modernc.org/sqlite/lib"
)

// together is for how many entries one statement is.
const together = 100

// Lookup implements Digests.
func (d *fileDigests) Lookup(ctx context.Context, keys []string) ([]Digest, error) {
	found := make([]Digest, len(keys))
	err := d.do(ctx, "reading digests", false, func(ctx context.Context, db *sql.DB) error {
		at := make(map[string]Digest, len(keys))
		for some := range slices.Chunk(keys, together) {
			rows, err := db.QueryContext(ctx, `SELECT key, digest FROM entries WHERE key IN (`+marks(len(some), "?")+`)`, blobs(some)...)
			if err != nil {
				return err
			}
			if err := d.each(rows, func(e DigestEntry) { at[e.Key] = e.Digest }, false); err != nil {
				return err
			}
		}
		for i, key := range keys {
			found[i] = at[key]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func blobs(keys []string) []any {
	args := make([]any, len(keys), len(keys)+2)
	for i, key := range keys {
		args[i] = []byte(key)
	}
	return args
}

// each reads rows of key and digest, and of the object between them.
func (d *fileDigests) each(rows *sql.Rows, f func(e DigestEntry), object bool) error {
	defer rows.Close()
	for rows.Next() {
		var key, digest sql.RawBytes
		var e DigestEntry
		into := []any{&key, &digest}
		if object {
			into = []any{&key, &e.Object, &digest}
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if len(digest) != len(e.Digest) {
			return d.damaged(errors.New("a digest does not have its length"))
		}
		e.Key, e.Digest = string(key), Digest(digest)
		f(e)
	}
	return rows.Err()
}

// Save implements Digests.
func (d *fileDigests) Save(ctx context.Context, sweep int64, entries []DigestEntry) error {
	write, mark, err := parted(entries)
	if err != nil || len(write)+len(mark) == 0 {
		return err
	}
	return d.change(ctx, "writing digests", len(write) > 0, func(tx *sql.Tx) error {
		for some := range slices.Chunk(write, together) {
			args := make([]any, 0, 4*len(some))
			for _, e := range some {
				args = append(args, []byte(e.Key), filled(e.Object), e.Digest[:], sweep)
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO entries (key, object, digest, mark) VALUES `+marks(len(some), "(?,?,?,?)")+`
ON CONFLICT (key) DO UPDATE SET object = excluded.object, digest = excluded.digest, mark = max(mark, excluded.mark)
WHERE mark < excluded.mark OR digest <> excluded.digest OR object <> excluded.object`, args...)
			if err != nil {
				return err
			}
		}
		for some := range slices.Chunk(mark, together) {
			_, err := tx.ExecContext(ctx, `UPDATE entries SET mark = ? WHERE key IN (`+marks(len(some), "?")+`) AND mark < ?`,
				append(append([]any{sweep}, blobs(some)...), sweep)...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// filled makes of nothing an empty value, which is none to a database otherwise.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Count implements Digests.
func (d *fileDigests) Count(ctx context.Context, sweep int64) (unseen, all int64, err error) {
	err = d.do(ctx, "counting digests", false, func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE mark < ?), count(*) FROM entries`, sweep).Scan(&unseen, &all)
	})
	return unseen, all, err
}

// Unseen implements Digests.
func (d *fileDigests) Unseen(ctx context.Context, sweep int64, after string, n int) ([]DigestEntry, error) {
	var unseen []DigestEntry
	err := d.do(ctx, "reading digests", false, func(ctx context.Context, db *sql.DB) error {
		unseen = nil
		rows, err := db.QueryContext(ctx, `SELECT key, object, digest FROM entries WHERE key > ? AND mark < ? ORDER BY key LIMIT ?`, []byte(after), sweep, max(n, 0))
		if err != nil {
			return err
		}
		return d.each(rows, func(e DigestEntry) { unseen = append(unseen, e) }, true)
	})
	return unseen, err
}

// Remove implements Digests.
func (d *fileDigests) Remove(ctx context.Context, sweep int64, keys []string) error {
	return d.change(ctx, "removing digests", false, func(tx *sql.Tx) error {
		for some := range slices.Chunk(keys, together) {
			_, err := tx.ExecContext(ctx, `DELETE FROM entries WHERE key IN (`+marks(len(some), "?")+`) AND mark < ?`, append(blobs(some), sweep)...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Drop implements Digests. The file stays, since others may have it open: what they save
// after this must not be lost with it.
func (d *fileDigests) Drop(ctx context.Context) error {
	err := d.change(ctx, "removing digests", false, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM entries`)
		return err
	})
	if err != nil {
		return err
	}
	return d.do(ctx, "giving space back", false, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `VACUUM`)
		if code := sqliteCode(err); code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_FULL {
			return nil // it is used again by the next entries
		}
		return err
	})
}

package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// fileDigests is a set of digests in an SQLite database of its own. Its log (WAL) is synced
// at each commit. The one connection takes a few megabytes, however large the set is. What
// SQLite notices of damage is that of its pages, not a byte changed within an entry.
type fileDigests struct {
	file *File
	name string
	path string

	mu     sync.Mutex
	db     *sql.DB // nil until it is there
	closed bool
}

var _ Digester = (*File)(nil)

// Digests implements Digester.
func (f *File) Digests(_ context.Context, set string) (Digests, error) {
	return &fileDigests{file: f, name: set, path: filepath.Join(f.dir, "digests", name(set)+".sqlite")}, nil
}

const (
	// digestsFormat is the layout of the database. A reader that meets a newer one reports
	// it.
	digestsFormat = 1
	// Keys are bytes, so that they are compared as such.
	digestsSchema = `CREATE TABLE entries (key BLOB PRIMARY KEY, object BLOB NOT NULL, digest BLOB NOT NULL, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE about (name BLOB NOT NULL);
INSERT INTO about (name) VALUES (?);
PRAGMA user_version = 1`
)

// openSQLite opens a database that is there. busy_timeout is short, since nothing ends it;
// whoever has to wait for longer asks again.
func openSQLite(path, journal string) (*sql.DB, error) {
	location := url.URL{Path: filepath.ToSlash(path)}
	db, err := sql.Open("sqlite", "file:"+location.EscapedPath()+"?mode=rw&_txlock=immediate&_pragma=busy_timeout(200)"+
		"&_pragma=journal_mode("+journal+")&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_pragma=cache_size(-4000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// open returns the database, or nil where there is none and none is to be made.
func (d *fileDigests) open(ctx context.Context, create bool) (*sql.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	if d.db != nil {
		return d.db, nil
	}
	there, err := d.isThere()
	if err == nil && !there && create {
		err = d.make(ctx)
		there = true
	}
	if err != nil || !there {
		return nil, err
	}
	db, err := openSQLite(d.path, "WAL")
	if err == nil {
		if err = d.try(ctx, db, "opening a set of digests", d.check); err != nil {
			db.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	d.db = db
	return db, nil
}

// isThere reports whether there is a database. Without it its log is worth nothing.
func (d *fileDigests) isThere() (bool, error) {
	_, err := os.Lstat(d.path)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, d.file.explain("opening a set of digests", err)
	}
	if _, err := os.Lstat(d.path + "-wal"); err == nil {
		return false, d.damaged(errors.New("it is gone and its log (-wal) is not"))
	}
	return false, nil
}

// make makes an empty database beside and renames it: one that is there is whole, and one
// that is not has never been one.
func (d *fileDigests) make(ctx context.Context) error {
	unlock, err := d.file.acquire(ctx, name(d.name)+".digests")
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := d.isThere(); err != nil || there {
		return err
	}
	if err := d.file.makeDirectory("digests"); err != nil {
		return err
	}
	fresh := d.path + ".new"
	_ = os.Remove(fresh) // a killed process left it
	file, err := os.OpenFile(fresh, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return d.file.explain("making a set of digests", err)
	}
	db, err := openSQLite(fresh, "MEMORY")
	if err == nil {
		err = d.try(ctx, db, "making a set of digests", func(ctx context.Context, db *sql.DB) error {
			return inTransaction(ctx, db, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, digestsSchema, []byte(d.name))
				return err
			})
		})
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		_ = os.Remove(fresh)
		return err
	}
	if err = os.Rename(fresh, d.path); err == nil {
		err = syncDirectory(filepath.Dir(d.path))
	}
	if err != nil {
		return d.file.explain("making a set of digests", err)
	}
	return nil
}

// check reads what the database says of itself. An empty file is an empty database to
// SQLite, and damaged to us.
func (d *fileDigests) check(ctx context.Context, db *sql.DB) error {
	var format int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&format); err != nil {
		return err
	}
	switch {
	case format > digestsFormat:
		return d.damaged(fmt.Errorf("it has format %d and this program reads %d: a newer version of the program wrote it, use that", format, digestsFormat))
	case format != digestsFormat:
		return d.damaged(errors.New("it is not a set of digests"))
	}
	var of, key []byte
	err := db.QueryRowContext(ctx, `SELECT name FROM about`).Scan(&of)
	if errors.Is(err, sql.ErrNoRows) || err == nil && string(of) != d.name {
		return d.damaged(errors.New("it is the set of another name"))
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT key, object, digest, mark FROM entries LIMIT 0`).Scan(&key)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case sqliteCode(err) == sqlite3.SQLITE_ERROR:
		return d.damaged(fmt.Errorf("a table is missing: %w", err))
	}
	return err
}

func (d *fileDigests) damaged(why error) error {
	return fmt.Errorf("%w: the digests %s: %w; bring them back from a backup, or move that file and those whose names begin with its name elsewhere, and all records count as new", ErrDamaged, d.path, why)
}

// do runs f with the database. Where there is none, and none is made, it does nothing.
func (d *fileDigests) do(ctx context.Context, doing string, create bool, f func(ctx context.Context, db *sql.DB) error) error {
	db, err := d.open(ctx, create)
	if err != nil || db == nil {
		return err
	}
	return d.try(ctx, db, doing, f)
}

// change is do in a transaction.
func (d *fileDigests) change(ctx context.Context, doing string, create bool, f func(tx *sql.Tx) error) error {
	return d.do(ctx, doing, create, func(ctx context.Context, db *sql.DB) error { return inTransaction(ctx, db, f) })
}

func inTransaction(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// try runs f, again while another process is in the way, and says of an error what a person
// can do. f does all or nothing.
func (d *fileDigests) try(ctx context.Context, db *sql.DB, doing string, f func(ctx context.Context, db *sql.DB) error) error {
	for {
		err := f(ctx, db)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %s: %w", doing, d.path, ended(ctx))
		}
		switch sqliteCode(err) {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			select {
			case <-ctx.Done():
			case <-time.After(lockPoll):
			}
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return d.damaged(err)
		case 0:
			return err
		default:
			return d.file.explain(doing, fmt.Errorf("%s: %w", d.path, d.cause(err)))
		}
	}
}

// sqliteCode is the primary code of an error of SQLite, 0 for others.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// cause adds what the operating system says, which SQLite keeps to itself. (The database is
// not opened for that: closing it again would end the locks that SQLite has on it.)
func (d *fileDigests) cause(err error) error {
	probe, probeErr := os.CreateTemp(filepath.Dir(d.path), "probe-")
	if probeErr == nil {
		_, probeErr = probe.Write(make([]byte, 64<<10))
		probe.Close()
		_ = os.Remove(probe.Name())
	}
	if probeErr != nil {
		return fmt.Errorf("%w: %w", err, probeErr)
	}
	return err
}

// Close implements Digests.
func (d *fileDigests) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	db := d.db
	d.db, d.closed = nil, true
	if db == nil {
		return nil
	}
	return db.Close()
}

// marks are the question marks of n values.
func marks(n int, one string) string {
	return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
}

package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Postgres is a Store in three tables of a Postgres database, which are made when
// something is first written. It needs no session: each operation is one statement, so it
// works behind a pooler that hands out connections by the transaction. While the server
// is away every call fails within ten seconds.
type Postgres struct {
	pool     *pgxpool.Pool
	where    string
	secrets  secrets
	leases   *leases
	patience patience
}

var (
	_ Store       = (*Postgres)(nil)
	_ Durable     = (*Postgres)(nil)
	_ leaseServer = (*Postgres)(nil)
)

// String implements Store.
func (p *Postgres) String() string { return p.where }

// Close implements Store. Leases that are still held are released.
func (p *Postgres) Close() error {
	p.leases.close()
	closed := make(chan struct{})
	go func() {
		p.pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(releaseTime): // the pool says good-bye to a server that is gone for longer than that
	}
	return nil
}

// call calls the server, and says of an error what was being done and what to do.
func (p *Postgres) call(ctx context.Context, doing string, f func(context.Context) error) error {
	return p.callWithin(ctx, p.patience, doing, f)
}

func (p *Postgres) callWithin(ctx context.Context, most patience, doing string, f func(context.Context) error) error {
	err := p.secrets.hide(most.bounded(ctx, f))
	if err == nil {
		return nil
	}
	if advice := postgresAdvice[sqlState(err)]; advice != "" {
		return fmt.Errorf("%s in %s: %w; %s", doing, p, err, advice)
	}
	return fmt.Errorf("%s in %s: %w", doing, p, err)
}

// The states of SQL that are decided on.
const (
	duplicateKey     = "23505"
	duplicateTable   = "42P07"
	duplicateObject  = "42710"
	noTable          = "42P01"
	noPermission     = "42501"
	internalError    = "XX000" // "tuple concurrently updated", between two that make tables
	notSerializable  = "40001"
	deadlock         = "40P01"
	readOnlySession  = "25006"
	wrongPassword    = "28P01"
	wrongUser        = "28000"
	noDatabase       = "3D000"
	diskFull         = "53100"
	noConnectionLeft = "53300"
	starting         = "57P03"
)

var postgresAdvice = map[string]string{
	noPermission:     "let the role create tables in that schema, or make the tables for it (" + strings.Join(strings.Fields(strings.Join(createTables, "; ")), " ") + ") and grant it SELECT, INSERT, UPDATE and DELETE on them",
	readOnlySession:  "this is a replica or a read-only database: name the primary",
	wrongPassword:    "check the user and the password in the address",
	wrongUser:        "check the user in the address and pg_hba.conf",
	noDatabase:       "check the database in the address",
	diskFull:         "make room on the server's disk",
	noConnectionLeft: "the server's max_connections is reached",
	starting:         "the server is starting or stopping: try again",
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// exec runs a statement that writes, and makes the tables where there
// are none.
func (p *Postgres) exec(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	tag, err := p.pool.Exec(ctx, statement, args...)
	if sqlState(err) == noTable {
		if err := p.makeTables(ctx); err != nil {
			return 0, err
		}
		tag, err = p.pool.Exec(ctx, statement, args...)
	}
	return tag.RowsAffected(), err
}

// Get implements Store.
func (p *Postgres) Get(ctx context.Context, key string) (Record, error) {
	var version int64
	var data []byte
	err := p.call(ctx, "reading the state", func(ctx context.Context) error {
		return p.pool.QueryRow(ctx, `SELECT version, value FROM benthos_ebp_records WHERE key = $1`, textKey(key)).Scan(&version, &data)
	})
	if errors.Is(err, pgx.ErrNoRows) || sqlState(err) == noTable {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	r, err := unseal(key, data)
	if err == nil && version != int64(r.Version) {
		err = errors.New("its version is not that of its content")
	}
	if err != nil {
		return Record{}, damaged(p.row(key), err)
	}
	return r, nil
}

// row says where the record of a key is.
func (p *Postgres) row(key string) string {
	return fmt.Sprintf("the row %q of benthos_ebp_records in %s", textKey(key), p)
}

// durable has the commit of a statement wait for the disk, where the role or the database
// does not do so by default. The setting ends with the statement, which is a transaction
// of its own.
const (
	setDurable = `set_config('synchronous_commit',
	CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)`
	durable = `WITH durable AS MATERIALIZED (SELECT ` + setDurable + `) `
)

const (
	insertRecord = durable + `INSERT INTO benthos_ebp_records (key, version, value, updated)
SELECT $1::text, 1, $2::bytea, clock_timestamp() FROM durable ON CONFLICT (key) DO NOTHING`
	updateRecord = durable + `UPDATE benthos_ebp_records SET version = version + 1, value = $2::bytea, updated = clock_timestamp()
FROM durable WHERE key = $1::text AND version = $3::bigint`
)

// Put implements Store. It is not tried again once the statement may have arrived.
func (p *Postgres) Put(ctx context.Context, key string, value []byte, expected Version) (Version, error) {
	current, err := p.Get(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	if current.Version != expected {
		return 0, ErrConflict
	}
	data, err := seal(key, expected+1, value)
	if err != nil {
		return 0, err
	}
	var rows int64
	err = p.call(ctx, "writing the state", func(ctx context.Context) (err error) {
		if expected == 0 {
			rows, err = p.exec(ctx, insertRecord, textKey(key), data)
		} else {
			rows, err = p.exec(ctx, updateRecord, textKey(key), data, int64(expected))
		}
		return err
	})
	switch {
	case sqlState(err) == notSerializable, err == nil && rows == 0:
		return 0, ErrConflict
	case err != nil:
		return 0, err
	}
	return expected + 1, nil
}

// Reserve implements Store: a server keeps no space.
func (*Postgres) Reserve(context.Context, string, int) error { return nil }

// SetAside implements Store.
func (p *Postgres) SetAside(ctx context.Context, key string) (string, error) {
	aside := "aside/" + time.Now().UTC().Format("20060102T150405Z") + "-" + randomWord()[:8] + "/" + key
	var rows int64
	err := p.call(ctx, "setting a record aside", func(ctx context.Context) (err error) {
		rows, err = p.exec(ctx, `UPDATE benthos_ebp_records SET key = $2 WHERE key = $1`, textKey(key), textKey(aside))
		return err
	})
	switch {
	case err != nil:
		return "", err
	case rows == 0:
		return "", ErrNotFound
	}
	return p.row(aside), nil
}

// Lease implements Store.
func (p *Postgres) Lease(ctx context.Context, name string) (Lease, error) {
	return p.leases.lease(ctx, name)
}

// TryLease implements Store.
func (p *Postgres) TryLease(ctx context.Context, name string) (Lease, error) {
	return p.leases.tryLease(ctx, name)
}

const (
	takeLease = `INSERT INTO benthos_ebp_leases AS l (name, holder, expires)
VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = clock_timestamp() + $3::bigint * interval '1 millisecond'
WHERE l.expires < clock_timestamp() OR l.holder = excluded.holder`
	prolongLease = `UPDATE benthos_ebp_leases SET expires = clock_timestamp() + $3::bigint * interval '1 millisecond'
WHERE name = $1 AND holder = $2`
	dropLease = `DELETE FROM benthos_ebp_leases WHERE name = $1 AND holder = $2`
)

func (p *Postgres) takeLease(ctx context.Context, name, holder string, d time.Duration) (bool, error) {
	return p.askLease(ctx, takeLease, "taking a lease", textKey(name), holder, d.Milliseconds())
}

func (p *Postgres) prolongLease(ctx context.Context, name, holder string, d time.Duration) (bool, error) {
	return p.askLease(ctx, prolongLease, "prolonging a lease", textKey(name), holder, d.Milliseconds())
}

func (p *Postgres) dropLease(ctx context.Context, name, holder string) error {
	_, err := p.askLease(ctx, dropLease, "releasing a lease", textKey(name), holder)
	return err
}

// askLease tries twice: an answer that was lost does no harm, since the holder is known.
func (p *Postgres) askLease(ctx context.Context, statement, doing string, args ...any) (ours bool, err error) {
	err = p.call(ctx, doing, func(ctx context.Context) error {
		rows, err := p.exec(ctx, statement, args...)
		if err != nil && sqlState(err) == "" && ctx.Err() == nil {
			rows, err = p.exec(ctx, statement, args...)
		}
		ours = rows == 1
		return err
	})
	if sqlState(err) == notSerializable {
		return false, nil // somebody else was faster, in a database that is that strict
	}
	return ours, err
}

// Now implements Store with the clock of the server.
func (p *Postgres) Now(ctx context.Context) (now time.Time, err error) {
	err = p.call(ctx, "reading the clock", func(ctx context.Context) error {
		return p.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now)
	})
	return now, err
}

// Durability implements Durable.
func (p *Postgres) Durability(ctx context.Context) string {
	var fsync string
	err := p.patience.bounded(ctx, func(ctx context.Context) error {
		return p.pool.QueryRow(ctx, `SELECT current_setting('fsync')`).Scan(&fsync)
	})
	if err != nil || fsync != "off" {
		return ""
	}
	return fmt.Sprintf("the Postgres %s: it does not wait for its disk (fsync off): a power cut may lose sign-ins, or the whole database; set fsync on", p)
}

package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresConnections is few: most poolers and servers are shared.
const postgresConnections = 4

// pingTime is how long a connection may take to show that it lives: so short that all of
// them may turn out dead, one after the other, within answerTime.
const pingTime = answerTime / (postgresConnections + 1)

// OpenPostgres returns the store at a URL such as
// postgres://user:password@host:5432/database, with the parameters of pgx and libpq:
// search_path chooses the schema. No connection is made yet.
func OpenPostgres(location string) (*Postgres, error) {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok {
		return nil, errors.New("the address of the Postgres state names no host: write postgres://user:password@host:5432/database")
	}
	location = strings.ToLower(scheme) + "://" + rest
	config, err := pgxpool.ParseConfig(location)
	if err != nil {
		return nil, postgresURLError(location, err)
	}
	c := config.ConnConfig
	if !strings.Contains(location, "default_query_exec_mode=") {
		// Prepared statements stay with a connection, which a pooler gives to others.
		c.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
	}
	if !strings.Contains(location, "pool_max_conns=") {
		config.MaxConns = postgresConnections
	}
	// A connection that did not survive a restart of the server is found out before it is
	// given a statement whose fate would not be known.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	config.PingTimeout = pingTime
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, postgresURLError(location, err)
	}
	p := &Postgres{
		patience: patience(answerTime),
		pool:     pool,
		where:    fmt.Sprintf("postgres://%s/%s", net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), url.PathEscape(c.Database)),
		secrets:  secrets{c.Password, url.QueryEscape(c.Password), url.PathEscape(c.Password)},
	}
	p.leases = newLeases(p)
	return p, nil
}

// postgresURLError says what is wrong with an address, but for what may quote it.
func postgresURLError(location string, err error) error {
	u, parseErr := url.Parse(location)
	if parseErr != nil {
		return errors.New("the address of the Postgres state is no URL: write postgres://user:password@host:5432/database, and special characters of the password as %xx")
	}
	password, _ := u.User.Password()
	hidden := secrets{password, url.QueryEscape(password), url.PathEscape(password), u.Query().Get("password"), u.Query().Get("sslpassword")}
	// Its text begins with the address, its cause does not.
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		if err = errors.Unwrap(parse); err == nil {
			return errors.New("the address of the Postgres state is not understood: write postgres://user:password@host:5432/database")
		}
	}
	return fmt.Errorf("reading the address of the Postgres state: %w", hidden.hide(err))
}

// createTables makes what is missing.
var createTables = []string{
	`CREATE TABLE IF NOT EXISTS benthos_ebp_records (
		key text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL, updated timestamptz NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS benthos_ebp_leases (
		name text PRIMARY KEY, holder text NOT NULL, expires timestamptz NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS benthos_ebp_digests (
		name text, key bytea, whole bytea, object bytea NOT NULL, digest bytea NOT NULL, mark bigint NOT NULL,
		PRIMARY KEY (name, key))`,
}

// makeTables may be called by several processes at once: IF NOT EXISTS then fails in more
// than one way for those that were slower, and succeeds the next time.
func (p *Postgres) makeTables(ctx context.Context) error {
	for _, statement := range createTables {
		for tries := 1; ; tries++ {
			_, err := p.pool.Exec(ctx, statement)
			if err == nil {
				break
			}
			switch sqlState(err) {
			case duplicateKey, duplicateTable, duplicateObject, internalError:
				if tries < 5 {
					time.Sleep(time.Duration(tries) * 20 * time.Millisecond)
					continue
				}
			}
			return fmt.Errorf("making the tables: %w", err)
		}
	}
	return nil
}

// longestKey keeps keys under the third of a page that an index takes.
const longestKey = 2000

// textKey is a key as text of Postgres, which has no zero bytes and nothing but UTF-8:
// the same for most keys, and different for different keys.
func textKey(key string) string { return shortKey(key, longestKey) }

// shortKey is textKey with another length.
func shortKey(key string, longest int) string {
	if strings.Contains(key, "\x00") || !utf8.ValidString(key) || strings.HasPrefix(key, "%") {
		key = "%" + url.QueryEscape(key)
	}
	if len(key) <= longest {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:longest-65], "") + "-" + hex.EncodeToString(sum[:])
}

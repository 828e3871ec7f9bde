package state

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresDigests is a set of digests among the rows of a table. Each call is one statement,
// which can be repeated.
type postgresDigests struct {
	p    *Postgres
	name string // as it is in the table
}

var _ Digester = (*Postgres)(nil)

// Digests implements Digester.
func (p *Postgres) Digests(_ context.Context, name string) (Digests, error) {
	return &postgresDigests{p: p, name: shortKey(name, longestSetName)}, nil
}

const (
	// longestSetName and longestKey are together what an index takes.
	longestSetName = 500
	// scanPatience is how many times longer a statement may take that reads a whole set.
	scanPatience = 30
)

// durableAlone is durable, and waits for others who write to the same set. Otherwise two
// that write the same keys could wait for each other.
const durableAlone = `WITH durable AS MATERIALIZED (
	SELECT ` + setDurable + `, pg_advisory_xact_lock(hashtextextended('benthos_ebp_digests ' || $1::text, 0))
) `

const (
	lookupDigests = `SELECT k.n, d.digest FROM unnest($2::bytea[]) WITH ORDINALITY AS k(key, n)
JOIN benthos_ebp_digests d ON d.name = $1::text AND d.key = k.key`

	saveDigests = durableAlone + `, marked AS (
	UPDATE benthos_ebp_digests SET mark = $2::bigint FROM durable WHERE name = $1::text AND key = ANY($7::bytea[]) AND mark < $2::bigint
)
INSERT INTO benthos_ebp_digests AS d (name, key, whole, object, digest, mark)
SELECT $1::text, e.key, e.whole, e.object, e.digest, $2::bigint
FROM durable, unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) AS e(key, whole, object, digest)
ON CONFLICT (name, key) DO UPDATE SET object = excluded.object, digest = excluded.digest, mark = greatest(d.mark, excluded.mark)
WHERE d.mark < excluded.mark OR d.digest <> excluded.digest OR d.object <> excluded.object`

	countDigests = `SELECT count(*) FILTER (WHERE mark < $2::bigint), count(*) FROM benthos_ebp_digests WHERE name = $1::text`

	unseenDigests = `SELECT coalesce(whole, key), object, digest FROM benthos_ebp_digests
WHERE name = $1::text AND key > $3::bytea AND mark < $2::bigint ORDER BY key LIMIT $4::bigint`

	removeDigests = durableAlone + `DELETE FROM benthos_ebp_digests USING durable
WHERE name = $1::text AND key = ANY($3::bytea[]) AND mark < $2::bigint`

	dropDigests = durableAlone + `DELETE FROM benthos_ebp_digests USING durable WHERE name = $1::text`
)

// bytesKey is a key as it is in the table: itself, or what an index takes of it, which is
// longer than any that is itself.
func bytesKey(key string) []byte {
	if len(key) <= longestKey {
		return []byte(key)
	}
	sum := sha256.Sum256([]byte(key))
	return append([]byte(key[:longestKey+1-len(sum)]), sum[:]...)
}

func bytesKeys(keys []string) [][]byte {
	all := make([][]byte, len(keys))
	for i, key := range keys {
		all[i] = bytesKey(key)
	}
	return all
}

// again runs a statement that can be repeated: where its answer was lost, and where others
// were in the way. Where there is no table, and none is made, it does nothing.
func (d *postgresDigests) again(ctx context.Context, doing string, most patience, statement func(ctx context.Context) error) error {
	err := d.p.callWithin(ctx, most, doing, func(ctx context.Context) error {
		for lost := false; ; {
			err := statement(ctx)
			switch state := sqlState(err); {
			case err == nil || ctx.Err() != nil:
				return err
			case state == "" && !lost && !errors.Is(err, ErrDamaged):
				lost = true
			case state == notSerializable || state == deadlock:
				time.Sleep(mathrand.N(longestPoll))
			default:
				return err
			}
		}
	})
	if sqlState(err) == noTable {
		return nil
	}
	return err
}

// Lookup implements Digests.
func (d *postgresDigests) Lookup(ctx context.Context, keys []string) ([]Digest, error) {
	var found []Digest
	err := d.again(ctx, "reading digests", d.p.patience, func(ctx context.Context) error {
		found = make([]Digest, len(keys))
		rows, err := d.p.pool.Query(ctx, lookupDigests, d.name, bytesKeys(keys))
		if err != nil {
			return err
		}
		var n int64
		var digest []byte
		_, err = pgx.ForEachRow(rows, []any{&n, &digest}, func() (err error) {
			found[n-1], err = d.digest(digest)
			return err
		})
		return err
	})
	return found, err
}

func (d *postgresDigests) digest(stored []byte) (Digest, error) {
	if len(stored) != len(Digest{}) {
		return Digest{}, fmt.Errorf("%w: the rows %q of benthos_ebp_digests in %s: a digest does not have its length; bring them back from a backup, or delete them, and all records count as new", ErrDamaged, d.name, d.p)
	}
	return Digest(stored), nil
}

// Save implements Digests.
func (d *postgresDigests) Save(ctx context.Context, sweep int64, entries []DigestEntry) error {
	write, mark, err := parted(entries)
	if err != nil || len(write)+len(mark) == 0 {
		return err
	}
	keys, whole := make([][]byte, len(write)), make([][]byte, len(write))
	objects, digests := make([][]byte, len(write)), make([][]byte, len(write))
	for i, e := range write {
		keys[i], objects[i], digests[i] = bytesKey(e.Key), filled(e.Object), e.Digest[:]
		if len(e.Key) > longestKey {
			whole[i] = []byte(e.Key)
		}
	}
	return d.again(ctx, "writing digests", d.p.patience, func(ctx context.Context) error {
		_, err := d.p.exec(ctx, saveDigests, d.name, sweep, keys, whole, objects, digests, bytesKeys(mark))
		return err
	})
}

// Count implements Digests.
func (d *postgresDigests) Count(ctx context.Context, sweep int64) (unseen, all int64, err error) {
	err = d.again(ctx, "counting digests", scanPatience*d.p.patience, func(ctx context.Context) error {
		return d.p.pool.QueryRow(ctx, countDigests, d.name, sweep).Scan(&unseen, &all)
	})
	return unseen, all, err
}

// Unseen implements Digests.
func (d *postgresDigests) Unseen(ctx context.Context, sweep int64, after string, n int) ([]DigestEntry, error) {
	var unseen []DigestEntry
	err := d.again(ctx, "reading digests", scanPatience*d.p.patience, func(ctx context.Context) error {
		unseen = nil
		rows, err := d.p.pool.Query(ctx, unseenDigests, d.name, sweep, bytesKey(after), max(n, 0))
		if err != nil {
			return err
		}
		var key, object, digest []byte
		_, err = pgx.ForEachRow(rows, []any{&key, &object, &digest}, func() error {
			of, err := d.digest(digest)
			unseen = append(unseen, DigestEntry{Key: string(key), Object: slices.Clone(object), Digest: of})
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return unseen, nil
}

// Remove implements Digests.
func (d *postgresDigests) Remove(ctx context.Context, sweep int64, keys []string) error {
	return d.again(ctx, "removing digests", d.p.patience, func(ctx context.Context) error {
		_, err := d.p.pool.Exec(ctx, removeDigests, d.name, sweep, bytesKeys(keys))
		return err
	})
}

// Drop implements Digests.
func (d *postgresDigests) Drop(ctx context.Context) error {
	return d.again(ctx, "removing digests", scanPatience*d.p.patience, func(ctx context.Context) error {
		_, err := d.p.pool.Exec(ctx, dropDigests, d.name)
		return err
	})
}

// Close implements Digests.
func (*postgresDigests) Close() error { return nil }

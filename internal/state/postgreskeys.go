package state

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// listKeys finds the rows whose key may begin as asked, as it is or escaped. Of those whose
// key was too long the value tells it.
const listKeys = `SELECT key, CASE WHEN octet_length(key) >= $3::int THEN value END
FROM benthos_ebp_records WHERE starts_with(key, $1::text) OR starts_with(key, $2::text)`

// shortestHashed is the least that textKey makes of a key that was too long.
const shortestHashed = longestKey - utf8.UTFMax + 1

// asideRow is the key of a row that SetAside has made, as textKey may have escaped it.
var asideRow = regexp.MustCompile(`^(aside/|%aside%2F)[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(/|%2F)`)

// Keys implements Store.
func (p *Postgres) Keys(ctx context.Context, prefix string) ([]string, error) {
	plain, escaped := listed(prefix)
	var keys []string
	err := p.call(ctx, "listing the state", func(ctx context.Context) error {
		keys = nil
		rows, err := p.pool.Query(ctx, listKeys, plain, escaped, shortestHashed)
		if err != nil {
			return err
		}
		var row string
		var value []byte
		_, err = pgx.ForEachRow(rows, []any{&row, &value}, func() error {
			if asideRow.MatchString(row) {
				return nil
			}
			key, err := p.keyOf(row, value, prefix)
			if err != nil {
				return err
			}
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
			return nil
		})
		return err
	})
	if sqlState(err) == noTable {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	return keys, nil
}

// listed is what the rows of keys with a prefix begin with: at most that, so that rows too
// many are found rather than too few.
func listed(prefix string) (plain, escaped string) {
	plain, escaped = prefix, "%"+url.QueryEscape(prefix)
	for i, r := range plain {
		// (It may end within a character.)
		if _, size := utf8.DecodeRuneInString(plain[i:]); r == 0 || r == utf8.RuneError && size == 1 {
			plain = plain[:i]
			break
		}
	}
	const most = shortestHashed - 65
	if len(plain) > most {
		plain = strings.ToValidUTF8(plain[:most], "")
	}
	return plain, escaped[:min(len(escaped), most)]
}

// keyOf returns the key of a row, which textKey has made. Where the row is damaged and the
// key was too long, what stands there will do, if it is a key that begins with prefix and by
// which Get finds the row.
func (p *Postgres) keyOf(row string, value []byte, prefix string) (string, error) {
	belongs := func(key string) bool { return textKey(key) == row }
	long := len(row) >= shortestHashed
	if long {
		if key, ok := keyIn(value, belongs); ok {
			return key, nil
		}
	}
	key, err := row, error(nil)
	if strings.HasPrefix(row, "%") {
		key, err = url.QueryUnescape(row[1:])
	}
	if err != nil || !belongs(key) || long && !strings.HasPrefix(key, prefix) {
		return "", damaged(fmt.Sprintf("the row %q of benthos_ebp_records in %s", row, p), errors.New("it does not say whose record it is"))
	}
	return key, nil
}

const deleteRecord = durable + `DELETE FROM benthos_ebp_records USING durable WHERE key = $1::text AND version = $2::bigint`

// Delete implements Store. Like Put, it is not tried again once the statement may have
// arrived.
func (p *Postgres) Delete(ctx context.Context, key string, expected Version) error {
	current, err := p.Get(ctx, key)
	if err != nil {
		return err
	}
	if current.Version != expected {
		return ErrConflict
	}
	var rows int64
	err = p.call(ctx, "deleting a record of the state", func(ctx context.Context) (err error) {
		rows, err = p.exec(ctx, deleteRecord, textKey(key), int64(expected))
		return err
	})
	if sqlState(err) == notSerializable || err == nil && rows == 0 {
		return ErrConflict
	}
	return err
}

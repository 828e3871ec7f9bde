package state

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oddKeys are keys that some encoding or pattern could get wrong.
func oddKeys() []string {
	long := strings.Repeat("é", 499)
	return []string{
		"tokens/1f0c/default", "tokens", "tokens/", "/tokens", "Société Générale/l'été", `"quoted" 'twice' \ back`, `back\slash`,
		"a b\tc\nd", "{tag}", "}{", "a:b:*?[x]", "a_b", "axb", "%41", "A", "%%", "%", "..", ".", "../../etc/passwd", "日本語", "x.json", "x",
		"x.json.next", "x.json.aside-20060102T150405.000000000Z", "zero\x00byte", "zero", "\x00", "not UTF-8 \xff\xfe", "not UTF-8 \xff\xfd", "\xff", "%00", "",
		long + "a", long + "b", strings.Repeat("x", 5000) + "a", strings.Repeat("x", 5000) + "b", strings.Repeat("日", 1500),
		"\xff" + strings.Repeat("y", 5000), strings.Repeat("%", 5000), strings.Repeat("z", longestKey), strings.Repeat("z", longestKey+1),
		strings.Repeat("w", longestName), strings.Repeat("w", longestName+1), "👩‍🔧/emoji", "aside/no", "x.write", "x.lock",
	}
}

// beginning are those of keys that begin with prefix, sorted.
func beginning(keys []string, prefix string) []string {
	var some []string
	for _, key := range keys {
		if strings.HasPrefix(key, prefix) {
			some = append(some, key)
		}
	}
	slices.Sort(some)
	return some
}

func TestKeysListsWhatWasPutUnderAnyPrefix(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		listed := func(prefix string, of []string) {
			t.Helper()
			found, err := s.Keys(ctx, prefix)
			require.NoError(t, err, "%.60q", prefix)
			want := beginning(of, prefix)
			if len(want) == 0 {
				require.Empty(t, found, "%.60q", prefix)
				return
			}
			require.Equal(t, want, found, "%.60q", prefix)
		}
		listed("", nil)
		keys := oddKeys()
		prefixes := []string{"", "nothing begins so", "\xc3", "日本", "日本\xe8", "not UTF-8 \xff", "a:b:*", "a_", "%4", "aside/"}
		for _, key := range keys {
			_, err := s.Put(ctx, key, []byte("v"), 0)
			require.NoError(t, err, "%.60q", key)
			prefixes = append(prefixes, key, key+"x", key[:len(key)/2], key[:min(len(key), 1)])
		}
		for _, prefix := range prefixes {
			listed(prefix, keys)
		}
		// What is deleted, set aside or only reserved is not there; a lease never is.
		left := slices.Clone(keys)
		for i, key := range keys {
			lease, err := s.Lease(ctx, key)
			require.NoError(t, err)
			defer lease.Release()
			require.NoError(t, s.Reserve(ctx, key, 10))
			require.NoError(t, s.Reserve(ctx, "reserved "+key, 10))
			switch i % 3 {
			case 0:
				require.NoError(t, s.Delete(ctx, key, 1), "%.60q", key)
			case 1:
				_, err := s.SetAside(ctx, key)
				require.NoError(t, err, "%.60q", key)
			default:
				continue
			}
			left = slices.DeleteFunc(left, func(k string) bool { return k == key })
		}
		for _, prefix := range prefixes {
			listed(prefix, left)
		}
	})
}

func TestDeleteRemovesTheVersionItNamesAndNoOther(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		for _, expected := range []Version{0, 1, 7} {
			require.ErrorIs(t, s.Delete(ctx, "k", expected), ErrNotFound)
		}
		for round := range 3 {
			version := Version(0)
			for range round + 1 {
				next, err := s.Put(ctx, "k", []byte("v"), version)
				require.NoError(t, err)
				version = next
			}
			require.NoError(t, s.Reserve(ctx, "k", 1000))
			for _, other := range []Version{0, version - 1, version + 1} {
				require.ErrorIs(t, s.Delete(ctx, "k", other), ErrConflict)
			}
			r, err := s.Get(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, version, r.Version)
			require.NoError(t, s.Delete(ctx, "k", version))
			_, err = s.Get(ctx, "k")
			require.ErrorIs(t, err, ErrNotFound)
			_, err = s.Put(ctx, "k", []byte("late"), version)
			require.ErrorIs(t, err, ErrConflict, "one who had read it has made it again")
			require.ErrorIs(t, s.Delete(ctx, "k", version), ErrNotFound)
			_, err = s.SetAside(ctx, "k")
			require.ErrorIs(t, err, ErrNotFound)
		}
	})
}

func TestOfManyWhoPutAndDeleteAVersionOneWins(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		for range 5 {
			version, err := s.Put(ctx, "k", []byte("v"), 0)
			require.NoError(t, err)
			var wg sync.WaitGroup
			var mu sync.Mutex
			puts, deletes := 0, 0
			for i := range 16 {
				wg.Go(func() {
					var err error
					if i%2 == 0 {
						_, err = s.Put(ctx, "k", fmt.Append(nil, i), version)
					} else {
						err = s.Delete(ctx, "k", version)
					}
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						assert.True(t, errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound), "%v", err)
					case i%2 == 0:
						puts++
					default:
						deletes++
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, puts+deletes)
			r, err := s.Get(ctx, "k")
			if deletes == 1 {
				require.ErrorIs(t, err, ErrNotFound)
				continue
			}
			require.NoError(t, err)
			require.NoError(t, s.Delete(ctx, "k", r.Version))
		}
	})
}

// A record that is written all the time is in every listing.
func TestKeysMissesNoRecordThatIsBeingWritten(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		const records = 5
		for i := range records {
			key := fmt.Sprintf("cursors/%d", i)
			version, err := s.Put(ctx, key, []byte("v"), 0)
			require.NoError(t, err)
			wg.Go(func() {
				for ctx.Err() == nil {
					if next, err := s.Put(ctx, key, []byte("v"), version); err == nil {
						version = next
					}
					key := fmt.Sprintf("passing/%d", i)
					if v, err := s.Put(ctx, key, nil, 0); err == nil {
						_ = s.Delete(ctx, key, v)
					}
				}
			})
		}
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			keys, err := s.Keys(t.Context(), "cursors/")
			if !assert.NoError(t, err) || !assert.Len(t, keys, records) {
				break
			}
		}
		stop()
		wg.Wait()
	})
}

func TestADamagedRecordIsListedAndNotDeleted(t *testing.T) {
	for _, kind := range shared {
		t.Run(kind, func(t *testing.T) {
			location := place(t, kind)
			s := open(t, location)
			ctx := t.Context()
			for _, key := range []string{"cursors/a", "cursors/é b"} {
				_, err := s.Put(ctx, key, []byte("v"), 0)
				require.NoError(t, err)
				overwrite(t, s, location, key, "not a record")
				for _, expected := range []Version{0, 1} {
					require.ErrorIs(t, s.Delete(ctx, key, expected), ErrDamaged)
				}
			}
			_, err := s.Put(ctx, "cursors/b", []byte("v"), 0)
			require.NoError(t, err)
			keys, err := s.Keys(ctx, "cursors/")
			require.NoError(t, err)
			assert.Equal(t, []string{"cursors/a", "cursors/b", "cursors/é b"}, keys)
			assert.Equal(t, "not a record", stored(t, s, location, "cursors/a"))
		})
	}
}

// The names of long keys do not tell them, and what does is damaged.
func TestADamagedRecordWithALongKeyIsListedOrAnError(t *testing.T) {
	for _, kind := range []string{"file", "postgres"} {
		for _, key := range []string{strings.Repeat("x", 5000), "cursors/" + strings.Repeat("é/", 2000), "cursors-\x00" + strings.Repeat("x", 5000)} {
			t.Run(fmt.Sprintf("%s %.9q", kind, key), func(t *testing.T) {
				location := place(t, kind)
				s := open(t, location)
				ctx := t.Context()
				_, err := s.Put(ctx, key, []byte("v"), 0)
				require.NoError(t, err)
				_, err = s.Put(ctx, "tokens/x", []byte("v"), 0)
				require.NoError(t, err)
				if p, ok := s.(*Postgres); ok {
					statement(t, location, `UPDATE benthos_ebp_records SET value = 'half' WHERE key = $1`, textKey(key))
					require.NotNil(t, p)
				} else {
					overwrite(t, s, location, key, "half")
				}
				for _, prefix := range []string{"", key[:1], key[:7], key[:4000], key} {
					keys, err := s.Keys(ctx, prefix)
					if err != nil {
						require.ErrorIs(t, err, ErrDamaged, "%.20q", prefix)
						continue
					}
					keys = slices.DeleteFunc(keys, func(k string) bool { return k == "tokens/x" })
					require.Len(t, keys, 1, "%.20q: it is missing in silence", prefix)
					require.True(t, strings.HasPrefix(keys[0], prefix))
					_, err = s.Get(ctx, keys[0])
					require.ErrorIs(t, err, ErrDamaged)
				}
				// It is in nobody else's way.
				keys, err := s.Keys(ctx, "tokens/")
				require.NoError(t, err)
				assert.Equal(t, []string{"tokens/x"}, keys)
			})
		}
	}
}

func TestKeysOfRandomBytesAreListedAsTheyAre(t *testing.T) {
	pieces := []string{"a", "/", "%", "_", "*", "?", "[", "]", "^", "-", "{", "}", "\\", "'", " ", "+", "\x00", "\xff", "\xc3", "é", "日", "👩", ".json", ".next", "%2F", strings.Repeat("x", 90), strings.Repeat("é", 600)}
	everywhere(t, func(t *testing.T, s Store) {
		random := rand.New(rand.NewPCG(3, 4))
		word := func() (w string) {
			for range random.IntN(6) {
				w += pieces[random.IntN(len(pieces))]
			}
			return w
		}
		var keys []string
		for range 200 {
			key := word()
			if _, err := s.Put(t.Context(), key, nil, 0); !errors.Is(err, ErrConflict) {
				require.NoError(t, err, "%.60q", key)
				keys = append(keys, key)
			}
		}
		for i := range 400 {
			prefix := word()
			found, err := s.Keys(t.Context(), prefix)
			require.NoError(t, err, "%.60q", prefix)
			require.True(t, slices.Equal(beginning(keys, prefix), found), "%.60q", prefix)
			if i%4 == 0 && len(found) > 0 {
				require.NoError(t, s.Delete(t.Context(), found[0], 1))
				keys = slices.DeleteFunc(keys, func(k string) bool { return k == found[0] })
			}
		}
	})
}

func FuzzKeysAndDelete(f *testing.F) {
	for _, key := range oddKeys() {
		f.Add(key, 3)
	}
	stores := map[string]Store{"memory": NewMemory(), "file": NewFile(f.TempDir())}
	f.Fuzz(func(t *testing.T, key string, cut int) {
		prefix := key[:max(0, min(cut, len(key)))]
		for kind, s := range stores {
			version, err := s.Put(t.Context(), key, []byte("v"), 0)
			require.NoError(t, err, kind)
			for _, begin := range []string{"", prefix, key} {
				keys, err := s.Keys(t.Context(), begin)
				require.NoError(t, err, kind)
				require.Equal(t, []string{key}, keys, kind)
			}
			keys, err := s.Keys(t.Context(), key+"\x00")
			require.NoError(t, err, kind)
			require.Empty(t, keys, kind)
			require.NoError(t, s.Delete(t.Context(), key, version), kind)
			keys, err = s.Keys(t.Context(), "")
			require.NoError(t, err, kind)
			require.Empty(t, keys, kind)
		}
	})
}

package state

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digesters are the kinds of store that keep digests.
var digesters = []string{"memory", "file", "postgres"}

func openSet(t *testing.T, s Store, name string) Digests {
	t.Helper()
	set, err := s.(Digester).Digests(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	return set
}

// withSets runs a test with an empty set of each kind.
func withSets(t *testing.T, test func(t *testing.T, s Store, set Digests)) {
	for _, kind := range digesters {
		t.Run(kind, func(t *testing.T) {
			s := open(t, place(t, kind))
			test(t, s, openSet(t, s, "changes/a set"))
		})
	}
}

func digestOf(n int) (d Digest) {
	binary.BigEndian.PutUint64(d[8:], uint64(n)+1)
	return d
}

func entry(key string, n int) DigestEntry {
	return DigestEntry{Key: key, Object: fmt.Appendf(nil, `{"Id":%q}`, key), Digest: digestOf(n)}
}

func lookup(t *testing.T, set Digests, keys ...string) []Digest {
	t.Helper()
	found, err := set.Lookup(t.Context(), keys)
	require.NoError(t, err)
	require.Len(t, found, len(keys))
	return found
}

func counted(t *testing.T, set Digests, sweep int64) [2]int64 {
	t.Helper()
	unseen, all, err := set.Count(t.Context(), sweep)
	require.NoError(t, err)
	return [2]int64{unseen, all}
}

// unseen reads all entries that a sweep has not seen, by n.
func unseen(t *testing.T, set Digests, sweep int64, n int) []DigestEntry {
	t.Helper()
	var all []DigestEntry
	for after := ""; ; {
		page, err := set.Unseen(t.Context(), sweep, after, n)
		require.NoError(t, err)
		if len(page) == 0 {
			return all
		}
		require.LessOrEqual(t, len(page), n)
		all = append(all, page...)
		after = page[len(page)-1].Key
	}
}

func TestRedisKeepsNoDigests(t *testing.T) {
	s, err := Open("redis://127.0.0.1:1/0")
	require.NoError(t, err)
	defer s.Close()
	_, ok := s.(Digester)
	assert.False(t, ok)
}

func TestASetThatNobodyHasSavedIsEmpty(t *testing.T) {
	withSets(t, func(t *testing.T, _ Store, set Digests) {
		assert.Equal(t, []Digest{{}, {}}, lookup(t, set, "a", ""))
		assert.Empty(t, lookup(t, set))
		assert.Equal(t, [2]int64{0, 0}, counted(t, set, 5))
		assert.Empty(t, unseen(t, set, 5, 10))
		require.NoError(t, set.Remove(t.Context(), 5, []string{"a"}))
		require.NoError(t, set.Drop(t.Context()))
		require.NoError(t, set.Save(t.Context(), 5, nil))
		require.NoError(t, set.Save(t.Context(), 5, []DigestEntry{{Key: "seen before"}}))
		assert.Equal(t, [2]int64{0, 0}, counted(t, set, 5), "a mark alone has made an entry")
	})
}

func TestDigestsAreFoundAsTheyWereSaved(t *testing.T) {
	withSets(t, func(t *testing.T, s Store, set Digests) {
		ctx := t.Context()
		a, b, c := entry("a", 1), entry("b", 2), DigestEntry{Key: "c", Digest: digestOf(3)}
		require.NoError(t, set.Save(ctx, 1, []DigestEntry{c, a, b}))
		assert.Equal(t, []Digest{b.Digest, {}, a.Digest, b.Digest}, lookup(t, set, "b", "B", "a", "b"))
		// The next sweep: one as it was, one changed, one gone, and one new.
		b.Digest, b.Object = digestOf(20), []byte(`{"Id":"changed"}`)
		d := entry("d", 4)
		require.NoError(t, set.Save(ctx, 2, []DigestEntry{{Key: "a"}, b, d}))
		for range 2 { // and the same again
			assert.Equal(t, []Digest{a.Digest, b.Digest, c.Digest, d.Digest}, lookup(t, set, "a", "b", "c", "d"))
			assert.Equal(t, [2]int64{1, 4}, counted(t, set, 2))
			assert.Equal(t, [2]int64{4, 4}, counted(t, set, 3))
			gone := unseen(t, set, 2, 10)
			require.Len(t, gone, 1)
			assert.Equal(t, c.Key, gone[0].Key)
			assert.Equal(t, c.Digest, gone[0].Digest)
			assert.Empty(t, gone[0].Object)
			assert.Equal(t, []DigestEntry{a, b}, unseen(t, set, 3, 10)[:2])
			require.NoError(t, set.Save(ctx, 2, []DigestEntry{{Key: "a"}, b, d}))
		}
		other := openSet(t, s, "changes/another set")
		assert.Equal(t, []Digest{{}}, lookup(t, other, "a"))
		require.NoError(t, other.Save(ctx, 9, []DigestEntry{entry("a", 9)}))
		require.NoError(t, set.Drop(ctx))
		assert.Equal(t, [2]int64{0, 0}, counted(t, set, 9))
		assert.Equal(t, []Digest{{}}, lookup(t, set, "a"))
		assert.Equal(t, []Digest{digestOf(9)}, lookup(t, other, "a"), "the set of another was dropped")
		require.NoError(t, set.Save(ctx, 3, []DigestEntry{a}))
		assert.Equal(t, [2]int64{0, 1}, counted(t, set, 3))
	})
}

func TestAMarkNeverFalls(t *testing.T) {
	withSets(t, func(t *testing.T, _ Store, set Digests) {
		ctx := t.Context()
		require.NoError(t, set.Save(ctx, 7, []DigestEntry{entry("a", 1), entry("b", 1)}))
		require.NoError(t, set.Save(ctx, 3, []DigestEntry{{Key: "a"}, entry("b", 2)})) // one that comes late
		assert.Equal(t, [2]int64{0, 2}, counted(t, set, 7))
		assert.Equal(t, [2]int64{2, 2}, counted(t, set, 8))
		require.NoError(t, set.Remove(ctx, 7, []string{"a", "b"}))
		assert.Equal(t, [2]int64{0, 2}, counted(t, set, 7), "one that was seen is gone")
		require.NoError(t, set.Save(ctx, 8, []DigestEntry{{Key: "a"}}))
		for range 2 {
			require.NoError(t, set.Remove(ctx, 8, []string{"a", "b", "never there"}))
			assert.Equal(t, []Digest{digestOf(1), {}}, lookup(t, set, "a", "b"))
		}
	})
}

func TestOfTwoEntriesWithOneKeyTheLaterCounts(t *testing.T) {
	withSets(t, func(t *testing.T, _ Store, set Digests) {
		entries := []DigestEntry{entry("b", 1), {Key: "a"}, entry("a", 1), entry("b", 2), {Key: "b"}, entry("a", 3), {Key: "c"}, {Key: "c"}}
		require.NoError(t, set.Save(t.Context(), 1, entries))
		assert.Equal(t, []Digest{digestOf(3), digestOf(2), {}}, lookup(t, set, "a", "b", "c"))
	})
}

func TestAnEntryWithoutAKeyIsRefusedWithAllOthers(t *testing.T) {
	withSets(t, func(t *testing.T, _ Store, set Digests) {
		require.ErrorContains(t, set.Save(t.Context(), 1, []DigestEntry{entry("a", 1), entry("", 1)}), "without a key")
		assert.Equal(t, [2]int64{0, 0}, counted(t, set, 1))
	})
}

func TestAnyCharactersMayBeInTheKeyAndTheNameOfDigests(t *testing.T) {
	withSets(t, func(t *testing.T, s Store, set Digests) {
		ctx := t.Context()
		keys := slices.DeleteFunc(oddKeys(), func(key string) bool { return key == "" })
		want := map[string]DigestEntry{}
		var entries []DigestEntry
		for i, key := range keys {
			e := DigestEntry{Key: key, Object: allBytes(), Digest: digestOf(i)}
			entries, want[key] = append(entries, e), e
		}
		require.NoError(t, set.Save(ctx, 1, entries))
		for i, d := range lookup(t, set, keys...) {
			require.Equal(t, digestOf(i), d, "%.60q", keys[i])
		}
		order := slices.Sorted(maps.Keys(want))
		for _, n := range []int{1, 7, 1000} {
			found := unseen(t, set, 2, n)
			require.Len(t, found, len(order))
			for i, e := range found {
				require.True(t, reflect.DeepEqual(want[e.Key], e), "%.60q", e.Key)
				// See Unseen for the keys that Postgres cannot tell the order of.
				require.Equal(t, order[i][:min(len(order[i]), 1900)], e.Key[:min(len(e.Key), 1900)])
				if _, ok := s.(*Postgres); !ok {
					require.True(t, order[i] == e.Key, "%.60q", e.Key)
				}
			}
		}
		require.NoError(t, set.Remove(ctx, 2, keys[1:]))
		assert.Equal(t, []DigestEntry{want[keys[0]]}, unseen(t, set, 2, 1000))

		for i, name := range oddKeys() {
			require.NoError(t, openSet(t, s, name).Save(ctx, 1, []DigestEntry{entry("a", i)}), "%.60q", name)
		}
		for i, name := range oddKeys() {
			set := openSet(t, s, name)
			require.Equal(t, []Digest{digestOf(i)}, lookup(t, set, "a"), "%.60q", name)
			require.Equal(t, [2]int64{0, 1}, counted(t, set, 1), "%.60q", name)
		}
	})
}

// Random calls have the same answers as those of a map.
func TestDigestsAreThoseOfAModel(t *testing.T) {
	withSets(t, func(t *testing.T, _ Store, set Digests) {
		ctx := t.Context()
		random := rand.New(rand.NewPCG(1, 2))
		model := &memoryDigests{entries: map[string]markedEntry{}}
		key := func() string { return strconv.Itoa(random.IntN(700)) }
		keys := func() []string {
			some := make([]string, random.IntN(1200))
			for i := range some {
				some[i] = key()
			}
			return some
		}
		for range 60 {
			sweep := int64(random.IntN(5))
			switch random.IntN(5) {
			case 0, 1:
				var entries []DigestEntry
				for _, k := range keys() {
					if random.IntN(2) == 0 {
						entries = append(entries, DigestEntry{Key: k})
					} else {
						entries = append(entries, entry(k, random.IntN(5)))
					}
				}
				require.NoError(t, set.Save(ctx, sweep, entries))
				require.NoError(t, model.Save(ctx, sweep, entries))
			case 2:
				some := keys()[:0:0]
				for range random.IntN(250) {
					some = append(some, key())
				}
				require.NoError(t, set.Remove(ctx, sweep, some))
				require.NoError(t, model.Remove(ctx, sweep, some))
			case 3:
				some := keys()
				assert.Equal(t, lookup(t, model, some...), lookup(t, set, some...))
			case 4:
				after, n := key(), random.IntN(300)
				found, err := set.Unseen(ctx, sweep, after, n)
				require.NoError(t, err)
				want, _ := model.Unseen(ctx, sweep, after, n)
				require.Equal(t, len(want), len(found))
				for i := range want {
					require.Equal(t, want[i], found[i])
				}
			}
			require.Equal(t, counted(t, model, sweep), counted(t, set, sweep))
		}
		require.Positive(t, counted(t, set, 0)[1])
	})
}

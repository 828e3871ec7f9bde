package incremental

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// storedCursors are the records of cursors in a state, as they were when everything that a
// source holds had been read, or a part of it.
type storedCursors struct {
	s      *source
	fields string
	store  state.Store
	keys   []string // the cursor, and what belongs to it
	good   map[string][]byte
	// delivered are the records that came before any damage, and were acknowledged.
	delivered map[string]bool
}

// newStoredCursors reads a source to its end, or up to a page in the middle.
func newStoredCursors(t testing.TB, rows int, fields string, stopAt int) *storedCursors {
	t.Helper()
	c := &storedCursors{s: newSource(t, morning, sandbox.Options{Rows: rows}), fields: fields, good: map[string][]byte{}, delivered: map[string]bool{}}
	// All of one second, so that the cursor remembers versions.
	c.s.exec(t, "UPDATE f"+folder+"_Customer SET sysModifiedDate = ?", stampOf(c.s.clock.Now()))
	enough := make(chan struct{})
	tell := sync.OnceFunc(func() { close(enough) })
	st := c.s.start(t, fields, func(b service.MessageBatch) error {
		for _, m := range received(t, b) {
			c.delivered[m.key] = true
		}
		if stopAt > 0 && len(c.delivered) >= stopAt {
			tell()
		}
		return nil
	})
	select {
	case <-st.ended:
	case <-enough:
		st.stop()
	case <-time.After(patience):
		require.Fail(t, "the first load does not end", "%s", st.log)
	}
	var err error
	c.store, err = state.Open(c.s.state)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.store.Close() })
	for _, prefix := range []string{"cursors/", "windows/"} {
		keys, err := c.store.Keys(t.Context(), prefix)
		require.NoError(t, err)
		c.keys = append(c.keys, keys...)
	}
	require.NotEmpty(t, c.keys)
	for _, k := range c.keys {
		r, err := c.store.Get(t.Context(), k)
		require.NoError(t, err)
		c.good[k] = r.Value
	}
	return c
}

// put writes a value under a key, over whatever is there.
func (c *storedCursors) put(t testing.TB, key string, value []byte) {
	t.Helper()
	r, err := c.store.Get(t.Context(), key)
	if err != nil {
		require.ErrorIs(t, err, state.ErrNotFound)
	}
	_, err = c.store.Put(t.Context(), key, value, r.Version)
	require.NoError(t, err)
}

func (c *storedCursors) remove(t testing.TB, key string) {
	t.Helper()
	r, err := c.store.Get(t.Context(), key)
	require.NoError(t, err)
	require.NoError(t, c.store.Delete(t.Context(), key, r.Version))
}

// restore brings back what was there before the damage.
func (c *storedCursors) restore(t testing.TB) {
	t.Helper()
	keys, err := c.store.Keys(t.Context(), "windows/")
	require.NoError(t, err)
	for _, k := range keys {
		if _, ok := c.good[k]; !ok {
			c.remove(t, k)
		}
	}
	for k, v := range c.good {
		c.put(t, k, v)
	}
}

// run runs the pipeline over a damaged state. It must say which cursor is damaged, make no
// call for it and leave it as it is; or find that nothing that matters was changed, and
// go on.
func (c *storedCursors) run(t testing.TB, what string, changed func() bool) {
	t.Helper()
	c.s.ResetCalls()
	var got []message
	st := c.s.start(t, c.fields, func(b service.MessageBatch) error {
		got = append(got, received(t, b)...)
		return nil
	})
	st.wait()
	if len(st.log.errors()) == 0 {
		for _, m := range got {
			require.NotContains(t, c.delivered, m.key, "%s: the pipeline began anew without a word", what)
		}
		return
	}
	assert.Empty(t, got, what)
	assert.Contains(t, strings.Join(st.log.errors(), "\n"), "damaged", "%s: the error names the cursor", what)
	assert.Zero(t, c.s.callsOf(folder), what)
	assert.False(t, changed(), "%s: the damaged record was replaced", what)
}

// cursor returns the key of the one cursor.
func (c *storedCursors) cursor() string {
	return c.keys[slices.IndexFunc(c.keys, func(k string) bool { return strings.HasPrefix(k, "cursors/") })]
}

// damage changes a record in one place: its bytes, or what they say.
func damage(value []byte, how, with uint8, at uint16) []byte {
	v, i := slices.Clone(value), int(at)%len(value)
	switch how % 8 {
	case 0:
		v[i] ^= with
	case 1:
		v = slices.Delete(v, i, i+1)
	case 2:
		v = slices.Insert(v, i, with)
	case 3:
		v = v[:i]
	case 4:
		v = append(v, v[i:]...)
	case 5:
		v = bytes.Repeat([]byte{with}, i)
	default:
		return damageJSON(value, int(at), with)
	}
	return v
}

// damageJSON replaces or removes one value of a JSON document.
func damageJSON(value []byte, at int, with uint8) []byte {
	var doc any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return nil
	}
	var places []func(any)
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		places = append(places, set)
		switch v := v.(type) {
		case map[string]any:
			names := make([]string, 0, len(v))
			for k := range v {
				names = append(names, k)
			}
			slices.Sort(names)
			for _, k := range names {
				walk(v[k], func(n any) {
					if n == nil {
						delete(v, k)
						return
					}
					v[k] = n
				})
			}
		case []any:
			for i := range v {
				walk(v[i], func(n any) { v[i] = n })
			}
		}
	}
	walk(doc, func(n any) { doc = n })
	replacements := []any{nil, -1, "", "2002-02-02T02:02:02", map[string]any{}, []any{}, true, 1e300}
	places[at%len(places)](replacements[int(with)%len(replacements)])
	out, _ := json.Marshal(doc)
	return out
}

// Cursors of a complete and of an interrupted read are damaged in one place each, under an
// envelope that is in order.
func FuzzADamagedCursorIsNeverTakenForANewOne(f *testing.F) {
	for how := range uint8(8) {
		for i, at := range []uint16{0, 3, 40, 77, 150, 301, 999} {
			f.Add(uint8(i), how, at, how*31+uint8(i))
		}
	}
	fields := strings.ReplaceAll(customers([]string{folder}, "page_size: 20\n"), "cursor: customers", "cursor: damaged")
	cursors := []*storedCursors{newStoredCursors(f, 60, fields, 0), newStoredCursors(f, 60, fields, 25)}
	f.Fuzz(func(t *testing.T, which, how uint8, at uint16, with uint8) {
		c := cursors[int(which)%len(cursors)]
		good := c.good[c.cursor()]
		bad := damage(good, how, with, at)
		if len(bad) == 0 || bytes.Equal(bad, good) {
			return
		}
		defer c.restore(t)
		c.put(t, c.cursor(), bad)
		c.run(t, fmt.Sprintf("%q", bad), func() bool {
			r, err := c.store.Get(t.Context(), c.cursor())
			return err != nil || !bytes.Equal(r.Value, bad)
		})
	})
}

// What a cursor remembers of thousands of versions is in records of its own.
func TestACursorWhoseMemoryIsGoneIsNotUsed(t *testing.T) {
	t.Parallel()
	fields := strings.ReplaceAll(customers([]string{folder}, ""), "cursor: customers", "cursor: damaged")
	c := newStoredCursors(t, 2500, fields, 0)
	require.Greater(t, len(c.keys), 1, "the cursor keeps everything in itself: the test tests nothing")
	for _, k := range c.keys {
		if !strings.HasPrefix(k, "windows/") {
			continue
		}
		unchanged := func() bool {
			r, err := c.store.Get(t.Context(), c.cursor())
			return err != nil || !bytes.Equal(r.Value, c.good[c.cursor()])
		}
		c.remove(t, k)
		c.run(t, k+" is missing", unchanged)
		c.restore(t)
		c.put(t, k, c.good[k][:100])
		c.run(t, k+" is short", unchanged)
		c.restore(t)
	}
	assert.Empty(t, c.s.readAll(t, fields), "what was restored is as good as before")
}

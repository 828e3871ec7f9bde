package state

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

func containsAll(s string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

func TestARedisSaysWhatItMayLose(t *testing.T) {
	for name, c := range map[string]struct {
		info    string
		config  map[string]string
		cluster bool
		said    string // "" if nothing
		waits   bool
	}{
		"nothing told": {info: "", said: ""},
		"nothing kept": {info: "redis_version:7.0.15\r\naof_enabled:0\r\n", config: map[string]string{"save": ""}, said: "a restart loses sign-ins"},
		"images":       {info: "aof_enabled:0\n", config: map[string]string{"save": "3600 1 300 100"}, said: "renewed since"},
		"always":       {info: "redis_version:6.2.1\naof_enabled:1\n", config: map[string]string{"appendfsync": "always"}},
		"everysec, old": {info: "redis_version:7.0.15\naof_enabled:1\n", config: map[string]string{"appendfsync": "everysec"},
			said: "appendfsync everysec"},
		"everysec, new": {info: "redis_version:7.2.0\naof_enabled:1\n", config: map[string]string{"appendfsync": "everysec"}, waits: true},
		"everysec, 8":   {info: "redis_version:8.0.0\naof_enabled:1\n", config: map[string]string{"appendfsync": "everysec"}, waits: true},
		"everysec, cluster": {info: "redis_version:8.0.0\naof_enabled:1\n", config: map[string]string{"appendfsync": "everysec"}, cluster: true,
			said: "appendfsync everysec", waits: true},
		"no sync":         {info: "redis_version:8.0.0\naof_enabled:1\n", config: map[string]string{"appendfsync": "no"}, said: "appendfsync no"},
		"config not told": {info: "redis_version:7.2.4\naof_enabled:1\n", waits: true},
		"evicts": {info: "redis_version:7.0.0\naof_enabled:1\nmaxmemory:1000\nmaxmemory_policy:allkeys-lru\n", config: map[string]string{"appendfsync": "always"},
			said: "maxmemory-policy allkeys-lru"},
		"would evict":          {info: "aof_enabled:1\nmaxmemory:0\nmaxmemory_policy:allkeys-lru\n", config: map[string]string{"appendfsync": "always"}},
		"evicts what may go":   {info: "aof_enabled:1\nmaxmemory:1\nmaxmemory_policy:volatile-lru\n", config: map[string]string{"appendfsync": "always"}},
		"a version of its own": {info: "redis_version:unstable\naof_enabled:1\n", config: map[string]string{"appendfsync": "everysec"}, said: "appendfsync everysec"},
	} {
		setup := readSetup(c.info, c.config)
		said := setup.warning(c.cluster)
		if c.said == "" {
			assert.Empty(t, said, name)
		} else {
			assert.Contains(t, said, c.said, name)
		}
		assert.Equal(t, c.waits, setup.waits(), name)
	}
}

func TestARealRedisIsAskedWhatItKeeps(t *testing.T) {
	s := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	assert.Empty(t, open(t, s.RedisURL()).(Durable).Durability(t.Context()))
	c := redis.NewClient(&redis.Options{Addr: s.Address()})
	defer c.Close()
	require.NoError(t, c.ConfigSet(t.Context(), "appendfsync", "no").Err())
	assert.Contains(t, open(t, s.RedisURL()).(Durable).Durability(t.Context()), s.RedisURL()+": it leaves to the operating system")
	require.NoError(t, c.ConfigSet(t.Context(), "appendonly", "no").Err())
	assert.Contains(t, open(t, s.RedisURL()).(Durable).Durability(t.Context()), "an image of its data")
	require.NoError(t, c.Do(t.Context(), "ACL", "SETUSER", "default", "-info", "-config").Err())
	closed := open(t, s.RedisURL())
	assert.Empty(t, closed.(Durable).Durability(t.Context()))
	_, err := closed.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err, "a server that does not tell is used all the same")
}

// waitHook answers WAITAOF in the place of a server that may not know it.
type waitHook struct {
	answer any
	err    error
	asked  *int
}

func (waitHook) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (waitHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h waitHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, all []redis.Cmder) error {
		last, ok := all[len(all)-1].(*redis.Cmd)
		if !ok || last.Args()[0] != "WAITAOF" {
			return next(ctx, all)
		}
		*h.asked++
		err := next(ctx, all[:len(all)-1])
		last.SetVal(h.answer)
		last.SetErr(h.err)
		return errors.Join(err, h.err)
	}
}

func TestAPutIsOverOnceTheServersDiskHasIt(t *testing.T) {
	for name, c := range map[string]struct {
		answer any
		err    error
		said   string
	}{
		"synced":     {answer: []any{int64(1), int64(0)}},
		"not synced": {answer: []any{int64(0), int64(0)}, said: "is not on the server's disk after"},
		"unknown":    {err: errors.New("ERR unknown command"), said: "is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, place(t, "redis")).(*Redis)
			asked := 0
			s.client.AddHook(waitHook{answer: c.answer, err: c.err, asked: &asked})
			s.disk.known, s.disk.asked = redisSetup{told: true, log: true, sync: "everysec", version: "7.2.0"}, time.Now()
			_, err := s.Put(t.Context(), "of each call", []byte("x"), 0)
			require.NoError(t, err)
			require.Zero(t, asked, "a put that nothing depends on took a second")
			require.NoError(t, s.Reserve(t.Context(), testKey, 10))
			v, err := s.Put(t.Context(), testKey, []byte("x"), 0)
			require.Equal(t, 1, asked)
			r, getErr := s.Get(t.Context(), testKey)
			require.NoError(t, getErr)
			assert.Equal(t, Record{Value: []byte("x"), Version: 1}, r)
			if c.said == "" {
				require.NoError(t, err)
				assert.EqualValues(t, 1, v)
			} else {
				require.ErrorContains(t, err, c.said)
				assert.NotErrorIs(t, err, ErrConflict)
			}
		})
	}
}

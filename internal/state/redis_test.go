package state

import (
	"fmt"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

func TestARedisKeyThatIsNoRecordIsDamaged(t *testing.T) {
	s := open(t, place(t, "redis")).(*Redis)
	ctx, key := t.Context(), s.recordKey(testKey)
	whole := string(sealed(t, testKey, 2, "value"))
	for name, set := range map[string]func() error{
		"a string":        func() error { return s.client.Set(ctx, key, whole, 0).Err() },
		"a list":          func() error { return s.client.RPush(ctx, key, whole).Err() },
		"no version":      func() error { return s.client.HSet(ctx, key, "record", whole).Err() },
		"no record":       func() error { return s.client.HSet(ctx, key, "version", 2).Err() },
		"other fields":    func() error { return s.client.HSet(ctx, key, "a", "b").Err() },
		"another version": func() error { return s.client.HSet(ctx, key, "version", 1, "record", whole).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, set())
			_, err := s.Get(ctx, testKey)
			require.ErrorIs(t, err, ErrDamaged)
			assert.ErrorContains(t, err, key)
			for version := range Version(3) {
				_, err = s.Put(ctx, testKey, []byte("x"), version)
				require.ErrorIs(t, err, ErrDamaged)
			}
			_, err = s.SetAside(ctx, testKey)
			require.NoError(t, err)
			_, err = s.Put(ctx, testKey, []byte("x"), 0)
			require.NoError(t, err)
			require.NoError(t, s.client.Del(ctx, key).Err())
		})
	}
}

func TestRedisStoresWithDifferentPrefixesDoNotMeet(t *testing.T) {
	location := place(t, "redis")
	one, two := open(t, location), open(t, addQuery(t, location, "prefix", "test-other-"+randomWord()+":"))
	_, err := one.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	_, err = two.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
	lease, err := one.Lease(t.Context(), testKey)
	require.NoError(t, err)
	defer lease.Release()
	other, err := two.Lease(t.Context(), testKey)
	require.NoError(t, err)
	other.Release()
}

func TestAPrefixOfRedisIsNoPattern(t *testing.T) {
	location := place(t, "redis")
	u, err := url.Parse(location)
	require.NoError(t, err)
	prefix := u.Query().Get("prefix")
	one, two := open(t, addQuery(t, location, "prefix", prefix+"[ab]*?\\:")), open(t, addQuery(t, location, "prefix", prefix+"axx\\:"))
	for key, s := range map[string]Store{"one": one, "two": two} {
		_, err := s.Put(t.Context(), key, []byte("x"), 0)
		require.NoError(t, err)
	}
	for key, s := range map[string]Store{"one": one, "two": two} {
		keys, err := s.Keys(t.Context(), "")
		require.NoError(t, err)
		assert.Equal(t, []string{key}, keys)
	}
}

func TestAPutWhoseAnswerRedisCouldNotDeliverIsNoConflict(t *testing.T) {
	p, location := viaProxy(t, place(t, "redis"))
	s := open(t, location)
	for version := range Version(3) {
		_, err := s.Put(t.Context(), testKey, []byte("before"), version)
		require.NoError(t, err)
	}
	// The server has to have the scripts, or it is not their answers that are lost.
	_, err := s.Put(t.Context(), "another", nil, 0)
	require.NoError(t, err)
	_, err = s.SetAside(t.Context(), "another")
	require.NoError(t, err)
	lease, err := s.Lease(t.Context(), "another")
	require.NoError(t, err)
	lease.Release()
	p.loseAnswerTo("evalsha")
	next, err := s.Put(t.Context(), testKey, []byte("x"), 3)
	require.NoError(t, err)
	assert.EqualValues(t, 4, next)
	require.Equal(t, 1, p.answersLost())
	r, err := s.Get(t.Context(), testKey)
	require.NoError(t, err)
	assert.Equal(t, Record{Value: []byte("x"), Version: 4}, r)

	p.loseAnswerTo("evalsha")
	where, err := s.SetAside(t.Context(), testKey)
	require.NoError(t, err)
	assert.NotEmpty(t, where)
	p.loseAnswerTo("evalsha")
	lease, err = s.Lease(t.Context(), testKey)
	require.NoError(t, err)
	lease.Release()
	require.Equal(t, 3, p.answersLost())

	_, err = s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "another", nil, 0)
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "another", 1))
	p.loseAnswerTo("evalsha")
	require.NoError(t, s.Delete(t.Context(), testKey, 1), "it was taken for somebody else's work")
	require.Equal(t, 4, p.answersLost())
	_, err = s.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestARedisThatForgetsLosesLeasesAndSaysSo(t *testing.T) {
	t.Parallel()
	server := testserver.Redis(t, "--appendonly", "no", "--save", "")
	s := open(t, server.RedisURL())
	assert.Contains(t, s.(Durable).Durability(t.Context()), "keeps nothing across a restart")
	_, err := s.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
	lease, err := s.Lease(t.Context(), testKey)
	require.NoError(t, err)
	server.End(syscall.SIGKILL)
	server.Start()
	_, err = s.Get(t.Context(), testKey)
	require.ErrorIs(t, err, ErrNotFound)
	assert.Eventually(t, func() bool { return !lease.Held(0) }, 2*shortLease, 10*time.Millisecond)
	lease.Release()
	_, err = s.Put(t.Context(), testKey, []byte("x"), 0) // its scripts are gone as well
	require.NoError(t, err)
}

func TestAWrongPasswordIsSaidButNotShown(t *testing.T) {
	s := testserver.Redis(t, "--requirepass", "open sesame")
	for location, said := range map[string]string{
		"redis://:hunter2@%s":            "check the user and the password",
		"redis://somebody:hunter2@%s":    "check the user and the password",
		"redis://%s":                     "write the password into the address",
		"redis://:open%%20sesame@%s/999": "DB index is out of range",
	} {
		store := open(t, fmt.Sprintf(location, s.Address()))
		_, err := store.Get(t.Context(), testKey)
		require.ErrorContains(t, err, said)
		_, err = store.Put(t.Context(), testKey, []byte("x"), 0)
		require.ErrorContains(t, err, said)
		_, err = store.Lease(t.Context(), testKey)
		require.ErrorContains(t, err, said)
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "sesame")
		assert.Empty(t, store.(Durable).Durability(t.Context()), "nothing is known")
	}
	right := open(t, fmt.Sprintf("redis://:open%%20sesame@%s", s.Address()))
	_, err := right.Put(t.Context(), testKey, []byte("x"), 0)
	require.NoError(t, err)
}

func TestARedisClusterKeepsRecordsAndLeases(t *testing.T) {
	t.Parallel()
	var nodes []*redis.Client
	location := ""
	for range 2 {
		bus := testserver.FreePort(t)
		s := testserver.Redis(t, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus), "--save", "")
		location = s.RedisURL()
		c := redis.NewClient(&redis.Options{Addr: s.Address()})
		defer c.Close()
		first := len(nodes) * 8192
		require.NoError(t, c.ClusterAddSlotsRange(t.Context(), first, first+8191).Err())
		if len(nodes) > 0 {
			require.NoError(t, c.Do(t.Context(), "CONFIG", "SET", "cluster-require-full-coverage", "no").Err())
			require.NoError(t, nodes[0].Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", s.Port(), bus).Err())
		}
		nodes = append(nodes, c)
	}
	require.Eventually(t, func() bool {
		for _, c := range nodes {
			info, err := c.ClusterInfo(t.Context()).Result()
			if err != nil || !containsAll(info, "cluster_state:ok", "cluster_known_nodes:2", "cluster_slots_assigned:16384") {
				return false
			}
		}
		return true
	}, 20*time.Second, 50*time.Millisecond)

	_, err := open(t, location).Get(t.Context(), "b")
	if err == nil || err.Error() == ErrNotFound.Error() { // that key is on this node
		_, err = open(t, location).Get(t.Context(), "a")
	}
	require.ErrorContains(t, err, "add ?cluster=true")

	s := open(t, location+"?cluster=true")
	for i := range 40 { // on both nodes
		key := fmt.Sprintf("tokens/%d", i)
		v, err := s.Put(t.Context(), key, []byte("x"), 0)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), key, []byte("y"), v)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), key, []byte("z"), v)
		require.ErrorIs(t, err, ErrConflict)
		lease, err := s.Lease(t.Context(), key)
		require.NoError(t, err)
		lease.Release()
		if i%2 == 0 {
			require.NoError(t, s.Delete(t.Context(), key, v+1))
		} else {
			_, err = s.SetAside(t.Context(), key)
			require.NoError(t, err)
		}
		_, err = s.Get(t.Context(), key)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = s.Put(t.Context(), fmt.Sprintf("cursors/%02d", i), nil, 0)
		require.NoError(t, err)
	}
	keys, err := s.Keys(t.Context(), "cursors/")
	require.NoError(t, err)
	require.Len(t, keys, 40, "a node was not asked")
	assert.True(t, slices.IsSorted(keys))
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), now, 5*time.Second)
	for _, c := range nodes {
		n, err := c.DBSize(t.Context()).Result()
		require.NoError(t, err)
		assert.Positive(t, n, "a node was not used")
	}
}

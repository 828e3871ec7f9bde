package state

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// scanned is how many keys of a server one request looks at: others may keep millions in it.
const scanned = 1000

// literally escapes what has a meaning in a pattern of Redis.
var literally = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// Keys implements Store. In a cluster it asks every master: a key that is moved to another
// one meanwhile, as an operator does, may be missed.
func (r *Redis) Keys(ctx context.Context, prefix string) ([]string, error) {
	found := keySet{keys: map[string]bool{}}
	scan := func(ctx context.Context, client redis.Cmdable) error {
		begin := r.prefix + "record:{"
		for cursor := uint64(0); ; {
			var page []string
			err := r.call(ctx, "listing the state", func(ctx context.Context) (err error) {
				page, cursor, err = client.Scan(ctx, cursor, literally.Replace(begin+prefix)+"*", scanned).Result()
				return err
			})
			if err != nil {
				return err
			}
			for _, key := range page {
				// (The prefix may have matched the brace at the end.)
				key, ok := strings.CutSuffix(strings.TrimPrefix(key, begin), "}")
				if ok && strings.HasPrefix(key, prefix) {
					found.add(key)
				}
			}
			if cursor == 0 {
				return nil
			}
		}
	}
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok {
		if err := scan(ctx, r.client); err != nil {
			return nil, err
		}
		return found.sorted(), nil
	}
	// An error of its own is that the masters are not known.
	err := r.call(ctx, "listing the state", func(context.Context) error {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return scan(ctx, master) })
	})
	if err != nil {
		return nil, err
	}
	return found.sorted(), nil
}

// keySet is what several requests have found, each key once.
type keySet struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (s *keySet) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = true
}

func (s *keySet) sorted() []string {
	keys := make([]string, 0, len(s.keys))
	for key := range s.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Delete implements Store. It does not wait for the server's disk: after a power cut the
// record may be there again.
func (r *Redis) Delete(ctx context.Context, key string, expected Version) error {
	current, err := r.Get(ctx, key)
	if err != nil {
		return err
	}
	if current.Version != expected {
		return ErrConflict
	}
	note := r.prefix + "deleted:{" + key + "}:" + randomWord()
	var done int64
	err = r.call(ctx, "deleting a record of the state", func(ctx context.Context) (err error) {
		done, err = deleteScript.Run(ctx, r.client, []string{r.recordKey(key), note}, uint64(expected)).Int64()
		return err
	})
	switch {
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return ErrConflict // it was a record a moment ago
	case err != nil:
		return err
	case done == 0:
		return ErrConflict
	case done < 0:
		return ErrNotFound
	}
	r.reserved.Delete(key)
	return nil
}

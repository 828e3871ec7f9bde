package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// defaultPrefix begins the keys of a Redis that others may use as well.
const defaultPrefix = "benthos-ebp:"

// Redis is a Store in a Redis server, or one that speaks its language. A record is one
// hash, replaced by a script. A request whose answer is lost is sent again without
// harm, and while the server is away every call fails within ten seconds.
//
// What Put promises depends on how the server is set up: see Durability. The leases run
// out by the server's clock, and are gone with a server that forgets.
type Redis struct {
	client   redis.UniversalClient
	cluster  bool
	prefix   string
	where    string
	secrets  secrets
	leases   *leases
	patience patience
	disk     redisDisk
	// reserved are the keys whose next put has to wait for the disk, which takes up to a
	// second: too much for a record that is written for each call.
	reserved sync.Map
}

var (
	_ Store       = (*Redis)(nil)
	_ Durable     = (*Redis)(nil)
	_ leaseServer = (*Redis)(nil)
)

// String implements Store.
func (r *Redis) String() string { return r.where }

// Close implements Store. Leases that are still held are released.
func (r *Redis) Close() error {
	r.leases.close()
	return r.client.Close()
}

// recordKey is in one slot of a cluster with asideKey.
func (r *Redis) recordKey(key string) string { return r.prefix + "record:{" + key + "}" }

func (r *Redis) asideKey(key string) string {
	return r.prefix + "aside:{" + key + "}:" + time.Now().UTC().Format("20060102T150405Z") + "-" + randomWord()[:8]
}

func (r *Redis) leaseKey(name string) string { return r.prefix + "lease:" + name }

// clockKey is no record: it chooses the node of a cluster whose clock counts.
func (r *Redis) clockKey() string { return r.prefix + "clock" }

// call calls the server, and says of an error what was being done and what to do.
func (r *Redis) call(ctx context.Context, doing string, f func(context.Context) error) error {
	err := r.secrets.hide(r.patience.bounded(ctx, f))
	if err == nil {
		return nil
	}
	for _, a := range redisAdvice {
		if redis.HasErrorPrefix(err, a.prefix) {
			return fmt.Errorf("%s in %s: %w; %s", doing, r, err, a.advice)
		}
	}
	return fmt.Errorf("%s in %s: %w", doing, r, err)
}

var redisAdvice = []struct{ prefix, advice string }{
	{"NOAUTH", "write the password into the address: redis://:password@host:6379/0"},
	{"WRONGPASS", "check the user and the password in the address"},
	{"NOPERM", "the user needs the commands EVAL, EVALSHA, HGETALL, GET and TIME on these keys, and SCAN"},
	{"MOVED", "this is a cluster: add ?cluster=true to the address"},
	{"READONLY", "this is a replica: name the primary"},
	{"OOM", "its memory is full: raise maxmemory"},
	{"MISCONF", "it cannot write to its disk: see its log"},
	{"WRONGTYPE", "something else is under that key: choose another prefix, as in ?prefix=ebp:"},
}

// Get implements Store.
func (r *Redis) Get(ctx context.Context, key string) (Record, error) {
	var fields map[string]string
	err := r.call(ctx, "reading the state", func(ctx context.Context) (err error) {
		fields, err = r.client.HGetAll(ctx, r.recordKey(key)).Result()
		return err
	})
	where := fmt.Sprintf("the key %q in %s", r.recordKey(key), r)
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return Record{}, damaged(where, errors.New("it is no hash"))
	}
	if err != nil {
		return Record{}, err
	}
	if len(fields) == 0 { // there are no empty hashes
		return Record{}, ErrNotFound
	}
	record, err := unseal(key, []byte(fields["record"]))
	if err == nil && fields["version"] != fmt.Sprint(record.Version) {
		err = errors.New("its version is not that of its content")
	}
	if err != nil {
		return Record{}, damaged(where, err)
	}
	return record, nil
}

// Put implements Store. After Reserve, where the server syncs its file every second and
// can say when it has, that is waited for.
func (r *Redis) Put(ctx context.Context, key string, value []byte, expected Version) (Version, error) {
	current, err := r.Get(ctx, key)
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
	_, wait := r.reserved.LoadAndDelete(key)
	put := randomWord()
	var written int64
	err = r.call(ctx, "writing the state", func(ctx context.Context) (err error) {
		written, err = r.put(ctx, r.recordKey(key), uint64(expected), data, put, wait)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case written == 0:
		return 0, ErrConflict
	}
	return expected + 1, nil
}

func (r *Redis) put(ctx context.Context, key string, expected uint64, data []byte, put string, wait bool) (int64, error) {
	args := []any{expected, expected + 1, data, put}
	if !wait || !r.waitsForDisk(ctx) {
		return putScript.Run(ctx, r.client, []string{key}, args...).Int64()
	}
	// Both on one connection, since a connection waits for its own writes. The script goes
	// as a whole: one that the server does not know by its digest would fail too late.
	pipe := r.client.Pipeline()
	script := putScript.Eval(ctx, pipe, []string{key}, args...)
	// (The method of the client for this takes the answer for a number; it is two.)
	waited := pipe.Do(ctx, "WAITAOF", 1, 0, syncTime.Milliseconds())
	_, _ = pipe.Exec(ctx) // each of the two has its own error
	written, err := script.Int64()
	if err != nil || written == 0 {
		return 0, err
	}
	synced, err := waited.Int64Slice()
	switch {
	case err != nil:
		r.forgetDisk() // it may be set up otherwise by now
		return 0, fmt.Errorf("it was written, and whether it is on the server's disk is not known: %w", err)
	case len(synced) == 0 || synced[0] < 1:
		return 0, fmt.Errorf("it was written, and is not on the server's disk after %s", syncTime)
	}
	return written, nil
}

// Reserve implements Store: a server keeps no space, but may have to be waited for.
func (r *Redis) Reserve(_ context.Context, key string, _ int) error {
	r.reserved.Store(key, true)
	return nil
}

// SetAside implements Store.
func (r *Redis) SetAside(ctx context.Context, key string) (string, error) {
	aside := r.asideKey(key)
	var moved int64
	err := r.call(ctx, "setting a record aside", func(ctx context.Context) (err error) {
		moved, err = asideScript.Run(ctx, r.client, []string{r.recordKey(key), aside}).Int64()
		return err
	})
	switch {
	case err != nil:
		return "", err
	case moved == 0:
		return "", ErrNotFound
	}
	return fmt.Sprintf("the key %q in %s", aside, r), nil
}

// Lease implements Store.
func (r *Redis) Lease(ctx context.Context, name string) (Lease, error) {
	return r.leases.lease(ctx, name)
}

// TryLease implements Store.
func (r *Redis) TryLease(ctx context.Context, name string) (Lease, error) {
	return r.leases.tryLease(ctx, name)
}

func (r *Redis) takeLease(ctx context.Context, name, holder string, d time.Duration) (bool, error) {
	return r.askLease(ctx, takeScript, "taking a lease", name, holder, d.Milliseconds())
}

func (r *Redis) prolongLease(ctx context.Context, name, holder string, d time.Duration) (bool, error) {
	return r.askLease(ctx, prolongScript, "prolonging a lease", name, holder, d.Milliseconds())
}

func (r *Redis) dropLease(ctx context.Context, name, holder string) error {
	_, err := r.askLease(ctx, dropScript, "releasing a lease", name, holder)
	return err
}

func (r *Redis) askLease(ctx context.Context, script *redis.Script, doing, name string, args ...any) (ours bool, err error) {
	err = r.call(ctx, doing, func(ctx context.Context) error {
		n, err := script.Run(ctx, r.client, []string{r.leaseKey(name)}, args...).Int64()
		ours = n == 1
		return err
	})
	return ours, err
}

// Now implements Store with the clock of the server.
func (r *Redis) Now(ctx context.Context) (time.Time, error) {
	var parts []int64
	err := r.call(ctx, "reading the clock", func(ctx context.Context) (err error) {
		parts, err = timeScript.Run(ctx, r.client, []string{r.clockKey()}).Int64Slice()
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("reading the clock in %s: it was answered in %d parts", r, len(parts))
	}
	return time.Unix(parts[0], parts[1]*1000), nil
}

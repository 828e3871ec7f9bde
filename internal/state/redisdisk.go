package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// syncTime is how long Put waits for the server's disk, which syncs every second.
	syncTime = 2500 * time.Millisecond
	// diskAge is after how long the server is asked again how it is set up.
	diskAge = time.Minute
)

// redisDisk is what is known of how a server keeps its data.
type redisDisk struct {
	mu    sync.Mutex
	known redisSetup
	asked time.Time
}

// redisSetup is what a server says of how it keeps its data. Where it does not say,
// fields are empty.
type redisSetup struct {
	told    bool   // INFO was answered
	log     bool   // it keeps an append-only file
	sync    string // appendfsync: always, everysec or no
	images  string // save: when it writes the whole of its data
	evicts  string // the policy by which it removes keys without a time limit, if it does
	version string
}

// canWait reports whether the server knows WAITAOF.
func (s redisSetup) canWait() bool {
	major, rest, _ := strings.Cut(s.version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	ma, errMajor := strconv.Atoi(major)
	mi, errMinor := strconv.Atoi(minor)
	return errMajor == nil && errMinor == nil && (ma > 7 || ma == 7 && mi >= 2)
}

// waits reports whether a put has to wait for the disk, and can.
func (s redisSetup) waits() bool {
	return s.log && (s.sync == "everysec" || s.sync == "") && s.canWait()
}

// warning says what may be lost.
func (s redisSetup) warning(cluster bool) string {
	var lost []string
	switch {
	case !s.told:
	case !s.log && s.images == "":
		lost = append(lost, "it keeps nothing across a restart (appendonly is off, and save is empty or not told): a restart loses sign-ins; set appendonly yes")
	case !s.log:
		lost = append(lost, "it keeps an image of its data now and then (save) and no log: a restart loses the sign-ins renewed since; set appendonly yes")
	case s.sync == "no":
		lost = append(lost, "it leaves to the operating system when its data reaches the disk (appendfsync no): a power cut may lose sign-ins; set appendfsync everysec or always")
	case s.sync == "everysec" && (cluster || !s.canWait()):
		lost = append(lost, "it syncs its disk every second (appendfsync everysec): a power cut may lose a sign-in renewed just before; set appendfsync always")
	}
	if s.evicts != "" {
		lost = append(lost, fmt.Sprintf("it removes any keys when its memory is full (maxmemory-policy %s), sign-ins as well; set noeviction", s.evicts))
	}
	return strings.Join(lost, "; and ")
}

// Durability implements Durable from what INFO and CONFIG tell.
func (r *Redis) Durability(ctx context.Context) string {
	warning := r.setup(ctx).warning(r.cluster)
	if warning == "" {
		return ""
	}
	return fmt.Sprintf("the Redis %s: %s", r, warning)
}

// waitsForDisk reports whether a put has to wait for the disk. In a cluster it cannot,
// since the request that waits would have to go to the node of the key.
func (r *Redis) waitsForDisk(ctx context.Context) bool {
	return !r.cluster && r.setup(ctx).waits()
}

func (r *Redis) forgetDisk() {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	r.disk.asked = time.Time{}
}

// setup asks the server how it is set up, once in a while. A server that does not answer,
// or not that question, is one of which nothing is known.
func (r *Redis) setup(ctx context.Context) redisSetup {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	if !r.disk.asked.IsZero() && time.Since(r.disk.asked) < diskAge {
		return r.disk.known
	}
	var told string
	config := map[string]string{}
	err := r.patience.bounded(ctx, func(ctx context.Context) (err error) {
		if told, err = r.client.Info(ctx).Result(); err != nil {
			return err
		}
		for _, name := range []string{"appendfsync", "save"} {
			// Often forbidden where somebody else runs the server.
			if values, err := r.client.ConfigGet(ctx, name).Result(); err == nil {
				config[name] = values[name]
			}
		}
		return nil
	})
	var refused redis.Error
	if err != nil && !errors.As(err, &refused) {
		return redisSetup{} // it is asked again once it can be reached
	}
	r.disk.known, r.disk.asked = redisSetup{}, time.Now()
	if err == nil {
		r.disk.known = readSetup(told, config)
	}
	return r.disk.known
}

func readSetup(told string, config map[string]string) redisSetup {
	info := map[string]string{}
	for line := range strings.Lines(told) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	s := redisSetup{told: info["aof_enabled"] != "", log: info["aof_enabled"] == "1", sync: config["appendfsync"], images: config["save"], version: info["redis_version"]}
	if policy := info["maxmemory_policy"]; info["maxmemory"] != "0" && strings.HasPrefix(policy, "allkeys") {
		s.evicts = policy
	}
	return s
}

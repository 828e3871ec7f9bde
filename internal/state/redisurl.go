package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// OpenRedis returns the store at a URL such as redis://user:password@host:6379/0, or
// rediss:// for TLS. Besides the parameters of go-redis it takes prefix, what all keys
// begin with (default "benthos-ebp:"), and cluster=true. No connection is made yet.
func OpenRedis(location string) (*Redis, error) {
	u, err := url.Parse(location)
	if err != nil { // its error quotes the address
		return nil, errors.New("the address of the Redis state is no URL: write redis://user:password@host:6379/0, and special characters of the password as %xx")
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return nil, errors.New("the address of the Redis state names no host: write redis://host:6379/0")
	}
	password, _ := u.User.Password()
	r := &Redis{prefix: defaultPrefix, patience: patience(answerTime), secrets: secrets{password, url.QueryEscape(password), url.PathEscape(password)}}
	r.leases = newLeases(r)
	query := u.Query()
	if query.Has("prefix") {
		r.prefix = query.Get("prefix")
	}
	if query.Has("cluster") {
		if r.cluster, err = strconv.ParseBool(query.Get("cluster")); err != nil {
			return nil, errors.New("the address of the Redis state has a parameter cluster that is neither true nor false")
		}
	}
	query.Del("prefix")
	query.Del("cluster")
	u.RawQuery = query.Encode()
	u.Scheme = strings.ToLower(u.Scheme)
	database := "0"
	if r.cluster {
		err = r.openCluster(u)
	} else {
		database, err = r.openServer(u)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the address of the Redis state: %w", r.secrets.hide(err))
	}
	r.where = fmt.Sprintf("%s://%s:%s/%s", u.Scheme, hostOf(u), cmp.Or(u.Port(), "6379"), database)
	if r.prefix != defaultPrefix {
		r.where += "?prefix=" + url.QueryEscape(r.prefix)
	}
	return r, nil
}

// hostOf is the host as a URL writes it.
func hostOf(u *url.URL) string {
	host := u.Hostname()
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

const (
	redisConnections = 8
	// connectTime is how long a connection is waited for: less than answerTime, so that a
	// second try has time as well.
	connectTime = 4 * time.Second
)

func (r *Redis) openServer(u *url.URL) (database string, err error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return "", err
	}
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.PoolSize = cmp.Or(o.PoolSize, redisConnections)
	o.DialTimeout = cmp.Or(o.DialTimeout, connectTime)
	o.Dialer = quietly(redis.NewDialer(o))
	r.client = redis.NewClient(o)
	return fmt.Sprint(o.DB), nil
}

func (r *Redis) openCluster(u *url.URL) error {
	if path := strings.Trim(u.Path, "/"); path != "" && path != "0" {
		return errors.New("a cluster has no databases but 0")
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return err
	}
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.PoolSize = cmp.Or(o.PoolSize, redisConnections)
	o.DialTimeout = cmp.Or(o.DialTimeout, connectTime)
	o.Dialer = quietly(redis.NewDialer(&redis.Options{DialTimeout: o.DialTimeout, TLSConfig: o.TLSConfig}))
	o.ReadOnly, o.RouteByLatency, o.RouteRandomly = false, false, false // replicas may be behind
	r.client = redis.NewClusterClient(o)
	return nil
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// quietly makes of a connection that fails one that fails at its first use. The error is
// the same; but for one that fails before that, go-redis writes a line of its own to the
// standard error, past any log, and repeats the error for a while after the server is back.
func quietly(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return unreachable{err}, nil
		}
		return conn, nil
	}
}

// unreachable is a connection that was not made.
type unreachable struct{ err error }

func (u unreachable) Read([]byte) (int, error)       { return 0, u.err }
func (u unreachable) Write([]byte) (int, error)      { return 0, u.err }
func (unreachable) Close() error                     { return nil }
func (unreachable) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (unreachable) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (unreachable) SetDeadline(time.Time) error      { return nil }
func (unreachable) SetReadDeadline(time.Time) error  { return nil }
func (unreachable) SetWriteDeadline(time.Time) error { return nil }

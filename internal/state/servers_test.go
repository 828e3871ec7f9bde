package state

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// server is one of a test's own, that may be killed and started again.
type server struct {
	t       *testing.T
	port    int
	command func() *exec.Cmd
	ready   func() bool
	cmd     *exec.Cmd
	exited  chan struct{}
}

// start starts it, or starts it again, and waits until it answers. What was killed may
// have left children that keep a new one from starting for a moment.
func (s *server) start() {
	s.t.Helper()
	until := time.Now().Add(30 * time.Second)
	s.run()
	for !s.ready() {
		select {
		case <-s.exited:
			s.run()
		default:
		}
		if time.Now().After(until) {
			log, _ := os.ReadFile(s.log())
			s.t.Fatalf("%s does not answer: %s", s.cmd.Path, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *server) log() string { return filepath.Join(s.cmd.Dir, "server.log") }

func (s *server) run() {
	s.t.Helper()
	s.cmd = s.command()
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	require.NoError(s.t, s.cmd.Start())
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		_ = log.Close()
		close(exited)
	}(s.cmd, s.exited)
}

// end ends it with a signal.
func (s *server) end(signal os.Signal) {
	_ = s.cmd.Process.Signal(signal)
	<-s.exited
}

func (s *server) redisURL() string { return fmt.Sprintf("redis://%s/0", s.address()) }

func (s *server) postgresURL() string {
	return fmt.Sprintf("postgres://ebp@%s/postgres?sslmode=disable", s.address())
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// freePort is one that no client is given by the operating system, so that it is still
// free when a server comes back.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 10_000 + rand.N(20_000)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}

func newServer(t *testing.T, command func(s *server) *exec.Cmd, ready func(s *server) bool) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t)}
	s.command = func() *exec.Cmd { return command(s) }
	s.ready = func() bool { return ready(s) }
	s.start()
	t.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

// missing skips a test, or fails it where a missing server must not go unnoticed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("EBP_TEST_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// newRedis starts a Redis with options such as "--appendonly", "yes".
func newRedis(t *testing.T, options ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "there is no redis-server: Debian's package redis-server has it")
	}
	dir := t.TempDir()
	return newServer(t, func(s *server) *exec.Cmd {
		cmd := exec.Command(path, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", dir, "--daemonize", "no"}, options...)...)
		cmd.Dir = dir
		return cmd
	}, func(s *server) bool {
		c := redis.NewClient(&redis.Options{Addr: s.address(), Dialer: quietly((&net.Dialer{}).DialContext)})
		defer c.Close()
		err := c.Ping(context.Background()).Err()
		return err == nil || redis.HasErrorPrefix(err, "NOAUTH")
	})
}

// notRoot is what runs a program that refuses to run as root, and gives it its directory.
func notRoot(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	as := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return as
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		missing(t, "Postgres does not run as root, and there is no user postgres")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return as
}

// newPostgres starts a Postgres.
func newPostgres(t *testing.T) (*server, string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		missing(t, "there is no Postgres under /usr/lib/postgresql: Debian's package postgresql has it")
	}
	sort.Strings(found)
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "state-postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := notRoot(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "ebp", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
	initdb.Dir, initdb.SysProcAttr = dir, as
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, "%s", out)
	s := newServer(t, func(s *server) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}, answersSQL)
	return s, s.postgresURL()
}

func answersSQL(s *server) bool {
	conn, err := pgx.Connect(context.Background(), s.postgresURL())
	if err == nil {
		_ = conn.Close(context.Background())
	}
	return err == nil
}

// newPgBouncer starts a pooler that gives a client another connection for each
// transaction, before a Postgres of its own. It has few, so that they are shared.
func newPgBouncer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			missing(t, "there is no pgbouncer: Debian's package pgbouncer has it")
		}
	}
	postgres, _ := newPostgres(t)
	dir, err := os.MkdirTemp("", "state-pgbouncer-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := notRoot(t, dir)
	s := newServer(t, func(s *server) *exec.Cmd {
		config := fmt.Sprintf(`[databases]
postgres = host=127.0.0.1 port=%d user=ebp
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
`, postgres.port, s.port)
		file := filepath.Join(dir, "pgbouncer.ini")
		require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
		cmd := exec.Command(path, file)
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}, answersSQL)
	return s.postgresURL()
}

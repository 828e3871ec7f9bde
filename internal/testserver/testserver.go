//go:build unix

package testserver

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

// Server is one of a test's own, that may be killed and started again.
type Server struct {
	t       testing.TB
	port    int
	command func() *exec.Cmd
	ready   func() bool
	cmd     *exec.Cmd
	exited  chan struct{}
}

// Start starts it, or starts it again, and waits until it answers. What was killed may
// have left children that keep a new one from starting for a moment.
func (s *Server) Start() {
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

func (s *Server) log() string { return filepath.Join(s.cmd.Dir, "server.log") }

func (s *Server) run() {
	s.t.Helper()
	s.cmd = s.command()
	if s.cmd.SysProcAttr == nil {
		s.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	s.cmd.SysProcAttr.Setpgid = true
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

// End ends it with a signal. One that cannot be obeyed goes to its children too, as when a
// machine goes down: those of Postgres would answer for a moment.
func (s *Server) End(signal syscall.Signal) {
	target := s.cmd.Process.Pid
	if signal == syscall.SIGKILL {
		target = -target
	}
	_ = syscall.Kill(target, signal)
	<-s.exited
}

// RedisURL is the address of a Redis.
func (s *Server) RedisURL() string { return fmt.Sprintf("redis://%s/0", s.Address()) }

// PostgresURL is the address of a Postgres, or of what speaks like one.
func (s *Server) PostgresURL() string {
	return fmt.Sprintf("postgres://ebp@%s/postgres?sslmode=disable", s.Address())
}

// Port is where it listens.
func (s *Server) Port() int { return s.port }

// Address is its host and port.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// FreePort is one that no client is given by the operating system, so that it is still
// free when a server comes back.
func FreePort(t testing.TB) int {
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

func newServer(t testing.TB, command func(s *Server) *exec.Cmd, ready func(s *Server) bool) *Server {
	t.Helper()
	s := &Server{t: t, port: FreePort(t)}
	s.command = func() *exec.Cmd { return command(s) }
	s.ready = func() bool { return ready(s) }
	s.Start()
	t.Cleanup(func() { s.End(syscall.SIGKILL) })
	return s
}

// Redis starts a Redis with options such as "--appendonly", "yes".
func Redis(t testing.TB, options ...string) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		Missing(t, "there is no redis-server: Debian's package redis-server has it")
	}
	dir := t.TempDir()
	return newServer(t, func(s *Server) *exec.Cmd {
		cmd := exec.Command(path, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", dir, "--daemonize", "no"}, options...)...)
		cmd.Dir = dir
		return cmd
	}, func(s *Server) bool {
		conn, err := net.DialTimeout("tcp", s.Address(), time.Second) // the client would complain on the terminal
		if err != nil {
			return false
		}
		_ = conn.Close()
		c := redis.NewClient(&redis.Options{Addr: s.Address()})
		defer c.Close()
		err = c.Ping(context.Background()).Err()
		return err == nil || redis.HasErrorPrefix(err, "NOAUTH")
	})
}

// notRoot is what runs a program that refuses to run as root, and gives it its directory.
func notRoot(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	as := &syscall.SysProcAttr{}
	if os.Getuid() != 0 {
		return as
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		Missing(t, "Postgres does not run as root, and there is no user postgres")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return as
}

// Postgres starts a Postgres.
func Postgres(t testing.TB) (*Server, string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		Missing(t, "there is no Postgres under /usr/lib/postgresql: Debian's package postgresql has it")
	}
	sort.Strings(found)
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "testserver-postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := notRoot(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "ebp", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
	initdb.Dir, initdb.SysProcAttr = dir, as
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, "%s", out)
	s := newServer(t, func(s *Server) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
		cmd.Dir, cmd.SysProcAttr = dir, as
		return cmd
	}, answersSQL)
	return s, s.PostgresURL()
}

func answersSQL(s *Server) bool {
	conn, err := pgx.Connect(context.Background(), s.PostgresURL())
	if err == nil {
		_ = conn.Close(context.Background())
	}
	return err == nil
}

// PgBouncer starts a pooler that gives a client another connection for each
// transaction, before a Postgres of its own. It has few, so that they are shared.
func PgBouncer(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			Missing(t, "there is no pgbouncer: Debian's package pgbouncer has it")
		}
	}
	postgres, _ := Postgres(t)
	dir, err := os.MkdirTemp("", "testserver-pgbouncer-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := notRoot(t, dir)
	s := newServer(t, func(s *Server) *exec.Cmd {
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
	return s.PostgresURL()
}

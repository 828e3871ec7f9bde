//go:build unix

package signin

import (
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

	"github.com/stretchr/testify/require"
)

// server is one of a test's own, that may be killed and started again.
type server struct {
	t       *testing.T
	port    int
	command func() *exec.Cmd
	cmd     *exec.Cmd
	exited  chan struct{}
}

// start starts it, or starts it again.
func (s *server) start() {
	s.t.Helper()
	s.cmd = s.command()
	if s.cmd.SysProcAttr == nil {
		s.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	s.cmd.SysProcAttr.Setpgid = true
	log, err := os.OpenFile(filepath.Join(s.cmd.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	require.NoError(s.t, s.cmd.Start())
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		_ = log.Close()
		close(exited)
	}(s.cmd, s.exited)
	require.Eventually(s.t, func() bool {
		conn, err := net.DialTimeout("tcp", s.address(), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond, "%s does not listen", s.cmd.Path)
}

// end ends it with a signal. One that cannot be obeyed goes to its children too, as when a
// machine goes down: those of Postgres would answer for a moment.
func (s *server) end(signal syscall.Signal) {
	target := s.cmd.Process.Pid
	if signal == syscall.SIGKILL {
		target = -target
	}
	_ = syscall.Kill(target, signal)
	<-s.exited
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// freePort is one that the operating system gives no client, so that it is still free when
// a server comes back.
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

func newServer(t *testing.T, command func(s *server) *exec.Cmd) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t)}
	s.command = func() *exec.Cmd { return command(s) }
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

// newRedis starts a Redis that writes each change to its disk, or none at all.
func newRedis(t *testing.T, durable bool) (*server, string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "there is no redis-server: Debian's package redis-server has it")
	}
	dir := t.TempDir()
	s := newServer(t, func(s *server) *exec.Cmd {
		cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", dir, "--save", "",
			"--appendonly", map[bool]string{true: "yes", false: "no"}[durable], "--appendfsync", "always", "--daemonize", "no")
		cmd.Dir = dir
		return cmd
	})
	return s, fmt.Sprintf("redis://%s/0", s.address())
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
	dir, err := os.MkdirTemp("", "signin-postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // which Postgres refuses to run as
		u, err := user.Lookup("postgres")
		if err != nil {
			missing(t, "Postgres does not run as root, and there is no user postgres")
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	}
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
	})
	return s, fmt.Sprintf("postgres://ebp@%s/postgres?sslmode=disable", s.address())
}

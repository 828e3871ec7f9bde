package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// serverProcess is the server as the rest of the program sees it.
type serverProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

func startServer(ctx context.Context) (*serverProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, roleServer)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	return &serverProcess{cmd: cmd, stdin: stdin, url: "http://" + strings.TrimSpace(address)}, nil
}

func (s *serverProcess) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

// begin sets the scene for one contender and forgets what was seen.
func (s *serverProcess) begin(ctx context.Context, sc scenario) error {
	_, err := s.control(ctx, fmt.Sprintf("begin?rows=%d&delay=%s", sc.Rows, sc.Delay))
	return err
}

// seen returns what was seen since begin.
func (s *serverProcess) seen(ctx context.Context) (seen, error) { return s.control(ctx, "seen") }

func (s *serverProcess) control(ctx context.Context, what string) (out seen, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+controlPath+what, http.NoBody)
	if err != nil {
		return out, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, fmt.Errorf("asking the server: %w", err)
	}
	defer res.Body.Close()
	if err = json.NewDecoder(res.Body).Decode(&out); err == nil && len(out.Refused) > 0 {
		err = fmt.Errorf("the server refused calls: %s", strings.Join(out.Refused, "; "))
	}
	return out, err
}

// took is from the first call to the last.
func (s *seen) took() time.Duration { return time.Duration(s.Last - s.First) }

// callsPerSecond is how many calls arrived per second once the first had.
func (s *seen) callsPerSecond() float64 {
	if len(s.Arrivals) < 2 {
		return 0
	}
	first, last := s.Arrivals[0], s.Arrivals[len(s.Arrivals)-1]
	return float64(len(s.Arrivals)-1) / time.Duration(last-first).Seconds()
}

// closest is the shortest time between two arrivals.
func (s *seen) closest() time.Duration {
	out := time.Duration(1<<63 - 1)
	for i := 1; i < len(s.Arrivals); i++ {
		out = min(out, time.Duration(s.Arrivals[i]-s.Arrivals[i-1]))
	}
	return out
}

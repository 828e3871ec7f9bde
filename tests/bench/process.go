package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used in its life.
type usage struct {
	CPU time.Duration // user and system
	// PeakRSS is the most memory it held at once, in bytes; 0 where this system does
	// not say.
	PeakRSS int64
	Stdout  string
	Stderr  string
}

// peakEvery is how often the peak of a process is read. It only ever grows, so that
// what is missed is what the last instant added.
const peakEvery = 10 * time.Millisecond

// measure runs a command to its end. With idle, its standard input ends after that time.
func measure(cmd *exec.Cmd, idle time.Duration) (usage, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var stdin io.Closer
	if idle > 0 {
		var err error
		if stdin, err = cmd.StdinPipe(); err != nil {
			return usage{}, err
		}
	}
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	if stdin != nil {
		time.AfterFunc(idle, func() { stdin.Close() })
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go func() {
		status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
		var most int64
		for {
			most = max(most, highWater(status))
			select {
			case <-ended:
				peak <- most
				return
			case <-time.After(peakEvery):
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	u := usage{PeakRSS: <-peak, Stdout: stdout.String(), Stderr: stderr.String()}
	if err != nil {
		return u, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, u.Stderr)
	}
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u, nil
}

// highWater reads VmHWM of a process on Linux.
func highWater(status string) int64 {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kB, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kB << 10
}

// pipeline prepares a run of the distribution. Its environment has nothing of the
// settings of EBP that the person who runs this may have.
func (b *bench) pipeline(ctx context.Context, config string) (*exec.Cmd, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.binary, "run", path)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EBP_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd, nil
}

// state is a new directory for a sign-in.
func (b *bench) state() (string, error) { return os.MkdirTemp(b.dir, "state-") }

// sent is how many messages the output of a pipeline took, by its own metric.
func sent(log string) (int, error) {
	lines := bufio.NewScanner(strings.NewReader(log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct {
			Name  string
			Value json.Number
		}
		if json.Unmarshal(lines.Bytes(), &m) == nil && m.Name == "output_sent" {
			n, err := m.Value.Int64()
			return int(n), err
		}
	}
	return 0, fmt.Errorf("the pipeline did not say how many messages it sent:\n%s", log)
}

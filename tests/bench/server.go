package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// roleServer is the hidden argument with which this program is the server.
const roleServer = "-role=server"

const (
	tokenPath   = "/connect/token"
	queryPath   = "/gescom/api/v1/Folders/1/GenericQuery"
	controlPath = "/bench/"

	maxPage = 100
)

// server serves pages of rows. It speaks just enough HTTP/1.1, without the machinery of
// net/http's server, so that what is measured is the client.
type server struct {
	mu       sync.Mutex
	scenario scenario
	seen     seen
}

// scenario is what a contender finds.
type scenario struct {
	Rows  int
	Delay time.Duration // latency of every call
}

// seen is what the server saw of the calls that had a record in their answer, but for
// Empty, the number of those that had none.
type seen struct {
	Calls, Empty, Records int
	// Arrivals are when the calls arrived, in nanoseconds.
	Arrivals []int64
	// First is when the first arrived, Last when the last was answered.
	First, Last int64
	// Refused tells of calls that were not what the server expects.
	Refused []string
}

// runServer serves until its standard input ends, and prints its address first.
func runServer(ctx context.Context) error {
	debug.SetGCPercent(800)
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go (&server{}).listen(l)
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func (s *server) listen(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(c)
	}
}

// serve answers the calls of a connection, one after the other.
func (s *server) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 8<<10)
	var body, out []byte
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		arrived := time.Now()
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		var n int
		var delay time.Duration
		status, paged := http.StatusOK, false
		switch {
		case req.URL.Path == tokenPath:
			body = append(body[:0], `{"access_token":"bench","refresh_token":"bench-next","expires_in":3600,"token_type":"Bearer"}`...)
		case strings.HasPrefix(req.URL.Path, controlPath):
			body = s.control(body[:0], req.URL)
		default:
			body, n, delay, err = s.page(body[:0], req)
			if paged = err == nil; !paged {
				status = http.StatusBadRequest
				s.refuse(req, err)
				body = fmt.Appendf(body[:0], `{"message":%q}`, err.Error())
			}
		}
		if delay > 0 {
			time.Sleep(delay)
		}
		out = fmt.Appendf(out[:0], "HTTP/1.1 %d %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n", status, http.StatusText(status), len(body))
		out = append(out, body...)
		// Noted before it is written: the contender may ask, or end, as soon as it has it.
		if paged {
			s.note(arrived, n)
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// page appends the answer to a generic query and returns how many rows it has.
func (s *server) page(dst []byte, req *http.Request) (body []byte, rows int, delay time.Duration, err error) {
	if req.URL.Path != queryPath || req.Header.Get("Authorization") == "" || req.Header.Get("ebp-subscription-key") == "" {
		return dst, 0, 0, errors.New("no such path, or no credentials")
	}
	q, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return dst, 0, 0, err
	}
	offset, _ := strconv.Atoi(q.Get("Offset"))
	limit, err := strconv.Atoi(q.Get("Limit"))
	if err != nil || limit < 1 || limit > maxPage || q.Get("TableName") == "" || q.Get("OrderByValue") != columns[0] || strings.Count(q.Get("Columns"), ",") != len(columns)-1 {
		return dst, 0, 0, errors.New("not the query that this server answers")
	}
	first := 0
	if where := q.Get("WhereCondition"); where != "" {
		i, ok := indexOfID([]byte(where))
		if !ok || !strings.Contains(where, "Upper") {
			return dst, 0, 0, errors.New("not the condition that this server answers")
		}
		first = i + 1
	}
	s.mu.Lock()
	sc := s.scenario
	s.mu.Unlock()
	from := min(first+offset, sc.Rows)
	to := min(from+limit, sc.Rows)
	return appendPage(dst, from, to, max(0, sc.Rows-first), offset, limit), to - from, sc.Delay, nil
}

// note counts a call with n rows.
func (s *server) note(arrived time.Time, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		s.seen.Empty++
		return
	}
	if s.seen.Calls == 0 {
		s.seen.First = arrived.UnixNano()
	}
	s.seen.Calls++
	s.seen.Records += n
	s.seen.Last = time.Now().UnixNano()
	s.seen.Arrivals = append(s.seen.Arrivals, arrived.UnixNano())
}

func (s *server) refuse(req *http.Request, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen.Refused) < 3 {
		s.seen.Refused = append(s.seen.Refused, req.URL.String()+": "+err.Error())
	}
}

// control answers what the program asks about the run: it is the same server, so that
// one port and one clock serve both.
func (s *server) control(dst []byte, u *url.URL) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Path == controlPath+"begin" {
		s.scenario.Rows, _ = strconv.Atoi(u.Query().Get("rows"))
		s.scenario.Delay, _ = time.ParseDuration(u.Query().Get("delay"))
		s.seen = seen{}
	}
	out, _ := json.Marshal(s.seen)
	return append(dst, out...)
}

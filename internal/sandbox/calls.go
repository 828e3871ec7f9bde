package sandbox

import (
	"net/http"
	"sync"
	"time"
)

// Call is one request the sandbox saw, and how it answered.
type Call struct {
	Time      time.Time // when it arrived, on the sandbox's clock
	Method    string
	Path      string // escaped, as sent
	Query     string // raw, as sent
	Status    int    // 0 while it is not answered, and when it was dropped
	Folder    string // dossier, tenant or domain
	Operation string // "gescom.folders.list"; "oauth.token"; empty for an unknown route
	Bytes     int    // length of the body of the answer
	Records   int    // records in the answer
}

// Fault replaces or disturbs one answer. The fields combine: Delay applies to
// all of them, and DelayAfter to all but DropBefore; of the others the first
// that is set counts, in the order below.
type Fault struct {
	Delay      time.Duration // wait before doing anything
	DropBefore bool          // close the connection without doing anything
	DelayAfter time.Duration // wait between the effect and the answer; the effect stays when the client leaves meanwhile
	DropAfter  bool          // do the effect, then close without answering
	Truncate   bool          // announce the whole body, send half of it, close
	Status     int           // answer with this status, Header and Body instead; nothing is done or counted
	Header     http.Header   // headers added to the answer
	Body       []byte        // body of the answer given by Status
}

// maxCalls bounds the memory of calls; the oldest are forgotten.
const maxCalls = 100_000

// callLog is a ring of the last calls.
type callLog struct {
	mu    sync.Mutex
	ring  []Call
	next  int
	total int
	token int
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Operation == tokenOperation {
		l.token++
		return
	}
	l.total++
	if len(l.ring) < maxCalls {
		l.ring = append(l.ring, c)
		return
	}
	l.ring[l.next] = c
	l.next = (l.next + 1) % maxCalls
}

// Calls returns the API calls seen, in the order in which they were answered:
// the last 100 000. Calls of the token endpoint are not among them.
func (s *Server) Calls() []Call {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	out := make([]Call, 0, len(s.log.ring))
	out = append(out, s.log.ring[s.log.next:]...)
	return append(out, s.log.ring[:s.log.next]...)
}

// CallCount returns the number of API calls seen since the start, also those
// Calls has forgotten.
func (s *Server) CallCount() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.total
}

// TokenCalls returns the number of calls of the token endpoint.
func (s *Server) TokenCalls() int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.token
}

// ResetCalls forgets the calls seen, those of the token endpoint too, and sets
// the counts to zero. Quotas and tokens stay.
func (s *Server) ResetCalls() {
	s.tokenLog.reset()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.ring, s.log.next, s.log.total, s.log.token = nil, 0, 0, 0
}

// SetFault sets the function asked before each request of the API and of the
// token endpoint; nil means no faults. The call it gets has no status yet.
// The function may be called from several goroutines at once.
func (s *Server) SetFault(f func(Call) *Fault) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.fault = f
}

func (s *Server) faultFor(c Call) *Fault {
	s.faultMu.RLock()
	f := s.fault
	s.faultMu.RUnlock()
	if f == nil {
		return nil
	}
	return f(c)
}

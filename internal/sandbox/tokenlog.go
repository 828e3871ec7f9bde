package sandbox

import (
	"sync"
	"time"
)

// TokenEvent is one call of the token endpoint and what came of it. It holds
// no secret: tokens are known by their numbers.
type TokenEvent struct {
	// Time is when the outcome was decided, on the sandbox's clock.
	Time time.Time `json:"time"`
	// Grant is the grant_type asked for: "refresh_token", "authorization_code",
	// "other", or empty when none was given.
	Grant string `json:"grant"`
	// Outcome is one of the Token constants.
	Outcome string `json:"outcome"`
	// Presented is the serial number, in this sandbox, of the refresh token
	// the call brought; 0 for none, or for one that was never issued here.
	Presented int `json:"presented"`
	// Issued is the serial number of the refresh token the call made, 0 for
	// none. It is known here even when its answer was lost.
	Issued int `json:"issued"`
	// Lineage is the number of the sign-in both belong to, 0 when not known.
	Lineage int `json:"lineage"`
	// Answered says that the whole answer was written to the connection while
	// the client was there. It does not say that the client has read it.
	Answered bool `json:"answered"`
	// Remote is the client's address and port.
	Remote string `json:"remote"`
}

// The outcomes of a call of the token endpoint.
const (
	TokenIssued           = "issued"                 // new tokens were made
	TokenReplayed         = "replayed"               // the refresh token had been used before
	TokenExpired          = "expired"                // the refresh token was too old
	TokenRevoked          = "revoked"                // its sign-in was withdrawn
	TokenUnknown          = "unknown"                // the refresh token was never issued here
	TokenInvalidClient    = "invalid_client"         // wrong client id or secret
	TokenInvalidRequest   = "invalid_request"        // not the form the document asks for
	TokenInvalidScope     = "invalid_scope"          // more rights than were granted
	TokenUnsupportedGrant = "unsupported_grant_type" // another grant_type
	TokenInvalidCode      = "invalid_code"           // unknown code, or it does not fit redirect_uri or code_verifier
	TokenCodeReplayed     = "code_replayed"          // the code had been presented before; its tokens are revoked
	TokenCodeExpired      = "code_expired"           // the code was too old
	TokenFault            = "fault"                  // a fault with a Status answered instead
	TokenDropped          = "dropped before"         // the connection was closed before anything was done
)

// tokenLog is a ring of the last calls of the token endpoint.
type tokenLog struct {
	mu      sync.Mutex
	ring    []*TokenEvent
	next    int
	replays int
	writing int // answers on their way to a connection
}

// add records a call at the moment its outcome is decided, so that the order
// of the events is that of the effects.
func (l *tokenLog) add(e TokenEvent) *TokenEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Outcome == TokenReplayed {
		l.replays++
	}
	if len(l.ring) < maxCalls {
		l.ring = append(l.ring, &e)
		return &e
	}
	l.ring[l.next] = &e
	l.next = (l.next + 1) % maxCalls
	return &e
}

// answering runs the function that writes an answer, and records whether it
// did. list waits for it: whoever has read an answer finds it recorded.
func (l *tokenLog) answering(e *TokenEvent, write func() bool) {
	l.mu.Lock()
	l.writing++
	l.mu.Unlock()
	done := false
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.writing--
		e.Answered = done
	}()
	done = write()
}

func (l *tokenLog) list() (events []TokenEvent, replays int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A client that does not read its answer is not waited for.
	for end := time.Now().Add(time.Second); l.writing > 0 && time.Now().Before(end); {
		l.mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		l.mu.Lock()
	}
	events = make([]TokenEvent, 0, len(l.ring))
	for i := range l.ring {
		events = append(events, *l.ring[(l.next+i)%len(l.ring)])
	}
	return events, l.replays
}

func (l *tokenLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.next, l.replays = nil, 0, 0
}

// TokenEvents returns the calls of the token endpoint in the order in which
// they took effect: the last 100 000 since the start or ResetCalls. A call
// appears as soon as it has taken effect, before it is answered.
func (s *Server) TokenEvents() []TokenEvent {
	events, _ := s.tokenLog.list()
	return events
}

// Replays returns how many times a refresh token came that had been used
// before, since the start or ResetCalls.
func (s *Server) Replays() int {
	_, replays := s.tokenLog.list()
	return replays
}

package sandbox

import (
	"net/http"
	"time"
)

// serveInspection answers the two views of what the sandbox has seen, for
// tests that run it as a process of its own. They hold no secret, and ask for
// no credentials. It reports whether the path is one of them.
func (s *Server) serveInspection(w http.ResponseWriter, r *http.Request) bool {
	var view func() any
	switch r.URL.EscapedPath() {
	case "/sandbox/tokens":
		view = s.tokenView
	case "/sandbox/calls":
		view = s.callView
	default:
		return false
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "this view is read with GET", http.StatusMethodNotAllowed)
		return true
	}
	a := jsonAnswer(http.StatusOK, view())
	a.header = http.Header{"Cache-Control": {"no-store"}}
	write(w, a, &Fault{})
	return true
}

func (s *Server) tokenView() any {
	events, replays := s.tokenLog.list()
	return struct {
		Calls   int          `json:"calls"`
		Replays int          `json:"replays"`
		Events  []TokenEvent `json:"events"`
	}{s.TokenCalls(), replays, events}
}

func (s *Server) callView() any {
	type call struct {
		Time      time.Time `json:"time"`
		Operation string    `json:"operation"`
		Status    int       `json:"status"`
		Folder    string    `json:"folder"`
	}
	calls := []call{}
	for _, c := range s.Calls() {
		calls = append(calls, call{c.Time, c.Operation, c.Status, c.Folder})
	}
	return struct {
		Total int    `json:"total"`
		Calls []call `json:"calls"`
	}{s.CallCount(), calls}
}

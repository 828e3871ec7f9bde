package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is a running sandbox. Its methods may be called from any goroutine.
type Server struct {
	options  Options
	store    *storage
	folders  []*folder
	routes   map[string][]*route // by product
	gate     *gate
	tokens   *tokenBook
	log      callLog
	tokenLog tokenLog
	sessions *sessions

	faultMu sync.RWMutex
	fault   func(Call) *Fault

	hubbix hubbixState

	http     *http.Server
	listener net.Listener
	served   chan struct{}
	active   atomic.Int64 // requests being answered
}

// New makes a sandbox that listens nowhere: mount its Handler, and Close it.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	store, err := openStorage()
	if err != nil {
		return nil, fmt.Errorf("sandbox: opening the embedded database: %w", err)
	}
	s := &Server{options: o, store: store, gate: newGate(o), tokens: newTokenBook(o), sessions: newSessions()}
	s.folders = makeFolders(o)
	s.routes = makeRoutes()
	return s, nil
}

// Start makes a sandbox and serves it on Options.Listen until Close.
func Start(o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	s.listener, err = net.Listen("tcp", s.options.Listen)
	if err != nil {
		_ = s.store.close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.http = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 30 * time.Second}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		_ = s.http.Serve(s.listener) // ends with Close
	}()
	return s, nil
}

// URL returns the base address of the API, "http://127.0.0.1:12345", to which
// paths such as /gescom/api/v1/Folders are added. It is empty when the
// sandbox does not listen.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// LoginURL returns the base address of the authorization server: tokens come
// from LoginURL + "/connect/token".
func (s *Server) LoginURL() string { return s.URL() }

// Handler returns the API and the authorization server as one handler.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close stops serving, closes every connection, waits for the requests being
// answered and frees the data. No goroutine of the sandbox is left after it.
func (s *Server) Close() error {
	var err error
	if s.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		if s.http.Shutdown(ctx) != nil {
			err = s.http.Close()
		}
		cancel()
		<-s.served
	}
	for end := time.Now().Add(5 * time.Second); s.active.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return errors.Join(err, s.store.close())
}

// answer is a complete response.
type answer struct {
	status      int
	header      http.Header
	contentType string // JSON when empty
	body        []byte
	records     int
}

// serve answers one request: of the API, of the token endpoint, or of the
// pages of the authorization server.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Add(-1)
	s.date(w)
	if s.servePages(w, r) || s.serveDiscovery(w, r) || s.serveInspection(w, r) {
		return
	}
	c := Call{Time: s.options.Now(), Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery}
	var rt *route
	var captured []string
	var token *tokenCall
	if c.Path == "/connect/token" {
		c.Operation = tokenOperation
		token = s.readTokenCall(r)
	} else if rt, captured = s.match(r.Method, c.Path); rt != nil {
		c.Operation = rt.name
	}
	req := &request{Server: s, http: r, route: rt, captured: captured}
	if rt != nil {
		req.readParameters()
		c.Folder = req.scope()
	}
	f := s.faultFor(c)
	if f == nil {
		f = &Fault{}
	}
	delay := f.Delay
	if token == nil {
		delay += s.options.Latency
	}
	gone := !wait(r.Context(), delay)
	if (gone || f.DropBefore) && token != nil {
		s.logToken(token, TokenDropped)
	}
	if gone || f.DropBefore {
		s.log.add(c)
		panic(http.ErrAbortHandler)
	}
	var a answer
	switch {
	case !f.DropAfter && !f.Truncate && f.Status != 0:
		a = answer{status: f.Status, body: f.Body}
		if token != nil {
			s.logToken(token, TokenFault)
		}
	case token != nil:
		a = s.serveToken(token)
	default:
		a = s.process(req)
	}
	if !wait(r.Context(), f.DelayAfter) || f.DropAfter {
		s.log.add(c)
		panic(http.ErrAbortHandler)
	}
	c.Status, c.Bytes, c.Records = a.status, len(a.body), a.records
	s.log.add(c)
	s.date(w)
	if token == nil {
		write(w, a, f)
		return
	}
	s.tokenLog.answering(token.logged, func() bool {
		there := r.Context().Err() == nil
		write(w, a, f)
		// Only a flush tells whether the connection took it.
		return http.NewResponseController(w).Flush() == nil && there
	})
}

// date dates an answer by the sandbox's clock, which the server would do by the machine's.
func (s *Server) date(w http.ResponseWriter) {
	w.Header().Set("Date", s.options.Now().UTC().Format(http.TimeFormat))
}

// wait reports whether the client is still there after a time.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// write sends an answer, or half of it.
func write(w http.ResponseWriter, a answer, f *Fault) {
	h := w.Header()
	for name, values := range a.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if a.contentType == "" && len(a.body) > 0 {
		a.contentType = "application/json; charset=utf-8"
	}
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	for name, values := range f.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	h.Set("Content-Length", fmt.Sprint(len(a.body)))
	w.WriteHeader(a.status)
	if f.Truncate {
		w.Write(a.body[:len(a.body)/2])
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	w.Write(a.body)
}

// process does what a request asks, once faults are out of the way.
func (s *Server) process(r *request) answer {
	if r.route == nil {
		return (&gatewayError{status: http.StatusNotFound, message: "Resource not found"}).answer()
	}
	if e := s.checkKey(r.http); e != nil {
		return e.answer()
	}
	if e := s.gate.admit(s.options.Now()); e != nil {
		return e.answer()
	}
	if e := s.checkBearer(r.http); e != nil {
		return e.answer()
	}
	a, err := r.route.handle(r)
	if err == nil {
		if a.status == 0 {
			a.status = http.StatusOK
		}
		return a
	}
	var refusal apiError
	if errors.As(err, &refusal) {
		return refusal.answer()
	}
	if strings.HasPrefix(r.route.product, "hubbix") {
		return (&hubbixError{http.StatusInternalServerError, "Internal.Error", err.Error()}).answer()
	}
	return (&ebpError{status: http.StatusInternalServerError, title: "Erreur technique", message: "La requête a échoué", code: "InternalError", system: err.Error()}).answer()
}

// Exec runs a statement on the embedded database, as if somebody worked in
// EBP. A dossier's tables are named f<dossier>_<Table>, "f3691_Customer", the
// accounting ones cpttpe_<table> and the Hubbix ones gctpe_<table> (see the
// package comment). Dates are text as 2006-01-02T15:04:05, decimals text,
// GUIDs lowercase text, booleans 0 and 1.
func (s *Server) Exec(query string, args ...any) error {
	if err := s.prepareFor(query); err != nil {
		return err
	}
	return s.store.exec(query, args...)
}

// Query runs a statement that reads and returns its rows as the database
// holds them: nil, string, int64 or []byte.
func (s *Server) Query(query string, args ...any) ([][]any, error) {
	if err := s.prepareFor(query); err != nil {
		return nil, err
	}
	rows, err := s.store.db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]any
	for rows.Next() {
		row := make([]any, len(names))
		into := make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// prepareFor fills the tables a statement names.
func (s *Server) prepareFor(query string) error {
	q := strings.ToLower(query)
	for _, f := range s.folders {
		if !strings.Contains(q, "f"+f.id+"_") {
			continue
		}
		for _, name := range tableNames {
			if !strings.Contains(q, lower("f"+f.id+"_"+name)) {
				continue
			}
			if err := s.fill(f, tables[lower(name)]); err != nil {
				return err
			}
		}
	}
	if strings.Contains(q, "cpttpe_") {
		if err := s.fillTenants(s.Tenants()...); err != nil {
			return err
		}
	}
	if strings.Contains(q, "gctpe_") {
		return s.fillDomains(s.Domains()...)
	}
	return nil
}

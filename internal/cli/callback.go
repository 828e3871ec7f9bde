package cli

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

// callback is the small server on loopback to which EBP sends the browser back. What it
// shows is for the person; what it is told goes to finish.
type callback struct {
	path    string
	belongs func(url.Values) bool
	finish  func(url.Values) (auth.Status, error)
	server  *http.Server
	strange atomic.Int32

	once     sync.Once
	finished chan struct{} // closed once status and err are there
	status   auth.Status
	err      error

	showOnce sync.Once
	shown    chan struct{} // closed once the person was shown how it ended
}

func newCallback(r *redirect, belongs func(url.Values) bool, finish func(url.Values) (auth.Status, error)) *callback {
	b := &callback{path: r.path, belongs: belongs, finish: finish, finished: make(chan struct{}), shown: make(chan struct{})}
	b.server = &http.Server{
		Handler: b, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // what a browser breaks off is nobody's business
	}
	b.server.SetKeepAlivesEnabled(false) // a browser's idle connection would hold the end up
	return b
}

func (b *callback) serve(listeners []net.Listener) {
	for _, l := range listeners {
		go func() { _ = b.server.Serve(l) }() // ends with close
	}
}

// errNoAnswer is what a sign-in ends with where nothing came in time.
var errNoAnswer = errors.New("no answer came")

// wait returns how the sign-in ended, errNoAnswer if it had not when ctx ends. An
// exchange that has begun is waited for: it has time limits of its own.
func (b *callback) wait(ctx context.Context) (auth.Status, error) {
	select {
	case <-b.finished:
	case <-ctx.Done():
		b.once.Do(func() { // an answer that comes later changes nothing
			b.err = errNoAnswer
			close(b.finished)
		})
		<-b.finished
	}
	return b.status, b.err
}

// strays is how many answers came that belong to another sign-in.
func (b *callback) strays() int { return int(b.strange.Load()) }

// The browser gets time to fetch the last page, and its connection to be closed.
const (
	showTime  = 2 * time.Second
	closeTime = time.Second
)

// close ends the server, which wait has seen the end of the sign-in from.
func (b *callback) close() {
	if !errors.Is(b.err, errNoAnswer) {
		select {
		case <-b.shown:
		case <-time.After(showTime):
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		_ = b.server.Close()
	}
}

// done is where the browser is sent after its answer, so that the code does not stay in
// its history.
func (b *callback) done() string { return strings.TrimSuffix(b.path, "/") + "/done" }

// ServeHTTP takes the answer.
func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answering := r.URL.Path == b.path || r.URL.Path == "" && b.path == "/"
	switch {
	case !answering && r.URL.Path != b.done():
		http.NotFound(w, r)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Only GET is answered here.", http.StatusMethodNotAllowed)
	case answering:
		b.answer(w, r)
	default:
		b.showEnd(w, r)
	}
}

func (b *callback) answer(w http.ResponseWriter, r *http.Request) {
	answer := r.URL.Query()
	switch {
	case len(answer) == 0:
		show(w, http.StatusOK, page{
			Title:   "En attente de la connexion",
			French:  "EBP n'a encore rien répondu. Terminez la connexion dans la page d'EBP.",
			English: "EBP has not answered yet. Finish signing in on EBP's page.",
		})
		return
	case !b.belongs(answer):
		b.strange.Add(1)
		show(w, http.StatusBadRequest, page{
			Title:   "Cette page appartient à une autre tentative",
			French:  "Cette réponse d'EBP ne correspond pas à la connexion en cours. Fermez cet onglet et utilisez la page la plus récente.",
			English: "This answer belongs to another attempt to sign in. Close this tab and use the newest page.",
		})
		return
	}
	b.once.Do(func() {
		b.status, b.err = b.finish(answer)
		close(b.finished)
	})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, (&url.URL{Path: b.done()}).EscapedPath(), http.StatusSeeOther)
}

// showEnd tells the person how the sign-in ended.
func (b *callback) showEnd(w http.ResponseWriter, r *http.Request) {
	select {
	case <-b.finished:
	default:
		http.NotFound(w, r)
		return
	}
	defer b.showOnce.Do(func() { close(b.shown) })
	if b.err != nil {
		show(w, http.StatusOK, page{
			Title:   "La connexion à EBP n'a pas abouti",
			French:  "Le terminal indique pourquoi. Vous pouvez fermer cette fenêtre.",
			English: "Signing in to EBP did not succeed; the terminal says why. You can close this window.",
			Detail:  b.err.Error(),
		})
		return
	}
	show(w, http.StatusOK, page{
		Title: "Connexion à EBP réussie", OK: true, Person: person(b.status.Name, b.status.Email),
		French:  "Vous pouvez fermer cette fenêtre et revenir au terminal.",
		English: "You are signed in to EBP. You can close this window and return to the terminal.",
	})
}

// page is what a person sees: in the language of EBP's customers, and in English.
type page struct {
	Title, French, English string
	Person, Detail         string
	OK                     bool
}

//go:embed page.html
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page.html"))

func show(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_ = pageTemplate.Execute(w, p) // a browser that is gone can be told nothing
}

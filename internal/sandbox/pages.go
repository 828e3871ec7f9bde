package sandbox

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed pages.html
var pagesHTML string

//go:embed pages.css
var pagesCSS string

var (
	pages = template.Must(template.New("pages").Parse(pagesHTML))

	// pagesPolicy allows the pages their style and nothing else. It has no
	// form-action: Chromium applies it to redirects too, and the consent page's
	// form ends at the client's address.
	pagesPolicy = func() string {
		sum := sha256.Sum256([]byte(pagesCSS))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
	}()
)

type signInPage struct {
	Client, Email, CSRF, Error string
}

type consentPage struct {
	Client, Email, CSRF, Other string
	Rights                     []right
}

type right struct{ Scope, Words string }

// servePages answers what a browser asks of the authorization server, and
// reports whether the path is one of its own.
func (s *Server) servePages(w http.ResponseWriter, r *http.Request) bool {
	var page func(http.ResponseWriter, *http.Request, *authorizeRequest)
	methods := []string{http.MethodGet, http.MethodHead}
	switch r.URL.EscapedPath() {
	case "/connect/authorize":
		page = s.serveAuthorize
	case "/connect/authorize/callback":
		// The document calls it (L55, L88); the real one belongs to the pages.
		errorPage(w, http.StatusBadRequest, "Cette adresse n'est pas à appeler directement : commencez par /connect/authorize.")
		return true
	case "/account/login":
		page, methods = s.serveSignIn, append(methods, http.MethodPost)
	case "/consent":
		page, methods = s.serveConsent, append(methods, http.MethodPost)
	default:
		return false
	}
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		errorPage(w, http.StatusMethodNotAllowed, "Cette adresse s'ouvre dans un navigateur.")
		return true
	}
	a, refusal := s.readAuthorize(r.URL.RawQuery)
	switch {
	case refusal == nil:
		page(w, r, a)
	case refusal.page != "":
		errorPage(w, http.StatusBadRequest, refusal.page)
	default:
		redirect(w, r, a.backWithError(refusal.code, refusal.description))
	}
	return true
}

// errorPage tells a person what is wrong.
func errorPage(w http.ResponseWriter, status int, sentence string) {
	showPage(w, status, "error", sentence)
}

func showPage(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, name, struct {
		CSS  template.CSS
		Data any
	}{template.CSS(pagesCSS), data})
	if err != nil {
		panic(err)
	}
	pageHeader(w.Header())
	write(w, answer{status: status, contentType: "text/html; charset=utf-8", body: b.Bytes()}, &Fault{})
}

// pageHeader keeps pages and redirects out of caches, frames and the
// addresses of other sites.
func pageHeader(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagesPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

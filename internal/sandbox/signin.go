package sandbox

import (
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"sync"
)

const (
	sessionCookie = "sandbox_session"
	// maxSessions bounds the memory of sessions; the oldest are forgotten.
	maxSessions = 1000
)

// session is what the pages know of a browser. It does not change: who signs
// in gets another one, so that nobody can hand a known one out beforehand.
type session struct {
	csrf    string // what the forms of its pages must bring
	account *account
}

// sessions are the browsers that have seen a page, by their cookies.
type sessions struct {
	mu    sync.Mutex
	known *memory[session]
}

func newSessions() *sessions { return &sessions{known: newMemory[session](maxSessions)} }

// of returns the session of a browser, an empty one when there is none.
func (s *sessions) of(r *http.Request) session {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, _ := s.known.get(c.Value)
	return found
}

// start gives a browser another session.
func (s *sessions) start(w http.ResponseWriter, r *http.Request, a *account) session {
	id, fresh := randomText(), session{csrf: randomText(), account: a}
	s.mu.Lock()
	s.known.add(id, fresh)
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	return fresh
}

// forget signs every browser out.
func (s *sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = newMemory[session](maxSessions)
}

// readForm reads the form of a page. It answers, and returns nil, when the
// form does not come from a page shown to this browser.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (url.Values, session) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		errorPage(w, http.StatusBadRequest, "Le formulaire envoyé est illisible.")
		return nil, session{}
	}
	known := s.sessions.of(r)
	if known.csrf == "" || !same(r.PostForm.Get("csrf"), known.csrf) {
		errorPage(w, http.StatusBadRequest, "Ce formulaire ne vient pas d'une page ouverte dans ce navigateur, ou sa session est terminée. Acceptez les cookies et recommencez depuis votre application.")
		return nil, session{}
	}
	return r.PostForm, known
}

// serveSignIn is the page that asks for e-mail and password (L57), and what
// its form does. Every password is right but two, with which the refusal can
// be seen.
func (s *Server) serveSignIn(w http.ResponseWriter, r *http.Request, a *authorizeRequest) {
	page := signInPage{Client: a.client, Email: defaultAccount.email}
	if r.Method != http.MethodPost {
		known := s.sessions.of(r)
		if known.csrf == "" {
			known = s.sessions.start(w, r, nil)
		}
		page.CSRF = known.csrf
		showPage(w, http.StatusOK, "sign-in", page)
		return
	}
	form, known := s.readForm(w, r)
	if form == nil {
		return
	}
	page.CSRF, page.Email = known.csrf, strings.TrimSpace(form.Get("email"))
	address, err := mail.ParseAddress(page.Email)
	switch password := form.Get("password"); {
	case err != nil || address.Address != page.Email || len(page.Email) > 254:
		page.Error = "Saisissez une adresse e-mail valide."
	case password == "":
		page.Error = "Saisissez votre mot de passe."
	case password == "faux", password == "wrong":
		page.Error = "Identifiant ou mot de passe incorrect."
	default:
		who := accountOf(page.Email)
		s.sessions.start(w, r, &who)
		redirect(w, r, "/consent?"+r.URL.RawQuery)
		return
	}
	showPage(w, http.StatusOK, "sign-in", page)
}

// rights are the scopes in words.
var rights = map[string]string{
	"openid":         "connaître votre identifiant EBP",
	"profile":        "lire votre nom, votre prénom et votre adresse e-mail",
	"offline_access": "garder cet accès en votre absence, tant que vous ne le retirez pas",
}

// serveConsent is the page that asks whether the client may have what it
// wants, and what its buttons do.
func (s *Server) serveConsent(w http.ResponseWriter, r *http.Request, a *authorizeRequest) {
	if r.Method != http.MethodPost {
		known := s.sessions.of(r)
		if known.account == nil {
			redirect(w, r, "/account/login?"+r.URL.RawQuery)
			return
		}
		page := consentPage{Client: a.client, Email: known.account.email, CSRF: known.csrf, Other: "/account/login?" + r.URL.RawQuery}
		for _, one := range a.scope {
			page.Rights = append(page.Rights, right{one, rights[one]})
		}
		showPage(w, http.StatusOK, "consent", page)
		return
	}
	form, known := s.readForm(w, r)
	if form == nil {
		return
	}
	decision := form.Get("decision")
	switch {
	case known.account == nil:
		redirect(w, r, "/account/login?"+r.URL.RawQuery)
	case decision == "allow":
		code := s.newCode(*known.account, a)
		redirect(w, r, a.back(url.Values{"code": {code}, "scope": {strings.Join(a.scope, " ")}}))
	case decision == "deny":
		redirect(w, r, a.backWithError("access_denied", "The person has refused"))
	default:
		errorPage(w, http.StatusBadRequest, "Choisissez d'autoriser ou de refuser l'accès.")
	}
}

package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorizeRequest is a request of GET /connect/authorize that may be asked
// of a person. Each page checks it anew, so that nothing is kept between them.
type authorizeRequest struct {
	client      string
	redirectURI string // as sent
	state       string
	nonce       string
	scope       []string
	challenge   string
	method      string // of the challenge: plain or S256
	prompt      []string
}

// authorizeError says what is wrong with a request. With a page, the person
// is told, and nothing is redirected: the address to redirect to is not to be
// trusted. Without, the client is told.
type authorizeError struct {
	page              string
	code, description string
}

// readAuthorize checks a request. The request is not nil when the error goes
// to the client.
func (s *Server) readAuthorize(raw string) (*authorizeRequest, *authorizeError) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &authorizeError{page: "L'adresse appelée est mal formée."}
	}
	if client := q["client_id"]; len(client) != 1 || !same(client[0], s.options.Credentials.ClientID) {
		return nil, &authorizeError{page: "Le client «\u00a0" + strings.Join(client, ", ") + "\u00a0» est inconnu. Vérifiez client_id."}
	}
	if to := q["redirect_uri"]; len(to) != 1 || !s.registered(to[0]) {
		return nil, &authorizeError{page: "L'adresse de retour «\u00a0" + strings.Join(to, ", ") + "\u00a0» n'est pas enregistrée pour ce client. Vérifiez redirect_uri."}
	}
	a := &authorizeRequest{
		client: q.Get("client_id"), redirectURI: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"),
		scope:     strings.Fields(q.Get("scope")),
		challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"),
		prompt: strings.Fields(q.Get("prompt")),
	}
	refuse := func(code, description string) (*authorizeRequest, *authorizeError) {
		return a, &authorizeError{code: code, description: description}
	}
	for _, values := range q {
		if len(values) > 1 {
			return refuse("invalid_request", "A parameter is given more than once")
		}
	}
	switch q.Get("response_type") {
	case "code":
	case "":
		return refuse("invalid_request", "response_type is missing")
	default:
		return refuse("unsupported_response_type", "Only the response type code is supported")
	}
	if mode := q.Get("response_mode"); mode != "" && mode != "query" {
		return refuse("invalid_request", "Only the response mode query is supported")
	}
	if len(a.scope) == 0 {
		return refuse("invalid_request", "scope is missing")
	}
	for _, one := range a.scope {
		if !slices.Contains(strings.Fields(tokenScope), one) {
			return refuse("invalid_scope", "The scopes are "+tokenScope)
		}
	}
	if !slices.Contains(a.scope, "openid") {
		return refuse("invalid_scope", "The scope openid is missing")
	}
	if a.challenge == "" {
		return a, nil
	}
	if a.method == "" {
		a.method = "plain"
	}
	if a.method != "plain" && a.method != "S256" {
		return refuse("invalid_request", "The code challenge methods are plain and S256")
	}
	if !pkceText(a.challenge) {
		return refuse("invalid_request", "A code challenge has 43 to 128 letters, digits and -._~")
	}
	return a, nil
}

// pkceText reports whether a text can be a code verifier or challenge (RFC
// 7636 §4.1).
func pkceText(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, letters) == ""
}

// registered reports whether tokens may be sent to an address. Only a slash at
// its end makes no difference.
func (s *Server) registered(to string) bool {
	return slices.ContainsFunc(s.options.RedirectURIs, func(known string) bool {
		return strings.TrimSuffix(to, "/") == strings.TrimSuffix(known, "/")
	})
}

// back is the client's address with an answer.
func (r *authorizeRequest) back(answer url.Values) string {
	if r.state != "" {
		answer.Set("state", r.state)
	}
	if strings.Contains(r.redirectURI, "?") {
		return r.redirectURI + "&" + answer.Encode()
	}
	return r.redirectURI + "?" + answer.Encode()
}

func (r *authorizeRequest) backWithError(code, description string) string {
	return r.back(url.Values{"error": {code}, "error_description": {description}})
}

// serveAuthorize is GET /connect/authorize (L49): it leads to the page on
// which the person has something to do.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request, a *authorizeRequest) {
	signedIn := s.sessions.of(r).account != nil
	switch {
	case slices.Contains(a.prompt, "none") && !signedIn:
		redirect(w, r, a.backWithError("login_required", "Nobody is signed in"))
	case slices.Contains(a.prompt, "none"):
		redirect(w, r, a.backWithError("consent_required", "Consent is asked for each time"))
	case signedIn && !slices.Contains(a.prompt, "login"):
		redirect(w, r, "/consent?"+r.URL.RawQuery)
	default:
		redirect(w, r, "/account/login?"+r.URL.RawQuery)
	}
}

// redirect sends a browser elsewhere, with GET whatever it came with.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	pageHeader(w.Header())
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

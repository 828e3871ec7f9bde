package sandbox

import (
	"net/http"
	"strings"
)

// serveDiscovery describes the authorization server to OpenID Connect
// libraries, and reports whether the path is one of its own. There are no
// public keys: identity tokens are signed with the client's secret.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) bool {
	const at, keys = "/.well-known/openid-configuration", "/.well-known/openid-configuration/jwks"
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet || path != at && path != keys {
		return false
	}
	var body any = map[string][]string{"keys": {}}
	if path == at {
		base := issuer(r)
		body = map[string]any{
			"issuer":                                base,
			"authorization_endpoint":                base + "/connect/authorize",
			"token_endpoint":                        base + "/connect/token",
			"jwks_uri":                              base + keys,
			"scopes_supported":                      strings.Fields(tokenScope),
			"claims_supported":                      []string{"sub", "ebp.email", "family_name", "given_name"},
			"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
			"response_types_supported":              []string{"code"},
			"response_modes_supported":              []string{"query"},
			"code_challenge_methods_supported":      []string{"plain", "S256"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
			"id_token_signing_alg_values_supported": []string{"HS256"},
			"subject_types_supported":               []string{"public"},
		}
	}
	write(w, jsonAnswer(http.StatusOK, body), &Fault{})
	return true
}

package redact

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStaticSecretsAreNeverForgotten(t *testing.T) {
	r := New("the-subscription-key", "the-client-secret")
	r.AddStatic("the-proxy-password")
	r.Add("the-client-secret", "the-seed-token") // as the sign-in does
	for i := range 10 * most {
		r.Add(fmt.Sprintf("token-%06d", i))
	}
	assert.Equal(t, "[secret] [secret] [secret]", r.String("the-subscription-key the-client-secret the-proxy-password"))
	assert.Len(t, r.tokens, most, "tokens are not bounded")
}

func TestATokenThatIsInUseIsNotForgottenForOthers(t *testing.T) {
	r := New()
	for i := range 10 * most {
		r.Add("refresh-token", fmt.Sprintf("access-token-%06d", i))
	}
	assert.Equal(t, "[secret]", r.String("refresh-token"))
	assert.Equal(t, "[secret]", r.String(fmt.Sprintf("access-token-%06d", 10*most-1)))
	assert.Equal(t, "access-token-000000", r.String("access-token-000000"), "the oldest go")
}

func TestASecretThatBeginsAnotherLeavesNoTail(t *testing.T) {
	for _, order := range [][]string{{"secret-1", "secret-12345"}, {"secret-12345", "secret-1"}} {
		r := New(order...)
		assert.Equal(t, "a [secret] b", r.String("a secret-12345 b"))
		assert.Equal(t, "a [secret] b", r.String("a secret-1 b"))
	}
	r := New("abcdefgh", "efghijkl") // in one text they overlap
	assert.Equal(t, "<[secret]>", r.String("<abcdefghijkl>"))
	assert.Equal(t, "<[secret]>", New("aaaaaa").String("<aaaaaaaaa>"))
	assert.Equal(t, "[secret][secret]", New("abcdef", "uvwxyz").String("abcdefuvwxyz"))
}

func TestASecretIsFoundHoweverItIsWritten(t *testing.T) {
	const secret = `a+b/zq="d" <é>\%`
	r := New("  " + secret + "\n")
	j, err := json.Marshal(secret)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"as it is":      secret,
		"in a form":     url.Values{"client_secret": {secret}}.Encode(),
		"in a path":     url.PathEscape(secret),
		"in lower case": strings.ToLower(url.QueryEscape(secret)),
		"in JSON":       string(j),
		"in other JSON": `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(secret) + `"`,
		"in .NET JSON":  `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `/`, `\/`).Replace(secret) + `"`,
		"in a Go error": fmt.Sprintf("malformed HTTP status code %q", secret),
		"quoted twice":  fmt.Sprintf("%q", fmt.Sprintf("%q", secret)),
		"in JSON of %q": fmt.Sprintf("%q", j),
		"escaped twice": url.QueryEscape(url.QueryEscape(secret)),
		"in HTML":       html.EscapeString(secret),
		"as numbers":    strings.NewReplacer("+", `\u002b`, "/", `\u002F`, "<", `\u003C`, `\`, `\\`, `"`, `\"`).Replace(secret),
		"twice":         secret + secret,
	} {
		assert.Contains(t, r.String(text), "[secret]", name)
		assert.NotContains(t, r.String(text), "zq", name)
	}
}

func TestOrdinaryTextIsLeftAlone(t *testing.T) {
	r := New("", "a", "the", "key")
	r.Add("", "x")
	const text = "the key of a dossier is x"
	assert.Equal(t, text, r.String(text))
	assert.Equal(t, text, (&Redactor{}).String(text))
}

func TestSecretsAreAddedWhileTextsPass(t *testing.T) {
	r := New("the-subscription-key")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				r.Add(fmt.Sprintf("token-%d-%d", g, i))
				assert.Equal(t, "[secret]", r.String("the-subscription-key"))
			}
		})
	}
	wg.Wait()
}

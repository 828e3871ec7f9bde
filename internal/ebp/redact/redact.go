// Package redact keeps secrets out of errors, logs and traces: texts that came from
// outside pass through a Redactor before anybody sees them.
package redact

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	replacement = "[secret]"
	// shortest is the length below which a secret is not looked for: it would
	// match ordinary words.
	shortest = 6
	// most bounds how many tokens are remembered. They change every hour; the last
	// days of them are enough, since no server echoes older ones.
	most = 128
)

// Redactor replaces the secrets it knows. Its zero value knows none. It may be used
// by many goroutines at once.
type Redactor struct {
	mu     sync.RWMutex
	static []secret
	tokens []secret // the oldest first
}

// secret is a secret and, where it can be written in several ways, their pattern: a
// text that came from outside may hold it as a form, a URL, JSON or an error of an error
// writes it.
type secret struct {
	text    string
	pattern *regexp.Regexp
}

// New returns a redactor that knows the secrets of a configuration.
func New(static ...string) *Redactor {
	r := &Redactor{}
	r.AddStatic(static...)
	return r
}

// AddStatic makes secrets known that do not change, such as keys and passwords. They
// are never forgotten.
func (r *Redactor) AddStatic(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if s, ok := usable(s); ok && !known(r.static, s) {
			r.static = append(r.static, newSecret(s))
		}
	}
}

// Add makes tokens known. Of these the last ones are remembered. A secret that
// AddStatic was given before is not counted among them.
func (r *Redactor) Add(tokens ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tokens {
		t, ok := usable(t)
		if !ok || known(r.static, t) {
			continue
		}
		if i := slices.IndexFunc(r.tokens, func(s secret) bool { return s.text == t }); i >= 0 {
			again := r.tokens[i] // it is in use
			r.tokens = append(slices.Delete(r.tokens, i, i+1), again)
			continue
		}
		if len(r.tokens) == most {
			r.tokens = slices.Delete(r.tokens, 0, 1)
		}
		r.tokens = append(r.tokens, newSecret(t))
	}
}

// usable returns what to look for: headers are sent without the spaces around them.
func usable(s string) (string, bool) {
	s = strings.TrimSpace(s)
	return s, len(s) >= shortest
}

func known(secrets []secret, s string) bool {
	return slices.ContainsFunc(secrets, func(k secret) bool { return k.text == s })
}

func newSecret(s string) secret {
	out := secret{text: s}
	var pattern strings.Builder
	plain := true
	for _, r := range s {
		if r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)) {
			pattern.WriteString(regexp.QuoteMeta(string(r)))
			continue
		}
		plain = false
		pattern.WriteString(spellings(r))
	}
	if !plain && utf8.ValidString(s) {
		out.pattern = regexp.MustCompile(pattern.String())
	}
	return out
}

// spellings returns a pattern of the ways to write a character: with backslashes, one
// more for each time that it was quoted; as \u0022; as %22, escaped itself or not; as
// HTML.
func spellings(r rune) string {
	percent := ""
	for _, b := range []byte(string(r)) {
		percent += fmt.Sprintf("%%(?:25)*%02x", b)
	}
	ways := []string{
		`\\*` + regexp.QuoteMeta(string(r)),
		fmt.Sprintf(`(?i:\\+u%04x)`, r),
		"(?i:" + percent + ")",
		regexp.QuoteMeta(html.EscapeString(string(r))),
	}
	if r == ' ' {
		ways = append(ways, "[+]", "(?i:%(?:25)*2b)")
	}
	return "(?:" + strings.Join(ways, "|") + ")"
}

// span is a part of a text, from its first byte to behind its last.
type span struct{ from, to int }

// String returns s without the known secrets. Where two of them overlap in s, or one
// is the beginning of the other, nothing of either is left.
func (r *Redactor) String(s string) string {
	found := r.find(s)
	if len(found) == 0 {
		return s
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	end := 0 // of what has been written or left out
	for i, f := range found {
		if i == 0 || f.from >= end {
			b.WriteString(s[end:f.from])
			b.WriteString(replacement)
		}
		end = max(end, f.to)
	}
	b.WriteString(s[end:])
	return b.String()
}

func (r *Redactor) find(s string) []span {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []span
	for _, secrets := range [][]secret{r.static, r.tokens} {
		for _, secret := range secrets {
			if secret.pattern != nil {
				for _, at := range secret.pattern.FindAllStringIndex(s, -1) {
					found = append(found, span{at[0], at[1]})
				}
				continue
			}
			for at := 0; ; {
				i := strings.Index(s[at:], secret.text)
				if i < 0 {
					break
				}
				found = append(found, span{at + i, at + i + len(secret.text)})
				at += i + 1
			}
		}
	}
	return found
}

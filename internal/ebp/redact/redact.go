// Package redact keeps secrets out of errors, logs and traces: texts that came from
// outside pass through a Redactor before anybody sees them.
package redact

import (
	"slices"
	"strings"
	"sync"
)

const (
	replacement = "[secret]"
	// shortest is the length below which a secret is not looked for: it would
	// match ordinary words.
	shortest = 6
	// most bounds how many secrets are remembered. Tokens change every hour; the
	// last days of them are enough, since no server echoes older ones.
	most = 128
)

// Redactor replaces the secrets it knows. Its zero value knows none. It may be used
// by many goroutines at once.
type Redactor struct {
	mu      sync.RWMutex
	secrets []string
}

// Add makes a secret known.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		if len(s) < shortest || slices.Contains(r.secrets, s) {
			continue
		}
		if len(r.secrets) == most {
			r.secrets = slices.Delete(r.secrets, 0, 1)
		}
		r.secrets = append(r.secrets, s)
	}
}

// String returns s without the known secrets.
func (r *Redactor) String(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, replacement)
	}
	return s
}

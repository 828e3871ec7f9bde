package sandbox

import (
	"crypto/subtle"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// gate is the API management in front of every product: subscription key,
// calls per second, calls per day.
type gate struct {
	mu       sync.Mutex
	accepted []time.Time // last accepted calls, oldest first
	burst    int         // calls per window
	window   time.Duration
	perDay   int
	day      time.Time // start of the current day, UTC
	used     int
}

func newGate(o Options) *gate {
	g := &gate{perDay: o.PerDay}
	if o.PerSecond > 0 {
		g.burst = int(math.Ceil(o.PerSecond))
		g.window = time.Duration(float64(g.burst) / o.PerSecond * float64(time.Second))
	}
	return g
}

// admit counts a call or refuses it. Refused calls count for nothing.
func (g *gate) admit(now time.Time) apiError {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	if g.perDay > 0 && g.used >= g.perDay {
		left := g.day.Add(24 * time.Hour).Sub(now)
		seconds := int(math.Ceil(left.Seconds()))
		return &gatewayError{
			status: http.StatusForbidden, retryAfter: seconds,
			message: fmt.Sprintf("Out of call volume quota. Quota will be replenished in %02d:%02d:%02d.",
				seconds/3600, seconds/60%60, seconds%60),
		}
	}
	if g.burst > 0 {
		for len(g.accepted) > 0 && now.Sub(g.accepted[0]) >= g.window {
			g.accepted = g.accepted[1:]
		}
		if len(g.accepted) >= g.burst {
			wait := int(math.Ceil(g.window.Seconds() - now.Sub(g.accepted[0]).Seconds()))
			wait = max(wait, 1)
			return &gatewayError{
				status: http.StatusTooManyRequests, retryAfter: wait,
				message: fmt.Sprintf("Rate limit is exceeded. Try again in %d seconds.", wait),
			}
		}
		g.accepted = append(g.accepted, now)
	}
	g.used++
	return nil
}

func (g *gate) turn(now time.Time) {
	if day := now.UTC().Truncate(24 * time.Hour); !day.Equal(g.day) {
		g.day, g.used = day, 0
	}
}

// QuotaLeft returns the calls left today, or -1 when there is no daily limit.
// The day turns at midnight UTC.
func (s *Server) QuotaLeft() int {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	if s.gate.perDay == 0 {
		return -1
	}
	s.gate.turn(s.options.Now())
	return max(s.gate.perDay-s.gate.used, 0)
}

// SetQuotaUsed sets the number of calls made today.
func (s *Server) SetQuotaUsed(calls int) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.gate.turn(s.options.Now())
	s.gate.used = calls
}

// SecondaryKey returns the second key of the subscription. Both keys count
// together.
func (s *Server) SecondaryKey() string {
	k := []byte(s.options.Credentials.SubscriptionKey)
	for i, j := 0, len(k)-1; i < j; i, j = i+1, j-1 {
		k[i], k[j] = k[j], k[i]
	}
	return string(k)
}

// checkKey refuses a request without a key of the subscription.
func (s *Server) checkKey(r *http.Request) apiError {
	key := r.Header.Get("ebp-subscription-key")
	switch {
	case key == "":
		return &gatewayError{status: http.StatusUnauthorized, message: "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."}
	case same(key, s.options.Credentials.SubscriptionKey), same(key, s.SecondaryKey()):
		return nil
	}
	return &gatewayError{status: http.StatusUnauthorized, message: "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."}
}

// checkBearer refuses a request without a valid access token (L9810).
func (s *Server) checkBearer(r *http.Request) apiError {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	reason := "Aucun jeton d'accès dans la requête"
	if strings.EqualFold(scheme, "Bearer") && token != "" {
		if reason = s.tokens.mint.check(token, s.options.Now()); reason == "" {
			return nil
		}
	}
	return &ebpError{status: http.StatusUnauthorized, title: "Non authentifié", message: reason, code: "Unauthorized", system: reason}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

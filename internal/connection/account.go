package connection

import (
	"context"
	"fmt"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
)

// difference names a setting in which a component differs from those that use the count
// already.
func (a *openAccount) difference(s *settings) string {
	switch {
	case a.limits.PerSecond != s.PerSecond:
		return "calls.per_second"
	case a.limits.PerMinute != s.PerMinute:
		return "calls.per_minute"
	case a.limits.PerDay != s.PerDay:
		return "calls.per_day"
	case a.wait != s.WaitForQuota:
		return "calls.when_exhausted"
	case a.store.location != s.State:
		return "state"
	}
	return ""
}

func disagreement(field string) error {
	return fmt.Errorf("%s differs from that of another component with the same subscription_key, or the same calls.account, which share one pace and one count: make them equal", field)
}

// acquireAccount returns the count of a subscription. The registry is locked.
func acquireAccount(s *settings, store *openStore) (*openAccount, error) {
	name := s.account()
	if a := registry.accounts[name]; a != nil {
		if field := a.difference(s); field != "" {
			return nil, disagreement(field)
		}
		a.users++
		return a, nil
	}
	log := &logSwitch{}
	a := &openAccount{
		limits: quota.Limits{PerSecond: s.PerSecond, PerMinute: s.PerMinute, PerDay: s.PerDay},
		wait:   s.WaitForQuota, store: store, name: name, log: log, users: 1,
	}
	a.Account = quota.New(quota.Config{Name: name, Limits: a.limits, Store: store, WaitWhenExhausted: a.wait, Warn: log.Warnf})
	store.users++
	registry.accounts[name] = a
	return a, nil
}

// release gives back what was reserved and not used, when nobody counts any more.
func (a *openAccount) release() {
	registry.Lock()
	a.users--
	last := a.users == 0
	if last {
		delete(registry.accounts, a.name)
	}
	registry.Unlock()
	if !last {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	_ = a.Close(ctx) // else some calls of the day count as made that were not
	a.store.release()
}

// closingTime bounds how long the count of a subscription may take to be given back.
const closingTime = 5 * time.Second

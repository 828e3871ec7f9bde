package connection

import (
	"context"
	"fmt"
	"sync"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/quota"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// shared is a client with the components that use it.
type shared struct {
	settings settings
	client   *ebp.Client
	store    *openStore
	account  *openAccount
	embedded *Embedded
	log      *logSwitch
	users    int
	durable  sync.Once

	watching sync.Mutex
	watchers map[*observer]bool // of the components that use it
	status   auth.Status
}

// watched tells the components what is known of the sign-in.
func (sh *shared) watched(status auth.Status) {
	sh.watching.Lock()
	defer sh.watching.Unlock()
	sh.status = status
	for o := range sh.watchers {
		o.noteSignIn(status)
	}
}

// watch tells a component of the sign-in from now on, until the function that it returns
// is called.
func (sh *shared) watch(o *observer) (end func()) {
	sh.watching.Lock()
	defer sh.watching.Unlock()
	if sh.watchers == nil {
		sh.watchers = map[*observer]bool{}
	}
	sh.watchers[o] = true
	o.noteSignIn(sh.status)
	return func() {
		sh.watching.Lock()
		defer sh.watching.Unlock()
		delete(sh.watchers, o)
	}
}

// openStore is a store with the clients and counts that use it.
type openStore struct {
	state.Store
	location string
	users    int
}

// openAccount is the pace and the count of one subscription. Its clients, one for each
// sign-in, share it.
type openAccount struct {
	*quota.Account
	limits quota.Limits
	wait   bool
	store  *openStore
	name   string
	log    *logSwitch
	users  int
}

// registry holds the clients of the process, one source of tokens each, the counts of
// their subscriptions, and their stores, whichever pipelines and components they serve.
var registry = struct {
	sync.Mutex
	clients  map[string]*shared
	accounts map[string]*openAccount
	stores   map[string]*openStore
}{clients: map[string]*shared{}, accounts: map[string]*openAccount{}, stores: map[string]*openStore{}}

// acquire returns the client for these settings, made at its first use, and the
// function that gives it back. The last user closes it. What happens to the sign-in is
// told to log, which is that of the component that came last.
func acquire(s settings, log auth.Log) (*shared, func() error, error) {
	sh, err := join(s, log)
	if err != nil {
		return nil, nil, err
	}
	id := s.identity()
	return sh, sync.OnceValue(func() error {
		if !sh.leave(id) {
			return nil
		}
		return sh.close() // outside of the lock, since it may take a moment
	}), nil
}

func join(s settings, log auth.Log) (_ *shared, err error) {
	registry.Lock()
	defer registry.Unlock()
	id := s.identity()
	sh, ok := registry.clients[id]
	if !ok {
		sh = &shared{settings: s, log: &logSwitch{}}
		sh.log.set(log)
		if err := sh.open(); err != nil {
			sh.abandon()
			return nil, err
		}
		registry.clients[id] = sh
	}
	if field := s.difference(&sh.settings); field != "" {
		return nil, fmt.Errorf("%s differs from that of another component with the same sign-in and profile, which share one client: make them equal", field)
	}
	if field := sh.account.difference(&s); field != "" && !isEmbedded(s.URL) {
		return nil, disagreement(field)
	}
	sh.users++
	sh.log.set(log)
	sh.account.log.set(log)
	return sh, nil
}

// leave reports whether the user that left was the last one.
func (sh *shared) leave(id string) bool {
	registry.Lock()
	defer registry.Unlock()
	if sh.users--; sh.users > 0 {
		return false
	}
	delete(registry.clients, id)
	return true
}

// acquireStore opens a store at its first use. The registry is locked.
func acquireStore(location string) (*openStore, error) {
	if st := registry.stores[location]; st != nil {
		st.users++
		return st, nil
	}
	opened, err := state.Open(location)
	if err != nil {
		return nil, fmt.Errorf("%s ($%s): %w", FieldState, EnvState, err)
	}
	st := &openStore{Store: opened, location: location, users: 1}
	if location != memoryState { // each has its own memory
		registry.stores[location] = st
	}
	return st, nil
}

const memoryState = "memory:"

// leave reports whether the user that left was the last one. The registry is locked.
func (st *openStore) leave() bool {
	if st.users--; st.users > 0 {
		return false
	}
	if registry.stores[st.location] == st {
		delete(registry.stores, st.location)
	}
	return true
}

// release closes a store that nobody uses any more. The registry is not locked.
func (st *openStore) release() {
	registry.Lock()
	last := st.leave()
	registry.Unlock()
	if last {
		_ = st.Close()
	}
}

// resolved are the settings to use: those of the embedded EBP where that is asked for.
func (sh *shared) resolved() (settings, error) {
	use := sh.settings
	if !isEmbedded(use.URL) {
		return use, nil
	}
	var err error
	if sh.embedded, err = startEmbedded(use.URL); err != nil {
		return use, err
	}
	e := sh.embedded
	use.URL, use.LoginURL, use.SubscriptionKey = e.URL, e.LoginURL, e.SubscriptionKey
	use.ClientID, use.ClientSecret, use.RefreshToken = e.ClientID, e.ClientSecret, e.RefreshToken
	use.ProxyURL = ""
	use.State = memoryState // its tokens end with it, so the field state is not for them
	if e.Unlimited {
		use.PerSecond = 0
	}
	if e.UnlimitedDay {
		use.PerDay = 0
	}
	return use, nil
}

func (sh *shared) open() error {
	use, err := sh.resolved()
	if err != nil {
		return err
	}
	if sh.store, err = acquireStore(use.State); err != nil {
		return err
	}
	if sh.account, err = acquireAccount(&use, sh.store); err != nil {
		return err
	}
	cfg := use.client(sh.store, []transport.Pacer{sh.account}, sh.log)
	cfg.WatchSignIn = sh.watched
	sh.client, err = ebp.New(cfg)
	return err
}

// abandon gives back what a client that could not be opened has. The registry is locked.
func (sh *shared) abandon() {
	if sh.account != nil {
		sh.account.users--
		if sh.account.users == 0 {
			delete(registry.accounts, sh.account.name)
			sh.account.store.leave()
		}
	}
	if sh.store != nil && sh.store.leave() {
		_ = sh.store.Close()
	}
	if sh.embedded != nil {
		_ = sh.embedded.Close()
	}
}

// close returns what went wrong with the sign-in's last token, if anything did. The store
// stays open as long as a renewal is under way: its answer must be saved, and nobody else
// may get the lease meanwhile.
func (sh *shared) close() error {
	err := sh.client.Close()
	if err == nil {
		sh.releaseRest()
		return nil
	}
	go func() {
		if late := sh.client.CloseLate(); late != nil {
			sh.log.Warnf("%v", late)
		}
		sh.releaseRest()
	}()
	return err
}

func (sh *shared) releaseRest() {
	sh.account.release()
	sh.store.release()
	if sh.embedded != nil {
		_ = sh.embedded.Close()
	}
}

// warnOfForgetfulState tells a person, once, of a store that keeps less than it should.
func (sh *shared) warnOfForgetfulState(ctx context.Context) {
	sh.durable.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
		defer cancel()
		if d, ok := sh.store.Store.(state.Durable); ok {
			if warning := d.Durability(ctx); warning != "" {
				sh.log.Warnf("%s", warning)
			}
		}
	})
}

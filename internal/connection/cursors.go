package connection

import (
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// Source names the EBP of the connection in cursors: its address without what may be
// secret in it, or "sandbox:" for the one inside this process.
func (c *Config) Source() string {
	if c.IsSandbox() {
		return "sandbox:"
	}
	return withoutUser(c.URL)
}

// Cursors returns the store for the cursors of a component, and the function that gives
// it back. It is the one of the sign-in; for the EBP inside this process, whose sign-ins
// are not kept, it is that of the field state if it is set, else memory.
func (c *Config) Cursors(client *Client) (state.Store, func(), error) {
	if !c.IsSandbox() || !c.stateGiven {
		return client.shared.store.Store, func() {}, nil
	}
	registry.Lock()
	defer registry.Unlock()
	st, err := acquireStore(c.State)
	if err != nil {
		return nil, nil, err
	}
	return st.Store, st.release, nil
}

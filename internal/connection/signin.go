package connection

import (
	"errors"
	"fmt"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// SignIn is a command's view of the sign-in of a connection: it can be made, looked at,
// renewed and forgotten. It makes no call of the API and needs no subscription key.
type SignIn struct {
	// Auth describes the sign-in; its store is open.
	Auth auth.Config
}

// ErrEmbedded is returned where a sign-in of "sandbox:" is asked for, which begins and
// ends with the process that reads it.
var ErrEmbedded = errors.New(`the sign-in of url "sandbox:" begins and ends with each run, so that there is nothing to keep; to try the commands, start "benthos-ebp sandbox" in another terminal and set the variables that it prints`)

// SignIn opens the store of a connection. Close closes it.
func (c *Config) SignIn(log auth.Log) (*SignIn, error) {
	if isEmbedded(c.URL) {
		return nil, ErrEmbedded
	}
	if err := missing(c.signInFields(), "`benthos-ebp sandbox`, which prints some to paste"); err != nil {
		return nil, err
	}
	store, err := state.Open(c.State)
	if err != nil {
		return nil, fmt.Errorf("%s ($%s): %w", FieldState, EnvState, err)
	}
	cfg, err := ebp.SignIn(c.client(store, nil, log))
	if err != nil {
		_ = store.Close()
		return nil, err
	}
	return &SignIn{Auth: cfg}, nil
}

// Close closes the store.
func (s *SignIn) Close() error { return s.Auth.Store.Close() }

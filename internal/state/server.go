package state

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// answerTime bounds every request to a server, the connection included, whatever the
// caller's patience.
const answerTime = 10 * time.Second

// Durable is a Store that can say how well it keeps what is put into it.
type Durable interface {
	// Durability returns a sentence to warn a person with, or "" where there is nothing to
	// say or the server does not tell.
	Durability(ctx context.Context) string
}

// ended is why a context has ended: an error that is ctx.Err(), and the cause if that is
// another.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// patience is answerTime, or less in a test.
type patience time.Duration

// bounded calls a server, and makes a sentence of the error of one that did not answer.
func (p patience) bounded(ctx context.Context, call func(context.Context) error) error {
	own, cancel := context.WithTimeout(ctx, time.Duration(p))
	defer cancel()
	err := call(own)
	var network net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", ended(ctx), err)
	case own.Err() != nil:
		return fmt.Errorf("no answer within %s: %w", time.Duration(p), err)
	case errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("no answer: %w", err)
	}
	return err
}

// secrets are the passwords of an address, as they are and as they were written.
type secrets []string

// hide takes the passwords out of an error. The libraries promise not to name them; this
// is for the day one of them does.
func (s secrets) hide(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, secret := range s {
		if secret != "" && strings.Contains(text, secret) {
			return errors.New("the reason is not shown, since it contains the password")
		}
	}
	return err
}

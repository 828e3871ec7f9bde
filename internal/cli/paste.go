package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

// askByPaste prints the address, and takes the answer from a person who has opened it
// anywhere.
func (l *login) askByPaste(ctx context.Context, flow *auth.Flow) (auth.Status, error) {
	waiting, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	l.talk.say("Open this address in a browser, on any machine, and sign in:\n\n  %s\n", flow.URL())
	l.talk.say("The browser then goes to %s?code=…, where it may show an error or an empty page.", l.redirect.raw)
	l.talk.say("Copy the whole address from its address bar, within 5 minutes, and paste it here:")
	answer, err := l.readAnswer(waiting, flow)
	switch {
	case ctx.Err() != nil:
		return auth.Status{}, errInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return auth.Status{}, l.tooLate(0)
	case errors.Is(err, io.EOF):
		return auth.Status{}, errors.New("the input ended before an address was pasted that belongs to this sign-in: begin again")
	case err != nil:
		return auth.Status{}, err
	}
	return flow.Finish(ctx, answer)
}

// readAnswer asks until something is pasted that answers this sign-in.
func (l *login) readAnswer(ctx context.Context, flow *auth.Flow) (url.Values, error) {
	type line struct {
		text string
		err  error
	}
	for {
		lines := make(chan line, 1)
		go func() { // nothing can take a read of a terminal back
			text, err := l.talk.readLine()
			lines <- line{text, err}
		}()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case read := <-lines:
			if read.err != nil {
				return nil, read.err
			}
			answer, problem := parseAnswer(read.text)
			if problem == "" && !flow.Belongs(answer) {
				problem = "that address belongs to another attempt to sign in: use the page of the address above"
			}
			if problem == "" {
				return answer, nil
			}
			l.talk.say("This cannot be used: %s. Paste again:", problem)
		}
	}
}

// parseAnswer reads an address that EBP sent a browser to, or its query alone. A problem
// is a sentence for the person.
func parseAnswer(text string) (answer url.Values, problem string) {
	text = strings.Trim(strings.TrimSpace(text), "\"'<>` \t")
	if text == "" {
		return nil, "there is nothing in it"
	}
	query := strings.TrimPrefix(text, "?")
	if address, q, ok := strings.Cut(text, "?"); ok && address != "" {
		query = q
	}
	query, _, _ = strings.Cut(query, "#")
	// As a web page or a mail shows it.
	answer, err := url.ParseQuery(strings.ReplaceAll(query, "&amp;", "&"))
	switch {
	case err != nil:
		return nil, "it is damaged, perhaps by a line break"
	case answer.Has("code_challenge"):
		return nil, "it is the address to open; what is needed is the one at which the browser ends after signing in"
	case !answer.Has("code") && !answer.Has("error"):
		return nil, fmt.Sprintf("it holds no code; the address begins with that of --%s and has \"code=\" and \"state=\" in it", flagRedirect)
	case !answer.Has("state"):
		return nil, "it holds no state, without which nobody knows to which sign-in the code belongs; copy the whole address"
	}
	return answer, ""
}

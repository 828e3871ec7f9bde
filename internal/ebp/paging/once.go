package paging

import (
	"context"
	"io"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
)

// onceReader reads a list that has no pages.
type onceReader struct {
	*requests
	done bool
}

func (o *onceReader) Promise() string { return "one answer holds the whole list" }

func (o *onceReader) ByKey() bool { return true }

func (o *onceReader) Next(ctx context.Context) (*Page, error) {
	if o.done {
		return nil, io.EOF
	}
	p, _, err := o.fetch(ctx, func(int) ebp.Request { return o.request(false) })
	if err != nil {
		return nil, err
	}
	o.done = true
	if len(p.Records) == 0 {
		return nil, io.EOF
	}
	o.moved = true
	return o.page(p.Records, len(p.Records)), nil
}

// Position implements Reader.
func (o *onceReader) Position() *Position {
	if !o.moved {
		return nil
	}
	return &Position{place{Read: wayOnce, List: o.list(), Done: true}}
}

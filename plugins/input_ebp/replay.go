package input_ebp

import (
	"context"
	"errors"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// replayed wraps an input so that pages the pipeline refuses come again, as a whole.
//
// The host can replay only the messages of a batch that an error names. But a
// processor that works on batches and drops or splits messages makes it give their
// identities back by position: afterwards an error names the wrong message, which is
// delivered twice, and the refused one is lost. Delivering some of a page twice is
// what a destination must be able to take anyway; so no error names a message here.
func replayed(conf *service.ParsedConfig, in *input) (service.BatchInput, error) {
	on, err := conf.FieldBool(service.AutoRetryNacksToggleFieldName)
	if err != nil || !on {
		return in, err
	}
	return &wholePages{BatchInput: service.AutoRetryNacksBatched(in), in: in}, nil
}

type wholePages struct {
	service.BatchInput
	in *input
}

// ReadBatch implements service.BatchInput.
func (w *wholePages) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	b, ack, err := w.BatchInput.ReadBatch(ctx)
	if err != nil {
		return nil, nil, err
	}
	return b, func(ctx context.Context, err error) error {
		var some *service.BatchError
		if errors.As(err, &some) {
			err = errors.New(some.Error())
		}
		return ack(ctx, err)
	}, nil
}

package input_ebp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
)

func init() {
	if err := registerLint(); err != nil {
		panic(err)
	}
	service.MustRegisterBatchInput("ebp", inputSpec(), func(conf *service.ParsedConfig, mgr *service.Resources) (service.BatchInput, error) {
		in, err := inputFromParsed(conf, mgr)
		if err != nil {
			return nil, err
		}
		return replayed(conf, in)
	})
}

// input reads in a goroutine of its own, so that the next page is on its way while the
// pipeline works on the last. What it has read waits in a channel:
//
//	reader goroutine -> pages -> ReadBatch -> pipeline -> ack
//
// The goroutine lives from the first Connect to Close or the end of the data. It is
// the only one that touches a paging.Reader.
type input struct {
	conf    *inputConfig
	mgr     *service.Resources
	log     *service.Logger
	metrics metrics

	mu      sync.Mutex
	client  *connection.Client
	pages   chan batch
	stop    context.CancelFunc
	stopped chan struct{}

	// unacked counts the batches that the pipeline has and has not answered for.
	unacked atomic.Int64
	acked   chan struct{} // told when unacked falls to zero

	sizes map[string]*paging.PageSize // by table, kept between sweeps
}

type batch struct {
	messages service.MessageBatch
}

type metrics struct {
	records  *service.MetricCounter
	rejected *service.MetricCounter
}

var _ service.BatchInput = (*input)(nil)

func inputFromParsed(conf *service.ParsedConfig, mgr *service.Resources) (*input, error) {
	c, err := inputConfigFromParsed(conf)
	if err != nil {
		return nil, err
	}
	return &input{
		conf: c, mgr: mgr, log: mgr.Logger(),
		metrics: metrics{
			records:  mgr.Metrics().NewCounter("ebp_records", "product", "resource", "table", "folder"),
			rejected: mgr.Metrics().NewCounter("ebp_records_rejected", "product", "resource"),
		},
		acked: make(chan struct{}, 1),
		sizes: map[string]*paging.PageSize{},
	}, nil
}

// Connect implements service.BatchInput. It signs in, and starts to read.
func (in *input) Connect(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pages != nil {
		return nil // it goes on where it is
	}
	if in.client == nil {
		client, err := in.conf.connection.Open(in.mgr)
		if err != nil {
			return in.refuse(err)
		}
		in.client = client
	}
	if err := in.client.SignedIn(ctx); err != nil {
		var signIn *auth.Error
		if errors.As(err, &signIn) && signIn.Refused && in.conf.interval == 0 {
			return in.refuse(err)
		}
		return err // the host tries again, more and more slowly
	}
	var reading context.Context
	reading, in.stop = context.WithCancel(context.Background())
	in.pages, in.stopped = make(chan batch, in.conf.prefetch-1), make(chan struct{})
	go func() {
		defer close(in.stopped)
		defer close(in.pages)
		in.read(reading)
	}()
	return nil
}

// refuse ends a run that cannot begin: an error that trying again does not change.
func (in *input) refuse(err error) error {
	if in.conf.interval != 0 {
		return err
	}
	in.log.Errorf("nothing can be read: %v", err)
	connection.SetExitCode(connection.ExitCredentials)
	return service.ErrEndOfInput
}

// ReadBatch implements service.BatchInput.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	in.mu.Lock()
	pages := in.pages
	in.mu.Unlock()
	if pages == nil {
		return nil, nil, service.ErrNotConnected
	}
	select {
	case b, ok := <-pages:
		if !ok {
			return nil, nil, service.ErrEndOfInput
		}
		return b.messages, in.ack(len(b.messages)), nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// ack counts a batch as answered for. With auto_replay_nacks the host calls it once a
// message is delivered; without, a refused message is not read again.
func (in *input) ack(n int) service.AckFunc {
	return func(_ context.Context, err error) error {
		if err != nil {
			refused := n
			var each *service.BatchError
			if errors.As(err, &each) && each.IndexedErrors() > 0 {
				refused = each.IndexedErrors()
			}
			in.metrics.rejected.Incr(int64(refused), in.conf.op.Product(), in.conf.op.Resource())
			in.log.Errorf("%d records were refused and will not be read again (auto_replay_nacks is false): %v", refused, err)
		}
		if in.unacked.Add(-1) == 0 {
			select {
			case in.acked <- struct{}{}:
			default:
			}
		}
		return nil
	}
}

// deliver hands a page over, or gives up when the input is closed.
func (in *input) deliver(ctx context.Context, b batch) error {
	in.unacked.Add(1)
	select {
	case in.pages <- b:
		return nil
	case <-ctx.Done():
		in.unacked.Add(-1)
		return ctx.Err()
	}
}

// settled waits until the pipeline has answered for everything.
func (in *input) settled(ctx context.Context) error {
	for in.unacked.Load() > 0 {
		select {
		case <-in.acked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close implements service.BatchInput. A call that is under way is given up.
func (in *input) Close(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stop != nil {
		in.stop()
		select {
		case <-in.stopped:
		case <-ctx.Done():
			return fmt.Errorf("closing: %w", ctx.Err())
		}
	}
	if in.client != nil {
		in.client.Close()
		in.client = nil
	}
	return nil
}

// pause waits, or returns the context's error when it ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package input_ebp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

func init() {
	if err := registerLint(); err != nil {
		panic(err)
	}
	service.MustRegisterBatchInput("ebp", inputSpec(), func(conf *service.ParsedConfig, mgr *service.Resources) (service.BatchInput, error) {
		return inputFromParsed(conf, mgr)
	})
}

// input reads in a goroutine of its own, so that the next page is on its way while the
// pipeline works on the last. What it has read waits in a channel:
//
//	reader goroutine -> pages -> ReadBatch -> pipeline -> ack
//	                                 ^                     |
//	                                 +------ replays ------+
//
// The goroutine lives from the first Connect to Close or the end of the data. It is
// the only one that touches a paging.Reader.
type input struct {
	conf    *inputConfig
	mgr     *service.Resources
	log     *service.Logger
	metrics *metrics

	mu       sync.Mutex
	client   *connection.Client
	cursor   string // its name; "" for none
	store    state.Store
	giveBack func()
	open     openLists
	pages    chan *delivery
	replays  chan *delivery
	reading  context.Context // ends when the input is closed
	stop     context.CancelFunc
	stopped  chan struct{}

	flight flight // what the pipeline has and has not answered for
	// refused counts those of them that wait to be delivered again. While there are
	// any nothing new is read: a destination that is away must not fill the memory, nor
	// use up the calls of the day.
	refused atomic.Int64
	woken   chan struct{} // told when the schedule should look again

	sizes map[string]*paging.PageSize // by table, kept between sweeps
	wait  time.Duration               // before the next attempt to sign in
	since time.Time                   // of the first attempt that failed
	ended atomic.Bool                 // everything was read and answered for
	said  time.Time                   // when a person was last told of a state that is away

	patience patience
}

var _ service.BatchInput = (*input)(nil)

func inputFromParsed(conf *service.ParsedConfig, mgr *service.Resources) (*input, error) {
	c, err := inputConfigFromParsed(conf)
	if err != nil {
		return nil, err
	}
	in := &input{
		conf: c, mgr: mgr, log: mgr.Logger(), metrics: newMetrics(mgr, c), cursor: c.cursor,
		woken: make(chan struct{}, 1), replays: make(chan *delivery),
		sizes: map[string]*paging.PageSize{}, patience: defaultPatience, wait: defaultPatience.signInFirst,
	}
	in.flight.changed = make(chan struct{}, 1)
	if in.cursor == "" && c.mode != string(sweep.Full) {
		in.cursor = mgr.Label()
	}
	if in.cursor == "" && c.mode != string(sweep.Full) {
		return nil, fmt.Errorf("mode %s keeps a cursor: give the input a label, or set cursor", c.mode)
	}
	return in, nil
}

// Connect implements service.BatchInput. It signs in, and starts to read.
func (in *input) Connect(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pages != nil {
		return nil // it goes on where it is
	}
	if err := in.signIn(ctx); err != nil {
		return in.notConnected(ctx, err)
	}
	in.wait, in.since = in.patience.signInFirst, time.Time{}
	in.reading, in.stop = context.WithCancel(context.Background())
	in.pages, in.stopped = make(chan *delivery, in.conf.prefetch-1), make(chan struct{})
	go func() {
		defer close(in.stopped)
		defer close(in.pages)
		in.read(in.reading)
	}()
	go in.watch(in.reading)
	return nil
}

func (in *input) signIn(ctx context.Context) error {
	if in.client == nil {
		client, err := in.conf.connection.Open(in.mgr)
		if err != nil {
			return err
		}
		in.client = client
		if in.conf.connection.IsSandbox() {
			in.remarkOnSandbox()
		}
	}
	if err := in.openStore(); err != nil {
		return err
	}
	return in.client.SignedIn(ctx)
}

// openStore opens the state for the cursors.
func (in *input) openStore() (err error) {
	if in.cursor == "" {
		return nil
	}
	if in.store == nil {
		in.store, in.giveBack, err = in.conf.connection.Cursors(in.client)
	}
	if err != nil {
		return &connection.ConfigError{Err: err}
	}
	if _, ok := in.store.(state.Digester); !ok && in.conf.needsDigests() {
		return &connection.ConfigError{Err: fmt.Errorf("%s keeps no digests of records, which mode changes and reconcile_every need: use a state that is a directory (file:) or Postgres", in.store)}
	}
	return nil
}

// remarkOnSandbox keeps invented records from being taken for real ones.
func (in *input) remarkOnSandbox() {
	if os.Getenv(connection.EnvRefreshToken) != "" {
		in.log.Warnf(`url is "sandbox:", so the records are invented, though $%s is set; set $%s to %s to read your own`,
			connection.EnvRefreshToken, connection.EnvURL, connection.DefaultURL)
		return
	}
	in.log.Info(`url is "sandbox:": the records are invented`)
}

// notConnected decides what becomes of a run that cannot begin. What trying again does
// not change ends a run that is to read once. Everything else is tried again, more and
// more slowly: each time may carry the refresh token to a server that refuses it.
func (in *input) notConnected(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if in.since.IsZero() {
		in.since = time.Now()
	}
	if in.conf.interval == 0 && (isLasting(err) || time.Since(in.since) > in.patience.callFor) {
		in.log.Errorf("nothing can be read: %v", err)
		connection.SetExitCode(exitCodeOf(err))
		return service.ErrEndOfInput
	}
	wait := in.wait
	in.wait = min(2*in.wait, in.patience.signInLongest)
	return service.NewErrBackOff(err, wait)
}

// isLasting reports whether an error stays until a person does something.
func isLasting(err error) bool {
	var signIn *auth.Error
	if errors.As(err, &signIn) {
		return signIn.Refused || signIn.Misdirected || isUnusable(err)
	}
	return true // the connection could not even be set up
}

// isUnusable reports whether the state is damaged or in a place that cannot be used.
func isUnusable(err error) bool {
	for _, reason := range []error{state.ErrDamaged, fs.ErrPermission, fs.ErrNotExist, syscall.ENOTDIR, syscall.EROFS} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// ReadBatch implements service.BatchInput. What was refused goes before what is new.
// The input ends when everything is read and answered for.
func (in *input) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	in.mu.Lock()
	pages := in.pages
	in.mu.Unlock()
	if pages == nil {
		return nil, nil, service.ErrNotConnected
	}
	var answered chan struct{} // once nothing new comes
	for {
		next := pages
		if in.refused.Load() > 0 {
			next = nil
		}
		select {
		case d := <-in.replays:
			in.refused.Add(-1)
			if d.run.left.Load() {
				in.drop(d)
				break
			}
			return d.messages(), in.ack(d), nil
		case d, ok := <-next:
			if ok && d.run.left.Load() {
				in.drop(d)
				break
			}
			if ok {
				return d.messages(), in.ack(d), nil
			}
			pages, answered = nil, in.flight.changed
		case <-answered:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if pages == nil && in.flight.empty() {
			in.ended.Store(true)
			return nil, nil, service.ErrEndOfInput
		}
	}
}

// deliver hands messages over when there is room for them, or gives up when the input is
// closed.
func (in *input) deliver(ctx context.Context, d *delivery) error {
	if err := in.flight.take(ctx, d, in.conf.checkpointLimit); err != nil {
		return err
	}
	select {
	case in.pages <- d:
		return nil
	case <-ctx.Done():
		in.flight.give(d)
		return ctx.Err()
	}
}

// wake has the schedule look again.
func (in *input) wake() {
	select {
	case in.woken <- struct{}{}:
	default:
	}
}

// pageSize is how many records a page of a table has; it is kept between sweeps.
func (in *input) pageSize(table string) *paging.PageSize {
	size := in.sizes[table]
	if size == nil {
		size = paging.NewPageSize(in.conf.pageSize)
		in.sizes[table] = size
	}
	return size
}

// Close implements service.BatchInput. A call that is under way is given up; a renewal
// of the sign-in is waited for as long as ctx allows.
func (in *input) Close(ctx context.Context) error {
	in.mu.Lock()
	client, stopped := in.client, in.stopped
	if stopped != nil && in.conf.interval == 0 && !in.ended.Load() {
		in.log.Warn("stopped before everything was read and delivered")
		connection.SetExitCode(connection.ExitIncomplete)
	}
	if in.stop != nil {
		in.stop()
	}
	in.mu.Unlock()
	closed := make(chan error, 1)
	go func() { // also when nobody waits any longer
		if stopped != nil {
			<-stopped
		}
		err := in.open.close(ctx)
		if in.giveBack != nil {
			in.giveBack()
		}
		if client != nil {
			err = errors.Join(err, client.Close())
		}
		closed <- err
	}()
	select {
	case err := <-closed:
		if err != nil {
			in.log.Errorf("closing: %v", err)
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("closing: %w", ctx.Err())
	}
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

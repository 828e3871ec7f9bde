package input_ebp

import (
	"context"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// delivery is a page on its way through the pipeline. Its messages are made anew for
// each attempt, so that nothing a processor did to them comes back.
type delivery struct {
	batch    *sweep.Batch
	maker    *maker
	run      *listRun
	attempts int
	since    time.Time // when it was handed over first
}

func (d *delivery) messages() service.MessageBatch { return d.maker.batch(d.batch) }

func (d *delivery) size() int { return len(d.batch.Changes) }

// The waits between two attempts to deliver a page.
const (
	replayFirst   = 10 * time.Millisecond
	replayLongest = 5 * time.Second
)

// ack answers for a page. With auto_replay_nacks a page of which anything was refused
// comes again, as a whole.
//
// The host has a wrapper that replays only the messages which an error names. But a
// processor that works on batches and drops or splits messages makes the host give
// their identities back by position: afterwards an error names the wrong message,
// which is delivered twice, and the refused one is lost. Some of a page twice is what
// a destination must be able to take anyway; so no error is believed to name a
// message.
func (in *input) ack(d *delivery) service.AckFunc {
	var once sync.Once // the host answers once; whoever answers twice changes nothing
	return func(_ context.Context, err error) error {
		once.Do(func() { in.answered(d, err) })
		return nil
	}
}

func (in *input) answered(d *delivery, err error) {
	switch {
	case err == nil:
	case d.run.left.Load():
		in.drop(d)
		return
	case in.conf.replay:
		in.replay(d, err)
		return
	default:
		in.metrics.rejected.Incr(int64(d.size()), in.conf.op.Product(), in.conf.op.Resource())
		in.log.Errorf("a page of %d records was refused, in whole or in part, and will not be read again (auto_replay_nacks is false): %v", d.size(), err)
	}
	d.batch.Ack() // before the input may end
	in.flight.give(d)
	in.wake()
}

// drop gives up a page whose list this process does not read any more: whoever reads it
// now delivers it again, maybe in a newer version, which this one must not overwrite.
func (in *input) drop(d *delivery) {
	in.flight.give(d)
	in.wake()
}

// replay hands a page to ReadBatch again, after a while that grows.
func (in *input) replay(d *delivery, err error) {
	wait := min(replayFirst<<min(d.attempts, 20), replayLongest)
	d.attempts++
	in.refused.Add(1)
	in.log.Debugf("a page of %d records was refused and comes again in %s: %v", d.size(), wait, err)
	go func() {
		if pause(in.reading, wait) != nil {
			return
		}
		select {
		case in.replays <- d:
		case <-in.reading.Done():
		}
	}()
}

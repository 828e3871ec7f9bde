package main

import (
	"context"
	"time"
)

// pacedDelay is the simulated latency of a call: EBP takes that long for a page.
const pacedDelay = 300 * time.Millisecond

// pacing reads at one call per second from a server that takes its time.
func (b *bench) pacing(ctx context.Context, r *report) error {
	say("pacing: %d calls at one per second", b.pacedCalls)
	if err := b.server.begin(ctx, scenario{Rows: b.pacedCalls * maxPage, Delay: pacedDelay}); err != nil {
		return err
	}
	state, err := b.state()
	if err != nil {
		return err
	}
	cmd, err := b.pipeline(ctx, ebpPipeline(b.server.url, state, 1, dropOutput))
	if err != nil {
		return err
	}
	if _, err := measure(cmd, 0); err != nil {
		return err
	}
	r.paced, err = b.server.seen(ctx)
	return err
}

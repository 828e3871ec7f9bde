package main

import (
	"context"
	"fmt"
	"time"
)

const (
	memoryRounds = 3
	idleTime     = 3 * time.Second
)

// memory runs the input over few and over many records, and the same binary over none,
// and notes the peaks.
func (b *bench) memory(ctx context.Context, r *report) error {
	for i := range memoryRounds {
		cmd, err := b.pipeline(ctx, idlePipeline)
		if err != nil {
			return err
		}
		idle, err := measure(cmd, idleTime)
		if err != nil {
			return err
		}
		r.idle = append(r.idle, idle.PeakRSS)
		for j, rows := range b.memoryRows {
			if err := b.server.begin(ctx, scenario{Rows: rows}); err != nil {
				return err
			}
			state, err := b.state()
			if err != nil {
				return err
			}
			cmd, err := b.pipeline(ctx, ebpPipeline(b.server.url, state, 0, dropOutput))
			if err != nil {
				return err
			}
			u, err := measure(cmd, 0)
			if err != nil {
				return err
			}
			s, err := b.server.seen(ctx)
			if err != nil {
				return err
			}
			if s.Records != rows {
				return fmt.Errorf("%d records were served instead of %d", s.Records, rows)
			}
			r.peaks[j] = append(r.peaks[j], u.PeakRSS)
		}
		say("memory %d of %d: idle %s, %d records %s, %d records %s", i+1, memoryRounds, megabytes(idle.PeakRSS),
			b.memoryRows[0], megabytes(r.peaks[0][i]), b.memoryRows[1], megabytes(r.peaks[1][i]))
	}
	return nil
}

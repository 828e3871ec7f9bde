package quota

import (
	"context"
	"fmt"
	"time"
)

const (
	// largestBlock is how many calls are counted at once where only the day limits them.
	largestBlock = 100
	// blockLife is how long they may be used: for so long the process does not see what
	// others were told by the server.
	blockLife = time.Second
)

// block is a number of calls that are counted and not yet made.
type block struct {
	left   int
	size   int // that of the last one
	id     string
	dayEnd time.Time
	until  time.Time // by this machine's clock
	asked  int64
}

func (b *block) takeOne(now time.Time, asked int64) bool {
	if b.left == 0 || b.asked != asked || after(now, b.until) >= 0 {
		return false
	}
	b.left--
	return true
}

// fromBlock makes a call of the block, counting a new one where that is used up. Who
// makes few calls gets small blocks, so that a crash does not cost it many.
func (a *Account) fromBlock(ctx context.Context, q *request, asked int64) (verdict, error) {
	if a.atOnce() {
		return verdict{}, nil
	}
	old := a.takeBlock()
	size := 1
	if old.left == 0 {
		size = min(max(1, 2*old.size), largestBlock)
	}
	var v verdict
	var next block
	err := a.update(ctx, q.begun, patience, func(r *record, c clock, sure bool) bool {
		returned := sure && old.id == r.ID && r.uncount(old.left, old.dayEnd)
		if v = r.refusal(c.now, a.config.PerDay); v.wait > 0 {
			return returned
		}
		n := max(1, min(size, (a.config.PerDay-r.Used)/16))
		r.Used += n
		// The end of the day by the earliest that the clock can mean.
		next = block{left: n, size: size, id: r.ID, dayEnd: r.DayEnd, until: c.before.Add(r.DayEnd.Sub(c.now)), asked: asked}
		return true
	})
	if err != nil || v.wait > 0 {
		return v, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if end := now.Add(blockLife); end.Before(next.until) {
		next.until = end
	}
	if other := a.block; other.id == next.id && other.dayEnd.Equal(next.dayEnd) {
		next.left += other.left // of a Try at the same time
	}
	a.block = next
	return verdict{again: !a.block.takeOne(now, a.asked.Load())}, nil
}

// takeBlock takes what is left of the block, so that nobody uses it meanwhile.
func (a *Account) takeBlock() block {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.block
	a.block.left = 0
	return old
}

func (a *Account) returnBlock(ctx context.Context) error {
	old := a.takeBlock()
	if old.left == 0 {
		return nil
	}
	err := a.update(ctx, a.now(), shortPatience, func(r *record, _ clock, sure bool) bool {
		return sure && old.id == r.ID && r.uncount(old.left, old.dayEnd)
	})
	if err != nil {
		return fmt.Errorf("giving back %d calls that were counted and not made: %w", old.left, err)
	}
	return nil
}

package paging

// passes reads a list from its start again until several passes in a row have met the
// same records: in an order that is another one at each call, one pass may miss some
// without a sign, and what one has missed another meets. Later passes return only what no
// pass has returned.
type passes struct {
	count   int            // passes that ended
	agreed  int            // how many of the last of them met the same records
	last    set            // what they met
	before  memory         // records returned by passes that ended
	numbers map[digest]int // of records without a key: how often the same bytes came in this pass
}

// multiple reports whether one pass is not enough.
func (o *offsetReader) multiple() bool { return o.Passes > 1 && !o.unique }

// returned reports whether an earlier pass returned a record.
func (p *passes) returned(id digest) bool {
	_, ok := p.before[id]
	return ok
}

// numbered tells records without a key apart whose bytes are the same.
func (p *passes) numbered(bytes digest) digest {
	if p.numbers == nil {
		p.numbers = map[digest]int{}
	}
	p.numbers[bytes]++
	return bytes.and(p.numbers[bytes])
}

// mostPasses is how many times as many passes are made as have to agree.
const mostPasses = 10

// endPass ends the read, or begins another pass. whole says that a single answer held the
// list: that is complete by itself.
func (o *offsetReader) endPass(whole bool) {
	p := &o.passes
	met, agreed := o.seen.set(), 1
	if p.count > 0 && met == p.last {
		agreed = p.agreed + 1
	}
	if whole || !o.multiple() || agreed >= o.Passes {
		o.done = true
		return
	}
	p.count, p.agreed, p.last = p.count+1, agreed, met
	if p.count >= mostPasses*o.Passes {
		o.failure = o.complain("%d passes were made and no %d in a row met the same records: it changes too fast, or more than its order is another one at every call; set passes: 1 to take what one pass meets", p.count, o.Passes)
		p.count = 0 // Next may be called again, and tries as often
	}
	if p.before == nil {
		p.before = o.seen
	} else {
		for d := range o.seen {
			p.before[d] = 0
		}
	}
	p.numbers = nil
	o.seen, o.recent, o.at, o.blind, o.lastRow = memory{}, nil, 0, false, digest{}
	o.repair.reach, o.repair.steps, o.repair.back, o.repair.stale = 0, 0, 0, 0
}

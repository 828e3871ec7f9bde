package input_ebp

import (
	"fmt"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// progressEvery is how often a long read says how far it is.
const progressEvery = 15 * time.Second

// progress tells how far the read of a list is. Short reads say nothing.
type progress struct {
	in      *input
	name    string
	start   time.Time
	said    time.Time
	records int
	calls   int
}

func newProgress(in *input, folder, table string) *progress {
	name := in.conf.op.Resource()
	if table != "" {
		name += " " + table
	}
	if folder != "" {
		name += " of folder " + folder
	}
	now := time.Now()
	return &progress{in: in, name: name, start: now, said: now}
}

func (p *progress) page(b *sweep.Batch) {
	p.records += b.Read
	p.calls++
	now := time.Now()
	if now.Sub(p.said) < progressEvery {
		return
	}
	p.said = now
	took := now.Sub(p.start)
	line := fmt.Sprintf("%s: %d records in %d calls, %.2f calls per second", p.name, p.records, p.calls, float64(p.calls)/took.Seconds())
	if b.Total > p.records {
		left := time.Duration(float64(took) / float64(p.records) * float64(b.Total-p.records))
		line += fmt.Sprintf(", %d to go, about %s", b.Total-p.records, left.Round(time.Second))
	}
	p.in.log.Info(line)
}

func (p *progress) finished() {
	if took := time.Since(p.start); took > progressEvery {
		p.in.log.Infof("%s: complete, %d records in %d calls and %s", p.name, p.records, p.calls, took.Round(time.Second))
		return
	}
	p.in.log.Debugf("%s: complete, %d records in %d calls", p.name, p.records, p.calls)
}

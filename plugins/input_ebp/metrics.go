package input_ebp

import (
	"context"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// metrics are the component's own; those of its calls are the connection's.
type metrics struct {
	records  *service.MetricCounter
	rejected *service.MetricCounter
	lag      *service.MetricGauge
	unacked  *service.MetricGauge

	mu    sync.Mutex
	swept map[[2]string]time.Time // start of the last complete sweep by folder and table
}

func newMetrics(mgr *service.Resources, _ *inputConfig) *metrics {
	return &metrics{
		records:  mgr.Metrics().NewCounter("ebp_records", "product", "resource", "table", "folder"),
		rejected: mgr.Metrics().NewCounter("ebp_records_rejected", "product", "resource"),
		lag:      mgr.Metrics().NewGauge("ebp_cursor_lag_seconds", "product", "resource", "table", "folder"),
		unacked:  mgr.Metrics().NewGauge("ebp_oldest_unacked_seconds", "product", "resource"),
		swept:    map[[2]string]time.Time{},
	}
}

// complete notes when the last complete sweep of a list began: what is delivered of it is
// as old as that.
func (m *metrics) complete(folder, table string, started time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.swept[[2]string{folder, table}] = started
}

// watchEvery is how often the gauges are set.
const watchEvery = 5 * time.Second

// watch keeps the gauges that change by themselves.
func (in *input) watch(ctx context.Context) {
	for {
		in.gauge()
		if pause(ctx, watchEvery) != nil {
			return
		}
	}
}

func (in *input) gauge() {
	op, m := in.conf.op, in.metrics
	m.unacked.Set(int64(in.flight.oldest().Seconds()), op.Product(), op.Resource())
	if in.cursor == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for list, started := range m.swept {
		m.lag.Set(int64(time.Since(started).Seconds()), op.Product(), op.Resource(), list[1], list[0])
	}
}

package connection

import (
	"context"
	"strconv"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/transport"
)

// observer reports a component's calls to the host's metrics, tracer and log. Nothing
// it writes holds a query, a header or a body.
type observer struct {
	log     *service.Logger
	tracer  trace.Tracer
	calls   *service.MetricCounter
	latency *service.MetricTimer
	pacing  *service.MetricTimer
	left    *service.MetricGauge
	expiry  *service.MetricGauge
	shared  *shared
}

var _ transport.Observer = (*observer)(nil)

func newObserver(mgr *service.Resources, sh *shared) *observer {
	return &observer{
		shared:  sh,
		log:     mgr.Logger(),
		tracer:  mgr.OtelTracer().Tracer("benthos-ebp"),
		calls:   mgr.Metrics().NewCounter("ebp_calls", "product", "operation", "folder", "status"),
		latency: mgr.Metrics().NewTimer("ebp_call_latency", "product", "operation"),
		pacing:  mgr.Metrics().NewTimer("ebp_pacing_wait", "product"),
		left:    mgr.Metrics().NewGauge("ebp_quota_remaining", "account"),
		expiry:  mgr.Metrics().NewGauge("ebp_token_expiry_seconds", "profile"),
	}
}

// noteSignIn reports for how long the sign-in lives if nobody renews it: 0 where a person
// is needed.
func (o *observer) noteSignIn(status auth.Status) {
	switch {
	case status.SignedIn:
		o.expiry.Set(int64(max(0, time.Until(status.RefreshExpires)).Seconds()), status.Profile)
	case status.Reason != "":
		o.expiry.Set(0, status.Profile)
	}
}

// Start implements transport.Observer.
func (o *observer) Start(ctx context.Context, c *transport.Call, method, url string) (context.Context, func(transport.Attempt)) {
	waited := c.LastWait
	ctx, span := o.tracer.Start(ctx, c.Operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", method),
		attribute.String("url.full", url),
		attribute.String("ebp.folder", c.Folder),
		attribute.Int("http.request.resend_count", c.Attempts-1),
	))
	return ctx, func(a transport.Attempt) {
		status := "error"
		if a.Status != 0 {
			status = strconv.Itoa(a.Status)
			span.SetAttributes(attribute.Int("http.response.status_code", a.Status), attribute.Int64("http.response.body.size", a.Bytes))
		}
		if a.Err != nil || a.Status >= 400 {
			span.SetStatus(codes.Error, status)
		}
		span.End()
		o.calls.Incr(1, c.Product, c.Operation, c.Folder, status)
		o.latency.Timing(a.Duration.Nanoseconds(), c.Product, c.Operation)
		if left := o.shared.account.Remaining(); left >= 0 {
			o.left.Set(int64(left), o.shared.account.name)
		}
		o.pacing.Timing(waited.Nanoseconds(), c.Product)
		o.log.Debugf("%s %s folder %s: %s, %d bytes in %s", method, c.Operation, c.Folder, status, a.Bytes, a.Duration.Round(time.Millisecond))
	}
}

// longWait is from when on a wait is worth a line that is shown by default.
const longWait = 5 * time.Second

// Waiting implements transport.Observer.
func (o *observer) Waiting(c *transport.Call, reason string, d time.Duration) {
	if d < longWait {
		o.log.Debugf("%s: %s; trying again in %s", c.Operation, reason, d.Round(time.Millisecond))
		return
	}
	o.log.Warnf("%s: %s; trying again in %s", c.Operation, reason, d.Round(time.Second))
}

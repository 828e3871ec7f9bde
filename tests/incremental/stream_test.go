package incremental

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/require"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	_ "github.com/benthos-ebp/benthos-ebp/plugins/input_ebp"
)

// patience is how long a test waits for what should take a moment.
const patience = 60 * time.Second

// stream is a pipeline in this process, from the input to a function.
type stream struct {
	t      testing.TB
	stream *service.Stream
	log    *logs
	ended  chan struct{}
}

// logs keeps what a pipeline tells a person.
type logs struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

// mostShown is how much of what a pipeline says is shown.
const mostShown = 4000

// String implements fmt.Stringer: the beginning and the end where it is much.
func (l *logs) String() string {
	text := l.whole()
	if len(text) > mostShown {
		return text[:mostShown/2] + "\n…\n" + text[len(text)-mostShown/2:]
	}
	return text
}

func (l *logs) whole() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// errors returns the lines of errors.
func (l *logs) errors() []string {
	var out []string
	for line := range strings.Lines(l.whole()) {
		if strings.Contains(line, "level=ERROR") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// start runs a pipeline whose input has these fields beside those of the connection. What
// take refuses with an error is not acknowledged.
func (s *source) start(t testing.TB, fields string, take func(service.MessageBatch) error) *stream {
	t.Helper()
	b := service.NewStreamBuilder()
	st := &stream{t: t, log: &logs{}, ended: make(chan struct{})}
	b.SetLogger(slog.New(slog.NewTextHandler(st.log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	require.NoError(t, b.AddInputYAML("label: under_test\nebp:"+s.connection()+indented(fields)))
	require.NoError(t, b.SetMetricsYAML("none: {}"))
	require.NoError(t, b.AddBatchConsumerFunc(func(_ context.Context, batch service.MessageBatch) error { return take(batch) }))
	var err error
	st.stream, err = b.Build()
	require.NoError(t, err)
	go func() {
		defer close(st.ended)
		_ = st.stream.Run(context.Background())
	}()
	return st
}

// indented puts fields under the input.
func indented(fields string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(fields), "\n", "\n    ") + "\n"
}

// quotedList writes names as the elements of a list.
func quotedList(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strconv.Quote(n)
	}
	return strings.Join(out, ", ")
}

// wait waits until the pipeline ends by itself.
func (st *stream) wait() {
	st.t.Helper()
	select {
	case <-st.ended:
	case <-time.After(patience):
		st.stop()
		require.Fail(st.t, "the pipeline does not end", "%s", st.log)
	}
}

// stop ends the pipeline in order, as a signal does.
func (st *stream) stop() {
	st.t.Helper()
	require.NoError(st.t, st.stream.StopWithin(patience), "%s", st.log)
	<-st.ended
}

// whole requires that the pipeline has ended without an error.
func (st *stream) whole() {
	st.t.Helper()
	st.wait()
	require.Empty(st.t, st.log.errors())
}

// message is a message as a destination sees it.
type message struct {
	payload, change, folder, table, key, modified string
}

func received(t testing.TB, batch service.MessageBatch) []message {
	t.Helper()
	out := make([]message, len(batch))
	for i, m := range batch {
		b, err := m.AsBytes()
		require.NoError(t, err)
		out[i].payload = string(b)
		for name, to := range map[string]*string{
			"ebp_change": &out[i].change, "ebp_folder": &out[i].folder, "ebp_table": &out[i].table,
			"ebp_key": &out[i].key, "ebp_modified": &out[i].modified,
		} {
			*to, _ = m.MetaGet(name)
		}
	}
	return out
}

// readAll runs a pipeline to its end and returns all that it delivered.
func (s *source) readAll(t testing.TB, fields string) []message {
	t.Helper()
	var out []message
	s.start(t, fields, func(b service.MessageBatch) error {
		out = append(out, received(t, b)...)
		return nil
	}).whole()
	return out
}

package output_blob

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const outageTimeout = 300 * time.Millisecond

// fakeS3 answers requests for listings with an empty one, and leaves writes to
// put.
type fakeS3 struct {
	url string

	mu    sync.Mutex
	tried []string // keys, each attempt of the client
}

func startFakeS3(t *testing.T, put func(w http.ResponseWriter, r *http.Request, key string)) *fakeS3 {
	t.Helper()
	s := &fakeS3{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method != http.MethodPut {
			_, _ = io.WriteString(w, `<?xml version="1.0"?><ListBucketResult></ListBucketResult>`)
			return
		}
		key := strings.TrimPrefix(r.URL.Path, "/lake/")
		s.mu.Lock()
		s.tried = append(s.tried, key)
		s.mu.Unlock()
		put(w, r, key)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *fakeS3) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.tried...)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>no</Message></Error>`, code)
}

func hang(r *http.Request) { <-r.Context().Done() }

func outageYAML(endpoint string, timeout time.Duration) string {
	return gatewayYAML(endpoint, "lake", "secret", "path: '${! content() }'\ntimeout: "+timeout.String())
}

func tenMessages() service.MessageBatch {
	var payloads []string
	for i := range 10 {
		payloads = append(payloads, fmt.Sprintf("k%d", i))
	}
	return batchOf(payloads...)
}

func TestAStoreThatNeverAnswersCostsABatchOneTimeout(t *testing.T) {
	// The kernel takes the connections, nobody reads from them.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	addr := listener.Addr().String()

	out := parse(t, outageYAML("http://"+addr, outageTimeout))
	out.bucket, err = out.open(t.Context())
	require.NoError(t, err)
	defer func() { _ = out.Close(context.Background()) }()

	started := time.Now()
	require.ErrorIs(t, out.WriteBatch(t.Context(), tenMessages()), service.ErrNotConnected)
	assert.Less(t, time.Since(started), 5*outageTimeout)

	require.Error(t, out.Connect(t.Context()), "the store must be asked again")
	require.Error(t, out.Connect(t.Context()))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `<?xml version="1.0"?><ListBucketResult></ListBucketResult>`)
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	out.timeout = time.Minute
	require.NoError(t, out.Connect(t.Context()))
	require.NoError(t, out.WriteBatch(t.Context(), tenMessages()))
}

func TestAStoreThatRefusesConnectionsAsksForAConnection(t *testing.T) {
	out := parse(t, outageYAML("http://"+freeAddress(t), time.Minute))
	var err error
	out.bucket, err = out.open(t.Context())
	require.NoError(t, err)
	batch := batchOf("", "k1") // the first has no key: it fails again later
	require.ErrorIs(t, out.WriteBatch(t.Context(), batch), service.ErrNotConnected)
}

func TestWhatWasWrittenBeforeAnOutageIsDelivered(t *testing.T) {
	store := startFakeS3(t, func(_ http.ResponseWriter, r *http.Request, key string) {
		if key >= "k3" {
			hang(r)
		}
	})
	out := connected(t, outageYAML(store.url, time.Minute))
	out.timeout = outageTimeout
	batch := tenMessages()
	indexer := batch.Index()
	started := time.Now()
	failed := failures(t, batch, indexer, out.WriteBatch(t.Context(), batch))
	assert.Less(t, time.Since(started), 5*outageTimeout)

	require.Len(t, failed, 7)
	for i := 3; i < 10; i++ {
		assert.Contains(t, failed[i], `writing object "k3": not done within the timeout of 300ms`)
	}
	assert.Equal(t, []string{"k0", "k1", "k2", "k3"}, store.keys())
}

func TestAMessageThatTakesTooLongIsNotTriedForEver(t *testing.T) {
	store := startFakeS3(t, func(_ http.ResponseWriter, r *http.Request, _ string) { hang(r) })
	out := connected(t, outageYAML(store.url, time.Minute))
	out.timeout = outageTimeout
	batch := tenMessages()
	indexer := batch.Index()
	require.Len(t, failures(t, batch, indexer, out.WriteBatch(t.Context(), batch)), 10,
		"a store that is there must not be taken for a lost connection")
}

func TestOnlyFailuresOfTheStoreStopABatch(t *testing.T) {
	for _, test := range []struct {
		code   string
		status int
		stops  bool
	}{
		{"InvalidAccessKeyId", http.StatusForbidden, true},
		{"ExpiredToken", http.StatusBadRequest, true},
		{"NoSuchBucket", http.StatusNotFound, true},
		{"NotImplemented", http.StatusNotImplemented, true},
		{"ServiceUnavailable", http.StatusServiceUnavailable, true},
		{"AccessDenied", http.StatusForbidden, false},
		{"KeyTooLongError", http.StatusBadRequest, false},
		{"InvalidArgument", http.StatusBadRequest, false},
		{"EntityTooLarge", http.StatusBadRequest, false},
	} {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			store := startFakeS3(t, func(w http.ResponseWriter, _ *http.Request, key string) {
				if key == "k4" {
					refuse(w, test.status, test.code)
				}
			})
			out := connected(t, outageYAML(store.url, time.Minute))
			batch := tenMessages()
			indexer := batch.Index()
			failed := failures(t, batch, indexer, out.WriteBatch(t.Context(), batch))
			want := 1
			if test.stops {
				want = 6
				keys := store.keys()
				assert.Equal(t, "k4", keys[len(keys)-1])
			}
			assert.Len(t, failed, want)
			for i, err := range failed {
				assert.GreaterOrEqual(t, i, 4)
				assert.Contains(t, err, `writing object "k4"`)
			}
		})
	}
}

func TestAnEndedContextEndsTheBatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	store := startFakeS3(t, func(_ http.ResponseWriter, r *http.Request, key string) {
		if key == "k2" {
			cancel()
			hang(r)
		}
	})
	out := connected(t, outageYAML(store.url, time.Minute))
	batch := tenMessages()
	indexer := batch.Index()
	require.Len(t, failures(t, batch, indexer, out.WriteBatch(ctx, batch)), 8)
	assert.Equal(t, []string{"k0", "k1", "k2"}, store.keys())
}

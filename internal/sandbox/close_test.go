package sandbox_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestCloseLeavesNoGoroutine(t *testing.T) {
	s, err := sandbox.Start(sandbox.Options{Rows: 5, Latency: 10 * time.Second})
	require.NoError(t, err)
	transport := &http.Transport{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := (&http.Client{Transport: transport}).Get(s.URL() + "/gescom/api/v1/Folders")
		if err == nil {
			resp.Body.Close()
		}
	}()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, s.Close())
	<-done
	transport.CloseIdleConnections()
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		// This test's own frame names the package too.
		return strings.Count(string(stacks), "sandbox.(*Server)") == 0
	}, 5*time.Second, 10*time.Millisecond)
	_, err = http.Get(s.URL() + "/gescom/api/v1/Folders")
	require.Error(t, err)
}

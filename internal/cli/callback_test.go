package cli

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// answering is a callback at a path, for a sign-in with the state "ours".
func answering(t *testing.T, path string, finish func(url.Values) (auth.Status, error)) *callback {
	t.Helper()
	r, err := parseRedirect("http://localhost:3333"+path, false)
	require.NoError(t, err)
	return newCallback(r, func(v url.Values) bool { return v.Get("state") == "ours" }, finish)
}

func (b *callback) get(target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func TestTheLastPageCanBeAskedForAgain(t *testing.T) {
	exchanges := 0
	b := answering(t, "/api/login/SigninRedirect", func(url.Values) (auth.Status, error) {
		exchanges++
		return auth.Status{Email: "zoe@example.fr"}, nil
	})
	assert.Equal(t, http.StatusNotFound, b.get("/api/login/SigninRedirect/done").Code, "nothing has ended yet")
	for range 2 {
		w := b.get("/api/login/SigninRedirect?code=secret-code&state=ours")
		assert.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/api/login/SigninRedirect/done", w.Header().Get("Location"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.NotContains(t, w.Body.String(), "secret-code")
		page := b.get("/api/login/SigninRedirect/done")
		assert.Equal(t, http.StatusOK, page.Code)
		assert.Contains(t, page.Body.String(), "zoe@example.fr")
	}
	assert.Equal(t, 1, exchanges, "a code works once")
}

func TestRequestsAtOnceExchangeTheCodeOnce(t *testing.T) {
	var exchanges atomic.Int32
	b := answering(t, "", func(url.Values) (auth.Status, error) { exchanges.Add(1); return auth.Status{}, nil })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { b.get("/?code=c&state=ours") })
	}
	all.Wait()
	assert.EqualValues(t, 1, exchanges.Load())
}

func TestOnlyTheAnswerOfThisSignInCounts(t *testing.T) {
	b := answering(t, "/cb", func(url.Values) (auth.Status, error) {
		assert.Fail(t, "nothing of this is an answer")
		return auth.Status{}, nil
	})
	for target, code := range map[string]int{
		"/favicon.ico": 404, "/": 404, "/cb/": 404, "/cb/other": 404, "/cb": 200,
		"/cb?code=c": 400, "/cb?code=c&state=theirs": 400, "/cb?error=access_denied&state=": 400,
	} {
		assert.Equal(t, code, b.get(target).Code, target)
	}
	assert.Equal(t, 3, b.strays())
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(method, "/cb?code=c&state=ours", nil))
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
	}
}

func TestPagesNeedNothingFromElsewhereAndAreNotKept(t *testing.T) {
	b := answering(t, "", func(url.Values) (auth.Status, error) {
		return auth.Status{}, errors.New(`EBP said <script>alert("x")</script>`)
	})
	b.get("/?code=c&state=ours")
	for _, target := range []string{"/", "/?code=c&state=theirs", "/done"} {
		w := b.get(target)
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"), target)
		assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), target)
		assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'", target)
		assert.NotContains(t, w.Body.String(), "http", target)
		assert.NotContains(t, w.Body.String(), "<script", target)
	}
	assert.Contains(t, b.get("/done").Body.String(), "EBP said &lt;script&gt;")
}

func TestAnAnswerThatComesTooLateChangesNothing(t *testing.T) {
	b := answering(t, "", func(url.Values) (auth.Status, error) {
		assert.Fail(t, "nobody waits for it any more")
		return auth.Status{}, nil
	})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.wait(over)
	require.ErrorIs(t, err, errNoAnswer)
	b.get("/?code=c&state=ours")
	b.close()
}

func TestAnExchangeThatHasBegunIsWaitedFor(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	b := answering(t, "", func(url.Values) (auth.Status, error) {
		close(begun)
		<-goOn
		return auth.Status{Email: "zoe@example.fr"}, nil
	})
	go b.get("/?code=c&state=ours")
	<-begun
	over, cancel := context.WithCancel(t.Context())
	cancel()
	type end struct {
		status auth.Status
		err    error
	}
	ended := make(chan end, 1)
	go func() { s, err := b.wait(over); ended <- end{s, err} }()
	close(goOn)
	e := <-ended
	if errors.Is(e.err, errNoAnswer) {
		assert.Fail(t, "the exchange was given up although it had begun")
	}
	assert.Equal(t, "zoe@example.fr", e.status.Email)
}

func TestLocalhostIsListenedToInBothItsMeanings(t *testing.T) {
	port := strconv.Itoa(testserver.FreePort(t))
	r, err := parseRedirect("http://localhost:"+port, false)
	require.NoError(t, err)
	listeners, err := r.listen(t.Context())
	require.NoError(t, err)
	for _, l := range listeners {
		defer l.Close()
		host := l.Addr().String()
		assert.True(t, host == "127.0.0.1:"+port || host == "[::1]:"+port, "only this machine may reach %s", host)
	}
	assert.Equal(t, "127.0.0.1:"+port, listeners[0].Addr().String())
}

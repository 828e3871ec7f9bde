package connection

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

// The API takes the tokens of one sign-in only, which is not the one that is configured.
func TestCallsGoOnSoonAfterSomebodySignedInWhateverThePause(t *testing.T) {
	clean(t)
	var tokens, calls atomic.Int32
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		n := tokens.Add(1)
		access := fmt.Sprintf("access-token-%d", n)
		if r.PostForm.Get("refresh_token") == "of-the-person" {
			access = "access-of-the-person"
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"refresh-token-%d","expires_in":3600,"token_type":"Bearer"}`, access, n)
	}))
	t.Cleanup(login.Close)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Header.Get("Authorization") != "Bearer access-of-the-person" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"folders":[]}`)
	}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	conf, err := parse(t, fmt.Sprintf("{url: '%s', subscription_key: the-key, state: 'file:%s', calls: {per_second: 0}, oauth2: {url: '%s', client_id: c, client_secret: the-secret, refresh_token: of-somebody}}", api.URL, dir, login.URL))
	require.NoError(t, err)
	client, err := conf.Open(service.MockResources())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	op, _ := catalog.Lookup("gescom.folders.list")
	for range 20 {
		_, err = client.Do(t.Context(), ebp.Request{Operation: op})
		require.Error(t, err)
	}
	assert.EqualValues(t, 2, calls.Load(), "refused calls were made again")

	// Another process signs out and in as somebody else.
	u, err := url.Parse(login.URL)
	require.NoError(t, err)
	cfg := auth.Config{URL: u, ClientID: "c", ClientSecret: "the-secret", Profile: "default", Seed: "of-the-person", Store: state.NewFile(dir), HTTP: http.DefaultClient}
	_, err = auth.SignOut(t.Context(), cfg)
	require.NoError(t, err)
	other := auth.NewSource(cfg)
	require.NoError(t, other.Renew(t.Context()))
	require.NoError(t, other.Close(t.Context()))
	require.Eventually(t, func() bool {
		_, err := client.Do(t.Context(), ebp.Request{Operation: op})
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
	assert.EqualValues(t, 3, calls.Load())
}

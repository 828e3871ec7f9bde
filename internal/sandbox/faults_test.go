package sandbox_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestFaultsReplaceAnswers(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, PerDay: 100})
	c.s.SetFault(func(call sandbox.Call) *sandbox.Fault {
		require.Equal(t, "gescom.folders.list", call.Operation)
		require.Zero(t, call.Status)
		return &sandbox.Fault{Status: 503, Body: []byte("down"), Header: http.Header{"Retry-After": {"7"}, "Content-Type": {"text/plain"}}, Delay: 20 * time.Millisecond}
	})
	begin := time.Now()
	r := c.get("/gescom/api/v1/Folders")
	require.Equal(t, 503, r.status)
	require.Equal(t, "down", r.body)
	require.Equal(t, "7", r.header.Get("Retry-After"))
	require.Equal(t, "text/plain", r.header.Get("Content-Type"))
	require.GreaterOrEqual(t, time.Since(begin), 20*time.Millisecond)
	require.Equal(t, 100, c.s.QuotaLeft())
	c.s.SetFault(nil)
	require.Equal(t, 200, c.get("/gescom/api/v1/Folders").status)
}

func TestFaultsDropConnections(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1, PerDay: 100})
	for _, k := range []struct {
		fault sandbox.Fault
		used  int
	}{{sandbox.Fault{DropBefore: true}, 0}, {sandbox.Fault{DropAfter: true}, 1}, {sandbox.Fault{Truncate: true}, 1}} {
		c.s.SetQuotaUsed(0)
		calls := 0
		c.s.SetFault(func(sandbox.Call) *sandbox.Fault {
			calls++
			if calls == 1 {
				return &k.fault
			}
			return nil
		})
		// A client of its own: a reused connection would be tried again.
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request(t, c, "/gescom/api/v1/Folders"))
		if k.fault.Truncate {
			require.NoError(t, err)
			require.Equal(t, 200, resp.StatusCode)
			b := make([]byte, 1<<16)
			n := 0
			for err == nil {
				var m int
				m, err = resp.Body.Read(b[n:])
				n += m
			}
			resp.Body.Close()
			require.ErrorContains(t, err, "unexpected EOF")
			require.EqualValues(t, resp.ContentLength/2, n)
		} else {
			require.Error(t, err)
		}
		require.Equal(t, 100-k.used, c.s.QuotaLeft())
	}
	require.Len(t, c.s.Calls(), 3)
}

func request(t *testing.T, c *client, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, c.s.URL()+path, nil)
	require.NoError(t, err)
	req.Header = c.header.Clone()
	return req
}

func TestFaultsReachTheTokenEndpoint(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 1})
	token := c.s.NewRefreshToken()
	c.s.SetFault(func(call sandbox.Call) *sandbox.Fault {
		require.Equal(t, "oauth.token", call.Operation)
		return &sandbox.Fault{DropAfter: true}
	})
	creds := c.s.Credentials()
	_, err := http.PostForm(c.s.LoginURL()+"/connect/token", map[string][]string{"grant_type": {"refresh_token"}, "client_id": {creds.ClientID}, "client_secret": {creds.ClientSecret}, "refresh_token": {token}})
	require.Error(t, err)
	c.s.SetFault(nil)
	status, got := refresh(t, c.s, token)
	require.Equal(t, 400, status, "the lost answer used the token up")
	require.Equal(t, "invalid_grant", got.Error)
}

func TestCallsAreRecorded(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 30})
	c.table("customer", "Limit", "7")
	c.get("/hubbix-cpttpe/api/v1/journals")
	c.get("/nowhere")
	calls := c.s.Calls()
	require.Len(t, calls, 3)
	require.Equal(t, 3, c.s.CallCount())
	first := calls[0]
	require.Equal(t, "gescom.generic_query.list", first.Operation)
	require.Equal(t, "GET", first.Method)
	require.Equal(t, gescom+"/GenericQuery", first.Path)
	require.Equal(t, "Limit=7&TableName=customer", first.Query)
	require.Equal(t, 200, first.Status)
	require.Equal(t, "3691", first.Folder)
	require.Equal(t, 7, first.Records)
	require.Positive(t, first.Bytes)
	require.Equal(t, sandbox.FirstTenant, calls[1].Folder)
	require.Equal(t, 6, calls[1].Records)
	require.Empty(t, calls[2].Operation)
	require.Equal(t, 404, calls[2].Status)
	c.s.ResetCalls()
	require.Empty(t, c.s.Calls())
}

func TestConcurrentReadsAndWrites(t *testing.T) {
	c := start(t, sandbox.Options{Rows: 60, Folders: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 10 {
				if i == 0 {
					if err := c.s.Exec(`UPDATE "f3691_Customer" SET "Name" = ? WHERE "Id" = 'CL00050'`, fmt.Sprint("Nom ", n)); err != nil {
						t.Error(err)
					}
					continue
				}
				path := "/gescom/api/v1/Folders/" + []string{"3691", "298324"}[n%2] + "/GenericQuery"
				if r := c.get(path, "TableName", []string{"Customer", "Item", "SaleDocument"}[i%3]); r.status != 200 {
					t.Error(r.status, r.body, r.err)
				}
			}
		})
	}
	wg.Wait()
	got := c.table("Customer", "Columns", "Name", "WhereCondition", "type: CustomFilter\ncolumn: Id\noperator: Equal\nvalueType: String\nvalue:\n- 'CL00050'")
	require.Equal(t, "Nom 9", got.Results[0]["Name"])
}

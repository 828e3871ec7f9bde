package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// client calls a sandbox as a program would.
type client struct {
	t      *testing.T
	s      *sandbox.Server
	header http.Header
}

func start(t *testing.T, o sandbox.Options) *client {
	t.Helper()
	s, err := sandbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &client{t, s, http.Header{
		"Ebp-Subscription-Key": {s.Credentials().SubscriptionKey},
		"Authorization":        {"Bearer " + s.AccessToken()},
		"Tenantid":             {sandbox.FirstTenant},
		"Domainid":             {sandbox.FirstDomain},
	}}
}

type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

func (c *client) do(method, path string, query ...string) reply {
	c.t.Helper()
	u := c.s.URL() + path
	if len(query) > 0 {
		v := url.Values{}
		for i := 0; i < len(query); i += 2 {
			v.Add(query[i], query[i+1])
		}
		u += "?" + v.Encode()
	}
	req, err := http.NewRequest(method, u, nil)
	require.NoError(c.t, err)
	req.Header = c.header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

func (c *client) get(path string, query ...string) reply {
	c.t.Helper()
	return c.do(http.MethodGet, path, query...)
}

// page is an answer of the gescom family.
type page struct {
	Results []map[string]any `json:"results"`
	Clients []map[string]any `json:"clients"`
	Folders []map[string]any `json:"folders"`
	Paging  struct{ Total, Returned, Offset, Limit int }
}

// ok decodes an answer that must be 200; numbers stay as written.
func ok[T any](t *testing.T, r reply) T {
	t.Helper()
	require.NoError(t, r.err)
	require.Equal(t, 200, r.status, r.body)
	var v T
	d := json.NewDecoder(strings.NewReader(r.body))
	d.UseNumber()
	require.NoError(t, d.Decode(&v), r.body)
	return v
}

// ebpError is the gescom family's refusal.
type ebpError struct {
	Title, Message, ErrorType, Origin, SystemMessage string
	Errors                                           []struct{ ErrorCode, ErrorMessage string }
}

func refused(t *testing.T, r reply, status int) ebpError {
	t.Helper()
	require.NoError(t, r.err)
	require.Equal(t, status, r.status, r.body)
	var e ebpError
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&e), r.body)
	require.NotEmpty(t, e.Title)
	require.NotEmpty(t, e.Message)
	require.NotEmpty(t, e.Errors)
	return e
}

const gescom = "/gescom/api/v1/Folders/3691"

// table reads a page of a table of the first dossier.
func (c *client) table(name string, query ...string) page {
	c.t.Helper()
	return ok[page](c.t, c.get(gescom+"/GenericQuery", append([]string{"TableName", name}, query...)...))
}

// all reads a whole table by its key, column by column as text.
func (c *client) all(name string, query ...string) []map[string]any {
	c.t.Helper()
	var out []map[string]any
	for {
		p := c.table(name, append([]string{"Offset", itoa(len(out)), "Limit", "100"}, query...)...)
		out = append(out, p.Results...)
		if len(p.Results) == 0 || len(out) >= p.Paging.Total {
			return out
		}
	}
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// column lists one member of each record.
func column(records []map[string]any, name string) []any {
	out := make([]any, len(records))
	for i, r := range records {
		out[i] = r[name]
	}
	return out
}

// clock is a clock that tests turn.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

package destinations

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

const (
	// folder is the dossier the examples read when nothing else is said.
	folder = "3691"

	// rows makes three pages, the last one short.
	rows = 230

	hugeDecimal  = "12345678901234567890.12345678" // 28 digits
	tinyDecimal  = "-0.00000001"
	greatDecimal = "99999999999999999999.99999999"
	tooLarge     = "123456789012345678901.12345678" // one digit more than decimal(28,8) takes
)

// awkwardKeys are keys that YAML, SQL, a URL or a shell may take for something else.
var awkwardKeys = []string{"O'BRIEN", "null", "2021-07-12", "É-TIENNE", `g"h`, `i\j`, "007", "1e5", "x=y&z", "k/l", "fin:"}

// source is a sandbox of one test.
type source struct {
	*sandbox.Server
	state string
}

func newSource(t *testing.T) *source {
	t.Helper()
	server, err := sandbox.Start(sandbox.Options{Rows: rows})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return &source{Server: server, state: "file:" + t.TempDir()}
}

// environment is what a real dossier needs as well.
func (s *source) environment() map[string]string {
	c := s.Credentials()
	return map[string]string{
		"EBP_URL":              s.URL(),
		"EBP_LOGIN_URL":        s.LoginURL(),
		"EBP_CLIENT_ID":        c.ClientID,
		"EBP_CLIENT_SECRET":    c.ClientSecret,
		"EBP_SUBSCRIPTION_KEY": c.SubscriptionKey,
		"EBP_REFRESH_TOKEN":    c.RefreshToken,
		"EBP_STATE":            s.state,
	}
}

// table returns the named columns of a table, by the first of them.
func (s *source) table(t *testing.T, folder, table string, columns ...string) map[string][]any {
	t.Helper()
	found, err := s.Query(fmt.Sprintf(`SELECT "%s" FROM f%s_%s`, strings.Join(columns, `", "`), folder, table))
	require.NoError(t, err)
	out := map[string][]any{}
	for _, row := range found {
		out[row[0].(string)] = row
	}
	require.Len(t, out, len(found))
	return out
}

// change sets a column of one record.
func (s *source) change(t *testing.T, table, key, column, value string) {
	t.Helper()
	require.NoError(t, s.Exec(fmt.Sprintf(`UPDATE f%s_%s SET "%s" = ? WHERE "Id" = ?`, folder, table, column), value, key))
}

// moment reads a date as the sandbox holds it: without a zone, in Paris's time.
func moment(t *testing.T, v any) any {
	t.Helper()
	if v == nil {
		return nil
	}
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02T15:04:05", v.(string), paris)
	require.NoError(t, err)
	return at.UTC()
}

func requireAwkwardKeys[V any](t *testing.T, arrived map[string]V) {
	t.Helper()
	for _, key := range awkwardKeys {
		require.Contains(t, arrived, key)
	}
}

package sandbox_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// BenchmarkPage reads pages of 100 customers of six columns.
func BenchmarkPage(b *testing.B) {
	s, err := sandbox.Start(sandbox.Options{Rows: 2000})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	req, err := http.NewRequest(http.MethodGet, s.URL()+"/gescom/api/v1/Folders/3691/GenericQuery?TableName=Customer&Columns=Id,Name,Type,AllowedAmount,UniqueId,sysModifiedDate&Offset=900", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("ebp-subscription-key", s.Credentials().SubscriptionKey)
	req.Header.Set("Authorization", "Bearer "+s.AccessToken())
	for b.Loop() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			b.Fatal(resp.Status)
		}
	}
}

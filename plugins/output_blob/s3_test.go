package output_blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

const (
	// envVersityGW names the binary of an S3 gateway,
	// github.com/versity/versitygw/cmd/versitygw; without it, PATH is searched.
	envVersityGW = "VERSITYGW"

	gatewayAccess = "AKGATEWAY"
	gatewaySecret = "gateway-secret"
	gatewayBucket = "lake"
	gatewayWait   = 20 * time.Second
)

// startGateway serves S3 from a directory of the test on loopback and returns
// its address. The bucket gatewayBucket is there.
func startGateway(t *testing.T) string {
	t.Helper()
	binary := os.Getenv(envVersityGW)
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("versitygw"); err != nil {
			t.Skipf("needs an S3 gateway: set %s to the binary of github.com/versity/versitygw/cmd/versitygw, or put it on PATH", envVersityGW)
		}
	}
	dir := t.TempDir()
	for _, sub := range []string{filepath.Join("data", gatewayBucket), "sidecar"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}

	// The port may be taken by another process between being found and being
	// used: then the gateway ends, and another port is tried.
	for range 5 {
		addr := freeAddress(t)
		var output bytes.Buffer
		cmd := exec.Command(binary, "--port", addr, "--access", gatewayAccess, "--secret", gatewaySecret, "--quiet",
			"posix", "--sidecar", filepath.Join(dir, "sidecar"), filepath.Join(dir, "data"))
		cmd.Stdout, cmd.Stderr = &output, &output
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if awaitGateway(addr, ended) {
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-ended
			})
			return "http://" + addr
		}
		_ = cmd.Process.Kill()
		t.Logf("the gateway did not come up at %s:\n%s", addr, output.String())
	}
	t.Fatal("no S3 gateway came up")
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
}

func awaitGateway(addr string, ended <-chan error) bool {
	deadline := time.Now().Add(gatewayWait)
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

func gatewayYAML(endpoint, bucket, secret, more string) string {
	return fmt.Sprintf(`
url: s3://%s?region=us-east-1&use_path_style=true&endpoint=%s
credentials:
  id: %s
  secret: %s
%s`, bucket, endpoint, gatewayAccess, secret, more)
}

func connected(t *testing.T, yaml string) *blobOutput {
	t.Helper()
	out := parse(t, yaml)
	require.NoError(t, out.Connect(t.Context()))
	t.Cleanup(func() { _ = out.Close(context.Background()) })
	return out
}

// breakingProxy passes requests on to an S3 endpoint, except those for which
// intercept takes over.
func breakingProxy(t *testing.T, endpoint string, intercept func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		// The host is part of the signature and stays.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !intercept(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestS3ObjectsArriveByteForByteWithTheirAttributes(t *testing.T) {
	endpoint := startGateway(t)
	out := connected(t, gatewayYAML(endpoint, gatewayBucket, gatewaySecret, `
path: 'clients/${! metadata("key") }.bin'
content_type: text/plain; charset=utf-8
content_encoding: identity
metadata: { Folder: '${! metadata("folder") }' }
`))
	large := bytes.Repeat([]byte("0123456789abcdef"), 20<<16) // more than one part
	payloads := map[string][]byte{"empty": {}, "é O'BRIEN 100% +&?#": []byte("{\"Id\": 1.00}\r\n"), "large": large}

	var batch service.MessageBatch
	for key, body := range payloads {
		m := service.NewMessage(body)
		m.MetaSetMut("key", key)
		m.MetaSetMut("folder", "MAIRIE D'É")
		batch = append(batch, m)
	}
	require.NoError(t, out.WriteBatch(t.Context(), batch))

	for key, want := range payloads {
		got, err := out.bucket.ReadAll(t.Context(), "clients/"+key+".bin")
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), key)
		attrs, err := out.bucket.Attributes(t.Context(), "clients/"+key+".bin")
		require.NoError(t, err)
		assert.Equal(t, "text/plain; charset=utf-8", attrs.ContentType)
		assert.Equal(t, "identity", attrs.ContentEncoding)
		assert.Equal(t, map[string]string{"folder": "MAIRIE D'É"}, attrs.Metadata)
	}
}

func TestS3AnUploadThatBreaksOffLeavesTheFormerObject(t *testing.T) {
	endpoint := startGateway(t)
	var broken atomic.Int32
	proxy := breakingProxy(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") != "2" {
			return false
		}
		broken.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	out := connected(t, gatewayYAML(proxy, gatewayBucket, gatewaySecret, `path: '${! metadata("key") }'`))
	write := func(key string, size int) error {
		m := service.NewMessage(bytes.Repeat([]byte("x"), size))
		m.MetaSetMut("key", key)
		return out.WriteBatch(t.Context(), service.MessageBatch{m})
	}
	require.NoError(t, write("object", 3))
	require.ErrorContains(t, write("object", 20<<20), `writing object "object"`)
	require.ErrorContains(t, write("other", 20<<20), `writing object "other"`)
	require.Positive(t, broken.Load(), "the upload must have had a second part")

	body, err := out.bucket.ReadAll(t.Context(), "object")
	require.NoError(t, err)
	assert.Equal(t, "xxx", string(body))
	exists, err := out.bucket.Exists(t.Context(), "other")
	require.NoError(t, err)
	assert.False(t, exists)
}

func TestS3ConnectSaysWhatIsWrong(t *testing.T) {
	endpoint := startGateway(t)
	for _, test := range []struct{ name, yaml, errContains string }{
		{"no such bucket", gatewayYAML(endpoint, "absent", gatewaySecret, "path: a"), `bucket "absent"`},
		{"wrong secret", gatewayYAML(endpoint, gatewayBucket, "wrong-s3cr3t", "path: a"), "SignatureDoesNotMatch"},
		{"nobody there", gatewayYAML("http://127.0.0.1:1", gatewayBucket, gatewaySecret, "path: a\ntimeout: 1s"), `reaching bucket "lake"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := parse(t, test.yaml)
			err := out.Connect(t.Context())
			require.ErrorContains(t, err, test.errContains)
			assert.NotContains(t, err.Error(), "wrong-s3cr3t")
			assert.NotContains(t, err.Error(), gatewaySecret)

			results := out.ConnectionTest(t.Context())
			require.Len(t, results, 1)
			require.Error(t, results[0].Err)
		})
	}
}

func TestS3CredentialsThatMayOnlyWriteConnect(t *testing.T) {
	endpoint := startGateway(t)
	proxy := breakingProxy(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Query().Get("list-type") == "" {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return true
	})
	out := connected(t, gatewayYAML(proxy, gatewayBucket, gatewaySecret, "path: a"))
	require.NoError(t, out.WriteBatch(t.Context(), batchOf("payload")))
}

func TestS3CredentialsComeFromTheEnvironmentByDefault(t *testing.T) {
	endpoint := startGateway(t)
	t.Setenv("AWS_ACCESS_KEY_ID", gatewayAccess)
	t.Setenv("AWS_SECRET_ACCESS_KEY", gatewaySecret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	out := connected(t, "url: s3://"+gatewayBucket+"?region=us-east-1&use_path_style=true&endpoint="+endpoint+"\npath: a")
	require.NoError(t, out.WriteBatch(t.Context(), batchOf("payload")))
	body, err := out.bucket.ReadAll(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "payload", strings.TrimSpace(string(body)))
}

package output_blob

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/gcerrors"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

// newMemory returns a connected output over a bucket in memory, and the bucket.
func newMemory(t *testing.T, yaml string) (*blobOutput, *blob.Bucket) {
	t.Helper()
	bucket := memblob.OpenBucket(nil)
	out := parse(t, "url: mem://\n"+yaml)
	out.open = func(context.Context) (*openedBucket, error) { return &openedBucket{Bucket: bucket}, nil }
	require.NoError(t, out.Connect(t.Context()))
	t.Cleanup(func() { _ = out.Close(context.Background()) })
	return out, bucket
}

func parse(t *testing.T, yaml string) *blobOutput {
	t.Helper()
	out, err := tryParse(t, yaml)
	require.NoError(t, err)
	return out
}

func tryParse(t *testing.T, yaml string) (*blobOutput, error) {
	t.Helper()
	conf, err := blobSpec().ParseYAML(yaml, nil)
	require.NoError(t, err)
	return blobFromParsed(conf, service.MockResources())
}

func batchOf(payloads ...string) service.MessageBatch {
	var batch service.MessageBatch
	for _, p := range payloads {
		batch = append(batch, service.NewMessage([]byte(p)))
	}
	return batch
}

// failures returns the error of each message that a batch error names.
func failures(t *testing.T, batch service.MessageBatch, indexer *service.Indexer, err error) map[int]string {
	t.Helper()
	var batchErr *service.BatchError
	require.ErrorAs(t, err, &batchErr)
	failed := map[int]string{}
	batchErr.WalkMessagesIndexedBy(indexer, func(i int, _ *service.Message, err error) bool {
		if err != nil {
			failed[i] = err.Error()
		}
		return true
	})
	return failed
}

func TestEachMessageBecomesOneObjectWithItsAttributes(t *testing.T) {
	out, bucket := newMemory(t, `
path: 'customers/${! this.Id }.json'
content_type: '${! this.type }'
content_encoding: identity
cache_control: no-cache
metadata:
  Folder: '${! this.folder }'
`)
	first := `{"Id":"A","type":"application/json","folder":"3691"}`
	second := `{"Id":"B","type":"","folder":"é O'BRIEN"}`
	require.NoError(t, out.WriteBatch(t.Context(), batchOf(first, second)))

	for key, want := range map[string]struct{ body, contentType, folder string }{
		"customers/A.json": {first, "application/json", "3691"},
		"customers/B.json": {second, defaultContentType, "é O'BRIEN"},
	} {
		body, err := bucket.ReadAll(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want.body, string(body))
		attrs, err := bucket.Attributes(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want.contentType, attrs.ContentType)
		assert.Equal(t, "identity", attrs.ContentEncoding)
		assert.Equal(t, "no-cache", attrs.CacheControl)
		assert.Equal(t, map[string]string{"folder": want.folder}, attrs.Metadata)
	}
}

func TestOnlyRefusedMessagesFail(t *testing.T) {
	out, bucket := newMemory(t, `
path: '${! this.key }'
content_type: '${! this.type | "text/plain" }'
`)
	batch := batchOf(`{"key":"a"}`, `{"key":""}`, `{"key":"c"}`, `{"nokey":1}`, `{"key":"e","type":"a/b/c"}`, `{"key":"f"}`)
	indexer := batch.Index()
	failed := failures(t, batch, indexer, out.WriteBatch(t.Context(), batch))

	require.Len(t, failed, 3)
	assert.Contains(t, failed[1], "the key of the object is empty")
	assert.Contains(t, failed[3], `the key of the object is "null"`)
	assert.Contains(t, failed[4], `content_type "a/b/c" of object "e"`)
	for _, key := range []string{"a", "c", "f"} {
		ok, err := bucket.Exists(t.Context(), key)
		require.NoError(t, err)
		assert.True(t, ok, key)
	}
}

func TestAMissingFieldNeverBecomesTheKey(t *testing.T) {
	for _, path := range []string{`${! this.Id }`, `${! this.Id.not_null() }.json`} {
		out, bucket := newMemory(t, "path: '"+path+"'")
		require.Error(t, out.WriteBatch(t.Context(), batchOf(`{"other":1}`)))
		_, err := bucket.List(nil).Next(t.Context())
		require.ErrorIs(t, err, io.EOF, "nothing may be written")
	}
}

func TestTheLaterMessageOfABatchWinsItsKey(t *testing.T) {
	out, bucket := newMemory(t, `path: 'same'`)
	for range 20 {
		require.NoError(t, out.WriteBatch(t.Context(), batchOf("first", "second", "third")))
		body, err := bucket.ReadAll(t.Context(), "same")
		require.NoError(t, err)
		require.Equal(t, "third", string(body))
	}
}

func TestAnAbandonedWriteLeavesTheFormerObject(t *testing.T) {
	dir := t.TempDir()
	out := parse(t, "url: file://"+dir+"\npath: object")
	require.NoError(t, out.Connect(t.Context()))
	require.NoError(t, out.WriteBatch(t.Context(), batchOf("former")))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, out.WriteBatch(ctx, batchOf("new")))

	out.timeout = time.Nanosecond
	err := out.WriteBatch(t.Context(), batchOf("new"))
	require.ErrorContains(t, err, "not done within the timeout of 1ns")

	assert.Equal(t, map[string]string{"object": "former"}, files(t, dir))
}

func TestAWriteThatBreaksOffIsNotPublished(t *testing.T) {
	store := &halfwayBucket{}
	bucket := &openedBucket{Bucket: blob.NewBucket(store)}
	err := bucket.write(t.Context(), object{
		key: "object", body: []byte("payload"), options: &blob.WriterOptions{ContentType: defaultContentType},
	})
	require.ErrorIs(t, err, errDiskFull)
	assert.Empty(t, store.published)
	assert.True(t, store.closed, "the writer must be closed all the same")
}

var errDiskFull = errors.New("disk full")

// halfwayBucket takes the first half of each payload, and like fileblob it
// publishes what it has on Close unless the context of the write is cancelled.
type halfwayBucket struct {
	driver.Bucket
	published string
	closed    bool
}

func (*halfwayBucket) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }

func (b *halfwayBucket) NewTypedWriter(ctx context.Context, _, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &halfwayWriter{ctx: ctx, bucket: b}, nil
}

type halfwayWriter struct {
	ctx    context.Context
	bucket *halfwayBucket
	taken  string
}

func (w *halfwayWriter) Write(p []byte) (int, error) {
	w.taken += string(p[:len(p)/2])
	return len(p) / 2, errDiskFull
}

func (w *halfwayWriter) Close() error {
	w.bucket.closed = true
	if w.ctx.Err() == nil {
		w.bucket.published = w.taken
	}
	return w.ctx.Err()
}

func TestFilesStandAloneUnlessMetadataIsAsked(t *testing.T) {
	for _, test := range []struct {
		name, query, yaml string
		want              []string
	}{
		{name: "no sidecar", yaml: "content_type: text/plain", want: []string{"sub/object"}},
		{name: "metadata", yaml: "metadata: { a: b }", want: []string{"sub/object", "sub/object.attrs"}},
		{name: "skipped by url", query: "&metadata=skip", yaml: "metadata: { a: b }", want: []string{"sub/object"}},
		{name: "other temporary directory", query: "&no_tmp_dir=false", want: []string{"sub/object"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			out := parse(t, "url: file://"+dir+"?create_dir=true"+test.query+"\npath: sub/object\n"+test.yaml)
			require.NoError(t, out.Connect(t.Context()))
			require.NoError(t, out.WriteBatch(t.Context(), batchOf("payload")))
			var names []string
			for name := range files(t, dir) {
				names = append(names, name)
			}
			assert.ElementsMatch(t, test.want, names)
		})
	}
}

func TestAKeyCannotLeaveTheDirectory(t *testing.T) {
	parent := t.TempDir()
	out := parse(t, "url: file://"+parent+"/bucket?create_dir=true\npath: '${! content() }'")
	require.NoError(t, out.Connect(t.Context()))
	_ = out.WriteBatch(t.Context(), batchOf("../escaped", "/../../escaped", `..\escaped`))
	for name := range files(t, parent) {
		assert.True(t, strings.HasPrefix(name, "bucket/"), name)
	}
}

func TestUnusableConfigurationsAreRefusedWithASentence(t *testing.T) {
	for _, test := range []struct{ name, yaml, errContains string }{
		{"unknown scheme", "url: gs://b\npath: a", `unknown scheme "gs" in url: write one of file:///directory?create_dir=true, mem://, s3://bucket?region=eu-west-3`},
		{"no scheme", "url: bucket\npath: a", "url has no scheme: write one of"},
		{"no bucket", "url: s3://?region=a\npath: a", "url names no bucket"},
		{"prefix in url", "url: s3://b/prefix\npath: a", "prefixes belong into the field path"},
		{"file host", "url: file://data/out\npath: a", `the url names the host "data"`},
		{"file without directory", "url: 'file:'\npath: a", "url names no directory"},
		{"static empty path", "url: mem://\npath: ''", "every object needs a key"},
		{"half of the credentials", "url: s3://b\npath: a\ncredentials: { id: a }", "credentials needs both id and secret"},
		{"credentials for a directory", "url: file:///tmp\npath: a\ncredentials: { id: a, secret: b }", "credentials belongs to s3 urls only"},
		{"credentials and role", "url: s3://b?role=arn:aws:iam::1:role/x\npath: a\ncredentials: { id: a, secret: b }", "exclude each other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryParse(t, test.yaml)
			require.ErrorContains(t, err, test.errContains)
		})
	}
}

func TestLintNamesTheKnownSchemes(t *testing.T) {
	env := service.NewEnvironment()
	schema := env.FullConfigSchema("", "")
	linter := schema.NewStreamConfigLinter()
	lint := func(url string) string {
		lints, err := linter.LintYAML([]byte("output:\n  blob:\n    url: \"" + url + "\"\n    path: a\n"))
		require.NoError(t, err)
		text := ""
		for _, l := range lints {
			text += l.Error()
		}
		return text
	}
	assert.Contains(t, lint("gs://bucket"), "unknown scheme in url: write one of")
	for scheme, example := range urlExamples {
		assert.Contains(t, lint("gs://bucket"), example, "the lint of an unknown scheme must name %s", scheme)
		assert.Empty(t, lint(example))
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	out := parse(t, "url: file://"+t.TempDir()+"/absent\npath: a")
	require.ErrorContains(t, out.Connect(t.Context()), "does not exist: create it, or add create_dir=true to the url")
	results := out.ConnectionTest(t.Context())
	require.Len(t, results, 1)
	require.ErrorContains(t, results[0].Err, "does not exist")

	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	out = parse(t, "url: s3://bucket\npath: a")
	require.ErrorContains(t, out.Connect(t.Context()), "no region: add region=… to the url or set AWS_REGION")
}

func TestWritingBeforeConnectAsksForAConnection(t *testing.T) {
	out := parse(t, "url: mem://\npath: a")
	require.ErrorIs(t, out.WriteBatch(t.Context(), batchOf("x")), service.ErrNotConnected)
}

func TestSecretsNeverReachErrors(t *testing.T) {
	const secret = "s3cr3t+/value"
	for _, url := range []string{
		"s3://bucket?region=a&sessionkey=s3cr3t%2B%2Fvalue",
		"s3://user:s3cr3t%2B%2Fvalue@bucket?region=a&bogus=1",
		"s3://bucket?region=a&bogus=1&endpoint=http://user:s3cr3t%252B%252Fvalue@127.0.0.1:1",
		"s3://bucket?region=%zz&key=" + secret,
		"file:///nowhere?secret_key_path=s3cr3t%2B%2Fvalue",
		"gs://bucket?key=" + secret,
	} {
		out, err := tryParse(t, "url: "+url+"\npath: a")
		if err == nil {
			err = out.Connect(t.Context())
		}
		require.Error(t, err, url)
		for _, form := range []string{secret, "s3cr3t"} {
			assert.NotContains(t, err.Error(), form)
		}
	}

	tgt, err := parseTarget("s3://bucket?region=a", s3Credentials{id: "AKID", secret: secret, token: "t0ken"})
	require.NoError(t, err)
	err = tgt.redact(errors.New("denied: " + secret + " and t0ken"))
	assert.Equal(t, "denied: xxxxx and xxxxx", err.Error())
}

func TestRefusedMessagesAloneReachTheFallback(t *testing.T) {
	dir := t.TempDir()
	builder := service.NewStreamBuilder()
	builder.SetLogger(slog.New(slog.DiscardHandler))
	require.NoError(t, builder.SetYAML(`
input:
  generate:
    count: 1
    interval: ""
    mapping: 'root = range(0, 10).map_each(n -> {"id": n, "key": if n % 3 == 0 { "" } else { "k" + n.string() }})'
  processors:
    - unarchive: { format: json_array }
output:
  fallback:
    - blob:
        url: file://`+dir+`/objects?create_dir=true
        path: '${! this.key }'
    - blob:
        url: file://`+dir+`/refused?create_dir=true
        path: '${! this.id }'
      processors:
        - mapping: |
            root = this
            root.error = metadata("fallback_error")
`))
	stream, err := builder.Build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, stream.Run(ctx))

	var objects, refused []string
	for name, body := range files(t, dir) {
		if kind, key, _ := strings.Cut(name, "/"); kind == "objects" {
			objects = append(objects, key)
		} else {
			refused = append(refused, key)
			var record struct{ Error string }
			require.NoError(t, json.Unmarshal([]byte(body), &record))
			assert.Contains(t, record.Error, "the key of the object is empty")
		}
	}
	assert.ElementsMatch(t, []string{"k1", "k2", "k4", "k5", "k7", "k8"}, objects)
	assert.ElementsMatch(t, []string{"0", "3", "6", "9"}, refused)
}

func TestABatchCanBeJoinedIntoOneObject(t *testing.T) {
	dir := t.TempDir()
	builder := service.NewStreamBuilder()
	builder.SetLogger(slog.New(slog.DiscardHandler))
	require.NoError(t, builder.SetYAML(`
input:
  generate:
    count: 5
    interval: ""
    mapping: 'root = counter()'
output:
  blob:
    url: file://`+dir+`
    path: joined
    batching:
      count: 5
      processors:
        - archive: { format: lines }
`))
	stream, err := builder.Build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, stream.Run(ctx))
	assert.Equal(t, map[string]string{"joined": "1\n2\n3\n4\n5"}, files(t, dir))
}

// files returns the content of every file below dir by its relative path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found[filepath.ToSlash(rel)] = string(body)
		return err
	}))
	return found
}

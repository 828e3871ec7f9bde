package destinations

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob"
)

const (
	envGateway = "VERSITYGW"

	s3Bucket = "lake"
	s3Key    = "AKDESTINATIONS"
	s3Secret = "destinations-secret"
)

// documentColumns are those of the example.
var documentColumns = []string{
	"Id", "DocumentType", "DocumentNumber", "DocumentDate", "Reference", "CustomerId", "CustomerName", "DocumentState",
	"AmountVatExcluded", "VatAmount", "AmountVatIncluded", "TotalDueAmount", "DiscountRate", "CurrencyId", "SendedByMail",
	"NotesClear", "InvoicingAddress_City", "sysModifiedDate",
}

var documentDecimals = []string{"AmountVatExcluded", "VatAmount", "AmountVatIncluded", "TotalDueAmount", "DiscountRate"}

// startS3 serves a bucket from a directory and returns its URL for the blob output.
func startS3(t *testing.T) string {
	t.Helper()
	binary := os.Getenv(envGateway)
	if binary == "" {
		t.Skipf("needs an S3 gateway: %s is not set (.ci/servers builds one)", envGateway)
	}
	data, sidecar := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(data, s3Bucket), 0o755))

	for range 5 { // another process may take the port first
		address := freeAddress(t)
		var log bytes.Buffer
		cmd := exec.Command(binary, "--port", address, "--access", s3Key, "--secret", s3Secret, "--quiet",
			"posix", "--sidecar", sidecar, data)
		cmd.Stdout, cmd.Stderr = &log, &log
		require.NoError(t, cmd.Start())
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		stop := func() {
			_ = cmd.Process.Kill()
			<-ended
		}
		if listens(address, ended) {
			t.Cleanup(stop)
			return "s3://" + s3Bucket + "?" + url.Values{
				"region": {"us-east-1"}, "use_path_style": {"true"}, "endpoint": {"http://" + address},
			}.Encode()
		}
		stop()
		t.Logf("the gateway did not come up at %s:\n%s", address, log.String())
	}
	t.Fatal("no S3 gateway came up")
	return ""
}

func listens(address string, ended <-chan struct{}) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-ended:
			return false
		default:
		}
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

func documentsToS3(t *testing.T, s *source) *pipeline {
	t.Helper()
	p := example(t, s, "sale_documents_to_s3_parquet.yaml")
	p.env["BLOB_URL"] = startS3(t)
	p.env["AWS_ACCESS_KEY_ID"] = s3Key
	p.env["AWS_SECRET_ACCESS_KEY"] = s3Secret
	p.set["output.fallback.0.switch.cases.1.output.blob.batching.period"] = "1s"
	return p
}

// objects reads everything in the bucket.
func objects(t *testing.T, address string) map[string][]byte {
	t.Helper()
	bucket, err := blob.OpenBucket(t.Context(), address)
	require.NoError(t, err)
	defer bucket.Close()
	out := map[string][]byte{}
	list := bucket.List(nil)
	for {
		o, err := list.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out[o.Key], err = bucket.ReadAll(t.Context(), o.Key)
		require.NoError(t, err)
	}
}

// parquetRows returns the rows of a file, decimals as text with all their digits,
// timestamps as times.
func parquetRows(t *testing.T, content []byte) []map[string]any {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	columns := file.Schema().Columns()
	var out []map[string]any
	for _, group := range file.RowGroups() {
		reader := group.Rows()
		buffer := make([]parquet.Row, 64)
		for {
			n, err := reader.ReadRows(buffer)
			for _, row := range buffer[:n] {
				values := map[string]any{}
				for _, v := range row {
					leaf, _ := file.Schema().Lookup(columns[v.Column()]...)
					values[strings.Join(columns[v.Column()], ".")] = parquetValue(t, leaf.Node, v)
				}
				out = append(out, values)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.NoError(t, reader.Close())
	}
	return out
}

func parquetValue(t *testing.T, node parquet.Node, v parquet.Value) any {
	t.Helper()
	if v.IsNull() {
		return nil
	}
	logical := node.Type().LogicalType()
	switch {
	case logical != nil && logical.Decimal != nil:
		unscaled := new(big.Int).SetBytes(v.ByteArray())
		if bits := uint(len(v.ByteArray()) * 8); unscaled.Bit(int(bits)-1) == 1 {
			unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), bits))
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(logical.Decimal.Scale)), nil)
		return new(big.Rat).SetFrac(unscaled, scale).FloatString(int(logical.Decimal.Scale))
	case logical != nil && logical.Timestamp != nil:
		require.NotNil(t, logical.Timestamp.Unit.Micros)
		return time.UnixMicro(v.Int64()).UTC()
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32:
		return int64(v.Int32())
	case parquet.Int64:
		return v.Int64()
	default:
		return string(v.ByteArray())
	}
}

// storedDocuments returns the rows of all files by key, after checking where the
// files are.
func storedDocuments(t *testing.T, p *pipeline) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for key, content := range objects(t, p.env["BLOB_URL"]) {
		require.Regexp(t, `^sale_documents/folder=`+folder+`/date=\d{4}-\d\d-\d\d/run=\d{8}T\d{6}Z/[0-9a-f-]{36}\.parquet$`, key)
		for _, row := range parquetRows(t, content) {
			id := row["Id"].(string)
			require.NotContains(t, out, id, "a document is in one file only")
			out[id] = row
		}
	}
	return out
}

func expectedDocuments(t *testing.T, s *source) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for id, row := range s.table(t, folder, "SaleDocument", documentColumns...) {
		values := map[string]any{}
		for i, column := range documentColumns {
			values[column] = row[i]
		}
		values["DocumentDate"] = moment(t, values["DocumentDate"])
		values["sysModifiedDate"] = moment(t, values["sysModifiedDate"])
		values["SendedByMail"] = values["SendedByMail"] == int64(1)
		out[id] = values
	}
	return out
}

func TestEveryDocumentIsInParquetWithEveryDigit(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	ids := documentIDs(t, s)
	s.change(t, "SaleDocument", ids[0], "AmountVatExcluded", hugeDecimal)
	s.change(t, "SaleDocument", ids[1], "AmountVatExcluded", tinyDecimal)
	s.change(t, "SaleDocument", ids[2], "AmountVatExcluded", "-"+greatDecimal)
	s.change(t, "SaleDocument", ids[3], "CustomerName", "L'Œuvre \"Élan\" & Fils")
	p := documentsToS3(t, s)
	p.run(t)

	stored := storedDocuments(t, p)
	assert.Equal(t, expectedDocuments(t, s), stored)
	assert.Len(t, stored, rows)
	assert.Equal(t, hugeDecimal, stored[ids[0]]["AmountVatExcluded"])
	assert.Equal(t, tinyDecimal, stored[ids[1]]["AmountVatExcluded"])
	assert.Equal(t, "-"+greatDecimal, stored[ids[2]]["AmountVatExcluded"])
	assert.Empty(t, p.letters(t))
}

func TestAmountsAreDecimalColumnsOfParquet(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := documentsToS3(t, s)
	p.run(t)
	files := objects(t, p.env["BLOB_URL"])
	require.Len(t, files, 1)
	for _, content := range files {
		file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
		require.NoError(t, err)
		for _, name := range documentDecimals {
			leaf, ok := file.Schema().Lookup(name)
			require.True(t, ok, name)
			logical := leaf.Node.Type().LogicalType()
			require.NotNil(t, logical, name)
			require.NotNil(t, logical.Decimal, name)
			assert.Equal(t, int32(28), logical.Decimal.Precision, name)
			assert.Equal(t, int32(8), logical.Decimal.Scale, name)
		}
	}
}

func TestEachRunIsAWholeSnapshotOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := documentsToS3(t, s)
	p.run(t)
	time.Sleep(1100 * time.Millisecond) // runs are told apart by the second they begin
	p.run(t)

	snapshots := map[string]map[string]bool{}
	for key, content := range objects(t, p.env["BLOB_URL"]) {
		_, rest, ok := strings.Cut(key, "/run=")
		require.True(t, ok, key)
		run, _, _ := strings.Cut(rest, "/")
		if snapshots[run] == nil {
			snapshots[run] = map[string]bool{}
		}
		for _, row := range parquetRows(t, content) {
			id := row["Id"].(string)
			assert.False(t, snapshots[run][id], "%s twice in run %s", id, run)
			snapshots[run][id] = true
		}
	}
	require.Len(t, snapshots, 2)
	for run, ids := range snapshots {
		assert.Len(t, ids, len(documentIDs(t, s)), run)
	}
}

func TestADocumentThatDoesNotFitItsColumnsIsPutAsideAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	id := documentIDs(t, s)[150]
	s.change(t, "SaleDocument", id, "VatAmount", tooLarge)
	p := documentsToS3(t, s)
	p.run(t)

	l := p.onlyLetter(t, "SaleDocument", id)
	assert.Contains(t, l.Record, tooLarge)
	assert.Contains(t, l.Error, "VatAmount")
	expected := expectedDocuments(t, s)
	delete(expected, id)
	assert.Equal(t, expected, storedDocuments(t, p))
}

func TestNothingIsPutAsideWhileTheBucketIsMissing(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := documentsToS3(t, s)
	p.env["BLOB_URL"] = strings.Replace(p.env["BLOB_URL"], s3Bucket, "missing", 1)
	log := p.runFor(t, 6*time.Second)
	assert.Contains(t, log, "missing")
	assert.Empty(t, p.letters(t))
}

// documentIDs returns the keys of the sale documents in a fixed order.
func documentIDs(t *testing.T, s *source) []string {
	t.Helper()
	found, err := s.Query(`SELECT "Id" FROM f` + folder + `_SaleDocument ORDER BY "Id"`)
	require.NoError(t, err)
	var out []string
	for _, row := range found {
		out = append(out, row[0].(string))
	}
	return out
}

package input_ebp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	_ "github.com/benthos-ebp/benthos-ebp/plugins/sandbox"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// wire stands between the input and a sandbox and keeps what the sandbox sent.
type wire struct {
	*httptest.Server
	sandbox *sandbox.Server
	mu      sync.Mutex
	bodies  [][]byte
}

func newWire(t *testing.T, o sandbox.Options) *wire {
	t.Helper()
	s, err := sandbox.Start(o)
	require.NoError(t, err)
	target, err := url.Parse(s.URL())
	require.NoError(t, err)
	w := &wire{sandbox: s}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(res *http.Response) error {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		if !strings.HasPrefix(res.Request.URL.Path, "/connect/") {
			w.mu.Lock()
			w.bodies = append(w.bodies, body)
			w.mu.Unlock()
		}
		return nil
	}
	w.Server = httptest.NewServer(proxy)
	t.Cleanup(func() {
		w.Close()
		_ = s.Close()
	})
	return w
}

// config writes the connection to the wire, and what is added to it.
func (w *wire) config(t *testing.T, more string) string {
	c := w.sandbox.Credentials()
	return fmt.Sprintf(`
url: %s
subscription_key: %q
state: file:%s
oauth2: { url: %s, client_id: %q, client_secret: %q, refresh_token: %q }
calls: { per_second: 0 }
http: { backoff: { initial_interval: 5ms, max_interval: 20ms } }
%s`, w.URL, c.SubscriptionKey, t.TempDir(), w.URL, c.ClientID, c.ClientSecret, w.sandbox.NewRefreshToken(), more)
}

func newInput(t *testing.T, config string) (*input, error) {
	t.Helper()
	conf, err := inputSpec().ParseYAML(config, nil)
	if err != nil {
		return nil, err
	}
	in, err := inputFromParsed(conf, service.MockResources())
	if err == nil {
		t.Cleanup(func() { _ = in.Close(context.Background()) })
	}
	return in, err
}

// readAll reads and acknowledges everything.
func readAll(t *testing.T, in service.BatchInput) []*service.Message {
	t.Helper()
	require.NoError(t, in.Connect(t.Context()))
	var out []*service.Message
	for {
		b, ack, err := in.ReadBatch(t.Context())
		if errors.Is(err, service.ErrEndOfInput) {
			return out
		}
		require.NoError(t, err)
		out = append(out, b...)
		require.NoError(t, ack(t.Context(), nil))
	}
}

func payload(t *testing.T, m *service.Message) string {
	b, err := m.AsBytes()
	require.NoError(t, err)
	return string(b)
}

func meta(m *service.Message) map[string]string {
	out := map[string]string{}
	_ = m.MetaWalk(func(k, v string) error { out[k] = v; return nil })
	return out
}

func folderOf(s *sandbox.Server, op *catalog.Operation) string {
	switch op.Scope {
	case catalog.ScopeNone:
		return ""
	case catalog.ScopeTenantHeader:
		return s.Tenants()[0]
	case catalog.ScopeDomainHeader:
		return s.Domains()[0]
	}
	folders, _ := op.Folders()
	return s.FolderIDs(folders.Product())[0]
}

func TestEveryListArrivesByteForByte(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 120})
	for _, op := range catalog.All() {
		if op.Kind != catalog.KindList {
			continue
		}
		t.Run(op.Resource(), func(t *testing.T) {
			w.mu.Lock()
			w.bodies = nil
			w.mu.Unlock()
			config := "resource: " + op.Resource() + "\n"
			if f := folderOf(w.sandbox, &op); f != "" {
				config += fmt.Sprintf("folders: [%q]\n", f)
			}
			if op.TakesTable() {
				config += "table: SaleDocumentLine\n"
			}
			in, err := newInput(t, w.config(t, config))
			require.NoError(t, err)
			got := readAll(t, in)

			var sent []string
			for _, body := range w.bodies {
				var rows []json.RawMessage
				if op.Records.Array {
					require.NoError(t, json.Unmarshal(body, &rows))
				} else {
					var answer map[string]json.RawMessage
					require.NoError(t, json.Unmarshal(body, &answer))
					require.NoError(t, json.Unmarshal(answer[op.Records.Keys[0]], &rows))
				}
				for i, r := range rows {
					if i == 0 && len(sent) > 0 && string(r) == sent[len(sent)-1] {
						continue // pages that are read by position overlap
					}
					sent = append(sent, string(r))
				}
			}
			require.NotEmpty(t, sent)
			require.Len(t, got, len(sent))
			for i, m := range got {
				require.Equal(t, sent[i], payload(t, m))
				md := meta(m)
				require.Equal(t, op.Product(), md[metaProduct])
				require.Equal(t, op.Resource(), md[metaResource])
				require.Equal(t, string(sweep.Upsert), md[metaChange])
				require.Equal(t, folderOf(w.sandbox, &op), md[metaFolder])
				require.NotEmpty(t, md[metaKey])
				_, err := time.Parse(time.RFC3339, md[metaSweep])
				require.NoError(t, err)
			}
		})
	}
}

func TestMetadataTellsWhereARecordComesFrom(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 110})
	folder := w.sandbox.FolderIDs("gescom")[0]
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: customer\nfolders: [%q]\n", folder)))
	require.NoError(t, err)
	keys := map[string]bool{}
	for _, m := range readAll(t, in) {
		md := meta(m)
		keys[md[metaKey]] = true
		assert.Equal(t, "Customer", md[metaTable])
		var row struct {
			ID       string  `json:"Id"`
			Modified *string `json:"sysModifiedDate"`
		}
		require.NoError(t, json.Unmarshal([]byte(payload(t, m)), &row))
		assert.Equal(t, row.ID, md[metaKey])
		if row.Modified == nil {
			assert.NotContains(t, md, metaModified)
		} else {
			assert.Equal(t, *row.Modified, md[metaModified])
		}
	}
	for _, awkward := range []string{"O'BRIEN", "null", "2021-07-12"} {
		assert.True(t, keys[awkward], awkward)
	}
	assert.Len(t, keys, 110)
}

func TestSeveralTablesAndAllDossiersAreReadInTurn(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 110, Folders: 2})
	in, err := newInput(t, w.config(t, `
resource: gescom.generic_query
folders: ["*"]
tables:
  - table: Customer
    columns: [Name]
  - table: StockItem
`))
	require.NoError(t, err)
	seen := map[string]int{}
	for _, m := range readAll(t, in) {
		md := meta(m)
		seen[md[metaFolder]+" "+md[metaTable]]++
	}
	assert.Len(t, seen, 4)
	for _, f := range w.sandbox.FolderIDs("gescom") {
		assert.Equal(t, 110, seen[f+" Customer"])
		rows, err := w.sandbox.Query("select count(*) from f" + f + "_StockItem")
		require.NoError(t, err)
		assert.EqualValues(t, rows[0][0], seen[f+" StockItem"])
	}
}

func TestADossierWithoutRightsDoesNotStopTheOthers(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 20, Folders: 3})
	in, err := newInput(t, w.config(t, "resource: gescom.generic_query\ntable: Customer\nfolders: [\"*\"]\n"))
	require.NoError(t, err)
	folders := map[string]int{}
	for _, m := range readAll(t, in) {
		folders[meta(m)[metaFolder]]++
	}
	assert.Len(t, folders, 2)
	assert.NotContains(t, folders, w.sandbox.ForbiddenFolder())
}

func TestTypedValuesKeepEveryDigitAndDescribeThemselves(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 110})
	folder := w.sandbox.FolderIDs("gescom")[0]
	config := fmt.Sprintf("resource: gescom.generic_query\ntable: Item\nfolders: [%q]\ncolumns: [id, PURCHASEPRICE, sysmodifieddate]\n", folder)
	raw, err := newInput(t, w.config(t, config))
	require.NoError(t, err)
	a := readAll(t, raw)
	require.NoError(t, raw.Close(t.Context()))
	typedIn, err := newInput(t, w.config(t, config+"values: typed\nschema_metadata: ebp_schema\n"))
	require.NoError(t, err)
	b := readAll(t, typedIn)
	require.Len(t, b, len(a))
	long := 0
	for i := range a {
		require.NoError(t, b[i].GetError())
		var before map[string]json.RawMessage
		var after struct {
			ID, PurchasePrice string
		}
		require.NoError(t, json.Unmarshal([]byte(payload(t, a[i])), &before))
		require.NoError(t, json.Unmarshal([]byte(payload(t, b[i])), &after))
		assert.Contains(t, payload(t, b[i]), `"PurchasePrice":"`)
		assert.Equal(t, string(before["PURCHASEPRICE"]), after.PurchasePrice)
		if len(after.PurchasePrice) > 25 {
			long++
		}
		_, ok := b[i].MetaGetImmut("ebp_schema")
		require.True(t, ok)
	}
	assert.Positive(t, long, "no long decimal was read")
}

func TestARecordThatDoesNotFitItsTypesArrivesWithAnErrorAndItsBytes(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 20})
	folder := w.sandbox.FolderIDs("gescom")[0]
	require.NoError(t, w.sandbox.Exec("update f"+folder+"_Item set SalePriceVatExcluded = '0.123456789' where Id = (select min(Id) from f"+folder+"_Item)"))
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Item\nfolders: [%q]\nvalues: typed\n", folder)))
	require.NoError(t, err)
	failed := 0
	for _, m := range readAll(t, in) {
		if m.GetError() != nil {
			failed++
			assert.ErrorContains(t, m.GetError(), "column SalePriceVatExcluded: 0.123456789 has more than 8 digits")
			assert.Contains(t, payload(t, m), `"SalePriceVatExcluded":0.123456789`)
		}
	}
	assert.Equal(t, 1, failed)
}

func TestFaultsAtAnyCallLoseAndRepeatNothing(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 300})
	folder := w.sandbox.FolderIDs("gescom")[0]
	var mu sync.Mutex
	n := 0
	faults := []*sandbox.Fault{
		{Status: 500}, {Status: 503, Body: []byte("<html>")}, {DropBefore: true}, {DropAfter: true}, {Truncate: true},
		{Status: 429, Header: http.Header{"Retry-After": {"0"}}}, {Status: 401},
	}
	w.sandbox.SetFault(func(c sandbox.Call) *sandbox.Fault {
		mu.Lock()
		defer mu.Unlock()
		n++
		if n%2 == 0 && !strings.HasPrefix(c.Path, "/connect") { // every other attempt goes wrong
			return faults[n/2%len(faults)]
		}
		return nil
	})
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\npage_size: 10\n", folder)))
	require.NoError(t, err)
	keys := map[string]int{}
	for _, m := range readAll(t, in) {
		keys[meta(m)[metaKey]]++
	}
	assert.Len(t, keys, 300)
	for k, n := range keys {
		assert.Equal(t, 1, n, k)
	}
}

func TestIntervalReadsAgainOnlyWhenEverythingIsAnsweredFor(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	folder := w.sandbox.FolderIDs("gescom")[0]
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\ninterval: 10ms\n", folder)))
	require.NoError(t, err)
	require.NoError(t, in.Connect(t.Context()))
	first, ack, err := in.ReadBatch(t.Context())
	require.NoError(t, err)
	calls := w.sandbox.CallCount()
	time.Sleep(100 * time.Millisecond)
	assert.Equal(t, calls, w.sandbox.CallCount(), "a new read began before the last was answered for")
	require.NoError(t, ack(t.Context(), nil))
	second, ack, err := in.ReadBatch(t.Context())
	require.NoError(t, err)
	require.NoError(t, ack(t.Context(), nil))
	assert.Len(t, second, len(first))
	assert.Less(t, meta(first[0])[metaSweep], meta(second[0])[metaSweep])
}

func TestANackedBatchComesAgainUnlessTurnedOff(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	folder := w.sandbox.FolderIDs("gescom")[0]
	for replay, want := range map[bool]int{true: 10, false: 5} {
		in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\nauto_replay_nacks: %v\n", folder, replay)))
		require.NoError(t, err)
		require.NoError(t, in.Connect(t.Context()))
		got, refused := 0, false
		for {
			b, ack, err := in.ReadBatch(t.Context())
			if errors.Is(err, service.ErrEndOfInput) {
				break
			}
			require.NoError(t, err)
			got += len(b)
			var nack error
			if !refused {
				nack, refused = errors.New("the destination is away"), true
			}
			require.NoError(t, ack(t.Context(), nack))
		}
		assert.Equal(t, want, got)
		require.NoError(t, in.Close(t.Context()))
	}
}

// refusing is an output that refuses one message of its first batch.
type refusing struct {
	mu      sync.Mutex
	refused bool
	got     map[string]int
}

func (r *refusing) Connect(context.Context) error { return nil }
func (r *refusing) Close(context.Context) error   { return nil }

func (r *refusing) WriteBatch(_ context.Context, b service.MessageBatch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failed *service.BatchError
	for i, m := range b {
		key, _ := m.MetaGet(metaKey)
		if !r.refused && i == 3 {
			r.refused = true
			failed = service.NewBatchError(b, errors.New("refused")).Failed(i, errors.New("refused"))
			continue
		}
		r.got[key]++
	}
	if failed != nil {
		return failed
	}
	return nil
}

func TestNothingIsLostWhenMessagesWereDroppedBeforeTheOneThatIsRefused(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 20})
	folder := w.sandbox.FolderIDs("gescom")[0]
	out := &refusing{got: map[string]int{}}
	env := service.GlobalEnvironment().Clone()
	require.NoError(t, env.RegisterBatchOutput("refusing", service.NewConfigSpec(), func(*service.ParsedConfig, *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
		return out, service.BatchPolicy{}, 1, nil
	}))
	b := env.NewStreamBuilder()
	config := w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\n", folder))
	require.NoError(t, b.AddInputYAML("ebp:\n"+strings.ReplaceAll(config, "\n", "\n  ")))
	require.NoError(t, b.AddProcessorYAML("mapping: 'root = if batch_index() % 4 == 1 { deleted() }'"))
	require.NoError(t, b.AddOutputYAML("refusing: {}"))
	require.NoError(t, b.SetLoggerYAML("level: NONE"))
	stream, err := b.Build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, stream.Run(ctx))
	assert.True(t, out.refused)
	assert.Len(t, out.got, 15)
}

func TestClosingStopsAtOnceWhateverItWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		fault  *sandbox.Fault
	}{
		"the pace":         {"calls: { per_second: 0.001 }", nil},
		"a slow answer":    {"", &sandbox.Fault{Delay: 30 * time.Second}},
		"Retry-After":      {"", &sandbox.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}},
		"the day's quota":  {"", &sandbox.Fault{Status: 403, Body: []byte(`{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 10:00:00."}`)}},
		"a slow pipeline":  {"page_size: 1", nil},
		"the next reading": {"interval: 1h", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, sandbox.Options{Rows: 20})
			w.sandbox.SetFault(func(call sandbox.Call) *sandbox.Fault {
				if strings.HasPrefix(call.Path, "/connect") {
					return nil
				}
				return c.fault
			})
			folder := w.sandbox.FolderIDs("gescom")[0]
			config := w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\n%s\n", folder, c.config))
			if strings.HasPrefix(c.config, "calls") {
				config = strings.Replace(config, "calls: { per_second: 0 }", "", 1)
			}
			in, err := newInput(t, config)
			require.NoError(t, err)
			require.NoError(t, in.Connect(t.Context()))
			time.Sleep(150 * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			require.NoError(t, in.Close(ctx))
		})
	}
}

func TestARunWithoutASignInEndsAndSaysWhy(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	folder := w.sandbox.FolderIDs("gescom")[0]
	config := w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\n", folder))
	config = strings.Replace(config, w.sandbox.Credentials().ClientSecret, "wrong", 1)
	in, err := newInput(t, config)
	require.NoError(t, err)
	require.ErrorIs(t, in.Connect(t.Context()), service.ErrEndOfInput)
	assert.Zero(t, w.sandbox.CallCount())
}

func TestTheConnectionCanBeTestedForOneCall(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	in, err := newInput(t, w.config(t, "resource: gescom.generic_query\ntable: Customer\nfolders: [\"*\"]\n"))
	require.NoError(t, err)
	results := in.ConnectionTest(t.Context())
	require.Len(t, results, 1)
	require.NoError(t, results[0].Err)
	assert.Equal(t, 1, w.sandbox.CallCount())

	in, err = newInput(t, strings.Replace(w.config(t, "resource: gescom.folders\n"), w.sandbox.Credentials().SubscriptionKey, "wrong-key", 1))
	require.NoError(t, err)
	results = in.ConnectionTest(t.Context())
	require.ErrorContains(t, results[0].Err, "check subscription_key")
}

func TestAReadOutlastsAServerThatIsAwayForAWhile(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 100, AccessTokenLifetime: time.Minute + time.Second})
	folder := w.sandbox.FolderIDs("gescom")[0]
	var mu sync.Mutex
	calls, tokens := 0, 0
	w.sandbox.SetFault(func(c sandbox.Call) *sandbox.Fault {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(c.Path, "/connect") {
			if tokens++; tokens > 1 && tokens < 4 { // the login server is away when the token is to be renewed
				return &sandbox.Fault{Status: 503}
			}
			return nil
		}
		if calls++; calls > 3 && calls < 25 { // longer than the client itself tries
			return &sandbox.Fault{Status: 502, Body: []byte("<html>")}
		}
		if calls == 30 {
			return &sandbox.Fault{Status: 401}
		}
		if calls == 40 {
			return &sandbox.Fault{Status: 200, Body: []byte("{\"results\":[")}
		}
		return nil
	})
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\npage_size: 5\n", folder)))
	require.NoError(t, err)
	in.patience = patience{callFor: 20 * time.Second, callFirst: 5 * time.Millisecond, callLongest: 20 * time.Millisecond}
	keys := map[string]int{}
	for _, m := range readAll(t, in) {
		keys[meta(m)[metaKey]]++
	}
	assert.Len(t, keys, 100)
	for k, n := range keys {
		assert.Equal(t, 1, n, k)
	}
	assert.GreaterOrEqual(t, tokens, 4)
}

func TestARefusedSignInIsTriedAgainMoreAndMoreSlowly(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	folder := w.sandbox.FolderIDs("gescom")[0]
	config := w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\ninterval: 1h\n", folder))
	in, err := newInput(t, strings.Replace(config, w.sandbox.Credentials().ClientSecret, "wrong", 1))
	require.NoError(t, err)
	for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		var backOff *service.ErrBackOff
		require.ErrorAs(t, in.Connect(t.Context()), &backOff)
		assert.Equal(t, want, backOff.Wait)
	}
}

func TestAnExhaustedQuotaEndsTheSweepAtTheFirstCall(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5, PerDay: 10})
	folder := w.sandbox.FolderIDs("gescom")[0]
	w.sandbox.SetQuotaUsed(10)
	config := strings.Replace(w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntables: [{table: Customer}, {table: Item}, {table: Unit}]\nfolders: [%q]\n", folder)),
		"per_second: 0", "per_second: 0, when_exhausted: error", 1)
	in, err := newInput(t, config)
	require.NoError(t, err)
	assert.Empty(t, readAll(t, in))
	assert.Equal(t, 1, w.sandbox.CallCount())
}

func TestADestinationThatIsAwayNeitherFillsTheMemoryNorUsesUpCalls(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 300})
	folder := w.sandbox.FolderIDs("gescom")[0]
	in, err := newInput(t, w.config(t, fmt.Sprintf("resource: gescom.generic_query\ntable: Customer\nfolders: [%q]\npage_size: 5\n", folder)))
	require.NoError(t, err)
	require.NoError(t, in.Connect(t.Context()))
	for range 8 {
		_, ack, err := in.ReadBatch(t.Context())
		require.NoError(t, err)
		require.NoError(t, ack(t.Context(), errors.New("away")))
		assert.LessOrEqual(t, in.flight.deliveries(), 2+in.conf.prefetch)
		if in.refused.Load() > 5 {
			t.Fatal("pages pile up")
		}
	}
	assert.LessOrEqual(t, w.sandbox.CallCount(), 4)
	keys := map[string]bool{}
	for {
		b, ack, err := in.ReadBatch(t.Context())
		if errors.Is(err, service.ErrEndOfInput) {
			break
		}
		require.NoError(t, err)
		for _, m := range b {
			keys[meta(m)[metaKey]] = true
		}
		require.NoError(t, ack(t.Context(), nil))
		require.NoError(t, ack(t.Context(), errors.New("answered twice")))
	}
	assert.Len(t, keys, 300)
}

func TestABrokenDossierDoesNotKeepTheOthersWaiting(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 20, Folders: 2})
	broken := w.sandbox.FolderIDs("gescom")[0]
	w.sandbox.SetFault(func(c sandbox.Call) *sandbox.Fault {
		if strings.Contains(c.Path, "/Folders/"+broken+"/") {
			return &sandbox.Fault{Status: 500, Body: []byte(`{"title":"Erreur","message":"no database","errorType":"EbpOpenDataBaseError"}`)}
		}
		return nil
	})
	config := w.config(t, "resource: gescom.generic_query\ntables: [{table: Customer}, {table: Item}, {table: Unit}]\nfolders: [\"*\"]\n")
	in, err := newInput(t, strings.Replace(config, "http: {", "http: { max_retries: 1,", 1))
	require.NoError(t, err)
	in.patience = patience{callFor: time.Hour, callFirst: time.Millisecond, callLongest: 2 * time.Millisecond}
	folders := map[string]int{}
	for _, m := range readAll(t, in) {
		folders[meta(m)[metaFolder]]++
	}
	assert.Len(t, folders, 1)
	assert.NotContains(t, folders, broken)
	assert.LessOrEqual(t, w.sandbox.CallCount(), 1+3+3*3*2)
}

func TestAWrongAuthorizationServerEndsARunAndSaysWhatToCheck(t *testing.T) {
	w := newWire(t, sandbox.Options{Rows: 5})
	config := strings.Replace(w.config(t, "resource: gescom.folders\n"), "oauth2: { url: "+w.URL, "oauth2: { url: "+w.URL+"/wrong", 1)
	in, err := newInput(t, config)
	require.NoError(t, err)
	err = in.signIn(t.Context())
	require.ErrorContains(t, err, "check oauth2.url")
	require.ErrorIs(t, in.Connect(t.Context()), service.ErrEndOfInput)
}

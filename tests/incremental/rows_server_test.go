package incremental

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// rowServer answers the queries of an incremental read of one table with rows that it makes
// on the fly: a million of them in a database would cost more than what is measured. It
// knows just the questions that such a read asks, and remembers others as refused.
//
// The first rows are old, each of a date of its own; the last ones, in the order of the
// key, were all changed in one second.
type rowServer struct {
	*httptest.Server
	rows, tied int

	mu      sync.Mutex
	now     time.Time
	calls   int
	records int
	refused []string
}

func newRowServer(t testing.TB, rows, tied int) *rowServer {
	t.Helper()
	r := &rowServer{rows: rows, tied: tied, now: morning}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

// tiedAt is the second of the tied rows.
var tiedAt = stampOf(morning)

// keyTerm is the key in a condition that asks for what follows it.
var keyTerm = regexp.MustCompile(`K(\d{9})`)

func (r *rowServer) serve(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Date", r.now.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if q.URL.Path == "/connect/token" {
		_, _ = fmt.Fprint(w, `{"access_token":"rows","refresh_token":"rows-next","expires_in":86400,"token_type":"Bearer"}`)
		return
	}
	p := q.URL.Query()
	offset, _ := strconv.Atoi(p.Get("Offset"))
	limit, err := strconv.Atoi(p.Get("Limit"))
	where, order := p.Get("WhereCondition"), p.Get("OrderByValue")
	first, end := 0, r.rows
	if strings.Contains(where, "sysModifiedDate") {
		first = r.rows - r.tied // every bound lies between the old rows and the tied ones
	}
	if m := keyTerm.FindStringSubmatch(where); m != nil {
		n, _ := strconv.Atoi(m[1])
		first = max(first, n+1)
	}
	switch order {
	case "Id", "sysModifiedDate": // both are ascending in the number of the row
	case "sysCreatedDate": // asks for rows that were never modified
		first = end
	default:
		err = fmt.Errorf("the order is not known")
	}
	if err != nil || limit < 1 || limit > pageSize || p.Get("TableName") != "Customer" {
		r.refused = append(r.refused, q.URL.String())
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.calls++
	total := max(0, end-first)
	from := min(first+offset, end)
	to := min(from+limit, end)
	r.records += to - from
	var b strings.Builder
	b.WriteString(`{"results":[`)
	for i := from; i < to; i++ {
		if i > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Id":"K%09d","Name":"Établissements Lefèvre & fils n° %d","sysModifiedDate":%q,"sysCreatedDate":"2020-01-01T00:00:00"}`, i, i, r.date(i))
	}
	fmt.Fprintf(&b, `],"paging":{"total":%d,"returned":%d,"offset":%d,"limit":%d}}`, total, to-from, offset, limit)
	_, _ = fmt.Fprint(w, b.String())
}

func (r *rowServer) date(i int) string {
	if i >= r.rows-r.tied {
		return tiedAt
	}
	return time.Date(2021, 1, 1, 0, 0, i, 0, time.UTC).Format("2006-01-02T15:04:05")
}

// later moves the server's clock and forgets what it has seen.
func (r *rowServer) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.calls, r.records = r.now.Add(d), 0, 0
}

func (r *rowServer) seen() (calls, records int, refused []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls, r.records, r.refused
}

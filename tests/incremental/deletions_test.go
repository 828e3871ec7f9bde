package incremental

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

const followed = "resource: gescom.generic_query\ntable: Customer\ncolumns: [Id, Name]\nfolders: [\"" + folder + "\"]\nmode: changes\ncursor: followed\npage_size: 20\n"

// changesOf counts messages by what happened to their records.
func changesOf(messages []message) map[string]int {
	out := map[string]int{}
	for _, m := range messages {
		out[m.change]++
	}
	return out
}

// followedSource is a source of 110 customers that were read once.
func followedSource(t *testing.T) *source {
	t.Helper()
	s := newSource(t, morning, sandbox.Options{Rows: 110})
	require.Equal(t, map[string]int{"insert": 110}, changesOf(s.readAll(t, followed)))
	s.ResetCalls()
	return s
}

// readBadly runs a pipeline that is not expected to read everything, and returns what it
// delivered and said.
func (s *source) readBadly(t *testing.T, fields string) ([]message, *logs) {
	t.Helper()
	var out []message
	st := s.start(t, fields, func(b service.MessageBatch) error {
		out = append(out, received(t, b)...)
		return nil
	})
	st.wait()
	return out, st.log
}

// failFrom has EBP answer an error from the nth call of a list on.
func failFrom(n, status int) func(sandbox.Call) *sandbox.Fault {
	var calls atomic.Int64
	return func(c sandbox.Call) *sandbox.Fault {
		if c.Folder == "" || calls.Add(1) < int64(n) {
			return nil
		}
		return &sandbox.Fault{Status: status, Body: []byte(`{"title":"Erreur technique","message":"La requête a échoué"}`)}
	}
}

// Rows that sort first, last and between are deleted; then a sweep fails at each of its
// calls.
func TestASweepThatFailsReportsNoDeletion(t *testing.T) {
	t.Parallel()
	const calls = 6 // 107 rows in pages of 20
	for n := 1; n <= calls; n++ {
		for _, status := range []int{http.StatusInternalServerError, http.StatusForbidden, http.StatusNotFound} {
			if status == http.StatusInternalServerError && n%3 != 0 {
				continue // it is asked again for a while, which takes its time
			}
			t.Run(fmt.Sprintf("call %d answers %d", n, status), func(t *testing.T) {
				t.Parallel()
				s := followedSource(t)
				for _, at := range []int{0, 50, 107} {
					s.exec(t, fmt.Sprintf("DELETE FROM f%[1]s_Customer WHERE rowid = (SELECT rowid FROM f%[1]s_Customer ORDER BY \"Id\" LIMIT 1 OFFSET %[2]d)", folder, at))
				}
				s.SetFault(failFrom(n, status))
				got, log := s.readBadly(t, followed)
				s.SetFault(nil)
				assert.Empty(t, got)
				assert.NotEmpty(t, log.errors())
				// Only the sweep that is read to its end reports them, and reports them once.
				assert.Equal(t, map[string]int{"delete": 3}, changesOf(s.readAll(t, followed)))
				assert.Empty(t, s.readAll(t, followed))
			})
		}
	}
}

// The pipeline is stopped while a call is under way, at each of them.
func TestASweepThatIsCutOffReportsNoDeletion(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 6; n++ {
		t.Run(fmt.Sprintf("at call %d", n), func(t *testing.T) {
			t.Parallel()
			s := followedSource(t)
			s.exec(t, "DELETE FROM f"+folder+"_Customer WHERE rowid IN (3, 60, 108)")
			asked := make(chan struct{})
			var calls atomic.Int64
			s.SetFault(func(c sandbox.Call) *sandbox.Fault {
				if c.Folder == "" || calls.Add(1) != int64(n) {
					return nil
				}
				close(asked)
				return &sandbox.Fault{Delay: 30 * time.Second, DropBefore: true}
			})
			var got []message
			st := s.start(t, followed, func(b service.MessageBatch) error {
				got = append(got, received(t, b)...)
				return nil
			})
			<-asked
			st.stop()
			s.SetFault(nil)
			assert.Empty(t, got)
			assert.Equal(t, map[string]int{"delete": 3}, changesOf(s.readAll(t, followed)))
			assert.Empty(t, s.readAll(t, followed))
		})
	}
}

// EBP answers that there is nothing, or a part of what there was, as after the restoration
// of an old backup or a change of rights. It is not believed; and when EBP is itself again,
// nothing has happened.
func TestAListThatIsSuddenlySmallerIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, hidden := range map[string]string{"empty": "1", "half of it": "rowid % 2", "a fifth less": "rowid % 5 = 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := followedSource(t)
			table := "f" + folder + "_Customer"
			s.exec(t, "CREATE TABLE hidden AS SELECT * FROM "+table+" WHERE "+hidden)
			s.exec(t, "DELETE FROM "+table+" WHERE "+hidden)
			gone := s.number(t, "SELECT COUNT(*) FROM hidden")
			for range 2 {
				got, log := s.readBadly(t, followed)
				assert.Empty(t, got)
				require.Len(t, log.errors(), 1, "%s", log)
				assert.Contains(t, log.errors()[0], "cursor confirm followed")
				assert.Contains(t, log.errors()[0], fmt.Sprint(gone))
			}
			s.exec(t, "INSERT INTO "+table+" SELECT * FROM hidden")
			assert.Empty(t, s.readAll(t, followed), "EBP has what it had")
		})
	}
}

func TestDeletionsThatAPersonConfirmedAreReported(t *testing.T) {
	t.Parallel()
	s := followedSource(t)
	table := "f" + folder + "_Customer"
	s.exec(t, "DELETE FROM "+table+" WHERE rowid <= 60")
	got, log := s.readBadly(t, followed)
	assert.Empty(t, got)
	assert.NotEmpty(t, log.errors())

	store, err := state.Open(s.state)
	require.NoError(t, err)
	defer store.Close()
	confirmed, err := sweep.ConfirmDeletions(t.Context(), store, "followed")
	require.NoError(t, err)
	assert.EqualValues(t, 60, confirmed)

	// More than was confirmed is not.
	s.exec(t, "DELETE FROM "+table+" WHERE rowid <= 85")
	got, log = s.readBadly(t, followed)
	assert.Empty(t, got)
	assert.NotEmpty(t, log.errors())
	confirmed, err = sweep.ConfirmDeletions(t.Context(), store, "followed")
	require.NoError(t, err)
	assert.EqualValues(t, 85, confirmed)
	messages := s.readAll(t, followed)
	assert.Equal(t, map[string]int{"delete": 85}, changesOf(messages))
	keys := map[string]bool{}
	for _, m := range messages {
		keys[m.key] = true
	}
	assert.Len(t, keys, 85)

	// It was confirmed for once.
	s.exec(t, "DELETE FROM "+table)
	got, log = s.readBadly(t, followed)
	assert.Empty(t, got)
	assert.NotEmpty(t, log.errors())
}

func TestFewDeletionsAreReportedAtOnceWithTheKeyColumns(t *testing.T) {
	t.Parallel()
	s := followedSource(t)
	table := "f" + folder + "_Customer"
	s.exec(t, "DELETE FROM "+table+" WHERE \"Id\" IN ('O''BRIEN', 'null', 'É-TIENNE')")
	s.exec(t, "UPDATE "+table+" SET \"Name\" = 'changed' WHERE \"Id\" = '007'")
	got := s.readAll(t, followed)
	require.Equal(t, map[string]int{"delete": 3, "update": 1}, changesOf(got))
	var payloads []string
	for _, m := range got {
		payloads = append(payloads, m.change+" "+m.key+" "+m.payload)
		assert.Equal(t, folder, m.folder)
		assert.Equal(t, "Customer", m.table)
	}
	slices.Sort(payloads)
	assert.Equal(t, []string{
		`delete O'BRIEN {"Id":"O'BRIEN"}`, `delete null {"Id":"null"}`, `delete É-TIENNE {"Id":"É-TIENNE"}`, `update 007 {"Id":"007","Name":"changed"}`,
	}, payloads)
}

package incremental

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// EBP recalculates values without a new date: only a full comparison finds them.
func TestAReconciliationBringsWhatChangedWithoutADate(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "reconcile_every: 1ms")
	require.Len(t, s.readAll(t, fields), 250)
	s.exec(t, "UPDATE f"+folder+"_Customer SET \"Name\" = 'recalculated' WHERE rowid IN (7, 120, 249)")
	assert.Empty(t, s.readAll(t, customers([]string{folder}, "")), "without it nobody sees them")
	got := s.readAll(t, fields)
	require.Len(t, got, 3)
	for _, m := range got {
		assert.Contains(t, m.payload, `"recalculated"`)
		assert.Equal(t, "upsert", m.change)
	}
	assert.Empty(t, s.readAll(t, fields))
}

func TestAStartLeavesOutWhatIsOlder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, condition string }{
		"now":    {"now", "0"},
		"a date": {`"2025-06-30"`, "COALESCE(sysModifiedDate, sysCreatedDate) >= '2025-06-30T00:00:00'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, morning, sandbox.Options{Rows: 250})
			fields := customers([]string{folder}, "start_from: "+c.from)
			newer := s.number(t, "SELECT COUNT(*) FROM f"+folder+"_Customer WHERE "+c.condition)
			first := s.readAll(t, fields)
			assert.GreaterOrEqual(t, len(first), newer)
			// Of now, what the greatest dates of EBP hold may come as well: better than a gap.
			assert.LessOrEqual(t, len(first), newer+5)
			s.clock.advance(time.Minute)
			s.edited(t, 3, "changed since", s.clock.Now())
			got := s.readAll(t, fields)
			require.Len(t, got, 1)
			assert.Contains(t, got[0].payload, `"changed since"`)
		})
	}
}

// A cursor that was made for other columns does not say what it seems to.
func TestAnotherConfigurationDoesNotGoOnWithACursorUnasked(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 250})
	fields := customers([]string{folder}, "")
	other := strings.ReplaceAll(fields, "Name,", "Name, ActiveState,")
	require.Len(t, s.readAll(t, fields), 250)
	got, log := s.readBadly(t, other)
	assert.Empty(t, got)
	require.Len(t, log.errors(), 1, "%s", log)
	assert.Contains(t, log.errors()[0], "on_config_change")
	assert.Empty(t, s.readAll(t, fields), "the cursor is as it was")
	assert.Empty(t, s.readAll(t, other+"on_config_change: keep"))
	assert.Len(t, s.readAll(t, fields+"on_config_change: restart"), 250)
}

// One dossier may not be read. It is named, and the others are read.
func TestADossierWithoutRightsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	s := newSource(t, morning, sandbox.Options{Rows: 30, Folders: 3})
	folders := s.FolderIDs("gescom")
	for _, want := range []int{60, 0} {
		got, log := s.readBadly(t, customers(folders, ""))
		assert.Len(t, got, want)
		require.Len(t, log.errors(), 1, "%s", log)
		assert.Contains(t, log.errors()[0], s.ForbiddenFolder())
	}
	s.edited(t, 3, "changed", s.clock.Now())
	got, _ := s.readBadly(t, customers(folders, ""))
	require.Len(t, got, 1)
}

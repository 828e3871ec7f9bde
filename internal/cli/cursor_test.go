package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
	"github.com/benthos-ebp/benthos-ebp/internal/state"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// reader is a desk whose pipelines may read.
func reader(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t, func(o *sandbox.Options) { o.Rows, o.Folders = 30, 2 })
	t.Setenv(connection.EnvRefreshToken, d.server.NewRefreshToken())
	return d
}

// pipeline is one that reads customers. What comes out goes to out, as change and key.
func (d *desk) pipeline(t *testing.T, fields string, out *[]string) *service.Stream {
	t.Helper()
	b := service.NewStreamBuilder()
	require.NoError(t, b.SetLoggerYAML("level: none"))
	require.NoError(t, b.AddInputYAML("label: customers\nebp:\n  resource: gescom.generic_query\n  table: Customer\n  calls: { per_second: 0 }\n"+fields))
	require.NoError(t, b.AddConsumerFunc(func(_ context.Context, m *service.Message) error {
		change, _ := m.MetaGet("ebp_change")
		key, _ := m.MetaGet("ebp_key")
		*out = append(*out, change+" "+key)
		return nil
	}))
	stream, err := b.Build()
	require.NoError(t, err)
	return stream
}

// read runs a pipeline once and returns what came out.
func (d *desk) read(t *testing.T, fields string) (out []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfTests)
	defer cancel()
	require.NoError(t, d.pipeline(t, fields, &out).Run(ctx))
	return out
}

// readUntilHeld runs a pipeline until deletions are held back, from which nothing comes out.
// It is one that goes on: the other kind would end the process with a code, of which all
// tests have one.
func (d *desk) readUntilHeld(t *testing.T, fields string) {
	t.Helper()
	var out []string
	stream := d.pipeline(t, fields+"  interval: 100ms\n", &out)
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(context.Background()) }()
	store := d.store(t)
	require.Eventually(t, func() bool {
		lists, err := sweep.ShowCursor(t.Context(), store, "customers")
		return err == nil && len(lists) == 1 && lists[0].HeldDeletions > 0
	}, patienceOfTests, eventually)
	require.NoError(t, stream.StopWithin(patienceOfTests))
	<-ended
	require.Empty(t, out)
}

func (d *desk) store(t *testing.T) state.Store {
	t.Helper()
	store, err := state.Open("file:" + d.state)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

const incremental = "  folders: [\"3691\", \"298324\"]\n  mode: incremental\n"

func TestCursorsOfPipelinesAreListedAndShown(t *testing.T) {
	d := reader(t)
	out, notes, err := d.run(t, "cursor", "list")
	require.NoError(t, err)
	assert.Empty(t, out)
	assert.Contains(t, notes, "There is no cursor in file:"+d.state)
	out, _, err = d.run(t, "cursor", "list", "--format", "json")
	require.NoError(t, err)
	assert.Equal(t, "[]\n", out)

	require.Len(t, d.read(t, incremental), 60)
	calls := d.server.CallCount()
	out, notes, err = d.run(t, "cursor", "list")
	require.NoError(t, err)
	assert.Empty(t, notes)
	assert.Regexp(t, `(?m)^NAME +MODE +RESOURCE +FOLDERS +LISTS +LAST READ +NOTES$`, out)
	assert.Regexp(t, `(?m)^customers +incremental +gescom\.generic_query +2 +2 +20\d\d-\d\d-\d\d \d\d:\d\d *$`, out)

	out, notes, err = d.run(t, "cursor", "show", "customers")
	require.NoError(t, err)
	assert.Empty(t, notes)
	assert.Regexp(t, `(?m)^default +298324 +gescom\.generic_query Customer +incremental +20\S+ \S+ +30 +30 +(after )?20\d\d-\S+ *$`, out)
	assert.Regexp(t, `(?m)^default +3691 `, out)

	out, _, err = d.run(t, "cursor", "show", "customers", "--format", "json")
	require.NoError(t, err)
	var lists []sweep.ListInfo
	require.NoError(t, json.Unmarshal([]byte(out), &lists))
	require.Len(t, lists, 2)
	assert.Equal(t, sweep.Incremental, lists[0].Config.Mode)
	assert.EqualValues(t, 1, lists[0].Sweeps)
	assert.Equal(t, calls, d.server.CallCount(), "looking makes no call")
}

func TestTheStateOfThePipelineIsLookedInto(t *testing.T) {
	d := reader(t)
	require.Len(t, d.read(t, incremental), 60)
	t.Setenv(connection.EnvState, "file:"+t.TempDir())
	_, _, err := d.run(t, "cursor", "show", "customers")
	require.ErrorIs(t, err, sweep.ErrNoCursor)

	file := pipelineFile(t, fmt.Sprintf("input:\n  label: customers\n  ebp: { resource: gescom.folders, state: %q }\n", "file:"+d.state))
	out, _, err := d.run(t, "cursor", "list", "--config", file)
	require.NoError(t, err)
	assert.Contains(t, out, "customers")
	out, _, err = d.run(t, "cursor", "list", "--state", "file:"+d.state)
	require.NoError(t, err)
	assert.Contains(t, out, "customers")

	_, _, err = d.run(t, "cursor", "list", "--state", "postgres://etl:tops3cret@localhost/x")
	require.ErrorContains(t, err, "--state holds a password")
	assert.NotContains(t, err.Error(), "tops3cret")
}

func TestResetHasTheNextRunBeginAnew(t *testing.T) {
	d := reader(t)
	require.Len(t, d.read(t, incremental), 60)
	require.Empty(t, d.read(t, incremental))
	out, _, err := d.run(t, "cursor", "reset", "customers", "--folder", "3691")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^forgotten +1 list; the next run reads and delivers everything$`, out)
	assert.Len(t, d.read(t, incremental), 30, "of that folder alone")

	out, _, err = d.run(t, "cursor", "reset", "--format", "json", "customers")
	require.NoError(t, err)
	assert.JSONEq(t, `{"cursor": "customers", "lists": 2}`, out)
	_, _, err = d.run(t, "cursor", "reset", "customers")
	require.ErrorContains(t, err, "no such cursor: customers in file:"+d.state+"; those there are: benthos-ebp cursor list")
	assert.Len(t, d.read(t, incremental), 60)
}

func TestRewindHasTheNextRunDeliverAgainWhatWasModifiedSince(t *testing.T) {
	d := reader(t)
	require.NoError(t, d.server.Exec(`UPDATE "f3691_Customer" SET "sysModifiedDate" = '2024-01-01T10:00:00'`))
	require.NoError(t, d.server.Exec(`UPDATE "f298324_Customer" SET "sysModifiedDate" = '2024-03-01T10:00:00'`))
	require.NoError(t, d.server.Exec(`UPDATE "f3691_Customer" SET "sysModifiedDate" = '2024-05-01T10:00:00' WHERE "Id" = 'CL00020'`))
	require.Len(t, d.read(t, incremental), 60)
	require.Empty(t, d.read(t, incremental))

	out, _, err := d.run(t, "cursor", "rewind", "customers", "--to", "2024-04-01", "--folder", "3691")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^rewound +1 list; the next run delivers what was modified since 2024-04-01T00:00:00$`, out)
	assert.Equal(t, []string{"upsert CL00020"}, d.read(t, incremental))

	out, _, err = d.run(t, "cursor", "rewind", "customers", "--format=json", "--to=2024-01-01T10:00:00", "--folder", "3691")
	require.NoError(t, err)
	assert.JSONEq(t, `{"cursor": "customers", "folder": "3691", "to": "2024-01-01T10:00:00", "lists": 1}`, out)
	assert.Len(t, d.read(t, incremental), 30)
	assert.Empty(t, d.read(t, incremental))
}

// A table in which nothing happens for long lies far behind the others: going back to
// yesterday must not have it leave out what was modified before.
func TestRewindNeverGoesForwards(t *testing.T) {
	d := reader(t)
	require.NoError(t, d.server.Exec(`UPDATE "f3691_Customer" SET "sysModifiedDate" = '2024-01-01T10:00:00'`))
	require.NoError(t, d.server.Exec(`UPDATE "f298324_Customer" SET "sysModifiedDate" = '2024-05-01T10:00:00'`))
	require.Len(t, d.read(t, incremental), 60)
	require.NoError(t, d.server.Exec(`UPDATE "f3691_Customer" SET "sysModifiedDate" = '2024-02-01T10:00:00' WHERE "Id" = 'CL00020'`))

	_, _, err := d.run(t, "cursor", "rewind", "customers", "--to", "2035-01-01")
	require.ErrorContains(t, err, "cursor customers reads from 2024-05-01T10:00:00 on: 2035-01-01T00:00:00 is not back from there")

	_, _, err = d.run(t, "cursor", "rewind", "customers", "--to", "2024-04-01")
	require.NoError(t, err)
	read := d.read(t, incremental)
	assert.Len(t, read, 31, "those of one folder again, and what was modified in the other")
}

func TestOnlyDatesOfIncrementalCursorsCanBeGoneBackTo(t *testing.T) {
	d := reader(t)
	for date, want := range map[string]string{
		"": "rewind needs --to and a date", "yesterday": `--to "yesterday" is no date: write 2025-01-31 or`, "2025-01-31T10:00:00Z": "without a zone", "0025-01-31": "is no date",
	} {
		_, _, err := d.run(t, "cursor", "rewind", "customers", "--to", date)
		assert.ErrorContains(t, err, want)
	}
	_, _, err := d.run(t, "cursor", "rewind", "customers", "--to", "2025-01-31")
	require.ErrorIs(t, err, sweep.ErrNoCursor)
	require.Len(t, d.read(t, "  folders: [\"3691\"]\n  mode: full\n  cursor: customers\n"), 30)
	_, _, err = d.run(t, "cursor", "rewind", "customers", "--to", "2025-01-31")
	require.ErrorContains(t, err, "is of mode full, which has no date to go back to")
}

func TestDeletionsAreReportedOnceAPersonConfirmsThem(t *testing.T) {
	d := reader(t)
	changes := "  folders: [\"3691\"]\n  mode: changes\n  max_deletions: \"0\"\n"
	require.Len(t, d.read(t, changes), 30)
	out, _, err := d.run(t, "cursor", "confirm", "customers")
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^confirmed +nothing: no deletions are held back$`, out)

	require.NoError(t, d.server.Exec(`DELETE FROM "f3691_Customer" WHERE "Id" = 'CL00020'`))
	d.readUntilHeld(t, changes)
	out, _, err = d.run(t, "cursor", "list")
	require.NoError(t, err)
	assert.Contains(t, out, "deletions to confirm in 1 list")
	out, _, err = d.run(t, "cursor", "show", "customers")
	require.NoError(t, err)
	assert.Contains(t, out, "1 of 30 records missing: deletions to confirm")

	out, _, err = d.run(t, "cursor", "confirm", "customers", "--format", "json")
	require.NoError(t, err)
	assert.JSONEq(t, `{"cursor": "customers", "deletions": 1}`, out)
	out, _, err = d.run(t, "cursor", "show", "customers")
	require.NoError(t, err)
	assert.Contains(t, out, "1 deletions confirmed")
	assert.Equal(t, []string{"delete CL00020"}, d.read(t, changes))
	assert.Empty(t, d.read(t, changes))
}

func TestACursorInUseIsNotChanged(t *testing.T) {
	d := reader(t)
	require.Len(t, d.read(t, incremental), 60)
	lease, err := sweep.Take(t.Context(), d.store(t), "customers", "default", "298324")
	require.NoError(t, err)
	require.NotNil(t, lease)
	for _, args := range [][]string{{"reset"}, {"rewind", "--to", "2000-01-01"}, {"confirm"}} {
		_, _, err := d.run(t, append([]string{"cursor"}, append(args, "customers")...)...)
		require.ErrorIs(t, err, sweep.ErrInUse, args)
	}
	lease.Release()
	assert.Empty(t, d.read(t, incremental), "nothing was changed, in the other folder either")
}

func TestADamagedCursorIsShownAndCanBeReset(t *testing.T) {
	d := reader(t)
	require.Len(t, d.read(t, incremental), 60)
	store := d.store(t)
	keys, err := store.Keys(t.Context(), "cursors/")
	require.NoError(t, err)
	require.Len(t, keys, 2)
	r, err := store.Get(t.Context(), keys[0])
	require.NoError(t, err)
	_, err = store.Put(t.Context(), keys[0], []byte(strings.Replace(string(r.Value), "2", "3", 1)), r.Version)
	require.NoError(t, err)

	for _, args := range [][]string{{"list"}, {"show", "customers"}} {
		out, notes, err := d.run(t, append([]string{"cursor"}, args...)...)
		require.NoError(t, err)
		assert.Contains(t, out, "damaged")
		assert.Contains(t, notes, "warning: ")
		assert.Contains(t, notes, "the cursor cannot be used")
	}
	_, _, err = d.run(t, "cursor", "rewind", "customers", "--to", "2000-01-01")
	require.ErrorIs(t, err, sweep.ErrCursor)
	_, _, err = d.run(t, "cursor", "reset", "customers")
	require.NoError(t, err)
	assert.Len(t, d.read(t, incremental), 60)
}

func TestCursorCommandsSayWhatTheyNeed(t *testing.T) {
	d := reader(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"shwo"}, `cursor has no command "shwo": its commands are list, show, reset, rewind and confirm`},
		{[]string{"show"}, "show needs the name of a cursor; those there are: benthos-ebp cursor list"},
		{[]string{"reset", ""}, "reset needs the name of a cursor"},
		{[]string{"show", "a", "b"}, `show takes one name, but was given "b" as well`},
		{[]string{"show", "a", "--format", "json", "b"}, `show takes one name, but was given "b" as well`},
		{[]string{"show", "a", "--floder", "1"}, "flag provided but not defined: -floder"},
		{[]string{"show", "a", "--format", "xml"}, `unknown format "xml"`},
		{[]string{"list", "a"}, `list takes no argument, but was given "a"`},
		{[]string{"confirm", "a"}, "no such cursor: a in file:"},
		{[]string{"show", "help"}, "no such cursor: help in file:"},
		{[]string{"show", "folder"}, "no such cursor: folder in file:"},
		{[]string{"reset", "a", "--folder", "1"}, "no such cursor: a of folder 1 in file:"},
		{[]string{"show", "a", "--state", "nowhere:"}, "state ($EBP_STATE): the state names a store that is not known"},
	} {
		_, _, err := d.run(t, append([]string{"cursor"}, c.args...)...)
		assert.ErrorContains(t, err, c.want, "%v", c.args)
	}
	t.Setenv(connection.EnvURL, "sandbox:")
	_, _, err := d.run(t, "cursor", "show", "a")
	require.ErrorContains(t, err, "a pipeline on sandbox: keeps its cursors to itself, unless its field state is set")
	for _, args := range [][]string{{"cursor"}, {"cursor", "--help"}, {"cursor", "rewind", "--help"}, {"cursor", "rewind", "a", "--help"}} {
		out, _, err := d.run(t, args...)
		require.NoError(t, err, args)
		assert.Contains(t, out, "rewind", args)
	}
	assert.Zero(t, d.server.CallCount())
	assert.Empty(t, d.server.TokenEvents())
}

package input_ebp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
)

// longestLookback is where a lookback is rather a mistake: every read goes over all that
// was modified within it.
const longestLookback = 366 * 24 * time.Hour

// What the fields hold where they are left out.
var (
	lookbackByDefault  = 60 * time.Second
	deletionsByDefault = deletionLimit{most: 10, per: 100}
)

// modifiedParameters are the parameters by which EBP itself selects what was modified.
var modifiedParameters = []string{"FromModifiedDate", "SysModifiedDate"}

// reading is what is known at lint of how a list is read.
type reading struct {
	name  string // for people
	key   []string
	byKey bool
}

// readings returns the lists that a configuration reads, as far as they are named.
func readings(c map[string]any, op *catalog.Operation) []reading {
	if !op.TakesTable() {
		return []reading{{fmt.Sprintf("resource %q", op.Resource()), op.Key, op.TakesWhere() && len(op.Key) > 0}}
	}
	names := []any{c[fieldTable]}
	tables, _ := list(c[fieldTables])
	for _, t := range tables {
		if m, ok := t.(map[string]any); ok {
			names = append(names, m[fieldTable])
		}
	}
	var out []reading
	for _, n := range names {
		name := text(n)
		if name == "" || interpolated(name) {
			continue
		}
		t := op.TableOf(name)
		out = append(out, reading{"table " + t.Name, t.Key, op.TakesWhere() && len(t.Key) > 0})
	}
	return out
}

// lintModes finds what a list cannot be read by, and settings of another mode.
func lintModes(c map[string]any, op *catalog.Operation, add func(string, ...any)) {
	lintSpelling(c, add)
	mode := strings.ToLower(text(c[fieldMode]))
	switch mode {
	case "":
		mode = modeFull
	case modeFull, modeIncremental, modeChanges:
	default:
		return // a variable, or the host says so
	}
	lintOtherModes(c, mode, add)
	lintState(c, mode, add)
	lists := readings(c, op)
	switch mode {
	case modeIncremental:
		lintIncremental(c, op, lists, add)
	case modeChanges:
		lintChanges(c, op, lists, add)
	}
	lintPasses(c, op, lists, add)
}

// lintSpelling finds values that mean nothing in any mode.
func lintSpelling(c map[string]any, add func(string, ...any)) {
	if s := text(c[fieldCursor]); s != "" && !interpolated(s) && !isCursorName(s) {
		add("%s", badCursorName(s))
	}
	if s := text(c[fieldStartFrom]); !interpolated(s) {
		if _, ok := parseStart(s); !ok {
			add("%s", badStart(s))
		}
	}
	if v, given := c[fieldLookback]; given && !interpolated(text(v)) {
		switch d, err := time.ParseDuration(text(v)); {
		case err != nil || d < 0:
			add("lookback %q is no duration such as 60s or 5m", text(v))
		case d > longestLookback:
			add("lookback %q is more than a year, and each read would go over all that was modified within it: to read once more from a date, use benthos-ebp cursor rewind", text(v))
		}
	}
	if s := text(c[fieldReconcileEvery]); s != "" && !interpolated(s) {
		if d, err := time.ParseDuration(s); err != nil || d <= 0 {
			add("reconcile_every %q is no duration such as 24h", s)
		}
	}
	if v, given := c[fieldMaxDeletions]; given && !interpolated(text(v)) {
		if _, ok := parseDeletionLimit(text(v)); !ok {
			add("%s", badDeletionLimit(text(v)))
		}
	}
}

// lintOtherModes finds settings that do nothing in the mode they are given with.
func lintOtherModes(c map[string]any, mode string, add func(string, ...any)) {
	if mode != modeIncremental {
		if text(c[fieldStartFrom]) != "" {
			add("start_from is for mode incremental; mode %s reads everything", mode)
		}
		if text(c[fieldReconcileEvery]) != "" {
			add("reconcile_every is for mode incremental; mode %s reads everything each time", mode)
		}
		if d, err := time.ParseDuration(text(c[fieldLookback])); err == nil && d != lookbackByDefault {
			add("lookback is for mode incremental; mode %s does not go by dates", mode)
		}
	}
	if l, ok := parseDeletionLimit(text(c[fieldMaxDeletions])); ok && l != deletionsByDefault && mode != modeChanges {
		add("max_deletions is for mode changes; mode %s reports no deletion", mode)
	}
	if s := text(c[fieldOnConfigChange]); mode == modeFull && text(c[fieldCursor]) == "" && s != "" && !strings.EqualFold(s, onChangeFail) {
		add("on_config_change decides on a cursor, and mode full keeps one only where cursor is set")
	}
}

// lintState finds a state that cannot keep what is to be compared with. What the
// environment names is found when the input connects.
func lintState(c map[string]any, mode string, add func(string, ...any)) {
	scheme, _, _ := strings.Cut(strings.ToLower(text(c[connection.FieldState])), ":")
	if scheme != "redis" && scheme != "rediss" {
		return
	}
	switch {
	case mode == modeChanges:
		add("mode changes keeps a digest of every record, which a state in Redis does not: use file: or postgres:")
	case mode == modeIncremental && text(c[fieldReconcileEvery]) != "":
		add("reconcile_every keeps a digest of every record, which a state in Redis does not: use file: or postgres:, or leave it out")
	}
}

func lintIncremental(c map[string]any, op *catalog.Operation, lists []reading, add func(string, ...any)) {
	if op.ModifiedColumn == "" || !op.TakesWhere() {
		also := ""
		if op.Paging != catalog.PagingNone && !sorted(c, op) {
			also = " and passes: 2"
		}
		add("mode incremental reads by the date of the last modification, which EBP does not give for resource %q: use mode: changes%s, which compares with the last read", op.Resource(), also)
		return
	}
	lintKeys(modeIncremental, lists, add)
	for _, n := range given(c, modifiedParameters...) {
		add("parameter %s cannot be set with mode incremental, which reads by that date itself: start_from says where it begins", n)
	}
}

func lintChanges(c map[string]any, op *catalog.Operation, lists []reading, add func(string, ...any)) {
	lintKeys(modeChanges, lists, add)
	if len(given(c, catalog.ParamDuration)) > 0 && op.TakesWhere() && len(given(c, "ToDate")) == 0 {
		add("parameter %s without ToDate counts back from the day of the read, and mode changes would report what has become older as deleted: set ToDate as well, or leave both out", catalog.ParamDuration)
	}
	passes, isNumber := number(c[fieldPasses])
	if _, set := c[fieldPasses]; set && (!isNumber || passes > 1) || op.Paging == catalog.PagingNone || sorted(c, op) {
		return
	}
	for _, l := range lists {
		if !l.byKey && len(l.key) > 0 {
			why := "in EBP's own order"
			if n := given(c, op.SortParameter()); len(n) > 0 {
				why = "in the order of parameter " + n[0]
			}
			add("%s is read by position %s, so that one pass may miss a record while others are edited, and mode changes would report it deleted: set passes: 2", l.name, why)
		}
	}
}

// lintKeys finds lists whose records cannot be told apart.
func lintKeys(mode string, lists []reading, add func(string, ...any)) {
	for _, l := range lists {
		if len(l.key) == 0 {
			add("mode %s tells records apart by their key, and that of %s is not known: use mode: full", mode, l.name)
		}
	}
}

// lintPasses finds passes where one is as good as many.
func lintPasses(c map[string]any, op *catalog.Operation, lists []reading, add func(string, ...any)) {
	passes, isNumber := number(c[fieldPasses])
	if !isNumber || passes <= 1 {
		return
	}
	switch {
	case op.Paging == catalog.PagingNone:
		add("passes %v: resource %q comes in one answer, which holds everything: leave passes out", text(c[fieldPasses]), op.Resource())
	case len(lists) > 0 && !slices.ContainsFunc(lists, func(l reading) bool { return !l.byKey }):
		add("passes %v: %s is read by key, which one pass does completely: leave passes out", text(c[fieldPasses]), lists[0].name)
	}
}

// sorted reports whether a list that is read by position is read in an order that the
// input chooses, by a value that is unique.
func sorted(c map[string]any, op *catalog.Operation) bool {
	sort := op.SortParameter()
	return sort != "" && op.DefaultOrder != "" && len(given(c, sort)) == 0
}

// given returns those of the parameters that are set, as they are spelled in the
// configuration.
func given(c map[string]any, names ...string) []string {
	parameters, _ := c[fieldParameters].(map[string]any)
	var out []string
	for n := range parameters {
		if slices.ContainsFunc(names, func(name string) bool { return name != "" && strings.EqualFold(n, name) }) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// cursorName is what a cursor may be called: what no shell, no URL and no file system
// takes for something else. Labels are, unless they begin with a dash.
var cursorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

const cursorNames = "A name has 1 to 200 letters a to z, digits, dots, dashes and underscores, and begins with a letter or a digit"

func isCursorName(s string) bool { return cursorName.MatchString(s) }

func badCursorName(s string) string {
	return fmt.Sprintf("cursor %q is no name of a cursor. %s", s, cursorNames)
}

const (
	// startNow is the start_from that leaves out what EBP holds already.
	startNow = "now"
	// firstYear is the first that EBP's database knows.
	firstYear = 1753
)

// parseStart reads start_from. It reports false for what is none.
func parseStart(s string) (sweep.Start, bool) {
	switch s {
	case "":
		return sweep.Start{}, true
	case startNow:
		return sweep.Start{Now: true}, true
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05"} {
		// Of that length, since the parser takes a fraction that the layout does not name.
		if t, err := time.Parse(layout, s); err == nil && len(s) == len(layout) && t.Year() >= firstYear {
			at, ok := sweep.ParseStamp(s)
			return sweep.Start{At: at}, ok
		}
	}
	return sweep.Start{}, false
}

func badStart(s string) string {
	return fmt.Sprintf("start_from %q is no date: write now, or a date such as 2025-01-31 or 2025-01-31T15:04:05, in EBP's own time and without a zone", s)
}

func badDeletionLimit(s string) string {
	return fmt.Sprintf("max_deletions %q is no limit: write a share such as 10%%, 100%% at most, or a number such as 500; 0 has every deletion confirmed", s)
}

package incremental

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// worker is somebody who works in EBP while it is read. Everything it does is drawn from
// its seed. It is not for several goroutines at once.
type worker struct {
	t      testing.TB
	s      *source
	list   *list
	book   *book
	places []string

	rng   *rand.Rand
	count int
	edits int
	// lateness is how long a change may take from its date until it is seen, in seconds.
	lateness int
	// ahead is how far the clock that dates changes is ahead of the one in EBP's headers.
	ahead time.Duration
	past  map[string]string // marks of rows before their last change
}

// rowsPerMark keeps the marks of one change apart from those of the next.
const rowsPerMark = 1_000_000

func newWorker(t testing.TB, s *source, l *list, b *book, seed uint64) *worker {
	t.Helper()
	w := &worker{t: t, s: s, list: l, book: b, places: l.places(s.Server), rng: rand.New(rand.NewPCG(seed, 1)), past: map[string]string{}}
	for _, place := range w.places {
		// The first versions get their marks without a change of their dates.
		w.exec(fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", w.table(place), quoted(l.mark), l.markSQL(), l.where(place)), w.next())
		w.enterAll(place, "1")
	}
	return w
}

func (w *worker) table(place string) string { return quoted(w.list.table(place)) }

func (w *worker) exec(query string, args ...any) {
	require.NoError(w.t, w.s.Exec(query, args...), query)
}

// try reports whether a change was possible: a key that exists already is not inserted.
func (w *worker) try(query string, args ...any) bool {
	err := w.s.Exec(query, args...)
	if err != nil {
		require.ErrorContains(w.t, err, "constraint failed")
	}
	return err == nil
}

func (w *worker) query(query string, args ...any) [][]any {
	rows, err := w.s.Query(query, args...)
	require.NoError(w.t, err, query)
	return rows
}

// next is the base of the marks of a change.
func (w *worker) next() int {
	w.count++
	return w.count * rowsPerMark
}

func (w *worker) code() string { return fmt.Sprintf(codes[w.rng.IntN(len(codes))], w.rng.IntN(30)) }

func (w *worker) guid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", w.rng.Uint32(), w.rng.Uint32()>>16, w.rng.Uint32()>>20, w.rng.Uint32()>>20, w.rng.Uint64()>>16)
}

// stamp is the date of a change that is seen now.
func (w *worker) stamp() string {
	late := time.Duration(0)
	if w.lateness > 0 && w.rng.IntN(2) == 0 {
		late = time.Duration(w.rng.IntN(w.lateness)) * time.Second
	}
	return stampOf(w.s.clock.Now().Add(w.ahead - late))
}

// enterAll tells the book of the versions of the rows that a condition selects.
func (w *worker) enterAll(place, condition string, args ...any) {
	for _, row := range w.query(fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s AND %s",
		w.list.columnOfMark(), w.list.date(), w.table(place), w.list.where(place), condition), args...) {
		w.book.enter(place, fmt.Sprint(row[0]), fmt.Sprint(row[1]))
	}
}

// somewhere picks a place and a row of it, nearer to the beginning or to the end of the
// list than to its middle; false if it has no rows.
func (w *worker) somewhere() (place string, rowid int64, ok bool) {
	place = w.places[w.rng.IntN(len(w.places))]
	rowid, ok = w.somewhereIn(place)
	return place, rowid, ok
}

func (w *worker) somewhereIn(place string) (rowid int64, ok bool) {
	n := int(w.query(fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE %s", w.table(place), w.list.where(place)))[0][0].(int64))
	if n == 0 {
		return 0, false
	}
	at := w.rng.IntN(n)
	switch w.rng.IntN(3) {
	case 0:
		at /= 5
	case 1:
		at = n - 1 - at/5
	}
	row := w.query(fmt.Sprintf("SELECT rowid FROM %s WHERE %s ORDER BY %s, rowid LIMIT 1 OFFSET %d", w.table(place), w.list.where(place), quoted(w.list.key[0]), at))
	return row[0][0].(int64), true
}

// dateSQL is the assignment of a date, where rows have one.
func (w *worker) dateSQL() string {
	if w.list.dated {
		return ", sysModifiedDate = '" + w.stamp() + "'"
	}
	return ""
}

// edit does one thing.
func (w *worker) edit() {
	w.edits++
	place, row, ok := w.somewhere()
	what := w.rng.IntN(20)
	switch {
	case !ok:
	case what < 8:
		w.update(place, row)
	case what < 10:
		w.undo(place, row)
	case what < 11:
		w.bulk(place)
	case what < 12 && w.list.child != "":
		w.line(place, row)
	case what < 14:
		w.delete(place, row)
	case what < 15:
		w.insert(place, w.delete(place, row))
	case what < 16 && w.list.coded:
		w.respell(place, row)
	default:
		w.insert(place, nil)
	}
}

func (w *worker) update(place string, row int64) {
	was := w.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = ?", w.list.columnOfMark(), w.table(place)), row)
	w.past[fmt.Sprint(place, row)] = fmt.Sprint(was[0][0])
	w.exec(fmt.Sprintf("UPDATE %s SET %s = %s%s WHERE rowid = ?", w.table(place), quoted(w.list.mark), w.list.markSQL(), w.dateSQL()), w.next(), row)
	w.enterAll(place, "rowid = ?", row)
}

// undo gives a row back the mark that it had: within a second that is a version which was
// delivered already.
func (w *worker) undo(place string, row int64) {
	was, ok := w.past[fmt.Sprint(place, row)]
	if !ok || w.list.object {
		w.update(place, row)
		return
	}
	delete(w.past, fmt.Sprint(place, row))
	w.exec(fmt.Sprintf("UPDATE %s SET %s = ?%s WHERE rowid = ?", w.table(place), quoted(w.list.mark), w.dateSQL()), was, row)
	w.enterAll(place, "rowid = ?", row)
}

// bulk changes a third of a place within one second.
func (w *worker) bulk(place string) {
	third := w.rng.IntN(3)
	w.exec(fmt.Sprintf("UPDATE %s SET %s = %s%s WHERE %s AND rowid %% 3 = ?", w.table(place), quoted(w.list.mark), w.list.markSQL(), w.dateSQL(), w.list.where(place)), w.next(), third)
	w.enterAll(place, "rowid % 3 = ?", third)
}

// line changes what belongs to a row, and the row's date with it.
func (w *worker) line(place string, row int64) {
	key := w.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = ?", quoted(w.list.key[0]), w.table(place)), row)
	w.exec(fmt.Sprintf(`UPDATE f%s_%s SET "Quantity" = ? WHERE %s = ?`, place, w.list.child, quoted(w.list.parent)), fmt.Sprint(w.rng.IntN(1000), ".00000000"), key[0][0])
	w.update(place, row)
}

// keyOf returns the key columns of a row.
func (w *worker) keyOf(place string, row int64) map[string]any {
	names := make([]string, len(w.list.key))
	for i, k := range w.list.key {
		names[i] = quoted(k)
	}
	values := w.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = ?", strings.Join(names, ", "), w.table(place)), row)[0]
	key := map[string]any{}
	for i, k := range w.list.key {
		key[k] = values[i]
	}
	return key
}

// delete deletes a row and returns the key that it had.
func (w *worker) delete(place string, row int64) map[string]any {
	key := w.keyOf(place, row)
	delete(w.past, fmt.Sprint(place, row))
	w.exec(fmt.Sprintf("DELETE FROM %s WHERE rowid = ?", w.table(place)), row)
	w.book.remove(place, key)
	return key
}

// respell changes the case of a key. To EBP it is the same row.
func (w *worker) respell(place string, row int64) {
	key := w.keyOf(place, row)
	was := key[w.list.key[0]].(string)
	other := strings.ToUpper(was)
	if other == was {
		other = strings.ToLower(was)
	}
	if other == was {
		w.update(place, row)
		return
	}
	w.exec(fmt.Sprintf("UPDATE %s SET %s = ?, %s = %s%s WHERE rowid = ?",
		w.table(place), quoted(w.list.key[0]), quoted(w.list.mark), w.list.markSQL(), w.dateSQL()), other, w.next(), row)
	w.book.remove(place, key)
	w.enterAll(place, "rowid = ?", row)
}

// insert adds a row like one that is there, under a new key unless one is given.
func (w *worker) insert(place string, key map[string]any) {
	like, ok := w.somewhereIn(place)
	if !ok {
		return
	}
	columns := w.query("SELECT name FROM pragma_table_info('" + w.list.table(place) + "')")
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoted(c[0].(string))
	}
	values := w.query(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = ?", strings.Join(names, ", "), w.table(place)), like)[0]
	row := map[string]any{}
	for i, c := range columns {
		row[c[0].(string)] = values[i]
	}
	w.list.keys(w, row)
	if w.list.object && key != nil {
		row["seq"], _ = strconv.Atoi(key["id"].(string))
	}
	maps.Copy(row, key)
	for _, c := range w.list.unique {
		row[c] = fmt.Sprintf("%08d", w.rng.IntN(100_000_000))
	}
	if w.list.dated {
		at := w.stamp()
		row["sysCreatedDate"], row["sysModifiedDate"] = at, at
		if w.rng.IntN(4) == 0 {
			row["sysModifiedDate"] = nil // never modified
		}
	}
	if w.list.object {
		row["summary"] = w.query("SELECT json_set(?, '$.id', ?)", row["summary"], row["seq"])[0][0]
	}
	for i, c := range columns {
		values[i] = row[c[0].(string)]
	}
	if !w.try(fmt.Sprintf("INSERT INTO %s VALUES (?%s)", w.table(place), strings.Repeat(",?", len(values)-1)), values...) {
		return
	}
	last := w.query("SELECT MAX(rowid) FROM " + w.table(place))[0][0].(int64)
	w.exec(fmt.Sprintf("UPDATE %s SET %s = %s WHERE rowid = ?", w.table(place), quoted(w.list.mark), w.list.markSQL()), w.next(), last)
	w.enterAll(place, "rowid = ?", last)
}

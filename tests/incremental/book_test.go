package incremental

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// book is the destination of a schedule: a table kept by upsert and delete, and an account
// of everything that arrived. What must not have happened is kept in wrong.
//
// Every version of a row has a mark of its own, which its payload shows. So the book can
// tell whether a version comes more often than EBP went into it, and whether an unanswered
// page or a restart explains that.
type book struct {
	list *list

	mu   sync.Mutex
	rows map[string]string   // payload by folder and key
	past map[string][]string // what came for a row, to be shown of one that is wrong

	entered   map[string]int // how often a row became this version
	arrived   map[string]int
	explained map[string]int // how often more it may come
	deleted   map[string]int // rows that were deleted, by their key columns
	pages     []*bookedPage  // of this run, in the order of their first delivery
	restarts  int
	unsure    bool // whether anything was refused or a restart may have repeated something

	messages, repeats, deletes, ends int
	wrong                            []string
}

// bookedPage is a batch as it was delivered.
type bookedPage struct {
	first    string // what identifies it
	versions []string
	acked    bool
}

func newBook(l *list) *book {
	return &book{list: l, rows: map[string]string{}, past: map[string][]string{}, entered: map[string]int{}, arrived: map[string]int{}, explained: map[string]int{}, deleted: map[string]int{}}
}

func rowKey(folder, key string) string { return folder + "\x00" + key }

// enter notes that a row has become a version.
func (b *book) enter(folder, mark, date string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entered[versionName(folder, mark, date)]++
}

func versionName(folder, mark, date string) string { return folder + " " + mark + " @" + date }

// remove notes that the row with these key columns was deleted.
func (b *book) remove(folder string, key map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted[folder+" "+keyName(key)]++
}

// keyName names a row by its key columns, whatever their order and form.
func keyName(key map[string]any) string {
	var parts []string
	for _, v := range key {
		parts = append(parts, fmt.Sprint(v))
	}
	slices.Sort(parts)
	return strings.Join(parts, "|")
}

// version is what the book calls a message; deletions are versions too.
func (b *book) version(m message) string {
	if m.change == "delete" {
		return m.folder + " deleted " + m.key
	}
	return versionName(m.folder, b.list.markOf(m.payload), m.modified)
}

// take books a batch. Whether it will be acknowledged is said now; what is refused has
// reached the table all the same if half is true.
func (b *book) take(batch []message, ack, half bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &bookedPage{first: b.version(batch[0]), acked: ack}
	known := false
	for _, other := range b.pages {
		if !other.acked && other.first == p.first {
			other.acked, known = ack, true
		}
	}
	for _, m := range batch {
		v := b.version(m)
		p.versions = append(p.versions, v)
		if m.change == "sweep_end" {
			if ack {
				b.ends++
			}
			continue
		}
		b.arrive(m, v)
		at := rowKey(m.folder, m.key)
		b.past[at] = append(b.past[at], fmt.Sprintf("run %d: %s %s, acknowledged %t, written %t", b.restarts+1, m.change, v, ack, ack || half))
		if ack || half {
			b.apply(m)
		}
		if !ack {
			b.explained[v]++
			b.unsure = true
		}
	}
	if !known {
		b.pages = append(b.pages, p)
	}
}

func (b *book) arrive(m message, v string) {
	b.messages++
	b.arrived[v]++
	if m.change == "delete" {
		b.deletes++
		b.arriveDeleted(m, v)
		return
	}
	entered := b.entered[v]
	switch {
	case entered == 0:
		b.fail("%s: a version that never was: %q", v, m.payload)
	case b.list.derived:
	case b.arrived[v] > entered+b.explained[v]:
		b.fail("%s came %d times; EBP went into it %d times and %d more are explained: %q", v, b.arrived[v], entered, b.explained[v], m.payload)
	case b.arrived[v] > entered:
		b.repeats++
	}
}

func (b *book) arriveDeleted(m message, v string) {
	var key map[string]any
	d := json.NewDecoder(strings.NewReader(m.payload))
	d.UseNumber()
	if err := d.Decode(&key); err != nil || len(key) != len(b.list.key) {
		b.fail("the payload of a deletion is not an object of the key columns: %q", m.payload)
		return
	}
	if deleted := b.deleted[m.folder+" "+keyName(key)]; b.arrived[v] > deleted+b.explained[v] {
		b.fail("%s: a deletion came %d times; EBP deleted the row %d times and %d more are explained", v, b.arrived[v], deleted, b.explained[v])
	}
}

// apply keeps the table by upsert and delete.
func (b *book) apply(m message) {
	at := rowKey(m.folder, m.key)
	old, there := b.rows[at]
	switch m.change {
	case "upsert":
		b.rows[at] = m.payload
	case "insert", "update":
		if there != (m.change == "update") && !b.unsure {
			b.fail("%s of %s: the row was there: %t", m.change, m.key, there)
		}
		if there && old == m.payload && !b.unsure {
			b.fail("%s of %s changes nothing: %q", m.change, m.key, old)
		}
		b.rows[at] = m.payload
	case "delete":
		// One that was on its way when the pipeline was stopped may have arrived or not: its
		// deletion has to come in both cases.
		if !there && !b.unsure && b.restarts == 0 {
			b.fail("a row that never came is deleted: %s", m.key)
		}
		delete(b.rows, at)
	default:
		b.fail("an unknown change %q", m.change)
	}
}

func (b *book) fail(format string, args ...any) {
	if len(b.wrong) < 10 {
		b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
	}
}

// restart notes that the pipeline has ended. What it had not acknowledged may come again,
// and so may what it had read after that.
func (b *book) restart() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.restarts++
	open := false
	for _, p := range b.pages {
		if open = open || !p.acked; open {
			b.unsure = true
			for _, v := range p.versions {
				b.explained[v]++
			}
		}
	}
	b.pages = nil
}

// counts returns how many messages and ends of sweeps have come.
func (b *book) counts() (messages, ends int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.messages, b.ends
}

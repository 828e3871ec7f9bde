package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/testserver"
)

// saveForever writes fifty entries with one number after the other, and prints those whose
// Save has returned.
func saveForever(s Store, argument string) error {
	ctx := context.Background()
	set, err := s.(Digester).Digests(ctx, "set")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(argument)
	for ; err == nil; n++ {
		entries := make([]DigestEntry, 0, 51)
		for i := range 50 {
			e := entry(fmt.Sprint(i), n)
			e.Object = fmt.Append(nil, n)
			entries = append(entries, e)
		}
		if err = set.Save(ctx, int64(n), append(entries, entry(fmt.Sprintf("new %06d", n), n))); err == nil {
			fmt.Println(n)
		}
	}
	return err
}

func TestAKilledProcessLeavesTheSetAsOfTheLastSaveThatReturned(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	for _, kind := range []string{"file", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			location := place(t, kind)
			s := open(t, location)
			next := 0
			for round := range 25 {
				cmd, printed := process(t, "save forever", location, strconv.Itoa(next))
				cmd.Stdout = nil
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				lines := bufio.NewScanner(out)
				last, killed := next-1, make(chan struct{})
				go func() {
					defer close(killed)
					time.Sleep(time.Duration(30+round*7) * time.Millisecond)
					_ = cmd.Process.Kill()
				}()
				for lines.Scan() {
					last, err = strconv.Atoi(lines.Text())
					require.NoError(t, err)
				}
				<-killed
				_ = cmd.Wait()
				require.Empty(t, printed.String())

				set, err := s.(Digester).Digests(t.Context(), "set") // as after a start
				require.NoError(t, err)
				if kind == "postgres" { // what a killed client has sent may still be on its way
					settled(t, set)
				}
				all := counted(t, set, 0)[1]
				if all == 0 {
					require.Negative(t, last)
					continue
				}
				stored := int(all) - 50 - 1 // the newest number, as there is one entry for each
				require.Contains(t, []int{last, last + 1}, stored, "a Save that returned is lost")
				for i := range 50 {
					require.Equal(t, []Digest{digestOf(stored)}, lookup(t, set, fmt.Sprint(i)), "half a Save was kept")
				}
				require.Equal(t, [2]int64{all - 51, all}, counted(t, set, int64(stored)))
				require.NoError(t, set.Close())
				next = stored + 1
			}
			require.Positive(t, next)
		})
	}
}

// settled waits until nothing is written to a set any more.
func settled(t *testing.T, set Digests) {
	t.Helper()
	for before := counted(t, set, 0); ; {
		time.Sleep(50 * time.Millisecond)
		now := counted(t, set, 0)
		if now == before {
			return
		}
		before = now
	}
}

// saveSome saves entries that are its own and entries that others save as well.
func saveSome(s Store, argument string) error {
	ctx := context.Background()
	set, err := s.(Digester).Digests(ctx, "set")
	if err != nil {
		return err
	}
	own := randomWord()
	for n := range 20 {
		var entries []DigestEntry
		for i := range 100 {
			entries = append(entries, entry(fmt.Sprintf("%s %d %d", own, n, i), n), entry(fmt.Sprint(rand.IntN(300)), 1), DigestEntry{Key: fmt.Sprint(rand.IntN(300))})
		}
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		if err := set.Save(ctx, int64(n), entries); err != nil {
			return err
		}
	}
	return errors.Join(set.Close(), s.Close())
}

func TestProcessesThatUseOneSetAtOnceLoseNothing(t *testing.T) {
	for _, kind := range []string{"file", "postgres", "serializable", "pooler"} {
		t.Run(kind, func(t *testing.T) {
			var location string
			switch kind {
			case "pooler":
				location = testserver.PgBouncer(t)
			case "serializable":
				location = place(t, "postgres")
			default:
				location = place(t, kind)
			}
			s := open(t, location)
			set := openSet(t, s, "set")
			all(t, 4, "save some", location, "")
			found := unseen(t, set, 100, 1000)
			own := slices.DeleteFunc(found, func(e DigestEntry) bool { return !strings.Contains(e.Key, " ") })
			assert.Len(t, own, 4*20*100)
		})
	}
}

func TestASetMayBeUsedByManyGoroutinesAndHandles(t *testing.T) {
	withSets(t, func(t *testing.T, s Store, set Digests) {
		var wg sync.WaitGroup
		for i := range 8 {
			mine := set
			if i%2 == 0 {
				mine = openSet(t, s, "changes/a set")
			}
			wg.Go(func() {
				for n := range 10 {
					assert.NoError(t, mine.Save(t.Context(), int64(n), []DigestEntry{entry(fmt.Sprintf("%d %d", i, n), n), entry("all", n)}))
					_, err := mine.Lookup(t.Context(), []string{"all"})
					assert.NoError(t, err)
					_, _, err = mine.Count(t.Context(), int64(n))
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		assert.Equal(t, int64(81), counted(t, set, 0)[1])
	})
}

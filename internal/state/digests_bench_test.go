package state

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// resident is what the kernel keeps of the process in memory, that of SQLite included, which
// Go knows nothing of.
func resident(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("only Linux tells how much memory a process has")
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(data)[1]), 10, 64)
	require.NoError(b, err)
	return pages * int64(os.Getpagesize())
}

// BenchmarkAMillionDigests is one sweep over a million records in pages of a hundred, and the
// next one that finds nothing changed. The memory is the most there was beyond that at the
// start: Go's heap, and all that is resident.
func BenchmarkAMillionDigests(b *testing.B) {
	const records, page = 1_000_000, 100
	for b.Loop() {
		set, err := NewFile(b.TempDir()).Digests(b.Context(), "set")
		require.NoError(b, err)
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		residentBefore, heap, most := resident(b), uint64(0), int64(0)
		measure := func() {
			runtime.ReadMemStats(&now)
			heap, most = max(heap, now.HeapInuse-min(before.HeapInuse, now.HeapInuse)), max(most, resident(b)-residentBefore)
		}
		entries, keys := make([]DigestEntry, page), make([]string, page)
		sweep := func(n int64) (perPage time.Duration) {
			begun := time.Now()
			for at := 0; at < records; at += page {
				for i := range entries {
					entries[i] = entry(fmt.Sprintf(`["C%09d"]`, at+i), at+i)
					keys[i] = entries[i].Key
				}
				found, err := set.Lookup(b.Context(), keys)
				require.NoError(b, err)
				for i, d := range found {
					require.Equal(b, n > 1, d == entries[i].Digest)
					if n > 1 {
						entries[i] = DigestEntry{Key: keys[i]}
					}
				}
				require.NoError(b, set.Save(b.Context(), n, entries))
				if at%(records/100) == 0 {
					measure()
				}
			}
			return time.Since(begun) / (records / page)
		}
		first, second := sweep(1), sweep(2)
		begun := time.Now()
		unseen, all, err := set.Count(b.Context(), 3)
		require.NoError(b, err)
		require.Equal(b, []int64{records, records}, []int64{unseen, all})
		count := time.Since(begun)
		measure()
		b.ReportMetric(float64(heap)/1e6, "heap-MB")
		b.ReportMetric(float64(most)/1e6, "resident-MB")
		b.ReportMetric(float64(first.Microseconds())/1e3, "ms/page-first")
		b.ReportMetric(float64(second.Microseconds())/1e3, "ms/page-again")
		b.ReportMetric(float64(count.Milliseconds()), "ms/count")
		require.NoError(b, set.Close())
	}
}

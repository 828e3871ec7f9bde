package input_ebp

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMoreDeletionsThanTheLimitNeedAPerson(t *testing.T) {
	for _, c := range []struct {
		limit            string
		deletions, known int64
		want             bool
	}{
		{"10%", 100, 1000, false},
		{"10%", 101, 1000, true},
		{"10%", 20, 21, false},
		{"10%", 20, 20, true}, // the whole of a small table
		{"10%", 1, 1, false},
		{"100%", 20, 20, false},
		{"10%", 21, 21, true},
		{"10%", 21, 209, true},
		{"10%", 21, 210, false},
		{"12.5%", 125, 1000, false},
		{"12.5%", 126, 1000, true},
		{"0.000001%", 21, 2_100_000_000, false},
		{"0.000001%", 22, 2_100_000_000, true},
		{"100%", 1_000_000, 1_000_000, false},
		{"100 %", math.MaxInt64, math.MaxInt64, false},
		{"99.999999%", math.MaxInt64, math.MaxInt64, true},
		{"99.999999%", math.MaxInt64 - 1_000_000_000_000, math.MaxInt64, false},
		{"500", 500, 501, false},
		{" 500 ", 501, 1_000_000, true},
		{"0", 0, 0, false},
		{"0", 1, 1_000_000, true},
		{"0%", 1, 1_000_000, true},
		{"0.00%", 1, 1_000_000, true},
		{"999999999999999999", 1_000_000, 1_000_000, false},
		{"5%", 21, 0, true},
		{"5%", 21, -1, true},
	} {
		l, ok := parseDeletionLimit(c.limit)
		require.True(t, ok, c.limit)
		assert.Equal(t, c.want, l.exceeded(c.deletions, c.known), "%s: %d of %d", c.limit, c.deletions, c.known)
	}
	for _, s := range []string{"", "%", "-1", "+1", "1.5", "10 percent", "100.1%", "101%", "1000%", "1e3", "10%%", "1,5%", "0x10", "9999999999999999999", "NaN", "١٠%"} {
		_, ok := parseDeletionLimit(s)
		assert.False(t, ok, s)
	}
}

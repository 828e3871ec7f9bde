package filter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenamingReachesEveryColumnAndLeavesTheConditionAsItWas(t *testing.T) {
	c := And(
		Or(Compare("A", Equal, String, "A"), Compare("B", IsNull, "")),
		Compare("C", Lower, ColumnName, "D"),
	)
	before, err := Encode(c)
	require.NoError(t, err)
	got, err := Encode(Rename(c, func(s string) string { return "T." + s }))
	require.NoError(t, err)
	for _, want := range []string{"column: T.A", "column: T.B", "column: T.C", "- 'T.D'", "- 'A'"} {
		assert.Contains(t, got, want)
	}
	assert.Equal(t, 4, strings.Count(got, "T."))
	after, err := Encode(c)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Nil(t, Rename(nil, strings.ToUpper))
}

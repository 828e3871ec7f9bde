package licences

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	projectRoot  = "../.."
	distribution = "github.com/benthos-ebp/benthos-ebp"
	plugins      = distribution + "/plugins"
	noticeFile   = projectRoot + "/NOTICE"

	// withOffenders is a component that must not be linked: it shows that the
	// check can fail.
	withOffenders = "github.com/redpanda-data/connect/v4/public/components/aws"
)

// builds are those in which the distribution is given to others.
var builds = []Build{
	{GOOS: "linux"}, {GOOS: "darwin"}, {GOOS: "windows"},
	{GOOS: "linux", Tags: "gcp"},
}

func notice(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(noticeFile)
	require.NoError(t, err)
	return string(text)
}

func TestTheDistributionLinksNothingUnderTheCommunityLicenceBeyondNotice(t *testing.T) {
	for _, build := range builds {
		t.Run(build.GOOS+build.Tags, func(t *testing.T) {
			found, err := Community(t.Context(), projectRoot, build, distribution)
			require.NoError(t, err)
			for _, f := range Unnamed(found, notice(t)) {
				t.Errorf("linked, under the Redpanda Community License, and not named in NOTICE:\n  %s", f)
			}
		})
	}
}

func TestNoticeNamesNoFileThatIsNotLinked(t *testing.T) {
	found, err := Community(t.Context(), projectRoot, builds[0], distribution)
	require.NoError(t, err)
	linked := map[string]bool{}
	for _, f := range found {
		linked[f.Path] = true
	}
	for _, word := range strings.Fields(notice(t)) {
		if strings.HasPrefix(word, watchedModules) && strings.HasSuffix(word, ".go") {
			assert.True(t, linked[word], "NOTICE names %s, which is not linked or under another licence now", word)
		}
	}
}

func TestThePluginsAloneLinkNothingUnderTheCommunityLicence(t *testing.T) {
	found, err := Community(t.Context(), projectRoot, builds[0], plugins)
	require.NoError(t, err)
	assert.Empty(t, found)
}

func TestTheCheckFindsOffendersAndTheWayToThem(t *testing.T) {
	// Modules that only this component needs may be absent: what can be loaded
	// is enough.
	found, _ := Community(t.Context(), projectRoot, builds[0], withOffenders)
	offenders := Unnamed(found, notice(t))
	require.Greater(t, len(offenders), 10)
	for _, f := range offenders {
		require.GreaterOrEqual(t, len(f.Chain), 2, f.Path)
		assert.Equal(t, withOffenders, f.Chain[0])
		assert.True(t, strings.HasPrefix(f.Path, f.Chain[len(f.Chain)-1]+"/"), f)
	}
}

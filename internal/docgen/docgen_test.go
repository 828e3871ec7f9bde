package docgen_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/docgen"
	_ "github.com/benthos-ebp/benthos-ebp/plugins"
)

const dir = "../../" + docgen.Dir

func TestThePagesAreCurrent(t *testing.T) {
	want, err := docgen.Pages(service.GlobalEnvironment())
	require.NoError(t, err)

	got := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		got[filepath.ToSlash(rel)] = string(raw)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	for name, page := range want {
		switch current, ok := got[name]; {
		case !ok:
			t.Errorf("%s/%s is missing: run `%s`", docgen.Dir, name, docgen.Regenerate)
		case current != page:
			t.Errorf("%s/%s does not say what the spec says: run `%s`", docgen.Dir, name, docgen.Regenerate)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s/%s belongs to no component: run `%s`", docgen.Dir, name, docgen.Regenerate)
		}
	}
}

// The plugins are the only components this test links: whatever is registered
// is theirs.
func TestEveryComponentOfThePluginsHasAPage(t *testing.T) {
	var registered []docgen.Component
	add := func(componentType string) func(string, *service.ConfigView) {
		return func(name string, _ *service.ConfigView) {
			registered = append(registered, docgen.Component{Type: componentType, Name: name})
		}
	}
	env := service.GlobalEnvironment()
	env.WalkInputs(add(docgen.TypeInput))
	env.WalkOutputs(add(docgen.TypeOutput))
	env.WalkProcessors(add(docgen.TypeProcessor))
	env.WalkRateLimits(add(docgen.TypeRateLimit))

	for _, c := range registered {
		assert.True(t, slices.Contains(docgen.Components, c), "%s %s is registered but has no page: add it to docgen.Components", c.Type, c.Name)
	}
	assert.Len(t, registered, len(docgen.Components))
}

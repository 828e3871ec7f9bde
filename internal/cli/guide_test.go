package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"
)

func readGuide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/authentication.md")
	require.NoError(t, err)
	return string(text)
}

var (
	commandInGuide = regexp.MustCompile("benthos-ebp (login|logout|token|folders|sandbox)\\b([^`\n]*)")
	flagInGuide    = regexp.MustCompile(`--([a-z-]+)`)
	inlineCode     = regexp.MustCompile("`([^`]+)`")
	yamlBlock      = regexp.MustCompile("(?s)```yaml\n(.*?)```")
)

func TestTheGuideNamesCommandsAndFlagsThatExist(t *testing.T) {
	flags := map[string][]string{}
	for _, c := range Commands() {
		for _, f := range c.Flags {
			flags[c.Name] = append(flags[c.Name], f.Names()...)
		}
		flags[c.Name] = append(flags[c.Name], "help")
	}
	// A command may go over the end of a line.
	guide := strings.ReplaceAll(readGuide(t), "sandbox\n--", "sandbox --")
	found := commandInGuide.FindAllStringSubmatch(guide, -1)
	assert.Greater(t, len(found), 20)
	for _, m := range found {
		for _, f := range flagInGuide.FindAllStringSubmatch(m[2], -1) {
			assert.Contains(t, flags[m[1]], f[1], m[0])
		}
	}
}

// What a person searches the guide for is what the program says.
func TestTheGuideExplainsMessagesAsTheProgramWritesThem(t *testing.T) {
	var source strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		source.Write(text)
		return err
	}))
	_, table, ok := strings.Cut(readGuide(t), "| message | meaning | what to do |")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	variable := regexp.MustCompile(`…|\d+|[()]|\$\w+`)
	checked := 0
	for _, row := range strings.Split(table, "\n")[2:] {
		message := strings.Split(row, "|")[1]
		for _, code := range inlineCode.FindAllStringSubmatch(message, -1) {
			for _, part := range variable.Split(code[1], -1) {
				if part = strings.TrimSpace(part); len(part) >= 10 {
					assert.True(t, strings.Contains(source.String(), part), "no message holds %q of\n%s", part, row)
					checked++
				}
			}
		}
	}
	assert.Greater(t, checked, 20)
}

func TestTheConfigurationsOfTheGuideAreValid(t *testing.T) {
	linter := service.GlobalEnvironment().FullConfigSchema("", "").NewStreamConfigLinter().SetSkipEnvVarCheck(true)
	linted := 0
	for _, block := range yamlBlock.FindAllStringSubmatch(readGuide(t), -1) {
		config := block[1]
		if !strings.HasPrefix(config, "input:") {
			continue // of Kubernetes, or a resource of a plugin that is not linked here
		}
		if !strings.Contains(config, "resource:") { // it shows some fields of an input
			config = strings.Replace(config, "  ebp:\n", "  ebp:\n    resource: gescom.folders\n", 1)
		}
		lints, err := linter.LintYAML([]byte(config))
		require.NoError(t, err, config)
		assert.Empty(t, lints, config)
		linted++
	}
	assert.GreaterOrEqual(t, linted, 4)
}

func TestHelpNamesEveryFlagOnceAndHidesNoSecretInOne(t *testing.T) {
	for _, c := range Commands() {
		var names []string
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				assert.NotContains(t, names, name, c.Name)
				names = append(names, name)
			}
			if d, ok := f.(ucli.DocGenerationFlag); ok {
				assert.NotEmpty(t, d.GetUsage(), "%s --%s", c.Name, f.Names()[0])
			}
		}
		for _, secret := range []string{"client-secret", "subscription-key", "key", "refresh-token", "token", "password"} {
			assert.False(t, slices.Contains(names, secret), "%s --%s: every user sees the arguments of a process", c.Name, secret)
		}
	}
}

package connection

import (
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAStateThatCannotBeIsFoundByTheLinterWithoutItsPassword(t *testing.T) {
	env := service.NewEnvironment()
	spec := service.NewConfigSpec().Fields(Fields()...)
	require.NoError(t, env.RegisterInput("connected", spec, func(*service.ParsedConfig, *service.Resources) (service.Input, error) { return nil, nil }))
	for fields, problem := range map[string]string{
		`{}`:                                    "",
		`{state: "file:/var/lib/x"}`:            "",
		`{state: "memory:"}`:                    "",
		`{state: "rediss://u:p@h:6379/0"}`:      "",
		`{state: "postgres://u:p@h/d"}`:         "",
		`{state: "postgresql://u:p@h/d"}`:       "",
		`{state: "mysql://u:hunter2@h/d"}`:      "this state is not known",
		`{state: "file:"}`:                      "this state is not known",
		`{state: "/var/lib/x"}`:                 "this state is not known",
		`{calls: {per_day: -1}}`:                "cannot be negative",
		`{oauth2: {scopes: [openid, profile]}}`: "without offline_access EBP gives no refresh token",
		`{oauth2: {scopes: [offline_access]}}`:  "",
	} {
		lints, err := env.NewComponentConfigLinter().LintInputYAML([]byte("connected: " + fields))
		require.NoError(t, err)
		if problem == "" {
			assert.Empty(t, lints, fields)
			continue
		}
		require.Len(t, lints, 1, fields)
		assert.Contains(t, lints[0].Error(), problem)
		assert.NotContains(t, lints[0].Error(), "hunter2")
	}
}

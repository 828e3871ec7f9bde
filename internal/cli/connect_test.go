package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// connected returns the connection that a command would use with these arguments.
func connected(t *testing.T, args ...string) (conf *connection.Config, notes string, err error) {
	t.Helper()
	var out strings.Builder
	app := &ucli.App{
		Name: binaryName, Writer: &out, ErrWriter: &out, ExitErrHandler: func(*ucli.Context, error) {},
		Commands: []*ucli.Command{{
			Name:   "try",
			Flags:  append(connectionFlags(), &ucli.StringFlag{Name: flagScopes}),
			Action: func(c *ucli.Context) (err error) { conf, err = connect(c, newTalk(c)); return err },
		}},
	}
	err = app.RunContext(t.Context(), append([]string{binaryName, "try"}, args...))
	return conf, out.String(), err
}

const manySignIns = `
input:
  label: customers
  ebp:
    resource: gescom.generic_query
    table: Customer
    url: ${TEST_URL:https://api.one.example}
    subscription_key: ${TEST_KEY}
    profile: one
    state: file:/state/${TEST_TENANT}
    oauth2: { client_id: "client-${TEST_TENANT:none}", scopes: [openid, offline_access, more] }
    rate_limit: of_the_pipeline
    calls: { when_exhausted: wait, per_minute: 30 }
input_resources:
  - label: archive
    ebp:
      resource: gescom.folders
      profile: two
      url: https://api.two.example
output:
  stdout: {}
`

func TestAConnectionIsTakenFromThePipelineAsTheHostReadsIt(t *testing.T) {
	t.Setenv("TEST_TENANT", "acme")
	t.Setenv("TEST_KEY", "key # with: odd {characters}")
	t.Setenv("TEST_URL", "")
	t.Setenv(connection.EnvURL, "https://of-the-environment.example")
	t.Setenv(connection.EnvClientID, "of-the-environment")
	t.Setenv(connection.EnvClientSecret, "secret-of-the-environment")
	file := pipelineFile(t, strings.Replace(manySignIns, "subscription_key: ${TEST_KEY}", `subscription_key: "${TEST_KEY}"`, 1))
	conf, notes, err := connected(t, "--config", file)
	require.NoError(t, err)
	assert.Equal(t, "https://api.one.example", conf.URL)
	assert.Equal(t, "key # with: odd {characters}", conf.SubscriptionKey)
	assert.Equal(t, "one", conf.Profile)
	assert.Equal(t, "file:/state/acme", conf.State)
	assert.Equal(t, "client-acme", conf.ClientID)
	assert.Equal(t, "secret-of-the-environment", conf.ClientSecret, "what the file leaves open")
	assert.Equal(t, "openid offline_access more", conf.Scopes)
	assert.Equal(t, 30, conf.PerMinute)
	assert.False(t, conf.WaitForQuota, "nobody waits a day for a command")
	assert.Empty(t, conf.RateLimit, "the resources of the pipeline are not there")
	assert.Contains(t, notes, "has 2 sign-ins, with the profiles one, two: this is the one of its input ebp, line 3.")
}

func TestFlagsWinOverThePipelineAndThatOverTheEnvironment(t *testing.T) {
	t.Setenv(connection.EnvURL, "https://of-the-environment.example")
	t.Setenv(connection.EnvLoginURL, "https://login.of-the-environment.example")
	t.Setenv(connection.EnvState, "file:/of-the-environment")
	file := pipelineFile(t, manySignIns)
	conf, _, err := connected(t, "--config", file, "--client-id", "of-the-flag", "--state", "file:/of-the-flag", "--scopes", "openid offline_access")
	require.NoError(t, err)
	assert.Equal(t, "of-the-flag", conf.ClientID)
	assert.Equal(t, "file:/of-the-flag", conf.State)
	assert.Equal(t, "https://login.of-the-environment.example", conf.LoginURL)
	assert.Equal(t, "openid offline_access", conf.Scopes)

	conf, _, err = connected(t)
	require.NoError(t, err)
	assert.Equal(t, "https://of-the-environment.example", conf.URL)
	assert.Equal(t, "default", conf.Profile)
	assert.Equal(t, strings.Join(connection.DefaultScopes, " "), conf.Scopes)
}

func TestTheProfileChoosesAmongTheSignInsOfAPipeline(t *testing.T) {
	t.Setenv(connection.EnvURL, "")
	file := pipelineFile(t, manySignIns)
	conf, notes, err := connected(t, "--config", file, "--profile", "two")
	require.NoError(t, err)
	assert.Equal(t, "https://api.two.example", conf.URL)
	assert.Empty(t, notes)
	_, _, err = connected(t, "--config", file, "--profile", "three")
	require.ErrorContains(t, err, `has no EBP component with the profile "three": its profiles are one, two`)

	// Components of one sign-in leave nothing to choose.
	same := pipelineFile(t, "input:\n  broker:\n    inputs:\n      - ebp: { resource: gescom.folders }\n      - ebp: { resource: batiment.folders }\n")
	conf, notes, err = connected(t, "--config", same, "--profile", "mine")
	require.NoError(t, err)
	assert.Equal(t, "mine", conf.Profile)
	assert.Contains(t, notes, `has the profile "mine", but default`)
}

func TestAFileWithoutAConnectionIsExplained(t *testing.T) {
	_, _, err := connected(t, "--config", pipelineFile(t, "input:\n  stdin: {}\n"))
	require.ErrorContains(t, err, "has no EBP component")
	_, _, err = connected(t, "--config", "/no/such/file.yaml")
	require.ErrorContains(t, err, "reading the pipeline")
	_, _, err = connected(t, "--config", pipelineFile(t, "input: [\n"))
	require.ErrorContains(t, err, "reading the pipeline")
	_, _, err = connected(t, "--config", pipelineFile(t, "input:\n  no_such_input: {}\n"))
	require.ErrorContains(t, err, "no_such_input")
	_, _, err = connected(t, "--config", pipelineFile(t, "input:\n  ebp: { resource: gescom.folders, time_zone: Mars/Crater }\n"))
	require.ErrorContains(t, err, "Mars/Crater")

	// What another component is called is no business of the sign-in.
	conf, _, err := connected(t, "--config", pipelineFile(t, "input:\n  ebp: { resource: gescom.folders, profile: mine }\noutput:\n  no_such_output: {}\n"))
	require.NoError(t, err)
	assert.Equal(t, "mine", conf.Profile)
}

func TestAPasswordInAFlagIsRefused(t *testing.T) {
	for _, state := range []string{"redis://user:pw@host:6379/0", "postgres://host/db?user=me&password=pw"} {
		_, _, err := connected(t, "--state", state)
		require.ErrorContains(t, err, "set EBP_STATE instead")
		assert.NotContains(t, err.Error(), "pw")
	}
}

// A new connection field must reach the commands too.
func TestTheFieldsTakenFromAPipelineAreThoseOfAConnection(t *testing.T) {
	env := service.GlobalEnvironment().Clone()
	require.NoError(t, env.RegisterInput("probe", service.NewConfigSpec().Fields(connection.Fields()...), func(*service.ParsedConfig, *service.Resources) (service.Input, error) {
		return nil, nil
	}))
	var text []byte
	env.WalkInputs(func(name string, view *service.ConfigView) {
		if name == "probe" {
			var err error
			text, err = view.FormatJSON()
			require.NoError(t, err)
		}
	})
	var spec struct {
		Config struct {
			Children []struct{ Name string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &spec))
	var names []string
	for _, f := range spec.Config.Children {
		names = append(names, f.Name)
	}
	assert.ElementsMatch(t, names, connectionFieldNames)
}

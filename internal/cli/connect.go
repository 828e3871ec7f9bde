package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

// Flags of the commands that need a connection. None takes a secret, since every user
// of a machine sees the arguments of its processes.
const (
	flagConfig   = "config"
	flagURL      = "url"
	flagLoginURL = "login-url"
	flagClientID = "client-id"
	flagProfile  = "profile"
	flagState    = "state"
	flagScopes   = "scopes"
)

// connectionHelp is what the help of these commands says of their settings.
const connectionHelp = `

Settings come from the flags, else from the pipeline of --config, else from the
environment: EBP_URL, EBP_LOGIN_URL, EBP_CLIENT_ID, EBP_CLIENT_SECRET,
EBP_SUBSCRIPTION_KEY, EBP_STATE. No flag takes a secret; on a terminal, what is
missing is asked for.`

func connectionFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: flagConfig, Usage: "take the connection of the first EBP component of this `PIPELINE`, or of the one that has the profile of --profile"},
		&ucli.StringFlag{Name: flagProfile, Usage: "the name of the sign-in, if not \"default\""},
		&ucli.StringFlag{Name: flagURL, Usage: "the base `URL` of the API"},
		&ucli.StringFlag{Name: flagLoginURL, Usage: "the `URL` of the authorization server"},
		&ucli.StringFlag{Name: flagClientID, Usage: "the client `ID` from EBP's e-mail"},
		&ucli.StringFlag{Name: flagState, Usage: "`WHERE` the tokens are kept, such as file:/var/lib/benthos-ebp; what has a password in it belongs into EBP_STATE"},
	}
}

// connect returns the connection that the flags, the pipeline and the environment
// describe. It is that of the components: their fields read it, with their defaults and
// checks.
func connect(c *ucli.Context, talk *talk) (*connection.Config, error) {
	fields := map[string]any{}
	if file := c.String(flagConfig); file != "" {
		var err error
		if fields, err = fieldsOfPipeline(file, c.String(flagProfile), talk); err != nil {
			return nil, err
		}
	}
	if err := refuseSecretIn(c.String(flagState)); err != nil {
		return nil, err
	}
	for flag, path := range map[string][]string{
		flagURL:      {connection.FieldURL},
		flagLoginURL: {connection.FieldOAuth2, connection.FieldOAuth2URL},
		flagClientID: {connection.FieldOAuth2, connection.FieldClientID},
		flagProfile:  {connection.FieldProfile},
		flagState:    {connection.FieldState},
	} {
		if v := c.String(flag); v != "" {
			put(fields, v, path...)
		}
	}
	if scopes := strings.Fields(c.String(flagScopes)); len(scopes) > 0 {
		put(fields, scopes, connection.FieldOAuth2, connection.FieldScopes)
	}
	conf, err := parseConnection(fields)
	if err != nil {
		return nil, err
	}
	// A person is waiting: rather an error than the next day's calls. And the resources
	// of the pipeline are not here.
	conf.WaitForQuota, conf.RateLimit = false, ""
	conf.Login = loginLike(c)
	return conf, nil
}

// loginLike is the command that signs in with the settings of this one.
func loginLike(c *ucli.Context) string {
	command := binaryName + " login"
	for _, flag := range []string{flagConfig, flagProfile, flagURL, flagLoginURL, flagClientID, flagState} {
		if v := c.String(flag); v != "" {
			command += " --" + flag + " " + shellQuote(v)
		}
	}
	return command
}

// put sets a field of a configuration.
func put(fields map[string]any, value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		inner, ok := fields[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			fields[name] = inner
		}
		fields = inner
	}
	fields[path[len(path)-1]] = value
}

func parseConnection(fields map[string]any) (*connection.Config, error) {
	text, err := yaml.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("reading the connection: %w", err)
	}
	parsed, err := service.NewConfigSpec().Fields(connection.Fields()...).ParseYAML(string(text), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the connection: %w", err)
	}
	return connection.FromParsed(parsed)
}

// refuseSecretIn keeps a password out of the process list, and out of the shell's
// history.
func refuseSecretIn(state string) error {
	u, err := url.Parse(state)
	if err != nil {
		return nil //nolint:nilerr // the store says better what is wrong with it
	}
	_, secret := u.User.Password()
	if secret || u.Query().Has("password") {
		return errors.New("--state holds a password, which every user of this machine can read in the list of processes: set EBP_STATE instead")
	}
	return nil
}

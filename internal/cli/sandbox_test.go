package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

func TestSandboxFlagsSetLifetimesAndAddresses(t *testing.T) {
	var got sandbox.Options
	command := sandboxCommand()
	command.Action = func(c *ucli.Context) error {
		got = sandboxOptions(c)
		return nil
	}
	app := &ucli.App{Commands: []*ucli.Command{command}}
	require.NoError(t, app.Run([]string{"benthos-ebp", "sandbox"}))
	require.Equal(t, time.Hour, got.AccessTokenLifetime)
	require.Equal(t, 30*24*time.Hour, got.RefreshTokenLifetime)
	require.Equal(t, []string{"http://localhost:3333"}, got.RedirectURIs)

	require.NoError(t, app.Run([]string{"benthos-ebp", "sandbox", "--token-lifetime", "1s", "--refresh-token-lifetime", "2m",
		"--redirect-uri", "http://localhost:4000", "--redirect-uri", "https://example.fr/cb"}))
	require.Equal(t, time.Second, got.AccessTokenLifetime)
	require.Equal(t, 2*time.Minute, got.RefreshTokenLifetime)
	require.Equal(t, []string{"http://localhost:4000", "https://example.fr/cb"}, got.RedirectURIs, "instead of the default")
}

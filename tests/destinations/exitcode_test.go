package destinations

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARunThatDidNotReadEverythingEndsWithACodeThatSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *pipeline)
		stop   time.Duration
		code   int
	}{
		"complete":            {func(*pipeline) {}, 0, 0},
		"stopped in between":  {func(p *pipeline) { p.set["input.ebp.calls.per_second"] = "0.01" }, 2 * time.Second, 4},
		"unknown dossier":     {func(p *pipeline) { p.env["EBP_FOLDER"] = "99999" }, 0, 4},
		"wrong client secret": {func(p *pipeline) { p.env["EBP_CLIENT_SECRET"] = "wrong-secret" }, 0, 3},
		"no credentials":      {func(p *pipeline) { p.env["EBP_CLIENT_ID"] = "" }, 0, 3},
		"dead refresh token":  {func(p *pipeline) { p.env["EBP_REFRESH_TOKEN"] = "used-long-ago" }, 0, 3},
		"wrong key":           {func(p *pipeline) { p.env["EBP_SUBSCRIPTION_KEY"] = "wrong-key" }, 0, 3},
		"day used up": {func(p *pipeline) {
			p.set["input.ebp.calls.per_day"], p.set["input.ebp.calls.when_exhausted"] = "2", "error"
		}, 0, 4},
		"no such state": {func(p *pipeline) { p.env["EBP_STATE"] = "mysql://h/d" }, 0, 1},
		"state away":    {func(p *pipeline) { p.env["EBP_STATE"] = "file:/proc/no/such/place" }, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := quickstart(t, newSource(t))
			c.change(p)
			cmd := p.command(t.Context(), t)
			require.NoError(t, cmd.Start())
			if c.stop > 0 {
				time.Sleep(c.stop)
				require.NoError(t, cmd.Process.Signal(os.Interrupt))
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if c.code == 0 {
				require.NoError(t, err)
				return
			}
			require.True(t, errors.As(err, &exit), "%v", err)
			assert.Equal(t, c.code, exit.ExitCode())
		})
	}
}

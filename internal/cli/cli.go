// Package cli adds the commands of benthos-ebp to those of the host.
package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/redis/go-redis/v9/logging"
	"github.com/redpanda-data/benthos/v4/public/service"
	ucli "github.com/urfave/cli/v2"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
)

const (
	binaryName       = "benthos-ebp"
	documentationURL = "https://github.com/benthos-ebp/benthos-ebp"
)

// defaultConfigPaths are tried, in this order, where a command is given no
// configuration file.
var defaultConfigPaths = []string{
	"benthos-ebp.yaml",
	"/benthos-ebp.yaml",
	"/etc/benthos-ebp/config.yaml",
	"/etc/benthos-ebp.yaml",
}

// Options returns what turns the host's command line into that of benthos-ebp.
// An empty version means that of the module, as `go install` records it.
func Options(version string) []service.CLIOptFunc {
	// The client of Redis writes lines of its own to the terminal, about errors that whoever
	// uses it is told as well.
	logging.Disable()
	version, built := stamp(version)
	opts := []service.CLIOptFunc{
		service.CLIOptSetVersion(version, built),
		service.CLIOptSetBinaryName(binaryName),
		service.CLIOptSetProductName(binaryName),
		service.CLIOptSetDocumentationURL(documentationURL),
		service.CLIOptSetDefaultConfigPaths(defaultConfigPaths...),
	}
	for _, command := range Commands() {
		opts = append(opts, service.CLIOptAddCommand(command))
	}
	return opts
}

// Commands returns the commands that benthos-ebp adds to those of the host.
func Commands() []*ucli.Command {
	return []*ucli.Command{
		loginCommand(),
		logoutCommand(),
		tokenCommand(),
		foldersCommand(),
		operationsCommand(),
		cursorCommand(),
		sandboxCommand(),
	}
}

// ExitCode returns the exit code of the process, given that of the host: a run that
// the host takes for a success may still have had no sign-in (3), or have left
// something unread (4); and a command of ours that failed for want of a sign-in ends
// with 3 as well.
func ExitCode(host int) int {
	switch code := int(commandCode.Load()); {
	case host == 0:
		return connection.ExitCode()
	case code != 0:
		return code
	}
	return host
}

func stamp(version string) (v, built string) {
	v, built = version, "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return orUnknown(v), built
	}
	if v == "" {
		v = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			built = s.Value
		}
	}
	return orUnknown(v), built
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// refuseArguments keeps a mistyped flag from being taken for an argument and
// ignored.
func refuseArguments(c *ucli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("%s takes no argument, but was given %q", c.Command.Name, c.Args().First())
	}
	return nil
}

package cli

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// openBrowser shows an address to the person, in a program that this one does not wait
// for. An error says that none was found. The address may be seen in the list of
// processes: it must hold no secret.
func openBrowser(address string) error {
	for _, command := range browsers(address) {
		path, err := exec.LookPath(command[0])
		if err != nil {
			continue
		}
		cmd := exec.Command(path, command[1:]...) //nolint:noctx // it outlives this program
		// The browser and what it starts have no business with the secrets of EBP.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EBP_") })
		if err := cmd.Start(); err != nil {
			continue
		}
		go func() { _ = cmd.Wait() }()
		return nil
	}
	return errors.New("there is none, or no screen")
}

// browsers are the commands that may open an address, the likeliest first.
func browsers(address string) [][]string {
	if chosen := os.Getenv("BROWSER"); chosen != "" {
		return chosenBrowsers(chosen, address)
	}
	switch {
	case runtime.GOOS == "windows":
		return [][]string{{"rundll32", "url.dll,FileProtocolHandler", address}}
	case runtime.GOOS == "darwin":
		return [][]string{{"open", address}}
	case os.Getenv("WSL_DISTRO_NAME") != "": // Linux inside Windows: the browser is outside
		return [][]string{{"wslview", address}, {"rundll32.exe", "url.dll,FileProtocolHandler", address}}
	case os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "":
		return nil // it would open a browser for terminals, unseen
	}
	return [][]string{{"xdg-open", address}}
}

// chosenBrowsers reads $BROWSER as other programs do: commands, one of which is taken,
// with %s for the address or without.
func chosenBrowsers(list, address string) [][]string {
	var out [][]string
	for _, command := range strings.Split(list, string(os.PathListSeparator)) {
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		if !strings.Contains(command, "%s") {
			words = append(words, address)
		}
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "%s", address)
		}
		out = append(out, words)
	}
	return out
}

// overSSH reports whether the person sits at another machine.
func overSSH() bool { return os.Getenv("SSH_CONNECTION") != "" }

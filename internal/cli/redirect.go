package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// redirect is the address that EBP sends the browser back to.
type redirect struct {
	raw  string // as EBP has registered it, which is compared letter by letter
	path string
	host string
	port string
}

// parseRedirect reads a redirect address. Where the answer is pasted nobody listens, and
// any address that EBP has registered will do.
func parseRedirect(raw string, pasted bool) (*redirect, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--%s %q is not an address such as %s", flagRedirect, raw, defaultRedirect)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("--%s must not hold a user, a query or a fragment", flagRedirect)
	}
	r := &redirect{raw: raw, path: u.Path, host: u.Hostname(), port: u.Port()}
	if r.path == "" {
		r.path = "/"
	}
	if r.port == "" {
		r.port = "80"
	}
	if pasted {
		return r, nil
	}
	ip := net.ParseIP(r.host)
	if u.Scheme != "http" || r.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("nothing can listen at %s: only http to localhost, 127.0.0.1 or [::1] reaches this command; for another address use --%s", raw, flagNoBrowser)
	}
	return r, nil
}

// listen opens the port on loopback, and nowhere else. A browser takes "localhost" for
// 127.0.0.1 or for ::1, so that both are needed where there are both.
func (r *redirect) listen(ctx context.Context) ([]net.Listener, error) {
	hosts := []string{r.host}
	if r.host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	var out []net.Listener
	for _, host := range hosts {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, r.port))
		if err == nil {
			out = append(out, l)
			continue
		}
		if len(out) > 0 && !errors.Is(err, syscall.EADDRINUSE) {
			continue // this machine has no ::1
		}
		for _, l := range out {
			_ = l.Close()
		}
		return nil, r.taken(err)
	}
	return out, nil
}

// taken explains why the port is not to be had.
func (r *redirect) taken(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("cannot listen on port %s, to which EBP sends the browser back (%w): end the program that uses it, or use --%s, which needs no port; "+
		"--%s can name another address only if EBP has registered it for your client id, on request by mail to revendeurs.fr@ebp.com", r.port, err, flagNoBrowser, flagRedirect)
}

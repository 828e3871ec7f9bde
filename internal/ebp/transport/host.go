package transport

import (
	"fmt"
	"net/http"
	"net/url"
)

// Host is the only place that calls may go to.
type Host struct{ URL *url.URL }

// hostLayer is the last look before the network: a request with credentials leaves
// for the configured scheme and host or not at all. Redirects are answers like any
// other here; nothing in this package follows them.
type hostLayer struct {
	next http.RoundTripper
	host Host
}

func (l *hostLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != l.host.URL.Scheme || req.URL.Host != l.host.URL.Host {
		return nil, fmt.Errorf("a call to %s://%s was held back: credentials go to %s://%s only",
			req.URL.Scheme, req.URL.Host, l.host.URL.Scheme, l.host.URL.Host)
	}
	return l.next.RoundTrip(req)
}

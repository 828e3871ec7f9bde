package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

// handler does one operation. An error that is no apiError becomes a 500.
type handler func(*request) (answer, error)

// route is an operation ready to be matched and run.
type route struct {
	operation
	product  string
	segments []string // "{Name}" for a parameter
	loose    bool     // path regardless of case (the gescom family)
	anyCase  bool     // parameter names regardless of case (all but hubbix_cpttpe)
	handle   handler
}

// request is one call on its way through a handler.
type request struct {
	*Server
	http     *http.Request
	route    *route
	captured []string            // path parameters in order
	query    map[string][]string // lowercase names when the route takes any case
}

// makeRoutes joins the documented operations with the handlers there are.
func makeRoutes() map[string][]*route {
	handlers := map[string]handler{}
	for _, add := range []func(map[string]handler){
		addFolderHandlers, addGenericHandlers, addDocumentHandlers, addThirdHandlers,
		addItemHandlers, addModelHandlers, addAccountingHandlers, addBusinessHandlers,
	} {
		add(handlers)
	}
	routes := map[string][]*route{}
	for _, o := range operations {
		segments := strings.Split(strings.Trim(o.path, "/"), "/")
		r := &route{operation: o, product: segments[0], segments: segments, handle: handlers[o.name]}
		r.product = strings.ReplaceAll(r.product, "-", "_")
		r.loose = !strings.HasPrefix(r.product, "hubbix")
		r.anyCase = r.product != "hubbix_cpttpe"
		if r.handle == nil {
			r.handle = notYet
		}
		routes[segments[0]] = append(routes[segments[0]], r)
	}
	return routes
}

// notYet refuses an operation that is documented but not done here.
func notYet(r *request) (answer, error) {
	m := "this sandbox does not do " + r.route.name + " yet"
	if !r.route.loose {
		return answer{}, &hubbixError{http.StatusNotImplemented, "Sandbox.NotImplemented", m}
	}
	return answer{}, &ebpError{status: http.StatusNotImplemented, title: "Not implemented", message: m, code: "NotImplemented", system: m}
}

// match finds the route of a path, and its parameters. Where several fit, the
// one with the most fixed segments wins.
func (s *Server) match(method, path string) (*route, []string) {
	raw := strings.Split(strings.Trim(path, "/"), "/")
	segments := make([]string, len(raw))
	for i, p := range raw {
		u, err := url.PathUnescape(p)
		if err != nil {
			return nil, nil
		}
		segments[i] = u
	}
	var best *route
	var captured []string
	most := -1
	for _, r := range s.routes[strings.ToLower(segments[0])] {
		if r.method != method || len(r.segments) != len(segments) {
			continue
		}
		var found []string
		fixed := 0
		for i, want := range r.segments {
			switch {
			case want[0] == '{' && segments[i] != "":
				found = append(found, segments[i])
			case want == segments[i], r.loose && strings.EqualFold(want, segments[i]):
				fixed++
			default:
				fixed = -1 << 20
			}
		}
		if fixed > most {
			best, captured, most = r, found, fixed
		}
	}
	return best, captured
}

func (r *request) readParameters() {
	r.query = map[string][]string{}
	values, _ := url.ParseQuery(r.http.URL.RawQuery)
	for name, v := range values {
		if r.route.anyCase {
			name = strings.ToLower(name)
		}
		r.query[name] = append(r.query[name], v...)
	}
}

// scope returns the dossier, tenant or domain a request names, "" for none.
func (r *request) scope() string {
	switch {
	case r.route.product == "hubbix_cpttpe":
		return r.http.Header.Get("tenantid")
	case r.route.product == "hubbix_gctpe":
		return r.http.Header.Get("DomainId")
	case strings.Contains(r.route.path, "{FolderId}"):
		return r.captured[0]
	}
	return r.get("FolderId")
}

// get returns the first value of a query parameter, without spaces around it.
func (r *request) get(name string) string {
	if r.route.anyCase {
		name = strings.ToLower(name)
	}
	if v := r.query[name]; len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// value is get for the parameters where the word null means no filter
// (L2024, L2064 and others).
func (r *request) value(name string) string {
	v := r.get(name)
	if strings.EqualFold(v, "null") {
		return ""
	}
	return v
}

// last returns the last path parameter.
func (r *request) last() string { return r.captured[len(r.captured)-1] }

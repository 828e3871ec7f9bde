package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is a refusal in one of the three shapes of the service.
type apiError interface {
	error
	answer() answer
}

// ebpError is the shape of the gescom family (L9785).
type ebpError struct {
	status  int
	title   string
	message string
	code    string // errorCode of the one entry of errors; none when empty
	system  string
}

func (e *ebpError) Error() string { return e.message }

func (e *ebpError) answer() answer {
	type item struct {
		ErrorCode    string `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	}
	body := struct {
		Title         string `json:"title"`
		Message       string `json:"message"`
		ErrorType     string `json:"errorType"`
		Errors        []item `json:"errors"`
		Origin        string `json:"origin"`
		SystemMessage string `json:"systemMessage"`
	}{e.title, e.message, errorType(e.status), []item{}, "API", e.system}
	if e.code != "" {
		body.Errors = append(body.Errors, item{e.code, e.message})
	}
	return jsonAnswer(e.status, body)
}

func errorType(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "ValidationError"
	case http.StatusUnauthorized:
		return "AuthenticationError"
	case http.StatusForbidden:
		return "AuthorizationError"
	case http.StatusNotFound:
		return "NotFoundError"
	case http.StatusNotImplemented:
		return "NotImplementedError"
	}
	return "TechnicalError"
}

// badRequest is a 400 of the gescom family about one parameter.
func badRequest(code, format string, args ...any) *ebpError {
	m := fmt.Sprintf(format, args...)
	return &ebpError{status: http.StatusBadRequest, title: "Paramètre incorrect", message: m, code: code, system: m}
}

func notFound(code, format string, args ...any) *ebpError {
	m := fmt.Sprintf(format, args...)
	return &ebpError{status: http.StatusNotFound, title: "Introuvable", message: m, code: code, system: m}
}

// hubbixError is the shape of the Hubbix products (L4375).
type hubbixError struct {
	status  int
	code    string
	message string
}

func (e *hubbixError) Error() string { return e.message }

func (e *hubbixError) answer() answer {
	return jsonAnswer(e.status, struct {
		Status    int      `json:"status"`
		ErrorCode string   `json:"errorCode"`
		Data      struct{} `json:"data"`
		Message   string   `json:"message"`
	}{e.status, e.code, struct{}{}, e.message})
}

// gatewayError is the shape of the Azure API Management in front.
type gatewayError struct {
	status     int
	message    string
	retryAfter int // seconds; no header when zero
}

func (e *gatewayError) Error() string { return e.message }

func (e *gatewayError) answer() answer {
	a := jsonAnswer(e.status, struct {
		StatusCode int    `json:"statusCode"`
		Message    string `json:"message"`
	}{e.status, e.message})
	if e.retryAfter > 0 {
		a.header = http.Header{"Retry-After": {fmt.Sprint(e.retryAfter)}}
	}
	return a
}

// jsonAnswer marshals a value as the body of an answer, markup as it is.
func jsonAnswer(status int, v any) answer {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return answer{status: status, body: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}

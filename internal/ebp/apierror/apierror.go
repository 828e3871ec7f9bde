// Package apierror turns what the API answers instead of a success into one error
// type. There are three shapes: EBP's own (L9791), Hubbix's, and that of the API
// management in front of them; besides, bodies that are empty, text or a page.
package apierror

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Shape says who answered.
type Shape string

// Shapes.
const (
	ShapeEBP     Shape = "ebp"
	ShapeHubbix  Shape = "hubbix"
	ShapeGateway Shape = "gateway" // the API management in front
	ShapeOther   Shape = "other"
)

// Error is an answer that is no success. It holds no secret: texts are redacted
// before they get in.
type Error struct {
	// Operation, Method, Path and Folder tell which call it was; Path has no query.
	Operation, Method, Path, Folder string
	// Status is the HTTP status.
	Status int
	Shape  Shape
	// Code is the first error code that the answer gives, "" where it gives none.
	Code string
	// Text is what the answer says, in the API's own words.
	Text string
	// RetryAfter is how long the server asks to wait, 0 where it does not say.
	RetryAfter time.Duration
}

// Error tells the call, the status, the code and the text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	fmt.Fprintf(&b, " (%s %s", e.Method, e.Path)
	if e.Folder != "" && !strings.Contains(e.Path, "/"+e.Folder) {
		fmt.Fprintf(&b, ", folder %s", e.Folder)
	}
	fmt.Fprintf(&b, "): %d %s", e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s", e.Code)
	}
	if e.Text != "" {
		fmt.Fprintf(&b, ": %s", e.Text)
	}
	if hint := e.hint(); hint != "" {
		b.WriteString(" (" + hint + ")")
	}
	return b.String()
}

// hint says what to do about errors whose cause is known.
func (e *Error) hint() string {
	switch {
	case e.SubscriptionKeyRefused():
		return "check subscription_key: it is on your profile of the EBP developer portal"
	case e.Status == http.StatusUnauthorized:
		return "EBP does not accept this sign-in: sign in again"
	case e.QuotaExhausted():
		return "the day's calls of this subscription are used up"
	case e.Status >= 300 && e.Status < 400:
		return "redirects are not followed: check url"
	case e.Status == http.StatusForbidden && e.Folder != "":
		return "this sign-in has no right to it in folder " + e.Folder
	}
	return ""
}

// NotFound reports whether the thing asked for does not exist. Hubbix says so with
// status 400 in places, with a code that ends in .NotFound (L8867).
func (e *Error) NotFound() bool {
	return e.Status == http.StatusNotFound || strings.HasSuffix(e.Code, ".NotFound")
}

// quotaText is what the gateway says when the calls of the day are used up: "Out of
// call volume quota. Quota will be replenished in 11:02:03." The word alone tells
// nothing, for EBP has quotas of its own, which no waiting refills.
var quotaText = regexp.MustCompile(`(?i)call volume quota|quota will be replenished`)

// QuotaExhausted reports whether the calls of the day are used up, which the gateway
// says with status 403 or 429.
func (e *Error) QuotaExhausted() bool {
	return (e.Status == http.StatusForbidden || e.Status == http.StatusTooManyRequests) &&
		(e.Shape == ShapeGateway || e.Shape == ShapeOther) && quotaText.MatchString(e.Text)
}

// SubscriptionKeyRefused reports whether it is the key, not the sign-in, that was
// refused: then a new access token cannot help.
func (e *Error) SubscriptionKeyRefused() bool {
	return e.Status == http.StatusUnauthorized && e.Shape == ShapeGateway && strings.Contains(strings.ToLower(e.Text), "subscription key")
}

const longestText = 2000

// Parse reads an answer. now is the time of the machine, against which a Retry-After
// date is measured where the answer has no Date of its own.
func Parse(status int, header http.Header, body []byte, now time.Time) *Error {
	e := &Error{Status: status, Shape: ShapeOther}
	e.readBody(header.Get("Content-Type"), body)
	e.RetryAfter = retryAfter(header, now)
	if e.RetryAfter == 0 {
		e.RetryAfter = waitInText(e.Text)
	}
	if len(e.Text) > longestText {
		cut := longestText
		for !utf8.RuneStart(e.Text[cut]) {
			cut--
		}
		e.Text = fmt.Sprintf("%s… (%d bytes)", e.Text[:cut], len(e.Text))
	}
	return e
}

// document has the members of all three shapes, and of the problem details of
// RFC 7807, which the framework behind EBP's answers with by itself.
type document struct {
	Title, Message, Detail, ErrorType, SystemMessage string
	Errors                                           []struct{ ErrorCode, ErrorMessage string }
	ErrorCode                                        json.RawMessage
	StatusCode                                       *int
	Status                                           json.RawMessage
	Data                                             json.RawMessage
}

// hubbix reports whether the document has Hubbix's shape. A status alone does not tell:
// problem details have one too.
func (d *document) hubbix() bool {
	return present(d.ErrorCode) || present(d.Data) || present(d.Status) && d.Message != "" && d.Title == ""
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func (e *Error) readBody(contentType string, body []byte) {
	text := strings.TrimSpace(string(body))
	var d document
	if !strings.HasPrefix(text, "{") || json.Unmarshal(body, &d) != nil {
		if strings.HasPrefix(text, "<") || strings.Contains(contentType, "html") {
			text = "the answer is a web page, not one of the API's"
		}
		e.Text = strings.ToValidUTF8(strings.Trim(text, `"`), "�")
		return
	}
	var parts []string
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	add(d.Title)
	add(d.Message)
	add(d.Detail)
	switch {
	case d.StatusCode != nil:
		e.Shape = ShapeGateway
	case d.hubbix():
		e.Shape = ShapeHubbix
		if present(d.ErrorCode) {
			e.Code = strings.Trim(string(d.ErrorCode), `"`)
		}
		if s := string(d.Data); present(d.Data) && s != "{}" && s != "[]" {
			add(s)
		}
	default:
		e.Shape = ShapeEBP
		e.Code = d.ErrorType
		for i, one := range d.Errors {
			if i == 0 && one.ErrorCode != "" {
				e.Code = one.ErrorCode
			}
			if i > 0 && one.ErrorCode != "" {
				add(one.ErrorCode + ": " + one.ErrorMessage)
				continue
			}
			add(one.ErrorMessage)
		}
		add(d.SystemMessage)
		if d.Title == "" && d.ErrorType == "" && len(d.Errors) == 0 || len(parts) == 0 {
			e.Shape = ShapeOther // nothing of it is EBP's own
		}
	}
	if len(parts) == 0 {
		add(text) // whatever it says is all there is
	}
	e.Code = strings.ToValidUTF8(e.Code, "�")
	e.Text = strings.ToValidUTF8(strings.Join(parts, "; "), "�")
}

// retryAfter reads the header in both its forms: seconds, or a date, which is
// measured against the server's own clock where the answer tells it.
func retryAfter(header http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(header.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds >= 0 && seconds < 1e9 {
		return time.Duration(seconds * float64(time.Second))
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

var (
	tryAgain    = regexp.MustCompile(`(?i)try again in (\d{1,6}) seconds?`)
	replenished = regexp.MustCompile(`(?i)replenished in (?:(\d{1,3})\.)?(\d{1,2}):(\d{2}):(\d{2})`)
)

// waitInText finds the waiting time in what the gateway writes where it sends no
// Retry-After: "Try again in 12 seconds", "Quota will be replenished in 11:02:03".
func waitInText(text string) time.Duration {
	if m := tryAgain.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		return time.Duration(n) * time.Second
	}
	m := replenished.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	return time.Duration(n[0]*24+n[1])*time.Hour + time.Duration(n[2])*time.Minute + time.Duration(n[3])*time.Second
}

package apierror

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestThreeShapesBecomeOneError(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   Error
	}{
		"EBP": {
			400, `{"title":"Erreur","message":"Le paramètre est incorrect","errorType":"Validation","errors":[{"errorCode":"E12","errorMessage":"TableName"},{"errorCode":"E13","errorMessage":"Columns"}],"origin":"API","systemMessage":"Le paramètre est incorrect"}`,
			Error{Shape: ShapeEBP, Code: "E12", Text: "Erreur; Le paramètre est incorrect; TableName; E13: Columns"},
		},
		"EBP without details": {404, `{"title":"","message":"Votre dossier n'existe pas","errorType":"NotFound"}`, Error{Shape: ShapeEBP, Code: "NotFound", Text: "Votre dossier n'existe pas"}},
		"Hubbix":              {400, `{"status":400,"errorCode":"SaleUnit.NotFound","data":{"id":7},"message":"Unité introuvable"}`, Error{Shape: ShapeHubbix, Code: "SaleUnit.NotFound", Text: `Unité introuvable; {"id":7}`}},
		"gateway rate":        {429, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 12 seconds."}`, Error{Shape: ShapeGateway, Text: "Rate limit is exceeded. Try again in 12 seconds.", RetryAfter: 12 * time.Second}},
		"gateway quota":       {403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 11:02:03."}`, Error{Shape: ShapeGateway, Text: "Out of call volume quota. Quota will be replenished in 11:02:03.", RetryAfter: 11*time.Hour + 2*time.Minute + 3*time.Second}},
		"empty":               {500, ``, Error{Shape: ShapeOther}},
		"text":                {500, `"Object reference not set"`, Error{Shape: ShapeOther, Text: "Object reference not set"}},
		"number":              {400, `12`, Error{Shape: ShapeOther, Text: "12"}},
		"array":               {400, `[{"a":1}]`, Error{Shape: ShapeOther, Text: `[{"a":1}]`}},
		"page":                {502, "<html><h1>Bad Gateway</h1></html>", Error{Shape: ShapeOther, Text: "the answer is a web page, not one of the API's"}},
		"unknown object":      {400, `{"foo":1}`, Error{Shape: ShapeOther, Text: `{"foo":1}`}},
		"broken JSON":         {400, `{"message":"x`, Error{Shape: ShapeOther, Text: `{"message":"x`}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Status = c.status
			assert.Equal(t, &c.want, Parse(c.status, http.Header{}, []byte(c.body), time.Now()))
		})
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{"Retry-After": {"120"}}, 2 * time.Minute},
		{http.Header{"Retry-After": {now.Add(90 * time.Second).Format(http.TimeFormat)}}, 90 * time.Second},
		// Our clock is an hour off; the answer tells the server's.
		{http.Header{"Retry-After": {now.Add(90 * time.Second).Format(http.TimeFormat)}, "Date": {now.Add(80 * time.Second).Format(http.TimeFormat)}}, 10 * time.Second},
		{http.Header{"Retry-After": {now.Add(-time.Hour).Format(http.TimeFormat)}}, 0},
		{http.Header{"Retry-After": {"soon"}}, 0},
		{http.Header{"Retry-After": {"-5"}}, 0},
		{http.Header{}, 0},
	} {
		assert.Equal(t, c.want, Parse(429, c.header, nil, now).RetryAfter, c.header)
	}
}

func TestErrorsSayWhichCallAndWhatToDo(t *testing.T) {
	e := Parse(401, http.Header{}, []byte(`{"statusCode":401,"message":"Access denied due to invalid subscription key."}`), time.Now())
	e.Operation, e.Method, e.Path, e.Folder = "gescom.clients.list", "GET", "/gescom/api/v1/Folders/3691/Clients", "3691"
	assert.Equal(t, "gescom.clients.list (GET /gescom/api/v1/Folders/3691/Clients): 401 Unauthorized: Access denied due to invalid subscription key. (check subscription_key: it is on your profile of the EBP developer portal)", e.Error())
	assert.True(t, Parse(400, nil, []byte(`{"status":400,"errorCode":"SaleUnit.NotFound"}`), time.Now()).NotFound())
	assert.True(t, Parse(403, nil, []byte(`{"statusCode":403,"message":"Out of call volume quota."}`), time.Now()).QuotaExhausted())
	assert.False(t, Parse(403, nil, []byte(`{"message":"Droits insuffisants"}`), time.Now()).QuotaExhausted())
}

func TestLongTextsAreCutVisibly(t *testing.T) {
	e := Parse(500, nil, []byte(strings.Repeat("é", 5000)), time.Now())
	assert.True(t, utf8.ValidString(e.Text))
	assert.True(t, strings.HasSuffix(e.Text, "… (10000 bytes)"))
}

func FuzzParse(f *testing.F) {
	f.Add(400, "application/json", []byte(`{"errors":[{}],"status":null}`))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		e := Parse(status, http.Header{"Content-Type": {contentType}}, body, time.Now())
		if !utf8.ValidString(e.Error()) && utf8.ValidString(contentType) {
			t.Errorf("not text: %q", e.Error())
		}
	})
}

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
		"EBP without details":  {404, `{"title":"","message":"Votre dossier n'existe pas","errorType":"NotFound"}`, Error{Shape: ShapeEBP, Code: "NotFound", Text: "Votre dossier n'existe pas"}},
		"Hubbix":               {400, `{"status":400,"errorCode":"SaleUnit.NotFound","data":{"id":7},"message":"Unité introuvable"}`, Error{Shape: ShapeHubbix, Code: "SaleUnit.NotFound", Text: `Unité introuvable; {"id":7}`}},
		"gateway rate":         {429, `{"statusCode":429,"message":"Rate limit is exceeded. Try again in 12 seconds."}`, Error{Shape: ShapeGateway, Text: "Rate limit is exceeded. Try again in 12 seconds.", RetryAfter: 12 * time.Second}},
		"gateway quota":        {403, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 11:02:03."}`, Error{Shape: ShapeGateway, Text: "Out of call volume quota. Quota will be replenished in 11:02:03.", RetryAfter: 11*time.Hour + 2*time.Minute + 3*time.Second}},
		"gateway quota as 429": {429, `{"statusCode":429,"message":"Out of call volume quota."}`, Error{Shape: ShapeGateway, Text: "Out of call volume quota."}},
		"problem details":      {400, `{"type":"about:blank","title":"Invalid column name 'Foo'","status":400,"detail":"Colonne inconnue","traceId":"00-1"}`, Error{Shape: ShapeEBP, Text: "Invalid column name 'Foo'; Colonne inconnue"}},
		"problem, title alone": {400, `{"title":"Invalid column name 'Foo'","status":400}`, Error{Shape: ShapeEBP, Text: "Invalid column name 'Foo'"}},
		"problem of fields":    {400, `{"title":"x","status":400,"errors":{"Offset":["not a number"]}}`, Error{Shape: ShapeOther, Text: `{"title":"x","status":400,"errors":{"Offset":["not a number"]}}`}},
		"Hubbix without code":  {404, `{"status":404,"errorCode":null,"data":null,"message":"Introuvable"}`, Error{Shape: ShapeHubbix, Text: "Introuvable"}},
		"Hubbix without words": {400, `{"status":400,"errorCode":"SaleUnit.NotFound","data":{}}`, Error{Shape: ShapeHubbix, Code: "SaleUnit.NotFound", Text: `{"status":400,"errorCode":"SaleUnit.NotFound","data":{}}`}},
		"status alone":         {500, `{"status":500,"trace":"abc"}`, Error{Shape: ShapeOther, Text: `{"status":500,"trace":"abc"}`}},
		"gateway, no words":    {500, `{"statusCode":500,"activityId":"abc"}`, Error{Shape: ShapeGateway, Text: `{"statusCode":500,"activityId":"abc"}`}},
		"EBP, type alone":      {500, `{"errorType":"Technical","message":""}`, Error{Shape: ShapeOther, Code: "Technical", Text: `{"errorType":"Technical","message":""}`}},
		"empty":                {500, ``, Error{Shape: ShapeOther}},
		"text":                 {500, `"Object reference not set"`, Error{Shape: ShapeOther, Text: "Object reference not set"}},
		"number":               {400, `12`, Error{Shape: ShapeOther, Text: "12"}},
		"array":                {400, `[{"a":1}]`, Error{Shape: ShapeOther, Text: `[{"a":1}]`}},
		"page":                 {502, "<html><h1>Bad Gateway</h1></html>", Error{Shape: ShapeOther, Text: "the answer is a web page, not one of the API's"}},
		"unknown object":       {400, `{"foo":1}`, Error{Shape: ShapeOther, Text: `{"foo":1}`}},
		"broken JSON":          {400, `{"message":"x`, Error{Shape: ShapeOther, Text: `{"message":"x`}},
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

func TestOnlyTheGatewaysQuotaIsTheQuotaOfCalls(t *testing.T) {
	for body, want := range map[string]bool{
		`{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 11:02:03."}`: true,
		`{"statusCode":403,"message":"Quota will be replenished in 00:00:03."}`:                           true,
		`{"message":"Out of call volume quota."}`:                                                         true,
		`Out of CALL VOLUME quota`: true,
		`{"statusCode":403,"message":"Votre quota d'utilisateurs est atteint"}`:                       false,
		`{"title":"Quota","message":"Quota de dossiers dépassé","errorType":"Forbidden"}`:             false,
		`{"status":403,"errorCode":"Quota","message":"quota will be replenished by your accountant"}`: false,
		`{"statusCode":429,"message":"Rate limit is exceeded. Try again in 12 seconds."}`:             false,
	} {
		for _, status := range []int{403, 429} {
			assert.Equal(t, want, Parse(status, nil, []byte(body), time.Now()).QuotaExhausted(), "%d %s", status, body)
		}
		assert.False(t, Parse(500, nil, []byte(body), time.Now()).QuotaExhausted())
	}
}

func TestNoAnswerThatSaysSomethingBecomesAnErrorThatSaysNothing(t *testing.T) {
	for _, body := range []string{
		`{"title":"","status":400}`, `{"statusCode":403}`, `{"errorCode":"A"}`, `{"data":{},"status":1}`, `{"errors":[{}]}`, `{"status":"Error"}`, `{}`, `[]`, `0`,
		`{"statusCode":"403","message":"x"}`, `{"message":{"fr":"x"}}`, "{\"data\":\"\xff\"}",
	} {
		e := Parse(400, nil, []byte(body), time.Now())
		assert.NotEmpty(t, e.Text, body)
		assert.True(t, utf8.ValidString(e.Error()), body)
	}
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

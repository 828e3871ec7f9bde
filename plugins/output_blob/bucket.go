package output_blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// urlExamples lists the schemes this output opens, each with a URL to show to
// a person who wrote another one.
var urlExamples = map[string]string{
	s3blob.Scheme:   "s3://bucket?region=eu-west-3",
	fileblob.Scheme: "file:///directory?create_dir=true",
	memblob.Scheme:  "mem://",
}

// shownParameters are the parameters of URLs that are safe to show. The value
// of any other is taken for a secret.
var shownParameters = map[string]bool{
	"accelerate": true, "anonymous": true, "awssdk": true, "disable_https": true, "dualstack": true,
	"endpoint": true, "fips": true, "hostname_immutable": true, "kmskeyid": true, "profile": true,
	"rate_limiter_capacity": true, "region": true, "request_checksum_calculation": true,
	"response_checksum_validation": true, "role": true, "s3ForcePathStyle": true, "ssetype": true,
	"use_path_style": true, "create_dir": true, "dir_file_mode": true, "metadata": true, "no_tmp_dir": true,
}

const (
	fileParamCreateDir = "create_dir"
	fileParamNoTmpDir  = "no_tmp_dir"
	fileParamMetadata  = "metadata"

	s3ParamRole = "role"

	redacted = "xxxxx"
)

// s3Credentials override the default chain of the AWS SDK. The zero value
// leaves that chain alone.
type s3Credentials struct {
	id, secret, token string
}

func (c s3Credentials) empty() bool {
	return c == s3Credentials{}
}

// target is a parsed bucket URL: everything about the store that can be known
// and refused before it is reached.
type target struct {
	url         *url.URL
	credentials s3Credentials

	// keepAttributes asks a file bucket for a sidecar file per object, the only
	// place where a file's metadata can go.
	keepAttributes bool

	redactor *strings.Replacer
	shown    string
}

// openedBucket is a bucket ready to be written to.
type openedBucket struct {
	*blob.Bucket

	// atomicUpload says that the store itself discards an upload that does not
	// reach its end, so that the payload may be handed over as a whole.
	atomicUpload bool

	// reach asks the store whether the bucket is there. Nil where opening it
	// has already answered that.
	reach func(context.Context) error
}

// failure is what an error of a write says about the writes after it.
type failure int

const (
	ofMessage failure = iota // another message may well pass
	ofStore                  // no message would pass now
	ofNetwork                // there was no answer
)

// storeCodes are the codes with which S3 refuses any object although the
// status is one of a bad request. AccessDenied is not among them: a policy may
// allow other keys.
var storeCodes = map[string]bool{
	"AccountProblem": true, "AllAccessDisabled": true, "AuthorizationHeaderMalformed": true,
	"ExpiredToken": true, "InvalidAccessKeyId": true, "InvalidToken": true, "NoSuchBucket": true,
	"NotSignedUp": true, "PermanentRedirect": true, "RequestTimeTooSkewed": true, "RequestTimeout": true,
	"SignatureDoesNotMatch": true, "TokenRefreshRequired": true,
}

// failureOf tells what an error of write is a failure of.
func (b *openedBucket) failureOf(err error) failure {
	if b.reach == nil || gcerrors.Code(err) == gcerrors.InvalidArgument {
		// Directories and memory answer at once, there is nothing to wait for.
		return ofMessage
	}
	var sending *smithyhttp.RequestSendError
	if errors.As(err, &sending) {
		return ofNetwork
	}
	var api smithy.APIError
	if errors.As(err, &api) && storeCodes[api.ErrorCode()] {
		return ofStore
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		switch status := response.HTTPStatusCode(); {
		case status >= 500, status == http.StatusUnauthorized, status == http.StatusTooManyRequests, status < 400:
			return ofStore
		}
		return ofMessage
	}
	var invalid smithy.InvalidParamsError
	var unserializable *smithy.SerializationError
	if errors.As(err, &invalid) || errors.As(err, &unserializable) {
		return ofMessage
	}
	// No request was sent: there are no credentials, or no such endpoint.
	return ofStore
}

// parseTarget refuses URLs that could only fail later, or worse, write to a
// place the author did not mean. Its errors never hold a secret of the URL.
func parseTarget(raw string, creds s3Credentials) (*target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse quotes the URL, which may hold a secret.
		var perr *url.Error
		if errors.As(err, &perr) {
			err = perr.Err
		}
		return nil, fmt.Errorf("parsing url: %w", err)
	}
	t := &target{url: u, credentials: creds}
	t.shown = showURL(u)
	t.redactor = newRedactor(raw, u, creds)

	switch u.Scheme {
	case s3blob.Scheme:
		return t, t.checkS3()
	case fileblob.Scheme:
		return t, t.checkFile()
	case memblob.Scheme:
		return t, t.refuseCredentials()
	}
	return nil, unknownScheme(u.Scheme)
}

func unknownScheme(scheme string) error {
	examples := make([]string, 0, len(urlExamples))
	for _, example := range urlExamples {
		examples = append(examples, example)
	}
	sort.Strings(examples)
	if scheme == "" {
		return fmt.Errorf("url has no scheme: write one of %s", strings.Join(examples, ", "))
	}
	return fmt.Errorf("unknown scheme %q in url: write one of %s", scheme, strings.Join(examples, ", "))
}

func (t *target) checkS3() error {
	if t.url.Host == "" {
		return fmt.Errorf("url names no bucket: write s3://BUCKET, as in %s", urlExamples[s3blob.Scheme])
	}
	if strings.Trim(t.url.Path, "/") != "" {
		return fmt.Errorf("url has the path %q after the bucket: prefixes belong into the field %s", t.url.Path, boFieldPath)
	}
	if t.credentials.empty() {
		return nil
	}
	if t.credentials.id == "" || t.credentials.secret == "" {
		return fmt.Errorf("%s needs both %s and %s", boFieldCredentials, boFieldCredentialsID, boFieldCredentialsSecret)
	}
	if t.url.Query().Get(s3ParamRole) != "" {
		return fmt.Errorf("%s and the url's parameter %s exclude each other: the role is assumed with the default credential chain", boFieldCredentials, s3ParamRole)
	}
	return nil
}

func (t *target) checkFile() error {
	// gocloud ignores the host, so file://data/out would write to /out.
	if h := t.url.Host; h != "" && h != "." && h != "localhost" {
		return fmt.Errorf("the url names the host %q: write file:///ABSOLUTE/DIRECTORY or file://./RELATIVE/DIRECTORY", h)
	}
	if t.url.Opaque != "" || strings.Trim(t.url.Path, "/") == "" {
		return errors.New("url names no directory: write file:///ABSOLUTE/DIRECTORY or file://./RELATIVE/DIRECTORY")
	}
	return t.refuseCredentials()
}

func (t *target) refuseCredentials() error {
	if !t.credentials.empty() {
		return fmt.Errorf("%s belongs to s3 urls only", boFieldCredentials)
	}
	return nil
}

// open reaches for the bucket and says in one sentence what is missing. The
// caller closes what it gets.
func (t *target) open(ctx context.Context) (*openedBucket, error) {
	switch t.url.Scheme {
	case s3blob.Scheme:
		return t.openS3(ctx)
	case fileblob.Scheme:
		return t.openFile(ctx)
	}
	return &openedBucket{Bucket: memblob.OpenBucket(nil)}, nil
}

func (t *target) openS3(ctx context.Context) (*openedBucket, error) {
	opener := &s3blob.URLOpener{}
	bucket, err := opener.OpenBucketURL(ctx, t.url)
	if err != nil {
		return nil, t.redact(fmt.Errorf("opening %s: %w", t.shown, err))
	}
	var client *s3.Client
	if !bucket.As(&client) {
		return nil, errors.Join(fmt.Errorf("opening %s: no S3 client behind the bucket", t.shown), bucket.Close())
	}
	if client.Options().Region == "" {
		return nil, errors.Join(fmt.Errorf("opening %s: no region: add region=… to the url or set AWS_REGION", t.shown), bucket.Close())
	}
	if !t.credentials.empty() {
		options := client.Options()
		options.Credentials = credentials.NewStaticCredentialsProvider(t.credentials.id, t.credentials.secret, t.credentials.token)
		client = s3.New(options)
		if err := bucket.Close(); err != nil {
			return nil, t.redact(fmt.Errorf("opening %s: %w", t.shown, err))
		}
		if bucket, err = s3blob.OpenBucket(ctx, client, t.url.Host, &opener.Options); err != nil {
			return nil, t.redact(fmt.Errorf("opening %s: %w", t.shown, err))
		}
	}
	return &openedBucket{
		Bucket:       bucket,
		atomicUpload: true,
		reach:        func(ctx context.Context) error { return t.reachS3(ctx, bucket) },
	}, nil
}

// reachS3 lists at most one key. Credentials that may write but not list are
// good practice and pass: S3 has looked them up, and the bucket, to say so.
func (t *target) reachS3(ctx context.Context, bucket *blob.Bucket) error {
	ok, err := bucket.IsAccessible(ctx)
	if err == nil && ok {
		return nil
	}
	if err == nil {
		return fmt.Errorf("bucket %q of %s does not exist, at least not in this region and at this endpoint", t.url.Host, t.shown)
	}
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "AccessDenied" {
		return nil
	}
	return t.redact(fmt.Errorf("reaching bucket %q of %s: %w", t.url.Host, t.shown, err))
}

func (t *target) openFile(ctx context.Context) (*openedBucket, error) {
	u := *t.url
	q := u.Query()
	// gocloud takes any value for true, "false" included.
	for _, param := range []string{fileParamCreateDir, fileParamNoTmpDir} {
		if on, err := strconv.ParseBool(q.Get(param)); q.Has(param) && err == nil && !on {
			q.Set(param, "")
		}
	}
	// A rename cannot cross file systems, and the directory for temporary files
	// is often another one.
	if !q.Has(fileParamNoTmpDir) {
		q.Set(fileParamNoTmpDir, "true")
	}
	// Nobody who writes files expects a second one, KEY.attrs, beside each.
	if !q.Has(fileParamMetadata) && !t.keepAttributes {
		q.Set(fileParamMetadata, string(fileblob.MetadataDontWrite))
	}
	u.RawQuery = q.Encode()

	bucket, err := new(fileblob.URLOpener).OpenBucketURL(ctx, &u)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the directory of %s does not exist: create it, or add %s=true to the url", t.shown, fileParamCreateDir)
	}
	if err != nil {
		return nil, t.redact(fmt.Errorf("opening %s: %w", t.shown, err))
	}
	return &openedBucket{Bucket: bucket}, nil
}

// redact returns err with the secrets of the URL and the credentials blotted
// out of its text. The chain of wrapped errors stays.
func (t *target) redact(err error) error {
	if err == nil {
		return nil
	}
	text := t.redactor.Replace(err.Error())
	if text == err.Error() {
		return err
	}
	return &redactedError{text: text, err: err}
}

type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.err }

// showURL renders a URL for logs and errors: what is not known to be harmless
// is hidden.
func showURL(u *url.URL) string {
	shown := *u
	if shown.User != nil {
		shown.User = url.User(redacted)
	}
	q := shown.Query()
	for key, values := range q {
		for i := range values {
			values[i] = showParameter(key, values[i])
		}
	}
	shown.RawQuery = q.Encode()
	return shown.String()
}

func showParameter(key, value string) string {
	if !shownParameters[key] {
		return redacted
	}
	if nested, err := url.Parse(value); err == nil && nested.User != nil {
		return nested.Redacted()
	}
	return value
}

// newRedactor replaces the URL in the spellings in which libraries quote it,
// and each secret alone.
func newRedactor(raw string, u *url.URL, creds s3Credentials) *strings.Replacer {
	shown := showURL(u)
	pairs := []string{raw, shown, u.String(), shown}
	hide := func(secret string) {
		if secret != "" {
			pairs = append(pairs, secret, redacted, url.QueryEscape(secret), redacted)
		}
	}
	hide(creds.secret)
	hide(creds.token)
	hideUser := func(user *url.Userinfo) {
		if user != nil {
			password, _ := user.Password()
			hide(password)
		}
	}
	hideUser(u.User)
	for key, values := range u.Query() {
		for _, value := range values {
			if !shownParameters[key] {
				hide(value)
			} else if nested, err := url.Parse(value); err == nil {
				hideUser(nested.User)
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

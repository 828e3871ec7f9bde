// Package output_blob writes messages as objects of a bucket, through
// gocloud.dev/blob. It exists because the host's own object store outputs pull
// files in that are not under an open source licence.
//
// Importing the package registers the output `blob`.
package output_blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	boFieldURL             = "url"
	boFieldPath            = "path"
	boFieldContentType     = "content_type"
	boFieldContentEncoding = "content_encoding"
	boFieldCacheControl    = "cache_control"
	boFieldMetadata        = "metadata"
	boFieldTimeout         = "timeout"
	boFieldBatching        = "batching"

	boFieldCredentials       = "credentials"
	boFieldCredentialsID     = "id"
	boFieldCredentialsSecret = "secret"
	boFieldCredentialsToken  = "token"

	defaultContentType = "application/octet-stream"
)

func init() {
	service.MustRegisterBatchOutput("blob", blobSpec(),
		func(conf *service.ParsedConfig, mgr *service.Resources) (out service.BatchOutput, policy service.BatchPolicy, maxInFlight int, err error) {
			if policy, err = conf.FieldBatchPolicy(boFieldBatching); err != nil {
				return
			}
			if maxInFlight, err = conf.FieldMaxInFlight(); err != nil {
				return
			}
			out, err = blobFromParsed(conf, mgr)
			return
		})
}

func blobSpec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Beta().
		Categories("Services").
		Summary("Writes each message as one object of a bucket: Amazon S3 and the stores that speak its protocol, or a directory.").
		Description(`
An object appears whole or not at all: a write that fails or runs out of time is abandoned, and whatever was at its key before stays. In a directory this holds while the machine runs: files are renamed into place but not synced to the disk, so after a power loss an object that counted as delivered may be missing or empty, also one that replaced another.

The messages of one batch are written one after another in their order, so of several with the same key the last one wins; `+"`max_in_flight`"+` batches are written at a time, and between those no order is promised. Set it to `+"`1`"+` where the order of overwrites across batches matters.

A message that cannot be written fails alone: only it goes to a `+"`fallback`"+` or is sent again, the rest of its batch counts as delivered. Where the store is at fault (no answer within `+"`timeout`"+`, a broken connection, a server error, refused credentials), the rest of the batch is not tried and fails with the same error; what was written before counts as delivered.

When a store does not answer at all and nothing of the batch was written, the output connects anew and then writes the whole batch, however long that takes: as at the start, no message goes to a `+"`fallback`"+` meanwhile.

To write many records into one object, join them with the processors of `+"`batching`"+`, for example with `+"`archive`"+` or `+"`parquet_encode`"+`.

## Stores

| url | store |
| --- | --- |
| `+"`s3://BUCKET?region=eu-west-3`"+` | Amazon S3 |
| `+"`s3://BUCKET?region=us-east-1&endpoint=https://HOST&use_path_style=true`"+` | another store with the S3 protocol (MinIO, Ceph, OVHcloud, Scaleway, …) |
| `+"`file:///DIRECTORY?create_dir=true`"+` | a directory; `+"`file://./DIRECTORY`"+` for one relative to where the process runs |
| `+"`mem://`"+` | memory, forgotten at the end; for trying a pipeline out |

Further parameters of `+"`s3`"+`: `+"`profile`, `role`, `ssetype`, `kmskeyid`, `accelerate`, `dualstack`, `fips`, `anonymous`, `disable_https`, `request_checksum_calculation`"+` (set it to `+"`when_required`"+` for stores that reject the checksums of newer clients).

## Credentials of S3

Without `+"`credentials`"+` the default chain of the AWS SDK is used: environment variables, the shared configuration files, the identity of the container or the machine.`).
		Fields(
			service.NewStringField(boFieldURL).
				Description("The bucket.").
				Example(urlExamples["s3"]).
				Example("s3://lake?region=us-east-1&endpoint=https://s3.example.com&use_path_style=true").
				Example(urlExamples["file"]).
				LintRule(`root = if this != "" && !this.re_match("^(s3|file|mem)://") {
  ["unknown scheme in url: write one of file:///directory?create_dir=true, mem://, s3://bucket?region=eu-west-3"]
}`),
			service.NewInterpolatedStringField(boFieldPath).
				Description("The key of the object. A message for which it is empty, or `null` from a missing field, is refused. Where the field is only a part of the key, write `${! this.Id.not_null() }` to have such messages refused as well. Without an interpolation every message replaces the object of the one before, which is of use only for something like a latest snapshot.").
				Example(`customers/${! this.Id.not_null() }.json`).
				Example(`${! metadata("ebp_table") }/${! now().ts_format("2006/01/02", "UTC") }/${! uuid_v7() }.parquet`),
			service.NewInterpolatedStringField(boFieldContentType).
				Description("The content type of the object.").
				Default(defaultContentType),
			service.NewInterpolatedStringField(boFieldContentEncoding).
				Description("The content encoding of the object, for example `gzip` after a `compress` processor.").
				Default("").
				Advanced(),
			service.NewInterpolatedStringField(boFieldCacheControl).
				Description("The cache control header of the object.").
				Default("").
				Advanced(),
			service.NewInterpolatedStringMapField(boFieldMetadata).
				Description("Metadata to store with the object. Keys are stored in lower case. In a directory they go into a file `KEY.attrs` beside the object, as do the other attributes then.").
				Default(map[string]any{}).
				Example(map[string]any{"folder": `${! metadata("ebp_folder") }`}),
			service.NewDurationField(boFieldTimeout).
				Description("How long the write of one object may take, attempts within the client included.").
				Default("60s").
				Advanced(),
			service.NewObjectField(boFieldCredentials,
				service.NewStringField(boFieldCredentialsID).
					Description("The access key id.").
					Default(""),
				service.NewStringField(boFieldCredentialsSecret).
					Description("The secret access key.").
					Default("").Secret(),
				service.NewStringField(boFieldCredentialsToken).
					Description("The session token, for temporary credentials.").
					Default("").Secret(),
			).Description("Credentials for `s3` URLs. Where they are left empty the default chain of the AWS SDK is used.").
				Advanced(),
			service.NewOutputMaxInFlightField(),
			service.NewBatchPolicyField(boFieldBatching),
		).
		Example("Parquet on S3",
			"Joins records into one Parquet file per thousand records or minute.", `
output:
  blob:
    url: s3://lake?region=eu-west-3
    path: items/${! now().ts_format("2006-01-02", "UTC") }/${! uuid_v7() }.parquet
    content_type: application/vnd.apache.parquet
    batching:
      count: 1000
      period: 60s
      processors:
        - parquet_encode:
            schema:
              - { name: Id, type: UTF8 }
              - { name: Caption, type: UTF8, optional: true }
`).
		Example("One file per record, refused ones aside",
			"What the store refuses is kept in a file with its error.", `
output:
  fallback:
    - blob:
        url: file:///var/lib/ebp/documents?create_dir=true
        path: ${! metadata("ebp_folder") }/${! this.Id.not_null() }.json
        content_type: application/json
    - file:
        path: ./refused.jsonl
        codec: lines
      processors:
        - mapping: 'root = {"error": metadata("fallback_error"), "record": content().string()}'
`)
}

// blobOutput writes objects. WriteBatch may be called concurrently, also while
// Close runs: what is written then fails and is delivered again.
type blobOutput struct {
	target *target

	path            *service.InterpolatedString
	contentType     *service.InterpolatedString
	contentEncoding *service.InterpolatedString
	cacheControl    *service.InterpolatedString
	metadata        map[string]*service.InterpolatedString
	timeout         time.Duration

	open func(context.Context) (*openedBucket, error)

	mu        sync.RWMutex
	bucket    *openedBucket
	unreached bool // the bucket is open, but did not answer when last asked
}

var (
	_ service.BatchOutput        = (*blobOutput)(nil)
	_ service.ConnectionTestable = (*blobOutput)(nil)
)

func blobFromParsed(conf *service.ParsedConfig, _ *service.Resources) (*blobOutput, error) {
	rawURL, err := conf.FieldString(boFieldURL)
	if err != nil {
		return nil, err
	}
	creds, err := credentialsFromParsed(conf.Namespace(boFieldCredentials))
	if err != nil {
		return nil, err
	}
	o := &blobOutput{}
	if o.target, err = parseTarget(rawURL, creds); err != nil {
		return nil, err
	}
	o.open = o.target.open

	if o.path, err = conf.FieldInterpolatedString(boFieldPath); err != nil {
		return nil, err
	}
	if path, static := o.path.Static(); static && path == "" {
		return nil, fmt.Errorf("the field %s is empty: every object needs a key", boFieldPath)
	}
	if o.contentType, err = conf.FieldInterpolatedString(boFieldContentType); err != nil {
		return nil, err
	}
	if o.contentEncoding, err = conf.FieldInterpolatedString(boFieldContentEncoding); err != nil {
		return nil, err
	}
	if o.cacheControl, err = conf.FieldInterpolatedString(boFieldCacheControl); err != nil {
		return nil, err
	}
	if o.metadata, err = conf.FieldInterpolatedStringMap(boFieldMetadata); err != nil {
		return nil, err
	}
	o.target.keepAttributes = len(o.metadata) > 0
	if o.timeout, err = conf.FieldDuration(boFieldTimeout); err != nil {
		return nil, err
	}
	return o, nil
}

func credentialsFromParsed(conf *service.ParsedConfig) (c s3Credentials, err error) {
	if c.id, err = conf.FieldString(boFieldCredentialsID); err != nil {
		return
	}
	if c.secret, err = conf.FieldString(boFieldCredentialsSecret); err != nil {
		return
	}
	c.token, err = conf.FieldString(boFieldCredentialsToken)
	return
}

// Connect opens the bucket and asks the store whether it is there.
func (o *blobOutput) Connect(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bucket != nil {
		if o.unreached {
			if err := o.reach(ctx, o.bucket); err != nil {
				return err
			}
			o.unreached = false
		}
		return nil
	}
	bucket, err := o.openAndReach(ctx)
	if err != nil {
		return err
	}
	o.bucket = bucket
	return nil
}

// ConnectionTest does what Connect does and keeps nothing.
func (o *blobOutput) ConnectionTest(ctx context.Context) service.ConnectionTestResults {
	bucket, err := o.openAndReach(ctx)
	if err != nil {
		return service.ConnectionTestFailed(err).AsList()
	}
	if err := bucket.Close(); err != nil {
		return service.ConnectionTestFailed(o.target.redact(err)).AsList()
	}
	return service.ConnectionTestSucceeded().AsList()
}

func (o *blobOutput) openAndReach(ctx context.Context) (*openedBucket, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	bucket, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.reach(ctx, bucket); err != nil {
		return nil, errors.Join(err, o.target.redact(bucket.Close()))
	}
	return bucket, nil
}

// reach asks the store whether the bucket is there, for no longer than a write
// may take.
func (o *blobOutput) reach(ctx context.Context, bucket *openedBucket) error {
	if bucket.reach == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return bucket.reach(ctx)
}

// WriteBatch writes the messages one after another, in order, and reports each
// failure with its message. It goes on after a failure of a message, so that
// one refused message does not hold back the rest, and stops at a failure of
// the store, which the next message would only wait for as well.
//
// The host hears of a lost connection only when nothing was written and the
// store cannot be reached at all: it then tries the whole batch again, so the
// errors of single messages come back. A message that alone breaks the
// connection or takes too long fails instead of being tried for ever.
func (o *blobOutput) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	o.mu.RLock()
	bucket := o.bucket
	o.mu.RUnlock()
	if bucket == nil {
		return service.ErrNotConnected
	}

	objects := o.newObjectReader(batch)
	var failed *service.BatchError
	fail := func(i int, err error) {
		if failed == nil {
			failed = service.NewBatchError(batch, err)
		}
		failed.Failed(i, err)
	}
	written := 0
	for i := range batch {
		of, err := ofStore, ctx.Err()
		if err == nil {
			of, err = o.writeMessage(ctx, bucket, objects, i)
		}
		if err == nil {
			written++
			continue
		}
		err = o.target.redact(err)
		if of == ofMessage && ctx.Err() == nil {
			fail(i, err)
			continue
		}
		if of == ofNetwork && written == 0 && o.lost(ctx, bucket) {
			return service.ErrNotConnected
		}
		for ; i < len(batch); i++ {
			fail(i, err)
		}
		break
	}
	if failed != nil {
		return failed
	}
	return nil
}

// writeMessage writes message i, or returns an error and what it is a failure of.
func (o *blobOutput) writeMessage(ctx context.Context, bucket *openedBucket, objects *objectReader, i int) (failure, error) {
	obj, err := objects.read(i)
	if err != nil {
		return ofMessage, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	err = bucket.write(ctx, obj)
	switch {
	case err == nil:
		return ofMessage, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return ofNetwork, fmt.Errorf("writing object %q: not done within the timeout of %s: %w", obj.key, o.timeout, err)
	}
	return bucket.failureOf(err), fmt.Errorf("writing object %q: %w", obj.key, err)
}

// lost asks the store whether it is still there after a write got no answer.
// If it is not, the next Connect asks again.
func (o *blobOutput) lost(ctx context.Context, bucket *openedBucket) bool {
	if bucket.reach == nil || ctx.Err() != nil {
		return false
	}
	if o.reach(ctx, bucket) == nil || ctx.Err() != nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	// Other writes may still use the bucket: it stays open.
	if o.bucket == bucket {
		o.unreached = true
	}
	return true
}

// Close forgets the bucket. Writes that are under way fail.
func (o *blobOutput) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bucket == nil {
		return nil
	}
	err := o.target.redact(o.bucket.Close())
	o.bucket, o.unreached = nil, false
	return err
}

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
An object appears whole or not at all: a write that fails or runs out of time is abandoned, and whatever was at its key before stays.

The messages of one batch are written one after another in their order, so of several with the same key the last one wins; `+"`max_in_flight`"+` batches are written at a time, and between those no order is promised. Set it to `+"`1`"+` where the order of overwrites across batches matters.

A message that cannot be written fails alone: only it goes to a `+"`fallback`"+` or is sent again, the rest of its batch counts as delivered.

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
				Description("The key of the object. A message for which it is empty, or `null` from a missing field, is refused. Where the field is only a part of the key, write `${! this.Id.not_null() }` to have such messages refused as well.").
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

	mu     sync.RWMutex
	bucket *openedBucket
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
	if bucket.reach == nil {
		return bucket, nil
	}
	if err := bucket.reach(ctx); err != nil {
		return nil, errors.Join(err, o.target.redact(bucket.Close()))
	}
	return bucket, nil
}

// WriteBatch writes the messages one after another, in order, and reports each
// failure with its message. It goes on after a failure, so that one refused
// message does not hold back the rest.
func (o *blobOutput) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	o.mu.RLock()
	bucket := o.bucket
	o.mu.RUnlock()
	if bucket == nil {
		return service.ErrNotConnected
	}

	objects := o.newObjectReader(batch)
	var failed *service.BatchError
	for i := range batch {
		err := o.writeMessage(ctx, bucket, objects, i)
		if err == nil {
			continue
		}
		err = o.target.redact(err)
		if failed == nil {
			failed = service.NewBatchError(batch, err)
		}
		failed.Failed(i, err)
	}
	if failed != nil {
		return failed
	}
	return nil
}

func (o *blobOutput) writeMessage(ctx context.Context, bucket *openedBucket, objects *objectReader, i int) error {
	obj, err := objects.read(i)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := bucket.write(ctx, obj); err != nil {
		if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("writing object %q: not done within the timeout of %s: %w", obj.key, o.timeout, err)
		}
		return fmt.Errorf("writing object %q: %w", obj.key, err)
	}
	return nil
}

// Close forgets the bucket. Writes that are under way fail.
func (o *blobOutput) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bucket == nil {
		return nil
	}
	err := o.target.redact(o.bucket.Close())
	o.bucket = nil
	return err
}

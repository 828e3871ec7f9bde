package output_blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"

	"github.com/redpanda-data/benthos/v4/public/service"
	"gocloud.dev/blob"
)

// missingValue is what the host interpolates for a field that is not there.
const missingValue = "null"

// object is one message, ready to be stored.
type object struct {
	key     string
	body    []byte
	options *blob.WriterOptions
}

// objectReader resolves the interpolated fields for the messages of one batch.
type objectReader struct {
	batch service.MessageBatch

	path            *service.MessageBatchInterpolationExecutor
	contentType     *service.MessageBatchInterpolationExecutor
	contentEncoding *service.MessageBatchInterpolationExecutor
	cacheControl    *service.MessageBatchInterpolationExecutor
	metadata        map[string]*service.MessageBatchInterpolationExecutor
}

func (o *blobOutput) newObjectReader(batch service.MessageBatch) *objectReader {
	r := &objectReader{
		batch:           batch,
		path:            batch.InterpolationExecutor(o.path),
		contentType:     batch.InterpolationExecutor(o.contentType),
		contentEncoding: batch.InterpolationExecutor(o.contentEncoding),
		cacheControl:    batch.InterpolationExecutor(o.cacheControl),
		metadata:        make(map[string]*service.MessageBatchInterpolationExecutor, len(o.metadata)),
	}
	for name, value := range o.metadata {
		r.metadata[name] = batch.InterpolationExecutor(value)
	}
	return r
}

// read returns the object of message i, or a sentence about the field that has
// no usable value for it.
func (r *objectReader) read(i int) (obj object, err error) {
	if obj.key, err = r.path.TryString(i); err != nil {
		return obj, fmt.Errorf("interpolating %s: %w", boFieldPath, err)
	}
	switch obj.key {
	case "":
		return obj, errors.New("the key of the object is empty: " + boFieldPath + " has no value for this message")
	case missingValue:
		return obj, fmt.Errorf("the key of the object is %q, which is what a missing field gives: every such message would overwrite the one before", missingValue)
	}

	opts := &blob.WriterOptions{}
	if opts.ContentType, err = r.contentType.TryString(i); err != nil {
		return obj, fmt.Errorf("interpolating %s: %w", boFieldContentType, err)
	}
	if opts.ContentType == "" {
		opts.ContentType = defaultContentType
	}
	if _, _, err := mime.ParseMediaType(opts.ContentType); err != nil {
		return obj, fmt.Errorf("%s %q of object %q: %w", boFieldContentType, opts.ContentType, obj.key, err)
	}
	if opts.ContentEncoding, err = r.contentEncoding.TryString(i); err != nil {
		return obj, fmt.Errorf("interpolating %s: %w", boFieldContentEncoding, err)
	}
	if opts.CacheControl, err = r.cacheControl.TryString(i); err != nil {
		return obj, fmt.Errorf("interpolating %s: %w", boFieldCacheControl, err)
	}
	if len(r.metadata) > 0 {
		opts.Metadata = make(map[string]string, len(r.metadata))
	}
	for name, value := range r.metadata {
		if opts.Metadata[name], err = value.TryString(i); err != nil {
			return obj, fmt.Errorf("interpolating %s %q: %w", boFieldMetadata, name, err)
		}
	}
	obj.options = opts

	if obj.body, err = r.batch[i].AsBytes(); err != nil {
		return obj, fmt.Errorf("reading the message for object %q: %w", obj.key, err)
	}
	return obj, nil
}

// write stores one object whole or leaves its key as it was.
func (b *openedBucket) write(ctx context.Context, obj object) error {
	if b.atomicUpload {
		return b.Upload(ctx, obj.key, bytes.NewReader(obj.body), obj.options)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.NewWriter(ctx, obj.key, obj.options)
	if err != nil {
		return err
	}
	if _, err := w.Write(obj.body); err != nil {
		// Close alone would publish the part that was written.
		cancel()
		_ = w.Close()
		return err
	}
	return w.Close()
}

package input_ebp

import (
	"context"
	"errors"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
)

var _ service.ConnectionTestable = (*input)(nil)

// ConnectionTest implements service.ConnectionTestable: it signs in and, where the
// product lists its dossiers, asks for one of them. It costs one call at most.
func (in *input) ConnectionTest(ctx context.Context) service.ConnectionTestResults {
	if err := in.tryConnection(ctx); err != nil {
		return service.ConnectionTestFailed(err).AsList()
	}
	return service.ConnectionTestSucceeded().AsList()
}

func (in *input) tryConnection(ctx context.Context) (err error) {
	client, err := in.conf.connection.Open(in.mgr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := client.SignedIn(ctx); err != nil {
		return err
	}
	folders, ok := in.conf.op.Folders()
	if !ok {
		return nil
	}
	_, err = client.Do(ctx, ebp.Request{Operation: folders, Query: map[string][]string{catalog.ParamLimit: {"1"}}})
	return err
}

package paging

import (
	"context"
	"errors"
	"net/http"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/apierror"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// mostLooks is how often the greatest record is looked for: rows may vanish between
// counting them and asking for the last.
const mostLooks = 10

// Greatest returns the record with the greatest value of a column of the main table among
// the rows that s selects; nil where there are none. It is the last one in the order of the
// column, which is ascending and begins with NULLs: of rows that have no value at all any
// may come. total is how many rows s selects, -1 if that is not known: then one call asks
// for it. Rows that are inserted meanwhile may lead to one that is not the greatest, and
// rows that vanish to another call; what is returned was in the list.
func Greatest(ctx context.Context, c Caller, s Spec, column string, total int) (*Record, error) {
	s.PageSize, s.From = NewPageSize(1), nil
	r, err := newRequests(c, s)
	if err != nil {
		return nil, err
	}
	if r.Operation.Paging != catalog.PagingOffsetLimit || r.Operation.SortParameter() == "" {
		return nil, r.complain("EBP does not sort it by %s", column)
	}
	withKey := true
	for range mostLooks {
		at := max(total-1, 0)
		p, err := r.one(ctx, column, at, withKey)
		var refused *apierror.Error
		if withKey && !r.known && errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
			withKey = false // a table that is not known may have another key than we guess
			p, err = r.one(ctx, column, at, withKey)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case len(p.Records) > 0 && (total > 0 || p.Total <= 1):
			return &r.page(p.Records[:1], p.Total).Records[0], nil
		case len(p.Records) == 0 && at == 0:
			return nil, nil
		}
		// This answer says how many there are now.
		if total = p.Total; len(p.Records) == 0 && total <= 0 {
			total = -1
		}
	}
	return nil, nil
}

// one asks for the record at a position in the order of a column.
func (r *requests) one(ctx context.Context, column string, at int, withKey bool) (*records.Page, error) {
	p, _, err := r.fetch(ctx, func(size int) ebp.Request {
		req := r.request(withKey)
		req.Query.Set(r.Operation.SortParameter(), r.column(column))
		req.Query.Set(catalog.ParamOffset, itoa(at))
		req.Query.Set(catalog.ParamLimit, itoa(size))
		return req
	})
	return p, err
}

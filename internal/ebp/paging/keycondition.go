package paging

import (
	"strings"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/filter"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/records"
)

// condition selects the rows of a level that come after those read; nil for all.
func (k *keyReader) condition(lv *level) (filter.Node, error) {
	if lv.last == nil {
		return lv.within, nil
	}
	after, err := k.compare(lv.column, filter.Upper, lv.last)
	if err != nil || len(lv.group) == 0 {
		return filter.And(lv.within, after), err
	}
	same, err := k.compare(lv.column, filter.Equal, lv.last)
	if err != nil {
		return nil, err
	}
	unread, err := k.noneOf(lv.column+1, lv.group)
	if err != nil {
		return nil, err
	}
	return filter.And(lv.within, filter.Or(after, filter.And(same, unread))), nil
}

// noneOf selects the rows whose key from column on is none of those given.
func (k *keyReader) noneOf(column int, keys [][][]byte) (filter.Node, error) {
	if column == len(k.key)-1 {
		var values []string
		var t filter.ValueType
		for _, key := range keys {
			v, vt, err := k.value(column, key[column])
			if err != nil {
				return nil, err
			}
			values, t = append(values, v), vt
		}
		return filter.Compare(k.column(k.key[column]), filter.NotIn, t, values...), nil
	}
	var out filter.Node
	for len(keys) > 0 {
		first := records.Field(keys[0][column])
		var same, others [][][]byte
		for _, key := range keys {
			if first.Same(key[column]) {
				same = append(same, key)
			} else {
				others = append(others, key)
			}
		}
		keys = others
		differs, err := k.compare(column, filter.Different, first)
		if err != nil {
			return nil, err
		}
		rest, err := k.noneOf(column+1, same)
		if err != nil {
			return nil, err
		}
		out = filter.And(out, filter.Or(differs, rest))
	}
	return out, nil
}

func (k *keyReader) compare(column int, op filter.Operator, value []byte) (filter.Node, error) {
	v, t, err := k.value(column, value)
	if err != nil {
		return nil, err
	}
	return filter.Compare(k.column(k.key[column]), op, t, v), nil
}

// value returns a key's value and its type: the column's where it is known, else as
// the JSON value looks.
func (k *keyReader) value(column int, raw []byte) (string, filter.ValueType, error) {
	text, ok := records.Text(raw)
	if !ok {
		return "", "", k.complain("a record has no %s", k.key[column])
	}
	t := filter.String
	if column < len(k.types) {
		switch k.types[column] {
		case catalog.TypeInt16, catalog.TypeInt32:
			t = filter.Int
		case catalog.TypeDecimal:
			t = filter.Decimal
		case catalog.TypeDateTime:
			t = filter.Date
		case "":
			if records.IsNumber(raw) && !strings.ContainsAny(text, ".eE") {
				t = filter.Int
			}
		}
	}
	return text, t, nil
}

// encoded is the condition as it is sent, "" for none.
func (k *keyReader) encoded(lv *level) (string, error) {
	condition, err := k.condition(lv)
	if condition == nil || err != nil {
		return "", err
	}
	return filter.Encode(condition)
}

func (k *keyReader) build(lv *level, condition string, size, offset int) ebp.Request {
	req := k.request(true)
	req.Query.Set(catalog.ParamOrder, k.column(k.key[lv.column]))
	req.Query.Set(catalog.ParamOffset, itoa(offset))
	req.Query.Set(catalog.ParamLimit, itoa(size))
	if condition != "" {
		req.Query.Set(catalog.ParamWhere, condition)
	}
	return req
}

// fits reports whether the condition that leaves out the rows read fits a URL.
func (k *keyReader) fits(lv *level) bool {
	condition, err := k.encoded(lv)
	if err != nil {
		return true // step meets the error again and returns it
	}
	return k.caller.URLBytes(k.build(lv, condition, k.PageSize.Get(), 0)) <= k.caller.MaxURLBytes()
}

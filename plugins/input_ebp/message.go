package input_ebp

import (
	"fmt"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/ebp/paging"
	"github.com/benthos-ebp/benthos-ebp/internal/typed"
)

// Metadata keys.
const (
	metaProduct  = "ebp_product"
	metaResource = "ebp_resource"
	metaTable    = "ebp_table"
	metaFolder   = "ebp_folder"
	metaKey      = "ebp_key"
	metaModified = "ebp_modified"
	metaChange   = "ebp_change"
	metaSweep    = "ebp_sweep"
)

const changeUpsert = "upsert"

// sweepFormat is how ebp_sweep is written: sortable, to the millisecond.
const sweepFormat = "2006-01-02T15:04:05.000Z07:00"

// maker makes messages of the records of one list. It may be used by several
// goroutines once it is prepared.
type maker struct {
	in     *input
	table  string
	known  *catalog.Table
	shared []pair // metadata that all records share
	schema *typed.Schema
}

// pair is a metadata entry. Its value is an interface already, so that setting it a
// million times allocates nothing.
type pair struct {
	key   string
	value any
}

func newMaker(in *input, started time.Time, folder, table string) *maker {
	op := in.conf.op
	m := &maker{in: in, known: op.TableOf(table), table: table}
	if m.known != nil {
		m.table = m.known.Name
	}
	for _, one := range [][2]string{
		{metaProduct, op.Product()}, {metaResource, op.Resource()}, {metaChange, changeUpsert},
		{metaSweep, started.UTC().Format(sweepFormat)}, {metaTable, m.table}, {metaFolder, folder},
	} {
		if one[1] != "" {
			m.shared = append(m.shared, pair{one[0], one[1]})
		}
	}
	return m
}

// prepare learns what it needs from the first page.
func (m *maker) prepare(page *paging.Page) error {
	if !m.in.conf.typed || m.schema != nil {
		return nil
	}
	return m.learn(page)
}

// batch makes the messages of a page. They share the page's memory.
func (m *maker) batch(page *paging.Page) service.MessageBatch {
	out := make(service.MessageBatch, len(page.Records))
	for i, r := range page.Records {
		out[i] = m.message(r)
	}
	return out
}

func (m *maker) message(r paging.Record) *service.Message {
	msg := service.NewMessage(r.Raw)
	for _, p := range m.shared {
		msg.MetaSetMut(p.key, p.value)
	}
	if r.Key != "" {
		msg.MetaSetMut(metaKey, r.Key)
	}
	if r.Modified != "" {
		msg.MetaSetMut(metaModified, r.Modified)
	}
	if m.schema == nil {
		return msg
	}
	if key := m.in.conf.schemaMetadata; key != "" {
		msg.MetaSetImmut(key, service.ImmutableAny{V: m.schema.Any()})
	}
	payload, err := m.schema.Convert(r.Raw)
	if err != nil {
		// The record goes on as it is, to where the pipeline sends what failed.
		msg.SetError(fmt.Errorf("typing the record %s of %s: %w", r.Key, m.table, err))
		return msg
	}
	msg.SetBytes(payload)
	return msg
}

// learn makes the schema of the list from what is known and from its first page.
func (m *maker) learn(page *paging.Page) error {
	sample := make([][]byte, len(page.Records))
	for i, r := range page.Records {
		sample[i] = r.Raw
	}
	name, key := m.table, m.in.conf.op.Key
	if m.known != nil {
		key = m.known.Key
	}
	if name == "" {
		name = m.in.conf.op.Resource()
	}
	schema, err := typed.New(name, m.known, key, sample, m.in.conf.connection.TimeZone)
	if err != nil {
		return fmt.Errorf("learning the columns of %s: %w", name, err)
	}
	if guessed := schema.Guessed(); len(guessed) > 0 {
		m.in.log.Infof("%s: the types of %v were guessed from the first page", name, guessed)
	}
	m.schema = schema
	return nil
}

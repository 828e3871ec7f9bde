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

// pair is a metadata entry that all records of a list share. Its value is an
// interface already, so that setting it a million times allocates nothing.
type pair struct {
	key   string
	value any
}

// maker makes messages of the records of one list.
type maker struct {
	in     *input
	table  string
	known  *catalog.Table
	shared []pair
	schema *typed.Schema
}

func newMaker(in *input, started time.Time, folder, table string) *maker {
	op := in.conf.op
	m := &maker{in: in, known: op.TableOf(table), table: table}
	if m.known != nil {
		m.table = m.known.Name
	}
	m.shared = []pair{
		{metaProduct, op.Product()}, {metaResource, op.Resource()},
		{metaChange, changeUpsert}, {metaSweep, started.UTC().Format(sweepFormat)},
	}
	if m.table != "" {
		m.shared = append(m.shared, pair{metaTable, m.table})
	}
	if folder != "" {
		m.shared = append(m.shared, pair{metaFolder, folder})
	}
	return m
}

// batch makes the messages of a page. They share the page's memory.
func (m *maker) batch(page *paging.Page) (service.MessageBatch, error) {
	if m.in.conf.typed && m.schema == nil {
		if err := m.learn(page); err != nil {
			return nil, err
		}
	}
	out := make(service.MessageBatch, len(page.Records))
	for i, r := range page.Records {
		out[i] = m.message(r)
	}
	return out, nil
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

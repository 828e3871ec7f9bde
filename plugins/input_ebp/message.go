package input_ebp

import (
	"fmt"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/catalog"
	"github.com/benthos-ebp/benthos-ebp/internal/sweep"
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
	// unlearned is why there is no schema where there should be one.
	unlearned error
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
		{metaProduct, op.Product()}, {metaResource, op.Resource()}, {metaTable, m.table}, {metaFolder, folder},
		{metaSweep, started.UTC().Format(sweepFormat)},
	} {
		if one[1] != "" {
			m.shared = append(m.shared, pair{one[0], one[1]})
		}
	}
	return m
}

// prepare learns what it needs from the first records.
func (m *maker) prepare(b *sweep.Batch) {
	if !m.in.conf.typed || m.schema != nil || b.End != nil {
		return
	}
	// Where nothing can be learned the records go on as they are, each with the reason.
	m.unlearned = m.learn(b.Changes)
}

// batch makes the messages of a batch. They share its memory.
func (m *maker) batch(b *sweep.Batch) service.MessageBatch {
	out := make(service.MessageBatch, len(b.Changes))
	for i := range b.Changes {
		if b.End != nil {
			out[i] = m.end(b.End)
		} else {
			out[i] = m.message(&b.Changes[i])
		}
	}
	return out
}

// end makes the message that says that a sweep is complete.
func (m *maker) end(c *sweep.Counts) *service.Message {
	msg := service.NewMessage(nil)
	for _, p := range m.shared {
		msg.MetaSetMut(p.key, p.value)
	}
	msg.MetaSetMut(metaChange, string(sweep.SweepEnd))
	msg.SetStructuredMut(map[string]any{
		"records": c.Records, "delivered": c.Delivered, "calls": c.Calls,
		"inserts": c.Inserts, "updates": c.Updates, "deletes": c.Deletes,
	})
	return msg
}

func (m *maker) message(r *sweep.Change) *service.Message {
	msg := service.NewMessage(r.Raw)
	for _, p := range m.shared {
		msg.MetaSetMut(p.key, p.value)
	}
	msg.MetaSetMut(metaChange, kindNames[r.Kind])
	if r.Key != "" {
		msg.MetaSetMut(metaKey, r.Key)
	}
	if r.Modified != "" {
		msg.MetaSetMut(metaModified, r.Modified)
	}
	if m.unlearned != nil {
		msg.SetError(m.unlearned)
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

// kindNames are interfaces already, see pair.
var kindNames = map[sweep.Kind]any{
	sweep.Upsert: string(sweep.Upsert), sweep.Insert: string(sweep.Insert), sweep.Update: string(sweep.Update), sweep.Delete: string(sweep.Delete),
}

// learn makes the schema of the list from what is known and from its first records.
func (m *maker) learn(changes []sweep.Change) error {
	sample := make([][]byte, len(changes))
	for i, r := range changes {
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

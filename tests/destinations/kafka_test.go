package destinations

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	envKafka        = "EBP_TEST_KAFKA_BROKERS"
	kafkaPartitions = 3
)

// kafkaBrokers returns a broker: a real one, or an imitation that lives as long as
// the test.
func kafkaBrokers(t *testing.T) string {
	t.Helper()
	if brokers := os.Getenv(envKafka); brokers != "" {
		return brokers
	}
	t.Logf("%s is not set: the broker is an imitation (kfake)", envKafka)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return strings.Join(cluster.ListenAddrs(), ",")
}

// customersToKafka prepares the example with a compacted topic of its own.
func customersToKafka(t *testing.T, s *source) *pipeline {
	t.Helper()
	p := example(t, s, "customers_to_kafka.yaml")
	p.env["KAFKA_BROKERS"] = kafkaBrokers(t)
	p.env["KAFKA_TOPIC"] = fmt.Sprintf("ebp.customers.%d", rand.Uint64())

	client := kafkaClient(t, p)
	compact := "compact"
	config := kmsg.NewCreateTopicsRequestTopicConfig()
	config.Name, config.Value = "cleanup.policy", &compact
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = p.env["KAFKA_TOPIC"], kafkaPartitions, 1
	topic.Configs = append(topic.Configs, config)
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(answer.Topics[0].ErrorCode))
	return p
}

func kafkaClient(t *testing.T, p *pipeline, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(p.env["KAFKA_BROKERS"], ",")...))...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// consume returns everything in the topic, in the order of each partition.
func consume(t *testing.T, p *pipeline) []*kgo.Record {
	t.Helper()
	client := kafkaClient(t, p, kgo.ConsumeTopics(p.env["KAFKA_TOPIC"]), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))

	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = p.env["KAFKA_TOPIC"]
	for i := range int32(kafkaPartitions) {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = i, -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	request.Topics = append(request.Topics, topic)
	var want int64
	for _, shard := range client.RequestSharded(t.Context(), request) {
		require.NoError(t, shard.Err)
		for _, topic := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, partition := range topic.Partitions {
				require.NoError(t, kerr.ErrorForCode(partition.ErrorCode))
				want += partition.Offset
			}
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []*kgo.Record
	for int64(len(out)) < want {
		fetches := client.PollFetches(ctx)
		require.NoError(t, fetches.Err(), "%d of %d messages", len(out), want)
		out = append(out, fetches.Records()...)
	}
	return out
}

// newest is what compaction leaves of messages: the last value of each key.
func newest(messages []*kgo.Record) map[string]*kgo.Record {
	out := map[string]*kgo.Record{}
	for _, m := range messages {
		out[string(m.Key)] = m
	}
	return out
}

func headers(m *kgo.Record) map[string]string {
	out := map[string]string{}
	for _, h := range m.Headers {
		out[h.Key] = string(h.Value)
	}
	return out
}

var customerColumns = []string{
	"Id", "Name", "ActiveState", "FamilyId", "MainInvoicingAddress_ZipCode", "MainInvoicingAddress_City",
	"MainInvoicingContact_Email", "AllowedAmount", "CurrentAmount", "NotesClear", "sysModifiedDate",
}

// asJSON is how a value of the sandbox looks in a record, numbers with all digits.
func asJSON(column string, v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(fmt.Sprint(v))
	case string:
		if strings.HasSuffix(column, "Amount") {
			return json.Number(v)
		}
	}
	return v
}

func TestEveryCustomerIsInKafkaUnderItsFolderAndKey(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := customersToKafka(t, s)
	p.run(t)

	messages := consume(t, p)
	assert.Len(t, messages, rows)
	byKey := newest(messages)
	for key, row := range s.table(t, folder, "Customer", customerColumns...) {
		m := byKey[folder+"/"+key]
		require.NotNil(t, m, key)
		expected := map[string]any{}
		for i, column := range customerColumns {
			expected[column] = asJSON(column, row[i])
		}
		assert.Equal(t, expected, record(t, m.Value), key)
		assert.Subset(t, headers(m), map[string]string{
			"ebp_table": "Customer", "ebp_folder": folder, "ebp_key": key, "ebp_change": "upsert",
		})
	}
	requireAwkwardCustomers(t, byKey)
	assert.Contains(t, string(byKey[folder+"/O'BRIEN"].Value), hugeDecimal)
	assert.Contains(t, string(byKey[folder+"/O'BRIEN"].Value), tinyDecimal)
	assert.Empty(t, p.letters(t))
}

func TestCustomersReadAgainGiveTheSameNewestMessages(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := customersToKafka(t, s)
	p.run(t)
	first := newest(consume(t, p))
	p.run(t)
	both := consume(t, p)
	assert.Len(t, both, 2*rows)
	second := newest(both)
	require.Len(t, second, len(first))
	for key, m := range first {
		assert.Equal(t, string(m.Value), string(second[key].Value), key)
		assert.Equal(t, m.Partition, second[key].Partition, key)
	}
}

func TestADeletedCustomerBecomesATombstone(t *testing.T) {
	t.Parallel()
	p := customersToKafka(t, nil).withInput(t, `
generate:
  count: 2
  interval: ""
  mapping: |
    meta ebp_folder = "3691"
    meta ebp_key = "O'BRIEN"
    meta ebp_table = "Customer"
    meta ebp_change = if counter() == 1 { "upsert" } else { "delete" }
    root.Id = "O'BRIEN"
`)
	p.run(t)

	messages := consume(t, p)
	require.Len(t, messages, 2)
	assert.Equal(t, `{"Id":"O'BRIEN"}`, string(messages[0].Value))
	assert.Equal(t, "3691/O'BRIEN", string(messages[1].Key))
	assert.Nil(t, messages[1].Value, "an empty text is no tombstone")
	assert.Equal(t, "delete", headers(messages[1])["ebp_change"])
	assert.Empty(t, p.letters(t))
}

func TestACustomerTooLargeForTheTopicIsPutAsideAndTheOthersArrive(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	s.change(t, "Customer", "CL 001", "NotesClear", strings.Repeat("Une très longue note. ", 2000))
	p := customersToKafka(t, s)
	p.env["KAFKA_MAX_MESSAGE_BYTES"] = "32000"
	p.run(t)

	l := p.onlyLetter(t, "Customer", "CL 001")
	assert.Contains(t, l.Error, "larger than 32000 bytes")
	byKey := newest(consume(t, p))
	assert.Len(t, byKey, rows-1)
	assert.NotContains(t, byKey, folder+"/CL 001")
	requireAwkwardCustomers(t, byKey)
}

func requireAwkwardCustomers(t *testing.T, byKey map[string]*kgo.Record) {
	t.Helper()
	for _, key := range awkwardKeys {
		require.Contains(t, byKey, folder+"/"+key)
	}
}

func TestNothingIsPutAsideWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := example(t, s, "customers_to_kafka.yaml")
	p.env["KAFKA_BROKERS"] = "127.0.0.1:1"
	p.runFor(t, 5*time.Second)
	assert.Empty(t, p.letters(t))
}

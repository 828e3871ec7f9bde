// Package destinations runs the pipelines of config/examples as a user does, with
// the program itself, from a sandbox into real destinations, and compares what
// arrived with what the sandbox holds.
//
// The program is built once, unless EBP_TEST_BINARY names one. Servers come from
// EBP_TEST_POSTGRES_DSN, EBP_TEST_KAFKA_BROKERS and VERSITYGW, which
// .ci/servers sets; a test whose server is missing is skipped and says so. Kafka
// is imitated inside the test process when there is no broker.
package destinations

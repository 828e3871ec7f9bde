// Command benthos-ebp is Benthos with the components that read and write EBP,
// and those of Redpanda Connect that a pipeline from or to EBP is likely to
// need.
//
// From Redpanda Connect only components under the Apache licence are linked;
// NOTICE says more, and .ci/licences proves it for each change.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/redpanda-data/benthos/v4/public/service"

	// Processing, files, HTTP, and what the host's examples take for granted.
	_ "github.com/redpanda-data/connect/v4/public/components/avro"
	_ "github.com/redpanda-data/connect/v4/public/components/crypto"
	_ "github.com/redpanda-data/connect/v4/public/components/io"
	_ "github.com/redpanda-data/connect/v4/public/components/javascript"
	_ "github.com/redpanda-data/connect/v4/public/components/msgpack"
	_ "github.com/redpanda-data/connect/v4/public/components/pure"
	_ "github.com/redpanda-data/connect/v4/public/components/pure/extended"
	_ "github.com/redpanda-data/connect/v4/public/components/text"

	// Queues.
	_ "github.com/redpanda-data/connect/v4/public/components/amqp09"
	_ "github.com/redpanda-data/connect/v4/public/components/confluent"
	_ "github.com/redpanda-data/connect/v4/public/components/kafka"
	_ "github.com/redpanda-data/connect/v4/public/components/mqtt"
	_ "github.com/redpanda-data/connect/v4/public/components/nats"

	// Stores and warehouses.
	_ "github.com/redpanda-data/connect/v4/public/components/azure"
	_ "github.com/redpanda-data/connect/v4/public/components/memcached"
	_ "github.com/redpanda-data/connect/v4/public/components/mongodb"
	_ "github.com/redpanda-data/connect/v4/public/components/opensearch"
	_ "github.com/redpanda-data/connect/v4/public/components/redis"
	_ "github.com/redpanda-data/connect/v4/public/components/sftp"

	// SQL, with the drivers postgres and pgx, mysql, mssql, clickhouse, sqlite.
	_ "github.com/ClickHouse/clickhouse-go/v2"
	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "github.com/microsoft/go-mssqldb"
	_ "github.com/redpanda-data/connect/v4/public/components/sql/base"
	_ "modernc.org/sqlite"

	// Metrics and traces.
	_ "github.com/redpanda-data/connect/v4/public/components/influxdb"
	_ "github.com/redpanda-data/connect/v4/public/components/jaeger"
	_ "github.com/redpanda-data/connect/v4/public/components/prometheus"
	_ "github.com/redpanda-data/connect/v4/public/components/statsd"

	"github.com/benthos-ebp/benthos-ebp/internal/cli"
	_ "github.com/benthos-ebp/benthos-ebp/plugins"
)

// version is set by releases: -ldflags "-X main.version=1.2.3".
var version string

func main() {
	code, err := service.RunCLIToCode(context.Background(), cli.Options(version)...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(cli.ExitCode(code))
}

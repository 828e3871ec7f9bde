package main

import (
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/docgen"
)

// The examples use components of the whole distribution: only here are all of
// them registered.
func TestEveryExampleOfEverySpecLints(t *testing.T) {
	env := service.GlobalEnvironment()
	linter := env.FullConfigSchema("", "").NewStreamConfigLinter().SetSkipEnvVarCheck(true)
	for _, c := range docgen.Components {
		samples, err := docgen.Samples(env, c)
		require.NoError(t, err)
		assert.NotEmpty(t, samples, "the %s %s has no example", c.Type, c.Name)
		for _, s := range samples {
			t.Run(c.Type+"/"+c.Name+"/"+s.Title, func(t *testing.T) {
				lints, err := linter.LintYAML([]byte(s.Config))
				require.NoError(t, err)
				assert.Empty(t, lints)
			})
		}
	}
}

// A data engineer who follows the guides finds these in the binary.
func TestTheDistributionHasTheComponentsOfTheGuides(t *testing.T) {
	env := service.GlobalEnvironment()
	for name, get := range map[string]func(string) (*service.ConfigView, bool){
		"sql_insert": env.GetOutputConfig, "sql_raw": env.GetOutputConfig, "kafka_franz": env.GetOutputConfig,
		"fallback": env.GetOutputConfig, "file": env.GetOutputConfig, "http_client": env.GetOutputConfig,
		"redis_hash":         env.GetOutputConfig,
		"azure_blob_storage": env.GetOutputConfig, "opensearch": env.GetOutputConfig, "mongodb": env.GetOutputConfig,
		"sftp": env.GetOutputConfig, "nats_jetstream": env.GetOutputConfig, "amqp_0_9": env.GetOutputConfig,
		"parquet_encode": env.GetProcessorConfig, "schema_registry_encode": env.GetProcessorConfig,
		"prometheus": env.GetMetricsConfig, "jaeger": env.GetTracerConfig,
	} {
		_, ok := get(name)
		assert.True(t, ok, name)
	}
}

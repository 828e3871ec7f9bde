package state

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLocationsThatAreNotUnderstoodAreExplainedWithoutTheirPassword(t *testing.T) {
	for location, said := range map[string]string{
		"":                                                     "write file:/path/to/directory, redis://host:6379/0, postgres://user:password@host:5432/database, or memory:",
		"hunter2":                                              "write file:",
		"mysql://user:hunter2@host/db":                         "not known: write file:",
		"hunter2:x@host":                                       "not known: write file:",
		"file:":                                                "names no directory",
		"memory:hunter2":                                       "nothing after it",
		"redis:hunter2":                                        "names no host",
		"redis://":                                             "names no host",
		"redis://:hunter2@":                                    "names no host",
		"redis://u:hunter2@host:port/0":                        "is no URL",
		"redis://u:hunter2 %zz@host/0":                         "is no URL",
		"redis://u:hunter2/@host/0":                            "is no URL",
		"redis://u:hunter2@host/database":                      "invalid database number",
		"redis://u:hunter2@host/0?bogus=1":                     "unexpected option",
		"redis://u:hunter2@host/hunter2":                       "is not shown",
		"redis://u:hunter2@host/0?cluster=yes":                 "neither true nor false",
		"rediss://u:hunter2@host/3?cluster=1":                  "no databases but 0",
		"postgres:hunter2":                                     "names no host",
		"postgres:host=h password=hunter2":                     "names no host",
		"postgres://u:hunter2@host:port/db":                    "is no URL",
		"postgres://u:hunter2 %zz@host/db":                     "is no URL",
		"postgres://u:hunter2/@host/db":                        "is no URL",
		"postgres://u:hunter2@host/db?sslmode=hunter2":         "",
		"postgres://u@host/db?password=hunter2&sslmode=bogus":  "sslmode is invalid",
		"postgresql://u:hunter2@host/db?pool_max_conns=x":      "",
		"postgres://u:hunter2@host/db?sslcert=hunter2":         "",
		"postgres://u:hunter2@host/db?connect_timeout=hunter2": "",
		"postgres://u:hunter2@host/db?default_query_exec_mode=hunter2":       "",
		"postgres://u:hunter2@host/db?sslmode=verify-full&sslrootcert=/none": "",
	} {
		s, err := Open(location)
		if !assert.Error(t, err, location) {
			_ = s.Close()
			continue
		}
		assert.NotContains(t, err.Error(), "hunter2", location)
		assert.ErrorContains(t, err, said, location)
	}
}

func TestAStoreIsNamedWithoutItsPassword(t *testing.T) {
	for location, name := range map[string]string{
		"file:/var/lib/x":                        "file:/var/lib/x",
		"file:///var/lib/x":                      "file:/var/lib/x",
		"file:x/":                                "file:" + inside(t, ".", "x"),
		"file:~/x":                               "file:" + inside(t, os.Getenv("HOME"), "x"),
		"memory:":                                "memory:",
		"redis://user:hunter2@host":              "redis://host:6379/0",
		"redis://:hunter2@host:7000/3?prefix=p:": "redis://host:7000/3?prefix=p%3A",
		"rediss://[::1]/1":                       "rediss://[::1]:6379/1",
		"REDIS://host/1":                         "redis://host:6379/1",
		"redis://:hunter2@host?cluster=true":     "redis://host:6379/0",
		"postgres://user:hunter2@host/db?sslmode=disable": "postgres://host:5432/db",
		"postgresql://user:h%40unter2@host:5433/l%27été":  "postgres://host:5433/l%27%C3%A9t%C3%A9",
		"Postgres://host/db?password=hunter2":             "postgres://host:5432/db",
	} {
		s, err := Open(location)
		require.NoError(t, err, location)
		assert.Equal(t, name, s.String())
		assert.NoError(t, s.Close())
	}
}

// inside is the absolute path of a name in a directory.
func inside(t *testing.T, dir, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(dir, name))
	require.NoError(t, err)
	return path
}

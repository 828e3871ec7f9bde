// Package testserver starts real servers for tests that have to end and restart them:
// Redis, Postgres and PgBouncer from the system's packages, each with a directory and a
// port of its own on loopback. Where a program is missing the test is skipped, or fails if
// EBP_TEST_REQUIRE_SERVERS is 1.
package testserver

import (
	"os"
	"testing"
)

// Missing skips a test, or fails it where a missing server must not go unnoticed.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("EBP_TEST_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

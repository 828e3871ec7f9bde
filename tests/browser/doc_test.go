// Package browser signs in to the sandbox in a real browser, as a person does: the
// command login waits, Chromium opens the address that it prints.
//
// The browser is $EBP_TEST_CHROMIUM, or the system's Chromium or Chrome. Without one the
// tests are skipped; with EBP_TEST_REQUIRE_SERVERS=1 that is a failure.
package browser

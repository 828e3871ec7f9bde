// Package incremental proves what the modes incremental and changes promise, through real
// pipelines: against a sandbox in which somebody works while it is read, in this process
// where many schedules are wanted, and with the program itself where it is to be killed.
//
// A sandbox has a clock that the test moves, so that no test waits for EBP's time to pass.
// The tests are small by default. EBP_TEST_SCHEDULES, EBP_TEST_CURSOR_KILLS and
// EBP_TEST_ROWS make them as large as a release deserves; EBP_TEST_SEED repeats one
// schedule. The program is built once, unless EBP_TEST_BINARY names one. Servers come from
// EBP_TEST_POSTGRES_DSN and EBP_TEST_REDIS_URL.
package incremental

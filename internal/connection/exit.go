package connection

import "sync/atomic"

// Exit codes of a run that ended by itself and did not do all it should.
const (
	ExitConfig      = 1 // the connection is configured in a way that cannot work
	ExitCredentials = 3 // there was no usable sign-in
	ExitIncomplete  = 4 // something could not be read
)

var exitCode atomic.Int32

// SetExitCode notes what the process should end with. The first stays.
func SetExitCode(code int) { exitCode.CompareAndSwap(0, int32(code)) }

// ExitCode returns what was noted, 0 if nothing was.
func ExitCode() int { return int(exitCode.Load()) }

package quota

import (
	"errors"
	"fmt"
	"time"
)

// ExhaustedError says that the calls of the day are used up. No call was made.
type ExhaustedError struct {
	// Until is when the next call may be made, by the store's clock.
	Until time.Time
}

func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("the calls of the day are used up: no call was made, the next one may be at %s", moment(e.Until))
}

// NotCountedError says that the store could not be reached for too long. No call was made, since
// one that is not counted could be one too many.
type NotCountedError struct {
	// Record names the record and its store, without secrets.
	Record string
	Cause  error
}

func (e *NotCountedError) Error() string {
	return fmt.Sprintf("the call was not made, since it could not be counted in the %s: %v", e.Record, e.Cause)
}

// Unwrap returns the cause.
func (e *NotCountedError) Unwrap() error { return e.Cause }

// DamagedError says that the record of the count cannot be trusted. No call was made.
type DamagedError struct {
	// Record names the record and its store, without secrets.
	Record string
	Cause  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the call was not made, since the count of the day cannot be trusted: if the %s is deleted, it begins anew: %v", e.Record, e.Cause)
}

// Unwrap returns the cause, a state.ErrDamaged.
func (e *DamagedError) Unwrap() error { return e.Cause }

// NoCall reports whether an error is one of this package that says that the call was
// not made, so that trying again at once is of no use.
func NoCall(err error) bool {
	var exhausted *ExhaustedError
	var notCounted *NotCountedError
	var damaged *DamagedError
	return errors.As(err, &exhausted) || errors.As(err, &notCounted) || errors.As(err, &damaged)
}

// moment writes a time for people, in their zone.
func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

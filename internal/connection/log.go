package connection

import (
	"sync"

	"github.com/benthos-ebp/benthos-ebp/internal/ebp/auth"
)

// logSwitch is the log of the component that came last.
type logSwitch struct {
	mu  sync.RWMutex
	log auth.Log
}

func (l *logSwitch) set(log auth.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if log != nil {
		l.log = log
	}
}

func (l *logSwitch) get() auth.Log {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.log
}

// Infof implements auth.Log.
func (l *logSwitch) Infof(format string, args ...any) {
	if log := l.get(); log != nil {
		log.Infof(format, args...)
	}
}

// Warnf implements auth.Log.
func (l *logSwitch) Warnf(format string, args ...any) {
	if log := l.get(); log != nil {
		log.Warnf(format, args...)
	}
}

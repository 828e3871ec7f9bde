package quota

import (
	"testing"

	"github.com/benthos-ebp/benthos-ebp/internal/state"
)

func BenchmarkWait(b *testing.B) {
	for name, l := range map[string]Limits{"without limits": {}, "per day": {PerDay: 1 << 50}} {
		for storeName, s := range map[string]state.Store{"memory": state.NewMemory(), "file": state.NewFile(b.TempDir())} {
			b.Run(name+"/"+storeName, func(b *testing.B) {
				a := account(s, l)
				for b.Loop() {
					if err := a.Wait(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

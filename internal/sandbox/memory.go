package sandbox

// memory keeps the newest max values; the oldest are forgotten.
type memory[V any] struct {
	max    int
	values map[string]V
	order  []string
}

func newMemory[V any](limit int) *memory[V] {
	return &memory[V]{max: limit, values: map[string]V{}}
}

func (m *memory[V]) add(key string, v V) {
	m.values[key] = v
	m.order = append(m.order, key)
	if len(m.order) > m.max {
		delete(m.values, m.order[0])
		m.order = m.order[1:]
	}
}

func (m *memory[V]) get(key string) (V, bool) {
	v, ok := m.values[key]
	return v, ok
}

package filter

// Rename returns a copy of a condition whose columns go by the names that rename gives
// them, also where one is compared with another. nil stays nil.
func Rename(n Node, rename func(string) string) Node {
	switch n := n.(type) {
	case *Comparison:
		out := *n
		out.Column = rename(n.Column)
		if n.Type == ColumnName {
			out.Values = make([]string, len(n.Values))
			for i, v := range n.Values {
				out.Values[i] = rename(v)
			}
		}
		return &out
	case *Join:
		return &Join{Or: n.Or, Left: Rename(n.Left, rename), Right: Rename(n.Right, rename)}
	}
	return n
}

package sandbox

import "testing"

func TestATotalBelongsToItsArguments(t *testing.T) {
	st, err := openStorage()
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	if err := st.exec("CREATE TABLE words (word TEXT)"); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"a", "b c", "c", "c", "c"} {
		if err := st.exec("INSERT INTO words VALUES (?)", word); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // from the table, then from memory
		for _, test := range []struct {
			args []any
			want int
		}{
			{[]any{"a", "b c"}, 2},
			{[]any{"a b", "c"}, 3},
			{[]any{`a", "b c`, "x"}, 0},
			{[]any{"a b c", ""}, 0},
		} {
			got, err := st.count("SELECT COUNT(*) FROM words WHERE word IN (?,?)", test.args)
			if err != nil || got != test.want {
				t.Fatalf("%q: %d, %v, want %d", test.args, got, err, test.want)
			}
		}
	}
}

package catalog

import "strings"

// Nearest returns the candidate closest in spelling to name, or "" when none is
// close enough to be what somebody meant. Casing does not count.
func Nearest(name string, candidates []string) string {
	name = strings.ToLower(name)
	best, bestDistance := "", 1+max(2, len(name)/3)
	for _, c := range candidates {
		if d := distance(name, strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// NearestList is Nearest over the lists, also by what follows the product: a user
// who writes "customers" or "gescom.generic" is shown the resource.
func NearestList(resource string) string {
	lists := Lists()
	if best := Nearest(strings.TrimSuffix(resource, ".list"), lists); best != "" {
		return best
	}
	for _, l := range lists {
		_, short, _ := strings.Cut(l, ".")
		if strings.EqualFold(short, resource) {
			return l
		}
	}
	for _, l := range lists {
		if resource != "" && strings.HasPrefix(l, strings.ToLower(resource)) {
			return l
		}
	}
	return ""
}

// distance is the Levenshtein distance in bytes, swaps of neighbours counting one.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

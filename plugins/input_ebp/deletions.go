package input_ebp

import (
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// deletionLimit is how many deletions of one sweep are believed without a person's word:
// a number, or a share of the records that were known.
type deletionLimit struct {
	// most is that number. Where per is not 0 it is a share: most records of every per.
	most, per int64
}

// alwaysBelieved is how many deletions a share lets pass: three of five records of a
// small table may well be deleted in a day.
const alwaysBelieved = 20

// exceeded reports whether so many deletions, of so many records that were known, need a
// person's word.
func (l deletionLimit) exceeded(deletions, known int64) bool {
	if l.per == 0 {
		return deletions > l.most
	}
	if deletions == known && deletions > 1 && l.most < l.per {
		return true // a list that is suddenly empty, however small it was
	}
	if deletions <= alwaysBelieved {
		return false
	}
	// deletions/known > most/per, in whole numbers that do not run over.
	aHigh, aLow := bits.Mul64(uint64(deletions), uint64(l.per))
	bHigh, bLow := bits.Mul64(uint64(max(known, 0)), uint64(l.most))
	return aHigh > bHigh || aHigh == bHigh && aLow > bLow
}

var (
	deletionCount = regexp.MustCompile(`^[0-9]{1,18}$`)
	deletionShare = regexp.MustCompile(`^([0-9]{1,3})(?:\.([0-9]{1,6}))? ?%$`)
)

// parseDeletionLimit reads a limit such as 500 or 10%. It reports false for what is none.
// 0% is 0: who writes it wants to be asked about every deletion.
func parseDeletionLimit(s string) (deletionLimit, bool) {
	s = strings.TrimSpace(s)
	if deletionCount.MatchString(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		return deletionLimit{most: n}, err == nil
	}
	m := deletionShare.FindStringSubmatch(s)
	if m == nil {
		return deletionLimit{}, false
	}
	l := deletionLimit{per: 100}
	for range m[2] {
		l.per *= 10
	}
	most, err := strconv.ParseInt(m[1]+m[2], 10, 64)
	if err != nil || most > l.per {
		return deletionLimit{}, false
	}
	if l.most = most; most == 0 {
		l.per = 0
	}
	return l, true
}

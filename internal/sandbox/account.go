package sandbox

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// account is a person with a password at EBP.
type account struct {
	subject string
	email   string
	given   string
	family  string
}

// defaultAccount is who is signed in unless another e-mail is typed.
var defaultAccount = account{
	subject: "5b1f6f1e-7d0c-4d8e-9a51-0c6c1f3a2b4d",
	email:   "camille.martin@example.fr", given: "Camille", family: "Martin",
}

// accountOf invents the person behind an e-mail: the same one each time, named
// after what stands before the @.
func accountOf(email string) account {
	if strings.EqualFold(email, defaultAccount.email) {
		return defaultAccount
	}
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.ToLower(email))))
	local, _, _ := strings.Cut(email, "@")
	given, family, _ := strings.Cut(local, ".")
	return account{
		subject: h[:8] + "-" + h[8:12] + "-4" + h[12:15] + "-8" + h[15:18] + "-" + h[18:30],
		email:   email, given: capital(given), family: capital(family),
	}
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

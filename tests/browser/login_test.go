package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/cli"
)

// signIn fills in the sign-in page.
func (b *tab) signIn(email, password string) {
	b.t.Helper()
	b.do(
		chromedp.WaitVisible(chromedp.CSS("#sign-in")),
		chromedp.Clear(chromedp.CSS("#email")),
		chromedp.SendKeys(chromedp.CSS("#email"), email),
		chromedp.SendKeys(chromedp.CSS("#password"), password),
		chromedp.Click(chromedp.CSS("#sign-in")),
	)
}

func (b *tab) click(selector chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(selector), chromedp.Click(selector))
}

func TestAPersonSignsInWithTheBrowser(t *testing.T) {
	b, o := newTab(t), newOffice(t)
	login := o.start("login")
	b.do(chromedp.Navigate(login.address()))
	assert.Equal(t, "Connectez-vous", b.text("h1"))
	b.picture("1-sign-in")

	b.signIn("zoe.petit@example.fr", "faux")
	assert.Equal(t, "Identifiant ou mot de passe incorrect.", b.text("#error"))
	b.picture("2-wrong-password")

	b.signIn("zoe.petit@example.fr", "the password of Zoé")
	assert.Equal(t, "zoe.petit@example.fr", b.text("#account"))
	b.picture("3-consent")
	b.click("#allow")

	assert.Equal(t, "Connexion à EBP réussie", b.text("#title"))
	assert.Equal(t, "Zoe Petit <zoe.petit@example.fr>", b.text("#person"))
	assert.Contains(t, b.text("main"), "You can close this window and return to the terminal.")
	b.picture("4-success")
	require.NoError(t, login.end(), login.String())
	assert.Regexp(t, `(?m)^signed in +Zoe Petit <zoe\.petit@example\.fr>$`, login.String())
	assert.Regexp(t, `(?m)^gescom +3691 `, login.String())

	history := b.history()
	assert.Contains(t, history, o.redirect+"/done")
	for _, entry := range history {
		assert.NotContains(t, entry, "code=", "the code must not stay in the browser")
	}

	token := o.start("token")
	require.NoError(t, token.end())
	assert.Contains(t, token.String(), "zoe.petit@example.fr")
}

func TestAPersonWhoRefusesIsToldSoInBothPlaces(t *testing.T) {
	b, o := newTab(t), newOffice(t)
	login := o.start("login")
	b.do(chromedp.Navigate(login.address()))
	b.signIn("zoe.petit@example.fr", "the password of Zoé")
	b.click("#deny")
	assert.Equal(t, "La connexion à EBP n'a pas abouti", b.text("#title"))
	assert.Contains(t, b.text("#detail"), "access_denied")
	b.picture("5-denied")
	require.ErrorContains(t, login.end(), "EBP did not allow it")
	assert.Equal(t, 3, cli.ExitCode(1))
}

func TestATabOfAnEarlierAttemptDoesNotDisturbTheNewestOne(t *testing.T) {
	b, o := newTab(t), newOffice(t)
	earlier := o.start("login", "--timeout", "1s")
	stale := b.another()
	stale.do(chromedp.Navigate(earlier.address()))
	stale.signIn("zoe.petit@example.fr", "the password of Zoé")
	stale.text("#account")
	require.ErrorContains(t, earlier.end(), "nobody has signed in within 1 second")

	login := o.start("login")
	address := login.address()
	stale.click("#allow") // of the attempt that is over
	assert.Equal(t, "Cette page appartient à une autre tentative", stale.text("#title"))
	stale.picture("6-stale")

	// She is known to EBP by now, and is asked for her consent only.
	b.do(chromedp.Navigate(address))
	b.click("#allow")
	assert.Equal(t, "Connexion à EBP réussie", b.text("#title"))
	require.NoError(t, login.end(), login.String())
}

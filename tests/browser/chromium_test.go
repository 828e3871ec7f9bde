package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	envChromium = "EBP_TEST_CHROMIUM"
	envRequire  = "EBP_TEST_REQUIRE_SERVERS"
	// envPictures is a directory that gets a picture of each page, to be looked at.
	envPictures = "EBP_TEST_PICTURES"

	startTime = time.Minute
	pageTime  = 20 * time.Second
)

// findChromium returns the browser's program, "" where there is none.
func findChromium() string {
	if path := os.Getenv(envChromium); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// chromium is the one browser of all tests.
var chromium struct {
	once   sync.Once
	ctx    context.Context
	cancel []context.CancelFunc
	err    error
}

func startChromium(program string) {
	dir, err := os.MkdirTemp("", "benthos-ebp-chromium-")
	if err != nil {
		chromium.err = err
		return
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.WindowSize(1000, 800),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoSandbox, // its own sandbox does not work for root in a container
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("lang", "fr"),
		chromedp.WSURLReadTimeout(startTime),
	)
	ctx, stop := chromedp.NewContext(alloc)
	chromium.cancel = []context.CancelFunc{stop, stopAlloc, func() { remove(dir) }}
	chromium.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		chromium.err = fmt.Errorf("starting %s: %w", program, err)
	}
}

// remove deletes a directory in which processes that are ending may still write.
func remove(dir string) {
	for range 50 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, cancel := range chromium.cancel {
		cancel()
	}
	os.Exit(code)
}

// tab is a window of the browser with cookies of its own, as of another person.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func newTab(t *testing.T) *tab {
	t.Helper()
	program := findChromium()
	if program == "" {
		if os.Getenv(envRequire) == "1" {
			t.Fatalf("there is no browser: install chromium, or set %s", envChromium)
		}
		t.Skipf("there is no browser: install chromium, or set %s", envChromium)
	}
	chromium.once.Do(func() { startChromium(program) })
	require.NoError(t, chromium.err)
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx)) // makes the tab, which lives as long as ctx
	return &tab{t, ctx}
}

// another is a further tab of the same person.
func (b *tab) another() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	require.NoError(b.t, chromedp.Do(ctx))
	return &tab{b.t, ctx}
}

// do does something on the page within the time that a page may take.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ask(b, chromedp.Steps(steps...))
}

// ask returns what the page says to a question, within the time that a page may take.
func ask[T any](b *tab, question chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageTime)
	defer cancel()
	answer, err := chromedp.Run(ctx, question)
	if err != nil {
		require.NoError(b.t, err, "the page shows: %s", b.shows())
	}
	return answer
}

// shows is what the page says at the moment, for messages.
func (b *tab) shows() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	address, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return address + "\n" + text
}

// text returns what a person reads in an element, once it is there.
func (b *tab) text(selector chromedp.CSS) string {
	b.t.Helper()
	return strings.TrimSpace(ask(b, chromedp.Text(selector)))
}

// history are the addresses that the browser would go back to.
func (b *tab) history() []string {
	b.t.Helper()
	var out []string
	for _, e := range ask(b, chromedp.NavigationEntries()).Entries {
		out = append(out, e.URL, e.UserTypedURL)
	}
	return out
}

// picture keeps the look of the page, if somebody wants it.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv(envPictures)
	if dir == "" {
		return
	}
	png := ask(b, chromedp.CaptureScreenshot())
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

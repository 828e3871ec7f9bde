package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/benthos-ebp/benthos-ebp/internal/connection"
	"github.com/benthos-ebp/benthos-ebp/internal/sandbox"
)

// atFullSpeed is a pipeline without the pace of EBP.
func atFullSpeed(t *testing.T) string {
	t.Helper()
	return pipelineFile(t, "input:\n  ebp: { resource: gescom.folders, calls: { per_second: 0 } }\n")
}

func pipelineFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pipeline.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestFoldersListsTheDossiersOfEveryProduct(t *testing.T) {
	d := signedIn(t, func(o *sandbox.Options) { o.Folders = 2 })
	out, notes, err := d.run(t, "folders", "--config", atFullSpeed(t))
	require.NoError(t, err)
	assert.Empty(t, notes)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	assert.Equal(t, []string{"PRODUCT", "ID", "NAME"}, strings.Fields(lines[0]))
	for _, line := range []string{
		`(?m)^gescom +3691 +INV40V12_C3$`, `(?m)^gescom +298324 +Quincaillerie Lefèvre & Fils$`, `(?m)^batiment +7120 +Charpentes Du Héron$`, `(?m)^maintenance +3691 `,
	} {
		assert.Regexp(t, line, out)
	}
}

func TestFoldersOfOneProductAsJSON(t *testing.T) {
	d := signedIn(t)
	out, _, err := d.run(t, "folders", "--product", "batiment", "--format", "json")
	require.NoError(t, err)
	var folders []folder
	require.NoError(t, json.Unmarshal([]byte(out), &folders))
	assert.Equal(t, []folder{{ID: "7120", Name: "Charpentes Du Héron", Product: "batiment"}}, folders)

	_, _, err = d.run(t, "folders", "--product", "hubbix_gctpe")
	require.ErrorContains(t, err, `no list of dossiers of "hubbix_gctpe": the products with one are gescom, batiment, maintenance`)
}

func TestAProductThatIsNotForThisSignInDoesNotHideTheOthers(t *testing.T) {
	d := signedIn(t)
	refuse := func(prefixes ...string) {
		d.server.SetFault(func(c sandbox.Call) *sandbox.Fault {
			for _, p := range prefixes {
				if strings.HasPrefix(c.Path, p) {
					return &sandbox.Fault{Status: http.StatusForbidden}
				}
			}
			return nil
		})
	}
	refuse("/gescom/")
	out, notes, err := d.run(t, "folders", "--config", atFullSpeed(t))
	require.NoError(t, err)
	assert.Contains(t, notes, "no dossiers of gescom: ")
	assert.Contains(t, out, "7120")

	refuse("/gescom/", "/batiment/", "/maintenance/")
	out, notes, err = d.run(t, "folders", "--config", atFullSpeed(t))
	require.ErrorContains(t, err, "may read no product's list of dossiers")
	assert.Empty(t, out)
	assert.Contains(t, notes, "no dossiers of maintenance: ")
}

func TestFoldersWithoutASignInEndsWithCode3(t *testing.T) {
	d := newDesk(t)
	_, _, err := d.run(t, "folders")
	require.ErrorContains(t, err, "run `benthos-ebp login")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))

	t.Setenv(connection.EnvSubscriptionKey, "")
	_, _, err = d.run(t, "folders")
	require.ErrorContains(t, err, "subscription_key ($EBP_SUBSCRIPTION_KEY) is not set")
	assert.Equal(t, connection.ExitCredentials, ExitCode(1))
}

func TestFoldersOfTheSandboxInsideTheProcess(t *testing.T) {
	d := newDesk(t)
	out, _, err := d.run(t, "folders", "--url", "sandbox:?rows=1&rate=0", "--product", "gescom")
	require.NoError(t, err)
	assert.Contains(t, out, "3691")
}

package destinations

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// folderTables are the tables of the example with one column to compare.
var folderTables = map[string]string{
	"Customer": "AllowedAmount", "Supplier": "NotesClear", "Item": "PurchasePrice", "SaleDocument": "AmountVatIncluded",
}

func allFolders(t *testing.T, s *source) *pipeline {
	t.Helper()
	p := example(t, s, "all_folders.yaml")
	p.env["EBP_OUT"] = filepath.Join(p.dir, "out")
	return p
}

// written returns the lines of the files of a dossier's table, by key.
func written(t *testing.T, p *pipeline, folder, table string) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.env["EBP_OUT"], folder, table+"-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, files, 1, "%s of %s", table, folder)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	out := map[string]map[string]any{}
	for line := range bytes.Lines(content) {
		r := record(t, line)
		require.NotContains(t, out, r["Id"])
		out[r["Id"].(string)] = r
	}
	return out
}

func TestEveryTableOfEveryDossierHasAFileWithAllItsRecords(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := allFolders(t, s)
	p.run(t)

	folders := s.FolderIDs("gescom")
	require.Greater(t, len(folders), 1)
	for _, folder := range folders {
		for table, column := range folderTables {
			expected := map[string]any{}
			for key, row := range s.table(t, folder, table, "Id", column) {
				expected[key] = row[1]
				if column != "NotesClear" {
					expected[key] = asJSON("Amount", row[1])
				}
			}
			found := map[string]any{}
			for key, r := range written(t, p, folder, table) {
				found[key] = r[column]
			}
			assert.Equal(t, expected, found, "%s of %s", table, folder)
			assert.Len(t, found, rows)
		}
		requireAwkwardKeys(t, written(t, p, folder, "Customer"))
	}
	assert.Empty(t, p.letters(t))
}

func TestFoldersReadAgainGetAFileOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	p := allFolders(t, s)
	p.run(t)
	first := written(t, p, folder, "Item")
	require.NoError(t, os.Rename(p.env["EBP_OUT"], p.env["EBP_OUT"]+".1"))
	p.run(t)
	assert.Equal(t, first, written(t, p, folder, "Item"))
}

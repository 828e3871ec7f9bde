package cli

import "time"

// loginResult is what a script is told of a sign-in.
type loginResult struct {
	Profile        string    `json:"profile"`
	Store          string    `json:"store"`
	Email          string    `json:"email"`
	Name           string    `json:"name"`
	AccessExpires  time.Time `json:"access_token_expires"`
	RefreshExpires time.Time `json:"refresh_token_expires"`
	Folders        []folder  `json:"folders"`
	// FoldersError says why the dossiers could not be listed.
	FoldersError string `json:"folders_error,omitempty"`
}

// printSignIn tells a person of the sign-in, before the dossiers take their time.
func (r *loginResult) printSignIn(t *talk) error {
	t.say("")
	return printPairs(t.out, [][2]string{
		{"signed in", person(r.Name, r.Email)},
		{"profile", r.Profile},
		{"tokens in", r.Store},
		{"good until", until(r.RefreshExpires, time.Now()) + " if nothing runs; pipelines renew it by themselves"},
	})
}

func (r *loginResult) print(t *talk, format string) error {
	if r.FoldersError != "" {
		t.say("\nYou are signed in, but the dossiers could not be listed: %s", r.FoldersError)
	}
	if format == formatJSON {
		if r.Folders == nil {
			r.Folders = []folder{}
		}
		return printJSON(t.out, r)
	}
	if r.FoldersError != "" {
		return nil
	}
	if len(r.Folders) == 0 {
		t.say("\nThis sign-in has no dossier.")
		return nil
	}
	t.say("")
	return printFolders(t.out, r.Folders)
}

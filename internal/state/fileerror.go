package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// explain says of an error of the file system what a person can do. The error names the
// file.
func (f *File) explain(doing string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EROFS):
		advice = "its file system is read-only: mount it writable, or name a directory elsewhere"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "there is no space left for it: make room on that disk"
	case errors.Is(err, syscall.ENOTDIR):
		advice = "a part of that path is a file: name a directory"
	case errors.Is(err, fs.ErrPermission):
		advice = fmt.Sprintf("user %d may not: the directory %s and all in it must belong to that user, with mode 0700", os.Getuid(), f.dir)
	case errors.Is(err, syscall.EIO):
		advice = "the disk fails"
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w; %s", doing, err, advice)
}

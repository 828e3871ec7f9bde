package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A put is written to a file beside the record, NAME.next, and then takes its place.
//
// The invariant: whoever holds the record's lock and finds in NAME.next a whole envelope
// of the version after the record's completes that put. So a put is made by the one write
// call that brings its envelope into NAME.next. A process that is killed after that
// call has lost nothing, though nothing was synced and nothing renamed: what was written
// is with the operating system, and the next reader finishes the work. (Only a power cut
// needs the sync, and for that Put does not return before it is done.)
//
// It takes three things to keep it so:
//
//   - NAME.next is written with the lock held, and only where the record has the version
//     before. The lock of a killed process is free, so one that is held has a live writer,
//     which is waited for.
//   - Whatever else is in NAME.next is no whole envelope of that version: zeros where space
//     was reserved, half an envelope whose digest does not match, or an older put. What
//     follows the envelope is ignored, since the file is cut to length after the write.
//   - Nothing destroys NAME.next before settle has looked at it.
const nextSuffix = ".next"

// reserveSuffix is that of a reservation that is being made.
const reserveSuffix = ".reserve"

// putBegun reports whether something other than reserved space is in NAME.next. It needs
// no lock: an envelope does not begin with a zero byte.
func putBegun(path string) (bool, error) {
	next, err := os.Open(path + nextSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer next.Close()
	first := make([]byte, 1)
	if _, err := next.Read(first); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return first[0] != 0, nil
}

// settle completes a put that was begun, and returns the record. The lock is held.
func (f *File) settle(key string) (Record, error) {
	r, err := f.read(key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Record{}, err
	}
	path := f.path(key)
	data, nextErr := os.ReadFile(path + nextSuffix)
	if errors.Is(nextErr, fs.ErrNotExist) {
		return r, err
	}
	if nextErr != nil {
		return Record{}, f.explain("reading the state", nextErr)
	}
	next, length, sealErr := unsealFirst(key, data)
	if sealErr != nil || next.Version != r.Version+1 {
		return r, err // a leftover, which the next put writes over
	}
	file, err := os.OpenFile(path+nextSuffix, os.O_RDWR, fileMode)
	if err == nil {
		err = commit(file, path, length)
	}
	if err != nil {
		return Record{}, f.explain("completing a write that was interrupted", err)
	}
	return next, nil
}

// writeNext makes a put: afterwards it is on the disk, or an error says why not and the
// record is as before.
func writeNext(path string, data []byte) error {
	next, err := beginNext(path, data)
	if err == nil {
		err = commit(next, path, len(data))
	}
	if err != nil {
		// What failed to reach the disk must not come back as if it had. This does nothing
		// where the file has taken the record's place already.
		_ = os.Remove(path + nextSuffix)
	}
	return err
}

// beginNext brings an envelope into NAME.next in one write call, into space that was
// reserved if there is some.
func beginNext(path string, data []byte) (*os.File, error) {
	next, err := os.OpenFile(path+nextSuffix, os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if _, err := next.Write(data); err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

// commit puts NAME.next, whose envelope has length bytes, in the record's place for good.
func commit(next *os.File, path string, length int) error {
	err := next.Truncate(int64(length))
	if err == nil {
		err = next.Sync()
	}
	if closeErr := next.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(path+nextSuffix, path)
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// reserveNext makes NAME.next a file of zeros that are written, so that their space is
// taken. It makes and renames a file, as a put will: where that is not allowed a
// reservation of before proves nothing.
func reserveNext(path string, size int) error {
	reserved := path + reserveSuffix
	_ = os.Remove(path + nextSuffix) // of which settle has taken what is worth it; its space may be needed
	file, err := os.OpenFile(reserved, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, size))
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(reserved, path+nextSuffix)
	}
	if err != nil {
		_ = os.Remove(reserved) // half a reservation is of no use, and takes space
	}
	return err
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"
)

// envelopeFormat is the layout of an envelope. A reader that meets a newer one reports
// it rather than guess.
const envelopeFormat = 1

// envelope is what every store keeps of a record, as JSON. The digest tells one that was
// cut short or edited by hand from a good one.
type envelope struct {
	Format  int     `json:"format"`
	Key     string  `json:"key"`
	Version Version `json:"version"`
	Digest  string  `json:"sha256"`
	Value   []byte  `json:"value"`
}

func (e envelope) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%d\n", e.Format, e.Key, e.Version)
	h.Write(e.Value)
	return hex.EncodeToString(h.Sum(nil))
}

// readable is a key as JSON can hold it.
func readable(key string) string {
	if utf8.ValidString(key) {
		return key
	}
	return url.QueryEscape(key)
}

// seal returns the envelope of a record.
func seal(key string, version Version, value []byte) ([]byte, error) {
	e := envelope{Format: envelopeFormat, Key: readable(key), Version: version, Value: value}
	e.Digest = e.digest()
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding the record: %w", err)
	}
	return data, nil
}

// sealedSize is how many bytes the envelope of a value of size bytes has at most.
func sealedSize(key string, size int) (int, error) {
	empty, err := seal(key, ^Version(0), []byte{})
	return len(empty) + (size+2)/3*4, err
}

// unseal returns the record in an envelope, or what is wrong with it. The error says
// nothing of what the envelope holds.
func unseal(key string, data []byte) (Record, error) {
	r, rest, err := unsealFirst(key, data)
	if err == nil && len(bytes.TrimSpace(data[rest:])) > 0 {
		return Record{}, fmt.Errorf("something follows the record (%d bytes in all)", len(data))
	}
	return r, err
}

// unsealFirst is unseal for an envelope that something else may follow, and says where
// the envelope ends.
func unsealFirst(key string, data []byte) (r Record, end int, err error) {
	var e envelope
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&e); err != nil {
		// The decoder's own words may quote what it found.
		return Record{}, 0, fmt.Errorf("it is not a whole record (%d bytes)", len(data))
	}
	switch {
	case e.Format > envelopeFormat:
		return Record{}, 0, fmt.Errorf("it has format %d and this program reads %d: a newer version of the program wrote it, use that", e.Format, envelopeFormat)
	case e.Format != envelopeFormat:
		return Record{}, 0, fmt.Errorf("it has format %d, which no version of this program has written", e.Format)
	case e.Key != readable(key):
		return Record{}, 0, errors.New("it is the record of another key")
	case e.Version == 0 || e.Digest != e.digest():
		return Record{}, 0, errors.New("its digest does not match its content")
	}
	return Record{Value: e.Value, Version: e.Version}, int(decoder.InputOffset()), nil
}

// keyIn returns the key that an envelope names, whatever else is wrong with it, if it is
// one that belongs where the envelope was found.
func keyIn(data []byte, belongs func(key string) bool) (key string, ok bool) {
	var e struct {
		Key string `json:"key"`
	}
	if json.NewDecoder(bytes.NewReader(data)).Decode(&e) != nil {
		return "", false
	}
	if belongs(e.Key) {
		return e.Key, true
	}
	key, err := url.QueryUnescape(e.Key) // see readable
	return key, err == nil && belongs(key)
}

// damaged reports a record that cannot be trusted: where it is, and why.
func damaged(where string, why error) error {
	return fmt.Errorf("%w: %s: %w; bring it back from a backup, or set it aside (`benthos-ebp login` does so with a sign-in), and what it held begins anew", ErrDamaged, where, why)
}

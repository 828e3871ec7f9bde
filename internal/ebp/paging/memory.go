package paging

import (
	"crypto/sha256"
	"encoding/binary"
)

// digest stands for a record that was met: 128 bits of a hash of its key, so that
// millions fit into memory and no two are confused.
type digest [16]byte

// digestOf is the digest of the parts of what identifies a record.
func digestOf[T string | []byte](kind byte, text T) (d digest) {
	sum := sha256.Sum256(append([]byte{kind}, text...))
	copy(d[:], sum[:])
	return d
}

// Kinds of digests: no key is taken for the bytes of a record.
const (
	ofKey byte = iota
	ofBytes
)

// and is the digest of one thing together with a number.
func (d digest) and(n int) digest {
	return digestOf(ofBytes, binary.BigEndian.AppendUint64(d[:], uint64(n)))
}

// memory holds the records that were met, each with a hash of the value it was sorted by
// when it was taken last: 0 where that is its key.
type memory map[digest]uint32

// hashOf is the hash of a value that a list is sorted by.
func hashOf(value []byte) uint32 {
	sum := sha256.Sum256(value)
	return binary.BigEndian.Uint32(sum[:])
}

// entryBytes is how long an encoded entry is.
const entryBytes = len(digest{}) + 4

// encode writes those of the records given that are in memory.
func (m memory) encode(which []digest) []byte {
	out := make([]byte, 0, len(which)*entryBytes)
	for _, d := range which {
		if sorted, ok := m[d]; ok {
			out = append(out, d[:]...)
			out = binary.BigEndian.AppendUint32(out, sorted)
		}
	}
	return out
}

// decode reads what encode wrote; ok is false for anything else.
func (m memory) decode(from []byte) (order []digest, ok bool) {
	if len(from)%entryBytes != 0 {
		return nil, false
	}
	for ; len(from) > 0; from = from[entryBytes:] {
		d := digest(from)
		m[d] = binary.BigEndian.Uint32(from[len(d):])
		order = append(order, d)
	}
	return order, true
}

// set is what a pass over a list has met, whatever the order: the number of records, and
// the exclusive or of their digests.
type set struct {
	count int
	mixed digest
}

func (m memory) set() set {
	s := set{count: len(m)}
	for d := range m {
		for i := range d {
			s.mixed[i] ^= d[i]
		}
	}
	return s
}

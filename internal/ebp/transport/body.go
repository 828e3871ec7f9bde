package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// TooLargeError is an answer over the limit. None of it was used.
type TooLargeError struct {
	Limit int64
	// Length is what the server announced, -1 where it did not.
	Length int64
}

// Error says what can be done.
func (e *TooLargeError) Error() string {
	size := fmt.Sprintf("more than %d bytes", e.Limit)
	if e.Length > e.Limit {
		size = fmt.Sprintf("%d bytes", e.Length)
	}
	return fmt.Sprintf("the answer has %s: ask for fewer columns or a smaller page_size, or raise http.max_response_bytes", size)
}

// bodyLayer reads the answer whole, so that a connection that breaks in the middle
// is an error of the attempt, and so that nobody ever sees half an answer.
type bodyLayer struct {
	next  http.RoundTripper
	limit int64
}

func (l *bodyLayer) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body := res.Body
	defer body.Close()
	if res.ContentLength > l.limit {
		return nil, &TooLargeError{Limit: l.limit, Length: res.ContentLength}
	}
	var data []byte
	if res.ContentLength >= 0 {
		data = make([]byte, res.ContentLength)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, brokenOff(err)
		}
	} else {
		// One byte more than allowed tells a body at the limit from one over it.
		var buf bytes.Buffer
		n, err := buf.ReadFrom(io.LimitReader(body, l.limit+1))
		if err != nil {
			return nil, brokenOff(err)
		}
		if n > l.limit {
			return nil, &TooLargeError{Limit: l.limit, Length: -1}
		}
		data = buf.Bytes()
	}
	res.Body = buffered{Reader: bytes.NewReader(data), data: data}
	res.ContentLength = int64(len(data))
	return res, nil
}

func brokenOff(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the answer: %w", err)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// roleBare is the hidden argument with which this program is a bare contender: the
// base URL and the name of a splitter follow.
const roleBare = "-role=bare"

// splitters cut an answer into its records and find the total.
var splitters = map[string]func(body []byte, records [][]byte) ([][]byte, int, error){
	"json": splitJSON,
	"scan": splitScan,
}

// runBare is the loop that most people would write: one page after the other, by
// offset, each read whole and cut into records, which are counted and forgotten.
func runBare(ctx context.Context, args []string) error {
	base, split := args[0], splitters[args[1]]
	var body bytes.Buffer
	var records [][]byte
	count := 0
	for total := -1; total < 0 || count < total; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s%s?TableName=Customer&Columns=%s&OrderByValue=%s&Offset=%d&Limit=%d",
			base, queryPath, strings.Join(columns, ","), columns[0], count, maxPage), http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer bench")
		req.Header.Set("ebp-subscription-key", "bench")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		body.Reset()
		_, err = body.ReadFrom(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		if records, total, err = split(body.Bytes(), records[:0]); err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		count += len(records)
	}
	_, err := fmt.Println(count)
	return err
}

// splitJSON is the way of the standard library.
func splitJSON(body []byte, records [][]byte) ([][]byte, int, error) {
	var page struct {
		Results []json.RawMessage
		Paging  struct{ Total int }
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, 0, err
	}
	for _, r := range page.Results {
		records = append(records, r)
	}
	return records, page.Paging.Total, nil
}

// splitScan is about the least that can be done by one who trusts the server: braces
// are counted outside of strings, and nothing is checked. The records share the
// answer's memory.
func splitScan(body []byte, records [][]byte) ([][]byte, int, error) {
	const results, total = `"results":[`, `"total":`
	i := bytes.Index(body, []byte(results))
	if i < 0 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	depth, start := 0, 0
scan:
	for i += len(results); i < len(body); i++ {
		switch body[i] {
		case '"':
			for {
				n := bytes.IndexByte(body[i+1:], '"')
				if n < 0 {
					return nil, 0, io.ErrUnexpectedEOF
				}
				i += n + 1
				back := i
				for body[back-1] == '\\' {
					back--
				}
				if (i-back)%2 == 0 {
					break
				}
			}
		case '{':
			if depth == 0 {
				start = i
			}
			depth++
		case '}':
			if depth--; depth == 0 {
				records = append(records, body[start:i+1])
			}
		case ']':
			if depth == 0 {
				break scan
			}
		}
	}
	n := 0
	for t := bytes.LastIndex(body, []byte(total)) + len(total); t < len(body) && body[t] >= '0' && body[t] <= '9'; t++ {
		n = n*10 + int(body[t]-'0')
	}
	return records, n, nil
}

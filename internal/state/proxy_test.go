package state

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a store and its server, and can lose an answer.
type proxy struct {
	listener net.Listener
	target   string

	mu   sync.Mutex
	word []byte // a request with this word is passed on, and the connection cut instead of an answer
	lost int
	mute bool
}

// viaProxy returns a location that leads to the same server through a proxy.
func viaProxy(t *testing.T, location string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(location)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: u.Host}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	u.Host = l.Addr().String()
	return p, u.String()
}

// loseAnswerTo loses the answer to the next request with a word.
func (p *proxy) loseAnswerTo(word string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.word = []byte(word)
}

func (p *proxy) answersLost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// setMute has nothing pass any more, in either direction, though connections are accepted.
func (p *proxy) setMute(mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

func (p *proxy) muted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mute
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	lose := make(chan struct{})
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			select {
			case <-lose:
				client.Close()
				return
			default:
			}
			if n > 0 && !p.muted() {
				_, _ = client.Write(buffer[:n])
			}
			if err != nil {
				client.Close()
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		p.mu.Lock()
		if p.word != nil && bytes.Contains(buffer[:n], p.word) {
			close(lose)
			p.word, p.lost = nil, p.lost+1
		}
		p.mu.Unlock()
		if n > 0 && !p.muted() {
			_, _ = server.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

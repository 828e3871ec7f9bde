package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// A row's text depends on its index alone: row i of every run is the same bytes. Only
// the page number in its Id differs from that of row i+blockRows*blocks, so that a page
// is copied from a rendered block and stamped, whatever the number of rows.
const (
	blockRows = 100
	blocks    = 50

	idPrefix    = "CLI"
	pageDigits  = 8 // number of the page, stamped
	placeDigits = 2 // place in the page, rendered
	idLength    = len(idPrefix) + pageDigits + placeDigits
)

// columns are those of every row, in this order.
var columns = []string{"Id", "Name", "MainInvoicingAddress_ZipCode", "MainInvoicingAddress_City", "CurrentAmount", "sysModifiedDate"}

var (
	forms  = []string{"Établissements", "SARL", "Menuiserie", "Mairie de", "Société", `Café \"Le Brûlot\" –`, "Garage", "Boulangerie", "SCI", "L'Atelier"}
	names  = []string{"Lefèvre & fils", "O'Brien", "Gaël Le Goff", "Müller-Béziers", "Dupont", `Noël\nLivraison cour`, "de l'Œuvre", "Çelik", "Île-de-Ré Marée", "Hérault Bâtiment", "Garçon", "Vœux & Cie"}
	cities = [][2]string{{"93200", "Saint-Denis"}, {"69003", "Lyon"}, {"35000", "Rennes"}, {"59800", "Lille"}, {"13001", "Marseille"}, {"01000", "Bourg-en-Bresse"}, {"17410", "Saint-Martin-de-Ré"}, {"62150", "Houdain"}, {"83990", "Saint-Tropez"}}
)

// block is the rendered text of blockRows rows, with commas between them.
type block struct {
	text  []byte
	start [blockRows + 1]int // where each row starts; the last is one past the end
}

var rendered = func() (out [blocks]block) {
	for b := range out {
		var text bytes.Buffer
		for place := range blockRows {
			out[b].start[place] = text.Len()
			n := b*blockRows + place
			city := cities[n%len(cities)]
			// 20 digits before the point and 8 after it: 28, which no float holds.
			amount := fmt.Sprintf("%d%019d.%08d", 1+n%9, uint64(n+1)*0x9E3779B97F4A7C15%1e19, (n+1)*7919%1e8)
			fmt.Fprintf(&text, `{"Id":"%s%0*d%0*d","Name":"%s %s","MainInvoicingAddress_ZipCode":"%s","MainInvoicingAddress_City":"%s","CurrentAmount":%s,"sysModifiedDate":"20%02d-%02d-%02dT%02d:%02d:%02d"},`,
				idPrefix, pageDigits, 0, placeDigits, place, forms[n%len(forms)], names[n%len(names)], city[0], city[1], amount,
				14+n%11, 1+n%12, 1+n%28, n%24, n%60, n*7%60)
		}
		out[b].start[blockRows] = text.Len()
		out[b].text = text.Bytes()
	}
	return out
}()

// idAt is where the digits of the page number stand in a row.
const idAt = len(`{"Id":"`) + len(idPrefix)

// appendRows appends rows from <= i < to, with commas between them.
func appendRows(dst []byte, from, to int) []byte {
	for i := from; i < to; {
		page, place := i/blockRows, i%blockRows
		b := &rendered[page%blocks]
		n := min(blockRows-place, to-i)
		base := len(dst)
		dst = append(dst, b.text[b.start[place]:b.start[place+n]]...)
		var digits [pageDigits]byte
		for d := pageDigits - 1; d >= 0; d-- {
			digits[d] = byte('0' + page%10)
			page /= 10
		}
		for p := place; p < place+n; p++ {
			copy(dst[base+b.start[p]-b.start[place]+idAt:], digits[:])
		}
		i += n
	}
	if to > from {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// row is row i alone.
func row(i int) []byte { return appendRows(nil, i, i+1) }

// indexOfID finds the first Id in a text and returns the index of its row.
func indexOfID(text []byte) (int, bool) {
	at := bytes.Index(text, []byte(idPrefix))
	if at < 0 || len(text) < at+idLength {
		return 0, false
	}
	i, err := strconv.Atoi(string(text[at+len(idPrefix) : at+idLength]))
	return i, err == nil
}

// appendPage appends the answer with rows from <= i < to. total and offset are those
// that the server says.
func appendPage(dst []byte, from, to, total, offset, limit int) []byte {
	dst = append(dst, `{"results":[`...)
	dst = appendRows(dst, from, to)
	return fmt.Appendf(dst, `],"paging":{"total":%d,"returned":%d,"offset":%d,"limit":%d}}`, total, max(0, to-from), offset, limit)
}

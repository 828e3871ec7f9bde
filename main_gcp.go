//go:build gcp

package main

// Google Cloud (BigQuery, Cloud Storage, Pub/Sub) takes a third of the time of
// a build and of the size of the program: it is linked on request,
//
//	go build -tags gcp .
import _ "github.com/redpanda-data/connect/v4/public/components/gcp"

package main

import (
	"fmt"
	"strings"
)

// settings are what every pipeline has. Metrics are counted as they are by default, but
// printed at the end: how many messages the output took is read from there, so that a
// contender is not believed what it did not do.
const settings = `
http:
  enabled: false
logger:
  level: INFO
  format: json
metrics:
  logger: {}
`

const dropOutput = `
output:
  drop: {}
`

func fileOutput(path string) string {
	return fmt.Sprintf(`
output:
  file:
    path: %q
    codec: lines
`, path)
}

// ebpPipeline is this project's way. state is a directory for the sign-in.
func ebpPipeline(base, state string, perSecond int, output string) string {
	return fmt.Sprintf(`
input:
  ebp:
    url: %q
    resource: gescom.generic_query
    table: Customer
    folders: ["1"]
    columns: [%s]
    subscription_key: bench
    oauth2:
      url: %q
      client_id: bench
      client_secret: bench-secret
      refresh_token: bench-seed
    state: %q
    calls:
      per_second: %d
      per_day: 0
`, base, strings.Join(columns, ", "), base, "file:"+state, perSecond) + output + settings
}

// stockPipeline is the way without this project: each page's URL is made of the answer
// before it. The end is told from the length of an empty page, which costs nothing.
func stockPipeline(base, output string) string {
	return fmt.Sprintf(`
input:
  read_until:
    check: content().length() < 200
    input:
      http_client:
        url: '%s%s?TableName=Customer&Columns=%s&OrderByValue=%s&Offset=${! json("paging.offset").or(-%[5]d) + %[5]d }&Limit=%[5]d'
        verb: GET
        headers:
          Authorization: Bearer bench
          ebp-subscription-key: bench
pipeline:
  processors:
    - mapping: root = this.results
    - unarchive:
        format: json_array
`, base, queryPath, strings.Join(columns, ","), columns[0], maxPage) + output + settings
}

// idlePipeline waits for the end of its standard input.
const idlePipeline = `
input:
  stdin: {}
` + dropOutput + settings

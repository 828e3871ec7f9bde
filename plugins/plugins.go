// Package plugins registers every component of benthos-ebp when it is imported:
//
//	import _ "github.com/benthos-ebp/benthos-ebp/plugins"
//
// Each of the packages below can also be imported alone. The package sandbox is
// not a component: it makes the address "sandbox:" known to those that connect.
package plugins

import (
	// Each import registers what its package holds.
	_ "github.com/benthos-ebp/benthos-ebp/plugins/input_ebp"
	_ "github.com/benthos-ebp/benthos-ebp/plugins/output_blob"
	_ "github.com/benthos-ebp/benthos-ebp/plugins/rate_limit_ebp"
	_ "github.com/benthos-ebp/benthos-ebp/plugins/sandbox"
)

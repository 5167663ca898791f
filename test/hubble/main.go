// SPDX-License-Identifier: Apache-2.0

// The hubble command line as its own module ships it, so that tests can hold our server and our output against it.
package main

import (
	"fmt"
	"os"

	"github.com/cilium/cilium/hubble/cmd"
)

func main() {
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// SPDX-License-Identifier: BSD-2-Clause

// lookup is what a program in Go sees: the addresses of a name as net.Dial would try them.
//
//	lookup NAME [COUNT]     prints the first address, so many times; it has no cache
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

func main() {
	count := 1
	if len(os.Args) > 2 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	for ; count > 0; count-- {
		addresses, err := net.LookupHost(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(addresses[0])
	}
}

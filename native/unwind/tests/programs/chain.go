// A known chain on a goroutine; with an argument the standard library is in the middle of it, or the
// collector runs.
package main

import (
	"os"
	"runtime"
	"sort"
)

type numbers []int

func (n numbers) Len() int      { return len(n) }
func (n numbers) Swap(i, j int) { n[i], n[j] = n[j], n[i] }

//go:noinline
func (n numbers) Less(i, j int) bool {
	if len(os.Args) > 1 {
		runtime.Breakpoint()
	}
	return n[i] < n[j]
}

//go:noinline
func leaf(n int) int {
	runtime.Breakpoint()
	return n * 3
}

//go:noinline
func middle(n int) int {
	values := numbers{3, n, 1}
	sort.Sort(values)
	return leaf(n) + values[0]
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "collect" {
		runtime.GC()
	}
	os.Exit(middle(4) & 1)
}

// The rows of bench/ in Go, on one processor. Prints what the programs beside
// it print.
//
//	GOMAXPROCS=1 peer ROW N
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

var n int

func switches() {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
}

func spawn() {
	done := make(chan int)
	for i := 0; i < n; i++ {
		go func() { done <- 1 }()
		<-done
	}
}

func gather() {
	var all sync.WaitGroup
	results := make([]int, n)
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			results[i] = i
			all.Done()
		}(i)
	}
	all.Wait()
}

func queue() {
	items := make(chan int, 1)
	go func() {
		for i := 0; i < n; i++ {
			items <- i
		}
	}()
	for i := 0; i < n; i++ {
		<-items
	}
}

func sky(first, size int, result chan int) {
	if size == 1 {
		result <- first
		return
	}
	part, sum, sums := size/10, 0, make(chan int, 10)
	for i := 0; i < 10; i++ {
		go sky(first+i*part, part, sums)
	}
	for i := 0; i < 10; i++ {
		sum += <-sums
	}
	result <- sum
}

func skynet() {
	result := make(chan int)
	go sky(0, n, result)
	<-result
}

func resident() float64 {
	file, _ := os.Open("/proc/self/status")
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "VmHWM:" {
			kilobytes, _ := strconv.ParseFloat(words[1], 64)
			return kilobytes * 1024
		}
	}
	return 0
}

func sleepers() {
	var all sync.WaitGroup
	before, start := resident(), time.Now()
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(3 * time.Second)
			all.Done()
		}()
	}
	all.Wait()
	fmt.Printf("%.0f %.2f\n", (resident()-before)/float64(n), time.Since(start).Seconds()-3)
}

func main() {
	rows := map[string]func(){"switch": switches, "spawn": spawn, "gather": gather,
		"queue": queue, "skynet": skynet}
	n, _ = strconv.Atoi(os.Args[2])
	if os.Args[1] == "sleepers" {
		sleepers()
		return
	}
	start := time.Now()
	rows[os.Args[1]]()
	fmt.Printf("%.1f\n", float64(time.Since(start).Nanoseconds())/float64(n))
}

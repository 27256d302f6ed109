// The rows in Go, on one processor.
//
//	GOMAXPROCS=1 go ROW N [...]   as bench/programs/tide.lua
package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func nothing() {}

func switches(n, width int) {
	var all sync.WaitGroup
	all.Add(width)
	for i := 0; i < width; i++ {
		go func() {
			for j := 0; j < n/width; j++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
}

func spawn(n int) {
	done := make(chan int)
	for i := 0; i < n; i++ {
		go func() { done <- 1 }()
		<-done
	}
}

func gather(n int) {
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

// There are no unbounded channels: a buffer that is never full does.
func queue(n, maxsize, width int) {
	if maxsize == 0 {
		maxsize = n
	}
	var all sync.WaitGroup
	items := make(chan int, maxsize)
	all.Add(2 * width)
	for i := 0; i < width; i++ {
		go func() {
			for j := 0; j < n/width; j++ {
				<-items
			}
			all.Done()
		}()
		go func() {
			for j := 0; j < n/width; j++ {
				items <- j
			}
			all.Done()
		}()
	}
	all.Wait()
}

func permits(n, waiters int, acquire, release func()) {
	var all sync.WaitGroup
	all.Add(waiters)
	acquire()
	for i := 0; i < waiters; i++ {
		go func() {
			for j := 0; j < n/waiters; j++ {
				acquire()
				release()
			}
			all.Done()
		}()
	}
	runtime.Gosched()
	release()
	all.Wait()
}

// Go's semaphore is a channel.
func semaphore(n, waiters int) {
	permit := make(chan struct{}, 1)
	if waiters == 1 {
		for i := 0; i < n; i++ {
			permit <- struct{}{}
			<-permit
		}
		return
	}
	permits(n, waiters, func() { permit <- struct{}{} }, func() { <-permit })
}

// A goroutine that runs may take a mutex again before those that wait for it.
func lock(n, waiters int) {
	var mutex sync.Mutex
	if waiters == 1 {
		for i := 0; i < n; i++ {
			mutex.Lock()
			mutex.Unlock()
		}
		return
	}
	permits(n, waiters, mutex.Lock, mutex.Unlock)
}

func timeout(n int) {
	for i := 0; i < n; i++ {
		_, cancel := context.WithTimeout(context.Background(), time.Minute)
		nothing()
		cancel()
	}
}

func cancel(n int) {
	var all sync.WaitGroup
	cancels := make([]context.CancelFunc, n)
	all.Add(n)
	for i := 0; i < n; i++ {
		var ctx context.Context
		ctx, cancels[i] = context.WithCancel(context.Background())
		go func() {
			timer := time.NewTimer(time.Minute)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
			all.Done()
		}()
	}
	runtime.Gosched()
	for _, cancel := range cancels {
		cancel()
	}
	all.Wait()
}

func timers(n int) {
	handles := make([]*time.Timer, n)
	for i := range handles {
		handles[i] = time.AfterFunc(time.Minute+time.Duration(rand.Int63n(60e9)), nothing)
	}
	for _, handle := range handles {
		handle.Stop()
	}
	runtime.Gosched()
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

func skynet(n int) {
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

func sleepers(n, seconds int) {
	var all sync.WaitGroup
	before, start := resident(), time.Now()
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(time.Duration(seconds) * time.Second)
			all.Done()
		}()
	}
	all.Wait()
	late, after := time.Since(start).Seconds()-float64(seconds), resident()
	fmt.Printf("%.0f %.0f %.2f\n", (after-before)/float64(n), after/1e6, late)
}

func processTime() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func argument(i, otherwise int) int {
	if i >= len(os.Args) {
		return otherwise
	}
	number, _ := strconv.Atoi(os.Args[i])
	return number
}

func main() {
	n, a, b := argument(2, 1), argument(3, 1), argument(4, 1)
	rows := map[string]func(){
		"nothing":   nothing,
		"switch":    func() { switches(n, a) },
		"spawn":     func() { spawn(n) },
		"spawn_all": func() { gather(n) },
		"gather":    func() { gather(n) },
		"queue":     func() { queue(n, a, b) },
		"semaphore": func() { semaphore(n, a) },
		"lock":      func() { lock(n, a) },
		"timeout":   func() { timeout(n) },
		"cancel":    func() { cancel(n) },
		"timers":    func() { timers(n) },
		"skynet":    func() { skynet(n) },
	}
	if os.Args[1] == "sleepers" {
		sleepers(n, a)
		return
	}
	start := processTime()
	rows[os.Args[1]]()
	fmt.Printf("%.1f\n", float64(processTime()-start)/float64(n))
}

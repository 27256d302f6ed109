// The server of the TCP rows in Go, on one processor: a goroutine for each
// connection. It reads and writes itself, since io.Copy would have the kernel
// move the bytes.
//
//	GOMAXPROCS=1 tcp_go MODE   as bench/programs/tcp/tide.lua
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
)

const room = 65536

var block = bytes.Repeat([]byte("abcdefghijklmnop"), room/16)

func echo(conn net.Conn) {
	buffer := make([]byte, room)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func once(conn net.Conn) {
	buffer := make([]byte, 4096)
	n, err := conn.Read(buffer)
	if err == nil {
		conn.Write(buffer[:n])
	}
}

func sink(conn net.Conn) {
	buffer := make([]byte, room)
	count := 0
	for {
		n, err := conn.Read(buffer)
		count += n
		if err != nil {
			break
		}
	}
	fmt.Fprintln(conn, count)
}

func source(conn net.Conn) {
	var left int
	fmt.Fscanln(bufio.NewReader(conn), &left)
	for left > 0 {
		n := left
		if n > room {
			n = room
		}
		if _, err := conn.Write(block[:n]); err != nil {
			return
		}
		left -= n
	}
}

func main() {
	modes := map[string]func(net.Conn){
		"echo": echo, "once": once, "sink": sink, "source": source,
	}
	serve := modes[os.Args[1]]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			serve(conn)
			conn.Close()
		}()
	}
}

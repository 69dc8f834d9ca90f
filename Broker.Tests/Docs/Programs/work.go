// Works with the documented client until standard input ends: says who it is when that changes, and each query that failed.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leased"

	_ "github.com/lib/pq"
)

func main() {
	var wants []leased.Wants
	if len(os.Args) > 5 {
		most, _ := strconv.Atoi(os.Args[4])
		least, _ := strconv.Atoi(os.Args[5])
		wants = append(wants, leased.Wants{Connections: most, MinConnections: least})
	}
	orders, err := leased.Open(context.Background(), os.Args[1], os.Args[2], os.Args[3], "postgres", "lib/pq", wants...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var lock sync.Mutex
	user, queries, stopped := "", 0, int32(0)
	var workers sync.WaitGroup
	for i := 0; i < 6; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for atomic.LoadInt32(&stopped) == 0 {
				name := ""
				failure := orders.Use(func(db *sql.DB) error { return db.QueryRow("SELECT current_user FROM pg_sleep(0.02)").Scan(&name) })
				lock.Lock()
				if failure != nil {
					fmt.Println("failed " + strings.ReplaceAll(failure.Error(), "\n", " "))
					time.Sleep(20 * time.Millisecond)
				} else if queries++; name != user {
					user = name
					fmt.Println("user " + user)
				}
				lock.Unlock()
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	atomic.StoreInt32(&stopped, 1)
	workers.Wait()
	_ = orders.Close()
	fmt.Printf("done %d\n", queries)
}

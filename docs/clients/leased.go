// Package leased gives database connections by a lease of the broker's: a pool per lease, because the user's name changes with the
// password.
//
//	orders, err := leased.Open(ctx, "http://broker.broker.svc:8080", "orders-api", "/var/run/secrets/broker/token", "postgres", "lib/pq")
//	defer orders.Close()
//	err = orders.Use(func(db *sql.DB) error { return db.QueryRowContext(ctx, "SELECT 1").Scan(&one) })
package leased

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	silence      = 45 * time.Second // the broker gives a sign of life every 15 seconds
	longestPause = 30 * time.Second
)

type grant struct {
	Rotate         bool
	OverlapSeconds int
	Lease          struct{ ID string }
	Holder         struct{ ID string }
	Connections    int
	Credentials    *struct {
		Username string
		Drivers  map[string]string
	}
}

type refusal struct {
	status int
	after  time.Duration
	detail string
}

func (r *refusal) Error() string { return r.detail }

// A pool and the work that is under way on it.
type pool struct {
	db   *sql.DB
	work sync.WaitGroup
}

// Leased is a database by a lease. Its methods may be called by many goroutines.
type Leased struct {
	broker, role, tokenFile, driver, member string

	gate sync.Mutex // held while old connections have to go before new ones come
	pool *pool
	now  *grant
	stop context.CancelFunc
	done chan struct{}
}

// Open asks for the lease and follows it until Close. The driver is database/sql's name, the member that of the grant's drivers.
func Open(ctx context.Context, broker, role, tokenFile, driver, member string) (*Leased, error) {
	l := &Leased{broker: broker, role: role, tokenFile: tokenFile, driver: driver, member: member, done: make(chan struct{})}
	first, err := l.claim(ctx)
	if err != nil {
		return nil, err
	}
	if l.pool, err = l.open(first); err != nil {
		return nil, err
	}
	l.now = first
	l.say("has %d connections as %s", first.Connections, first.Credentials.Username)
	following, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.follow(following)
	return l, nil
}

// Use runs work with the database of the day; work that is under way finishes on the connections it began with.
func (l *Leased) Use(work func(*sql.DB) error) error {
	l.gate.Lock()
	pool := l.pool
	pool.work.Add(1)
	l.gate.Unlock()
	defer pool.work.Done()
	return work(pool.db)
}

// Close gives the connections back at once; if that does not get through, they come free by themselves.
func (l *Leased) Close() error {
	l.stop()
	<-l.done
	l.gate.Lock()
	defer l.gate.Unlock()
	err := l.pool.db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if answer, failure := l.call(ctx, http.MethodDelete, "/api/v1/holders/"+l.now.Holder.ID, ""); failure != nil {
		l.say("could not release: %v", failure)
	} else {
		answer.Body.Close()
	}
	return err
}

func (l *Leased) open(g *grant) (*pool, error) {
	db, err := sql.Open(l.driver, g.Credentials.Drivers[l.member])
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(g.Connections)
	db.SetMaxIdleConns(g.Connections)
	return &pool{db: db}, nil
}

func (l *Leased) moveTo(next *grant, overlap int) error {
	l.say("moves from %s to %s, %d connections", l.now.Credentials.Username, next.Credentials.Username, next.Connections)
	fresh, err := l.open(next)
	if err != nil {
		return err
	}
	l.gate.Lock()
	defer l.gate.Unlock()
	old := l.pool
	if overlap == 0 {
		old.close(30 * time.Second) // who begins now waits
	} else {
		go old.close(time.Duration(overlap) * time.Second)
	}
	l.pool, l.now = fresh, next
	return nil
}

// Closes a pool when the work on it is done, or its time is over.
func (p *pool) close(within time.Duration) {
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(within):
	}
	p.db.Close()
}

func (l *Leased) take(next *grant) error {
	if next.Rotate {
		return l.moveTo(next, next.OverlapSeconds)
	}
	next.Credentials = l.now.Credentials
	if next.Connections != l.now.Connections {
		l.say("has %d connections now", next.Connections)
		l.pool.db.SetMaxOpenConns(next.Connections)
		l.pool.db.SetMaxIdleConns(next.Connections)
	}
	l.now = next
	return nil
}

func (l *Leased) claim(ctx context.Context) (*grant, error) {
	// Waits in line up to 20 seconds when the database has no connections free.
	answer, err := l.call(ctx, http.MethodPost, "/api/v1/roles/"+l.role+"/credentials", "wait=20")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	g := &grant{}
	return g, json.NewDecoder(answer.Body).Decode(g)
}

// Server-sent events: the broker renews the holder while we listen, and says at once when to move.
func (l *Leased) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	answer, err := l.call(ctx, http.MethodGet, "/api/v1/holders/"+l.now.Holder.ID+"/watch?lease="+l.now.Lease.ID, "")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	kind := ""
	for lines.Scan() {
		quiet.Reset(silence)
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: ") && kind == "ending":
			var why struct{ Detail string }
			_ = json.Unmarshal([]byte(line[len("data: "):]), &why)
			return &refusal{status: http.StatusNotFound, detail: why.Detail}
		case strings.HasPrefix(line, "data: "):
			next := &grant{}
			if err := json.Unmarshal([]byte(line[len("data: "):]), next); err != nil {
				return err
			}
			if err := l.take(next); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (l *Leased) follow(ctx context.Context) {
	defer close(l.done)
	pause := time.Second
	for ctx.Err() == nil {
		began, wanted := time.Now(), time.Duration(0)
		if err := l.watch(ctx); err == nil {
			l.say("the broker ended the watch; watching again")
		} else if ctx.Err() == nil {
			l.say("%v; the connections go on meanwhile", err)
			refused, _ := err.(*refusal)
			if refused != nil && refused.status == http.StatusNotFound {
				// The holder has ended: it claims again. The same lease mostly, and then its connections stay.
				next, failure := l.claim(ctx)
				if failure == nil && next.Lease.ID == l.now.Lease.ID {
					err = l.take(next)
				} else if failure == nil {
					err = l.moveTo(next, 0)
				}
				if failure == nil && err == nil {
					l.say("has a new holder of %s", l.now.Credentials.Username)
					pause = time.Second
					continue
				}
				l.say("cannot claim again: %v", failure)
				refused, _ = failure.(*refusal)
			}
			if refused != nil {
				wanted = refused.after
			}
		}
		if time.Since(began) > longestPause {
			pause = time.Second
		}
		if wanted < pause {
			wanted = pause
		}
		select {
		case <-ctx.Done():
		case <-time.After(wanted/2 + time.Duration(rand.Int63n(int64(wanted/2)))):
		}
		if pause *= 2; pause > longestPause {
			pause = longestPause
		}
	}
}

func (l *Leased) call(ctx context.Context, method, path, prefer string) (*http.Response, error) {
	token, err := os.ReadFile(l.tokenFile) // Kubernetes renews it, so it is read each time
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, l.broker+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if prefer != "" {
		request.Header.Set("Prefer", prefer)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode < 300 {
		return answer, err
	}
	defer answer.Body.Close()
	problem := struct{ Detail string }{fmt.Sprintf("the broker answered %s", answer.Status)}
	_ = json.NewDecoder(answer.Body).Decode(&problem)
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return nil, &refusal{answer.StatusCode, time.Duration(seconds) * time.Second, problem.Detail}
}

func (l *Leased) say(format string, words ...interface{}) {
	log.Printf("lease of "+l.role+": "+format, words...)
}

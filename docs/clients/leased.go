// Package leased gives database connections by a lease of the broker's: a pool per lease, because the user's name changes with the
// password.
//
//	orders, err := leased.Open(ctx, "https://broker.broker.svc", "orders-api", "/var/run/secrets/broker/token", "postgres", "lib/pq",
//		leased.Wants{Connections: 10, MinConnections: 2})
//	defer orders.Close()
//	err = orders.Use(func(db *sql.DB) error { return db.QueryRowContext(ctx, "SELECT 1").Scan(&one) })
package leased

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
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
	callWithin   = 30 * time.Second
	startWithin  = 2 * time.Minute // a full database, or a broker that starts, answers before long
)

type grant struct {
	Rotate         bool
	OverlapSeconds int
	Lease          struct{ ID string }
	Holder         struct{ ID string }
	Connections    int
	Allotment      *int64
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

// A pool and the work on it.
type pool struct {
	db   *sql.DB
	work sync.WaitGroup
}

// Wants is how many connections it wants (0: the role's default), and the fewest it accepts (0: as many, or the role's least where it
// names none): the broker gives more, or asks it to go down, between the two.
type Wants struct {
	Connections    int `json:"connections,omitempty"`
	MinConnections int `json:"minConnections,omitempty"`
}

// Leased is a database by a lease. Its methods may be called by many goroutines.
type Leased struct {
	broker, role, tokenFile, driver, member string
	wants                                   []Wants

	gate sync.Mutex // held while old connections have to close before new ones open
	pool *pool
	now  *grant
	// The numbers of the last size it was told, and of the last size it keeps to.
	told, allotment int64

	stop context.CancelFunc
	done chan struct{}
}

// Open asks for the lease and follows it until Close. The driver is database/sql's name, the member that of the grant's drivers.
func Open(ctx context.Context, broker, role, tokenFile, driver, member string, wants ...Wants) (*Leased, error) {
	l := &Leased{broker: broker, role: role, tokenFile: tokenFile, driver: driver, member: member, wants: wants, done: make(chan struct{})}
	first, err := l.begin(ctx)
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

// Use runs work with the current database; running work finishes on the connections it began with.
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
	if answer, failure := l.call(ctx, http.MethodDelete, "/api/v1/holders/"+l.now.Holder.ID, "", nil); failure != nil {
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

// Returns whether the old connections are closed, or may stay open for a while.
func (l *Leased) moveTo(next *grant, overlap int) (bool, error) {
	l.say("moves from %s to %s, %d connections", l.now.Credentials.Username, next.Credentials.Username, next.Connections)
	fresh, err := l.open(next)
	if err != nil {
		return false, err
	}
	l.gate.Lock()
	defer l.gate.Unlock()
	old, closed := l.pool, true
	if overlap == 0 {
		closed = old.close(30 * time.Second) // new work waits
	} else {
		go old.close(time.Duration(overlap) * time.Second)
	}
	l.pool, l.now = fresh, next
	return closed, nil
}

// Closes a pool when the work on it is done, or its time is over. Returns whether it was done.
func (p *pool) close(within time.Duration) bool {
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	idle := true
	select {
	case <-done:
	case <-time.After(within):
		idle = false
	}
	p.db.Close()
	return idle
}

// Grows at once; shrinks as soon as enough are unused. False: they were not in time.
func (l *Leased) resize(ctx context.Context, next *grant) bool {
	next.Credentials = l.now.Credentials
	if next.Connections != l.now.Connections {
		l.say("has %d connections now", next.Connections)
	}
	l.now = next
	l.pool.db.SetMaxOpenConns(next.Connections)
	l.pool.db.SetMaxIdleConns(next.Connections)
	for end := time.Now().Add(30 * time.Second); l.pool.db.Stats().OpenConnections > next.Connections; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
	}
	return true
}

func (l *Leased) take(ctx context.Context, next *grant) error {
	if next.Allotment != nil {
		// Answers of watching and renewing can overtake each other: it ignores a size that is older than the last.
		if *next.Allotment < l.told {
			return nil
		}
		l.told = *next.Allotment
	}
	keeps, err := false, error(nil)
	if next.Rotate && next.Lease.ID != l.now.Lease.ID {
		keeps, err = l.moveTo(next, next.OverlapSeconds)
	} else {
		keeps = l.resize(ctx, next)
	}
	if err != nil || !keeps || l.told == l.allotment {
		return err
	}
	// No more are open than it was told, and it confirms that: the broker then gives the others to waiting claims.
	l.allotment = l.told
	answer, err := l.call(ctx, http.MethodPost, "/api/v1/holders/"+l.now.Holder.ID+"/renew?"+l.inUse(), "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	told := &grant{}
	if err := json.NewDecoder(answer.Body).Decode(told); err != nil {
		return err
	}
	return l.take(ctx, told)
}

// Tells the broker what it uses, so that it can be asked to go down, and be given more.
func (l *Leased) inUse() string {
	return fmt.Sprintf("lease=%s&allotment=%d", l.now.Lease.ID, l.allotment)
}

// The first claim waits until there is a grant; a caller that may not have one is told so at once.
func (l *Leased) begin(ctx context.Context) (*grant, error) {
	for end := time.Now().Add(startWithin); ; {
		first, err := l.claim(ctx)
		wait := time.Second
		if refused, told := err.(*refusal); told && refused.after > 0 {
			wait = refused.after
		} else if err == nil || told && refused.status < 500 {
			return first, err
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, err
		}
		l.say("cannot claim yet: %v", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (l *Leased) claim(ctx context.Context) (*grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	// Waits in line up to 20 seconds when the database has no connections free.
	var body io.Reader
	if len(l.wants) > 0 {
		wants, err := json.Marshal(l.wants[0])
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(wants)
	}
	answer, err := l.call(ctx, http.MethodPost, "/api/v1/roles/"+l.role+"/credentials", "wait=20", body)
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
	answer, err := l.call(ctx, http.MethodGet, "/api/v1/holders/"+l.now.Holder.ID+"/watch?"+l.inUse(), "", nil)
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
			if err := l.take(ctx, next); err != nil {
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
				// The holder has ended: it claims again. It usually gets the same lease, and then its connections stay.
				next, failure := l.claim(ctx)
				l.told, l.allotment = 0, 0 // a new holder begins with 0
				err = nil
				if failure == nil && next.Lease.ID == l.now.Lease.ID {
					l.resize(ctx, next)
				} else if failure == nil {
					_, err = l.moveTo(next, 0)
				}
				if failure == nil && err == nil {
					l.say("has a new holder of %s", l.now.Credentials.Username)
					pause = time.Second
					continue
				}
				if failure == nil {
					failure = err
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
		if spread := pause/2 + time.Duration(rand.Int63n(int64(pause/2))); wanted < spread {
			wanted = spread
		}
		select {
		case <-ctx.Done():
		case <-time.After(wanted):
		}
		if pause *= 2; pause > longestPause {
			pause = longestPause
		}
	}
}

func (l *Leased) call(ctx context.Context, method, path, prefer string, body io.Reader) (*http.Response, error) {
	token, err := os.ReadFile(l.tokenFile) // Kubernetes renews it, so it is read each time
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, l.broker+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
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

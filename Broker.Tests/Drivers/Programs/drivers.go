// Connects with each string it is given ({"driver": …, "text": …} in a list on standard input) by that driver, and prints what the
// server sees, a JSON object a line.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	_ "github.com/lib/pq"
)

const postgres = "SELECT current_user, current_database(), current_setting('application_name'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
const mysql = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), DATABASE(), COALESCE((SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'), ''), (SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER')"

type seen struct {
	Driver    string `json:"driver"`
	User      string `json:"user"`
	Database  string `json:"database"`
	Name      string `json:"name"`
	Encrypted bool   `json:"encrypted"`
	Pool      *int   `json:"pool"`
	Error     string `json:"error,omitempty"`
}

func plain(kind, text, question string, to *seen) error {
	db, err := sql.Open(kind, text)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.QueryRow(question).Scan(&to.User, &to.Database, &to.Name, &to.Encrypted)
}

func one(text string, to *seen) error {
	connection, err := pgx.Connect(context.Background(), text)
	if err != nil {
		return err
	}
	defer connection.Close(context.Background())
	return connection.QueryRow(context.Background(), postgres).Scan(&to.User, &to.Database, &to.Name, &to.Encrypted)
}

func pool(text string, to *seen) error {
	pool, err := pgxpool.Connect(context.Background(), text)
	if err != nil {
		return err
	}
	defer pool.Close()
	most := int(pool.Config().MaxConns)
	to.Pool = &most
	return pool.QueryRow(context.Background(), postgres).Scan(&to.User, &to.Database, &to.Name, &to.Encrypted)
}

func main() {
	var jobs []struct{ Driver, Text string }
	if err := json.NewDecoder(os.Stdin).Decode(&jobs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, job := range jobs {
		result := seen{Driver: job.Driver}
		var err error
		switch job.Driver {
		case "lib/pq":
			err = plain("postgres", job.Text, postgres, &result)
		case "pgx":
			err = one(job.Text, &result)
		case "pgxpool":
			err = pool(job.Text, &result)
		default:
			err = plain("mysql", job.Text, mysql, &result)
		}
		if err != nil {
			result.Error = err.Error()
		}
		_ = json.NewEncoder(os.Stdout).Encode(result)
	}
}

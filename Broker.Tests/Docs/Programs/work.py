"""Works with the documented client until standard input ends: says who it is when that changes, and each query that failed."""
import logging
import pathlib
import sys
import threading
import time

import sqlalchemy

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "docs/clients"))
from leased import Leased  # noqa: E402

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
sizes = dict(zip(("connections", "min_connections"), map(int, sys.argv[4:])))
orders = Leased(*sys.argv[1:4], driver="sqlalchemy+psycopg2", **sizes)
user, queries, stopped, lock = "", 0, threading.Event(), threading.Lock()


def work():
    global user, queries
    while not stopped.is_set():
        try:
            with orders.connect() as connection:
                name = connection.execute(sqlalchemy.text("SELECT current_user FROM pg_sleep(0.02)")).scalar()
            with lock:
                queries += 1
                if name != user:
                    user = name
                    print(f"user {user}", flush=True)
        except Exception as failure:
            print("failed " + str(failure).replace("\n", " "), flush=True)
            time.sleep(0.02)


workers = [threading.Thread(target=work) for _ in range(6)]
for worker in workers:
    worker.start()
sys.stdin.read()
stopped.set()
for worker in workers:
    worker.join()
orders.close()
print(f"done {queries}", flush=True)

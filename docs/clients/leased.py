"""Database connections by a lease of the broker's: an SQLAlchemy engine per lease, because the user's name changes with the password.

    orders = Leased("https://broker.broker.svc", "orders-api", "/var/run/secrets/broker/token", connections=10, min_connections=2)
    with orders.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    orders.close()

connections: how many it wants (the role's default); min_connections: the fewest it accepts. The broker gives more, or asks it to
go down, between the two.
"""
import contextlib
import http.client
import json
import logging
import random
import threading
import time
import urllib.error
import urllib.request

import sqlalchemy

SILENCE = 45  # the broker gives a sign of life every 15 seconds
LONGEST_PAUSE = 30
START_WITHIN = 120  # a full database, or a broker that starts, answers before long


class Ended(Exception):
    """The holder has ended."""


class Leased:
    def __init__(self, broker, role, token_file, driver="sqlalchemy+psycopg", connections=None, min_connections=None, log=logging.getLogger("lease")):
        self.broker, self.role, self.token_file, self.driver, self.log = broker, role, token_file, driver, log
        self.stop = threading.Event()
        self.changed = threading.Condition(threading.RLock())
        self.closed = False  # True while old connections have to close before new ones open
        self.users = {}  # connections in use, by engine
        self.stream = None
        self.wants = {"connections": connections, "minConnections": min_connections}
        self.told = self.allotment = 0  # the numbers of the last size it was told, and of the last size it keeps to
        self.grant = self._begin()
        self.engine = self._open(self.grant)
        log.info("has %s connections as %s", self.grant["connections"], self.grant["credentials"]["username"])
        self.following = threading.Thread(target=self._follow, daemon=True)
        self.following.start()

    @contextlib.contextmanager
    def connect(self):
        """A connection; give it back soon, as always."""
        with self.changed:
            self.changed.wait_for(lambda: not self.closed and self.users.get(self.engine, 0) < self.grant["connections"])
            engine = self.engine
            self.users[engine] = self.users.get(engine, 0) + 1
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            with self.changed:
                self.users[engine] -= 1
                self._forget(engine)
                self.changed.notify_all()

    def close(self):
        """Gives the connections back at once; if that does not get through, they come free by themselves."""
        self.stop.set()
        if self.stream is not None:
            with contextlib.suppress(OSError, AttributeError):  # ended already
                self.stream.fp.raw._sock.shutdown(2)
        self.following.join(5)
        self.engine.dispose()
        try:
            self._call("DELETE", f"/api/v1/holders/{self.grant['holder']['id']}").close()
        except OSError as failure:
            self.log.warning("could not release: %s", failure)

    # SQLAlchemy's pool cannot be resized, so it has no size, and a caller waits until a connection is left.
    def _open(self, grant):
        return sqlalchemy.create_engine(grant["credentials"]["drivers"][self.driver], pool_size=0, max_overflow=-1, pool_pre_ping=True)

    # Running queries finish on the old engine; where both may not be open at once, new ones wait for them.
    def _move_to(self, grant, overlap):
        self.log.info("moves from %s to %s, %s connections", self.grant["credentials"]["username"], grant["credentials"]["username"], grant["connections"])
        new, old = self._open(grant), self.engine
        with self.changed:
            closed = True
            self.closed = overlap == 0
            try:
                if overlap == 0:
                    closed = self._drain(old, 30)
            finally:
                self.engine, self.grant, self.closed = new, grant, False
                self._forget(old)
                self.changed.notify_all()
        if overlap > 0:
            threading.Thread(target=self._drain, args=(old, overlap), daemon=True).start()
        return closed

    def _forget(self, engine):
        if engine is not self.engine and not self.users.get(engine):
            self.users.pop(engine, None)

    # Disposes of an engine when nobody uses it, or its time is over. Returns whether nobody does.
    def _drain(self, old, within):
        with self.changed:
            idle = self.changed.wait_for(lambda: not self.users.get(old), timeout=within)
        old.dispose()
        return idle

    # Grows at once; shrinks as soon as enough are unused. False: they were not in time.
    def _resize(self, renewed):
        if renewed["connections"] != self.grant["connections"]:
            self.log.info("has %s connections now", renewed["connections"])
        with self.changed:
            self.grant = {**renewed, "credentials": self.grant["credentials"]}
            self.changed.notify_all()
            if not self.changed.wait_for(lambda: self.users.get(self.engine, 0) <= renewed["connections"], timeout=30):
                return False
            if self.engine.pool.checkedin() + self.users.get(self.engine, 0) > renewed["connections"]:
                self.engine.pool.dispose()  # the connections in use reach the limit: the idle ones go
            return True

    def _take(self, renewed):
        # Answers of watching and renewing can overtake each other: it ignores a size that is older than the last.
        if renewed.get("allotment", self.told) < self.told:
            return
        self.told = renewed.get("allotment", self.told)
        moves = renewed["rotate"] and renewed["lease"]["id"] != self.grant["lease"]["id"]
        keeps = self._move_to(renewed, renewed["overlapSeconds"]) if moves else self._resize(renewed)
        if keeps and self.told != self.allotment:
            # No more are open than it was told, and it confirms that: the broker then gives the others to waiting claims.
            self.allotment = self.told
            with self._call("POST", f"/api/v1/holders/{self.grant['holder']['id']}/renew?{self._in_use()}") as answer:
                self._take(json.load(answer))

    # Tells the broker what it uses, so that it can be asked to go down, and be given more.
    def _in_use(self):
        return f"lease={self.grant['lease']['id']}&allotment={self.allotment}"

    # The first claim waits until there is a grant; a caller that may not have one is told so at once.
    def _begin(self):
        end = time.monotonic() + START_WITHIN
        while True:
            try:
                return self._claim()
            except (OSError, http.client.HTTPException) as failure:
                after = _retry_after(failure)
                if getattr(failure, "code", 500) < 500 and not after or time.monotonic() > end:
                    raise
                self.log.warning("cannot claim yet: %s", failure)
                time.sleep(after or 1)

    def _claim(self):
        # Waits in line up to 20 seconds when the database has no connections free.
        with self._call("POST", f"/api/v1/roles/{self.role}/credentials", {"Prefer": "wait=20"}, wants=self.wants) as answer:
            return json.load(answer)

    # Server-sent events: the broker renews the holder while we listen, and says at once when to move.
    def _watch(self):
        path = f"/api/v1/holders/{self.grant['holder']['id']}/watch?{self._in_use()}"
        with self._call("GET", path, timeout=SILENCE) as self.stream:
            kind = None
            for line in self.stream:
                line = line.decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[len("event: "):]
                elif line.startswith("data: "):
                    if kind == "ending":
                        raise Ended(json.loads(line[len("data: "):])["detail"])
                    self._take(json.loads(line[len("data: "):]))

    def _follow(self):
        pause = 1
        while not self.stop.is_set():
            began, wanted = time.monotonic(), 0
            try:
                self._watch()
                self.log.info("the broker ended the watch; watching again")
            except Exception as failure:  # whatever fails, it keeps following the lease
                if self.stop.is_set():
                    return
                self.log.warning("%s; the connections go on meanwhile", failure)
                wanted = _retry_after(failure)
                if isinstance(failure, Ended) or getattr(failure, "code", None) == 404:
                    try:
                        # The holder has ended: it claims again. It usually gets the same lease, and then its connections stay.
                        grant = self._claim()
                        self.told = self.allotment = 0  # a new holder begins with 0
                        if grant["lease"]["id"] != self.grant["lease"]["id"]:
                            self._move_to(grant, 0)
                        else:
                            self._resize(grant)
                        self.log.info("has a new holder of %s", grant["credentials"]["username"])
                        pause = 1
                        continue
                    except Exception as refused:
                        self.log.warning("cannot claim again: %s", refused)
                        wanted = _retry_after(refused)
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = 1
            self.stop.wait(max(wanted, pause * random.uniform(0.5, 1)))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _call(self, method, path, headers={}, timeout=30, wants=None):
        with open(self.token_file) as file:  # Kubernetes renews it, so it is read each time
            token = file.read().strip()
        request = urllib.request.Request(self.broker + path, method=method, headers={"Authorization": f"Bearer {token}", **headers})
        if wants is not None:
            request.data = json.dumps(wants).encode()
            request.add_header("Content-Type", "application/json")
        return urllib.request.urlopen(request, timeout=timeout)


def _retry_after(failure):
    headers = getattr(failure, "headers", None) or {}
    after = headers.get("Retry-After") if isinstance(failure, urllib.error.HTTPError) else None
    return int(after) if after and after.isdigit() else 0

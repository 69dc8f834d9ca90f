"""Connects with each string it is given ({"driver": …, "text": …} in a list on standard input) by that driver, and prints what the server sees."""
import asyncio
import json
import sys

POSTGRES = "SELECT current_user, current_database(), current_setting('application_name'), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
MYSQL = """SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), DATABASE(),
  (SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'),
  (SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER')"""


def sqlalchemy(text, question):
    import sqlalchemy as sa
    engine = sa.create_engine(text, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return tuple(connection.execute(sa.text(question)).fetchone())


def psycopg2(text, question):
    import psycopg2 as driver
    connection = driver.connect(text)
    try:
        cursor = connection.cursor()
        cursor.execute(question)
        return cursor.fetchone()
    finally:
        connection.close()


def psycopg(text, question):
    import psycopg as driver
    with driver.connect(text) as connection:
        return connection.execute(question).fetchone()


def asyncpg(text, question):
    import asyncpg as driver

    async def ask():
        connection = await driver.connect(text)
        try:
            return tuple(await connection.fetchrow(question))
        finally:
            await connection.close()

    return asyncio.run(ask())


DRIVERS = {
    "psycopg2": (psycopg2, POSTGRES), "psycopg": (psycopg, POSTGRES), "asyncpg": (asyncpg, POSTGRES),
    "sqlalchemy+psycopg2": (sqlalchemy, POSTGRES), "sqlalchemy+pymysql": (sqlalchemy, MYSQL),
}

for job in json.load(sys.stdin):
    ask, question = DRIVERS[job["driver"]]
    try:
        user, database, name, encrypted = ask(job["text"], question)
        print(json.dumps({"driver": job["driver"], "user": user, "database": database, "name": name, "encrypted": bool(encrypted), "pool": None, "error": None}))
    except Exception as failure:
        print(json.dumps({"driver": job["driver"], "error": f"{type(failure).__name__}: {failure}"}))

"""Applications that use a login of Vault's as its manuals say: each asks its database all the time, renews its lease, and reads another
login when its own gives out, before it closes the connection it has. Prints what they saw when the file that is named last exists."""
import collections
import json
import os
import sys
import threading
import time

import hvac
import psycopg2

address, mount, role, jwts, port, stop = sys.argv[1:7]
answered, failed = collections.Counter(), []


def connect(secret):
    data = secret["data"]
    return psycopg2.connect(host="127.0.0.1", port=port, dbname="app", user=data["username"], password=data["password"], connect_timeout=60)


def live(jwt):
    client = hvac.Client(url=address, timeout=60)
    client.auth.kubernetes.login(role=role, jwt=jwt, mount_point=mount)
    secret = client.secrets.database.generate_credentials(name=role)
    connection, renew_at = connect(secret), 0
    while not os.path.exists(stop):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user FROM pg_sleep(0.05)")
            answered[cursor.fetchone()[0]] += 1
        connection.commit()
        if time.monotonic() < renew_at:
            continue
        renew_at = time.monotonic() + 1
        client.auth.token.renew_self()
        try:
            left = client.sys.renew_lease(secret["lease_id"], increment=secret["lease_duration"])["lease_duration"]
        except hvac.exceptions.InvalidRequest:  # past the max TTL
            left = 0
        if left < secret["lease_duration"] / 2:
            secret = client.secrets.database.generate_credentials(name=role)
            former, connection = connection, connect(secret)
            former.close()
    client.sys.revoke_lease(secret["lease_id"])
    connection.close()


def run(jwt):
    try:
        live(jwt)
    except Exception as error:  # whatever it is, the test shows it
        failed.append(f"{type(error).__name__}: {error}")


with open(jwts) as lines:
    threads = [threading.Thread(target=run, args=(jwt,)) for jwt in lines.read().split()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"step": "all", "failed": failed, "users": dict(answered)}))

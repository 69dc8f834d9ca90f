"""hvac, as people use it: log in, read, renew, look up, revoke. Prints what it saw as JSON, a line for each step."""
import json
import sys

import hvac

address, jwt, role = sys.argv[1:4]


def say(step, **seen):
    print(json.dumps({"step": step, **seen}), flush=True)


def refused(step, call):
    try:
        call()
        say(step, error=None)
    except hvac.exceptions.VaultError as error:
        say(step, error=type(error).__name__, text=str(error))


client = hvac.Client(url=address)
say("health", sealed=client.sys.is_sealed(), initialized=client.sys.is_initialized())
refused("bad login", lambda: client.auth.kubernetes.login(role=role, jwt="not.a.token"))
login = client.auth.kubernetes.login(role=role, jwt=jwt)
say("login", authenticated=client.is_authenticated(), duration=login["auth"]["lease_duration"], renewable=login["auth"]["renewable"])
first = client.secrets.database.generate_credentials(name=role)
say("read", user=first["data"]["username"], lease=first["lease_id"], duration=first["lease_duration"])
renewed = client.sys.renew_lease(first["lease_id"])  # sends "increment": null
say("renew", lease=renewed["lease_id"], duration=renewed["lease_duration"])
say("look up", ttl=client.sys.read_lease(first["lease_id"])["data"]["ttl"])
say("renew token", duration=client.auth.token.renew_self()["auth"]["lease_duration"])
say("look up token", type=client.auth.token.lookup_self()["data"]["type"])
accessor = client.auth.token.lookup_self()["data"]["accessor"]
say("accessor", id=client.auth.token.lookup_accessor(accessor)["data"]["id"], token=client.auth.token.lookup(client.token)["data"]["id"] == client.token)
wrapped = client.read(f"database/creds/{role}", wrap_ttl="60s")["wrap_info"]["token"]
say("unwrap", user=client.sys.unwrap(wrapped)["data"]["username"])
elsewhere = hvac.Client(url=address, namespace="team-a")
elsewhere.auth.kubernetes.login(role=role, jwt=jwt)
say("namespace", user=elsewhere.secrets.database.generate_credentials(name=role)["data"]["username"])
refused("unknown role", lambda: client.secrets.database.generate_credentials(name="nosuch"))
refused("unknown lease", lambda: client.sys.renew_lease("database/creds/nosuch/x"))
refused("not allowed", lambda: client.sys.list_mounted_secrets_engines())
client.sys.revoke_lease(first["lease_id"])
refused("revoked lease", lambda: client.sys.renew_lease(first["lease_id"]))
client.auth.token.revoke_self()
say("revoked", authenticated=client.is_authenticated())
refused("read after revocation", lambda: client.secrets.database.generate_credentials(name=role))
again = hvac.Client(url=address)
again.auth.kubernetes.login(role=role, jwt=jwt)
say("read again", user=again.secrets.database.generate_credentials(name=role)["data"]["username"])

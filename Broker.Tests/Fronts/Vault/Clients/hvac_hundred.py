"""A hundred clients at once, each with a token of its own: log in and read. Prints what all of them saw."""
import concurrent.futures
import json
import sys

import hvac

address, role, jwts = sys.argv[1:4]


def read(jwt):
    client = hvac.Client(url=address, timeout=120)
    client.auth.kubernetes.login(role=role, jwt=jwt)
    secret = client.secrets.database.generate_credentials(name=role)
    renewed = client.sys.renew_lease(secret["lease_id"])
    return secret["data"]["username"], secret["lease_id"], renewed["lease_duration"] == secret["lease_duration"]


with open(jwts) as lines, concurrent.futures.ThreadPoolExecutor(100) as pool:
    seen = list(pool.map(read, lines.read().split()))
print(json.dumps({"step": "all", "users": len({user for user, _, _ in seen}), "leases": len({lease for _, lease, _ in seen}), "same": all(same for _, _, same in seen)}))

#!/usr/bin/env bash
# Shows what the broker does: the same rollout of 100 pods without and with it, on a real database.
#   ./demo.sh            the tables
#   ./demo.sh --stay     keeps everything running afterwards and says how to try it
#   ./demo.sh --engine mysql   on MariaDB instead of PostgreSQL
#   ./demo.sh --pgbouncer      pods that open 20 connections each on a database of 100, with PgBouncer between
#   ./demo.sh --vault    lets the Vault named by VAULT_BIN or BROKER_TEST_VAULT create the users
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

.ci/need-programs.sh postgresql mariadb-server redis-server pgbouncer
echo "Building (Release) ..."
dotnet build LoadTests -c Release --nologo -v quiet
# The broker as users run it: published, compiled ahead of time as in its image.
BROKER_PROGRAM=$(.ci/publish-broker.sh)
export BROKER_PROGRAM
exec dotnet LoadTests/bin/Release/net10.0/loadtests.dll demo "$@"

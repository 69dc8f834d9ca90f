#!/usr/bin/env bash
# Measures the broker as users run it: published, compiled ahead of time as in its image, with default settings.
#   LoadTests/bench.sh                        everything, about a quarter of an hour
#   LoadTests/bench.sh --part burst           or claims, vault, steering, start, holders, fleet, rollout; --help lists the rest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.ci/need-programs.sh postgresql redis-server
echo "Building (Release) ..." >&2
dotnet build LoadTests -c Release --nologo -v quiet >&2
BROKER_PROGRAM=$(.ci/publish-broker.sh)
export BROKER_PROGRAM
exec dotnet LoadTests/bin/Release/net10.0/loadtests.dll bench "$@"

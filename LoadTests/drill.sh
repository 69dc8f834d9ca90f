#!/usr/bin/env bash
# A recovery drill: Redis, Vault and the broker's replicas are lost and brought back, while pods are at work.
#   LoadTests/drill.sh                          the report, as a table
#   LoadTests/drill.sh --report drill.json      writes it for the broker too (Broker:Drill:ReportFile)
#   LoadTests/drill.sh --page docs/drill-report.md
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.ci/need-programs.sh postgresql redis-server
echo "Building (Release) ..." >&2
dotnet build Broker.sln -c Release --nologo -v quiet
exec dotnet LoadTests/bin/Release/net10.0/loadtests.dll drill "$@"

#!/usr/bin/env bash
# Builds everything in Release and runs every test. The last line is the sum: "N passed, N failed, N skipped"; it is printed
# only when every test host ran to its end. Arguments go to the tests, e.g. ./test.sh --filter-namespace Broker.Tests.Ledger
# With --quick as the first: all but what starts servers, or takes long (.ci/not-quick); nothing but the .NET SDK is needed.
# A whole run starts brokers that are compiled ahead of time, as in their image; one with arguments those that were built, or what BROKER_PROGRAM names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

quick=
if [ "${1:-}" = --quick ]; then
  quick=$(mktemp)
  shift
else
  .ci/need-programs.sh postgresql mariadb-server redis-server pgbouncer chromium-headless-shell libfaketime docker-compose prometheus nginx-light python3-hvac drivers
  .ci/need-postgres-18.sh
  (cd Broker.Tests/Drivers/Programs && npm ci --no-audit --no-fund --silent) &
  installing=$!
fi
echo "Building (Release) ..."
dotnet build Broker.sln -c Release --nologo -v quiet
if [ -z "$quick" ]; then wait "$installing"; fi
if [ -z "$quick" ] && [ $# -eq 0 ] && [ -z "${BROKER_PROGRAM:-}" ]; then
  BROKER_PROGRAM=$(.ci/publish-broker.sh)
  export BROKER_PROGRAM
fi
if [ -n "$quick" ]; then
  BROKER_TEST_QUICK_LIST=$quick dotnet run --project Broker.Tests -c Release --no-build -- --filter-class Broker.Tests.QuickTests >/dev/null
  while read -r class; do set -- "$@" --filter-not-class "$class"; done < <(cat "$quick" .ci/not-quick | grep -v '^#')
  rm "$quick"
  export BROKER_TEST_QUICK=1
fi

results=$PWD/TestResults
rm -rf "$results"
mkdir -p "$results"
code=0
# Hundreds of brokers start and live for seconds: compiling what they have run a few times anew, watching it for that, and mapping each compiled page twice
# (no page that can be written can be run), is a quarter of what their first seconds cost.
export DOTNET_TieredPGO=0 DOTNET_TC_CallCountThreshold=300 DOTNET_EnableWriteXorExecute=0
dotnet Broker.Tests/bin/Release/net10.0/Broker.Tests.dll \
  --report-xunit-trx --results-directory "$results" "$@" || code=$?

# 0: all passed; 2: some failed; anything else (8: no test ran, 134: crashed, ...) is a run that broke.
if [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then
  echo "The test run broke: exit code $code$([ "$code" -ne 8 ] || echo ' (no test ran)')." >&2
  exit "$code"
fi

.ci/sum-tests.sh "$results" "$code"

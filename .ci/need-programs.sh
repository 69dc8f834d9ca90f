#!/usr/bin/env bash
# Makes sure that Debian packages' programs are here: installs them as root, else says which command does and stops.
#   .ci/need-programs.sh postgresql redis-server
set -euo pipefail

# Of other languages, what the drivers' tests connect with: interpreters, compilers, and Debian's packages of drivers.
drivers=(
  nodejs npm default-jdk-headless golang-go libpostgresql-jdbc-java libmariadb-java libhikaricp-java libslf4j-java
  golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev golang-github-go-sql-driver-mysql-dev
  libjackson2-databind-java
  python3-psycopg2 python3-psycopg python3-asyncpg python3-pymysql python3-sqlalchemy
)

is_here() {
  case $1 in
    golang-go) command -v go >/dev/null ;;
    default-jdk-headless) command -v javac >/dev/null ;;
    lib*-java | golang-*-dev | python3-[aps]*) dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null ;;
    mariadb-server) [ -x /usr/sbin/mariadbd ] || command -v mariadbd >/dev/null ;;
    libfaketime) compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null ;;
    prometheus) command -v promtool >/dev/null ;;
    nginx-light) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    python3-hvac) /usr/bin/python3 -c 'import hvac' 2>/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    # Without a window a page costs two thirds.
    redis-server | chromium-headless-shell | pgbouncer | docker-compose) command -v "$1" >/dev/null ;;
    *) echo "need-programs.sh does not know the package $1." >&2; exit 64 ;;
  esac
}

if ! command -v dotnet >/dev/null; then
  echo "The .NET SDK 10 is needed and the command 'dotnet' is not on the PATH: see https://dotnet.microsoft.com/download" >&2
  exit 1
fi

missing=()
packages=()
for package in "$@"; do
  if [ "$package" = drivers ]; then packages+=("${drivers[@]}"); else packages+=("$package"); fi
done
for package in "${packages[@]}"; do
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
# Not every distribution has it by itself.
if ! apt-cache show chromium-headless-shell >/dev/null 2>&1; then missing=("${missing[@]/#chromium-headless-shell/chromium}"); fi
# The packages' own servers stay off: the tests and the demo start private ones.
RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

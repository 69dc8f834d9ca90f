#!/bin/sh
# rollout.sh PODS BROKER...: so many pods ask at once, in turn at the given brokers, each for a holder of its own; then says how many
# were served, with how many database users, and what the others were told. Needs openssl and wget (busybox's is enough).
set -eu
pods=$1
shift
answers=$(mktemp -d)
token=$(sh "$(dirname "$0")/identity.sh" token orders-api)

number=0
while [ "$number" -lt "$pods" ]; do
  number=$((number + 1))
  broker=$1
  shift
  set -- "$@" "$broker"
  wget -q -O "$answers/$number" --header "Authorization: Bearer $token" --header 'Content-Type: application/json' --header 'Prefer: wait=30' \
    --post-data "{\"holder\": \"pod-$number\", \"connections\": 5, \"minConnections\": 1}" \
    "$broker/api/v1/roles/orders-api/credentials" 2>"$answers/$number.error" &
done
wait

served=$(grep -l '"username"' "$answers"/* | wc -l)
users=$(grep -ho '"username": *"[^"]*"' "$answers"/* | sort -u | wc -l)
connections=$(grep -ho '"connections": *[0-9]*' "$answers"/* | grep -o '[0-9]*$' | awk '{ sum += $1 } END { print sum + 0 }')
echo "pods $pods | served $served | database users $users | connections promised $connections"
[ "$served" -eq "$pods" ] || sort "$answers"/*.error | uniq -c
rm -rf "$answers"
[ "$served" -gt 0 ]

#!/bin/sh
# Stands for a program that a documented command starts: writes down the words of each call and answers as far as the example needs it.
# What is real is called by its path in REAL_…; CALLS is the file that is written to.
name=${0##*/}
case $0 in "$BIN"/*) called=$name ;; *) called=$0 ;; esac
printf '%s\0' "$called" "$@" '
' >> "$CALLS"
case "$name $*" in
  "dotnet /"*"/broker.dll"*) PATH=$REAL_PATH exec "$REAL_DOTNET" "$@" ;;
  curl*) exec "$REAL_CURL" --silent --show-error --fail-with-body "$@" ;;
  kubectl*" create token "*) printf '%s' "$TOKEN" ;;
  kubectl*" create job"*" --from="*) ;; # a cluster knows what it is made from
  kubectl*" create "*) echo ---; exec "$REAL_KUBECTL" "$@" --dry-run=client --output yaml ;;
  docker*" identity token dba") printf '%s' "$VIEWER" ;;
  docker*" identity token "*) printf '%s' "$TOKEN" ;;
esac

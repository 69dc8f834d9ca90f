#!/bin/sh
# The smallest issuer of tokens there is, for development: "keys" makes a key once, "token NAME" signs an hour for NAME.
set -eu
cd "${IDENTITY_DIRECTORY:-/identity}"

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

case "${1:-}" in
  keys)
    # Prometheus cannot ask for a token: it reads this one, made anew at every start.
    trap '[ -z "${IDENTITY_KEEP:-}" ] || IDENTITY_SECONDS=31536000 sh "$0" token "$IDENTITY_KEEP" > "$IDENTITY_KEEP.token"' EXIT
    [ -f jwks.json ] && exit 0
    (umask 077; openssl genrsa -out key.pem 2048 2>/dev/null)
    # A public key of 2048 bits ends, in binary, in the modulus and five bytes of the exponent, which is OpenSSL's usual 65537.
    modulus=$(openssl rsa -in key.pem -pubout -outform DER 2>/dev/null | tail -c 261 | head -c 256 | base64url)
    printf '{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"compose","n":"%s","e":"AQAB"}]}\n' "$modulus" > jwks.new
    chmod 644 jwks.new
    mv jwks.new jwks.json
    ;;
  token)
    name=${2:?"whose? e.g. orders-api, dba or operator"}
    now=$(date +%s)
    head=$(printf '{"alg":"RS256","typ":"JWT","kid":"compose"}' | base64url)
    body=$(printf '{"iss":"https://identity.compose.test","aud":"broker","sub":"%s","iat":%d,"nbf":%d,"exp":%d}' \
      "$name" "$now" "$now" "$((now + ${IDENTITY_SECONDS:-3600}))" | base64url)
    printf '%s.%s.%s\n' "$head" "$body" "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign key.pem -binary | base64url)"
    ;;
  *)
    echo "usage: identity.sh keys | token NAME" >&2
    exit 2
    ;;
esac

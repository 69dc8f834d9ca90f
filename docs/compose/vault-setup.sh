#!/bin/sh
# Gives a Vault in development mode its database engine, a role for each of three databases, and a token for the brokers.
set -eu

vault secrets list | grep -q '^database/' || vault secrets enable database
vault write database/config/orders \
  plugin_name=postgresql-database-plugin allowed_roles=orders-api,orders-web \
  connection_url='postgresql://{{username}}:{{password}}@postgres:5432/app?sslmode=disable' \
  username=vault password=dev-only-vault
# orders-web's pods connect through PgBouncer.
for role in orders-api orders-web; do
  vault write "database/roles/$role" db_name=orders default_ttl=1h max_ttl=24h \
    creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE orders;" \
    renew_statements="ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}';" \
    revocation_statements="ALTER ROLE \"{{name}}\" NOLOGIN;" \
    revocation_statements="SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';" \
    revocation_statements="DROP ROLE IF EXISTS \"{{name}}\";"
done

vault write database/config/shop \
  plugin_name=mysql-database-plugin allowed_roles=shop-web \
  connection_url='{{username}}:{{password}}@tcp(mysql:3306)/' \
  username=vault password=dev-only-vault
vault write database/roles/shop-web db_name=shop default_ttl=1h max_ttl=24h \
  creation_statements="CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO '{{name}}'@'%';"

vault write database/config/events \
  plugin_name=mongodb-database-plugin allowed_roles=events-writer \
  connection_url='mongodb://{{username}}:{{password}}@mongodb:27017/admin' \
  username=root password=dev-only-mongodb
vault write database/roles/events-writer db_name=events default_ttl=1h max_ttl=24h \
  creation_statements='{"db": "admin", "roles": [{"role": "readWrite", "db": "events"}]}'

vault policy write broker - <<'POLICY'
path "database/creds/orders-api"                   { capabilities = ["read"] }
path "database/creds/orders-web"                   { capabilities = ["read"] }
path "database/creds/shop-web"                     { capabilities = ["read"] }
path "database/creds/events-writer"                { capabilities = ["read"] }
path "sys/leases/renew"                            { capabilities = ["update"] }
path "sys/leases/revoke"                           { capabilities = ["update"] }
path "sys/leases/lookup"                           { capabilities = ["update"] }
path "sys/leases/lookup/database/creds/orders-api" { capabilities = ["list", "sudo"] }
path "sys/leases/lookup/database/creds/orders-api/" { capabilities = ["list", "sudo"] }
path "sys/leases/lookup/database/creds/orders-web" { capabilities = ["list", "sudo"] }
path "sys/leases/lookup/database/creds/orders-web/" { capabilities = ["list", "sudo"] }
POLICY

# In Vault a lease dies with the token that created it, so all brokers share one token without an end of its own.
umask 077
vault token create -orphan -policy=broker -period=24h -display-name=broker -field=token > /run/vault-token/new
chown 1654:1654 /run/vault-token/new # the broker's user in its image
mv /run/vault-token/new /run/vault-token/token

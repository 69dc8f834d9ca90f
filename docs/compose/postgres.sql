-- Development passwords.

-- What the pods' users may do.
CREATE ROLE orders NOLOGIN;
CREATE TABLE orders_placed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON orders_placed TO orders;

-- The broker counts connections; Vault creates the users.
CREATE ROLE broker LOGIN PASSWORD 'dev-only-broker' IN ROLE pg_monitor;

-- Vault creates and drops users, and ends their sessions first.
CREATE ROLE vault LOGIN CREATEROLE PASSWORD 'dev-only-vault' IN ROLE pg_signal_backend;
GRANT orders TO vault WITH ADMIN OPTION;

-- PgBouncer looks up the password verifiers of the users that connect through it, and of no administrator.
CREATE ROLE pgbouncer LOGIN PASSWORD 'dev-only-pgbouncer';
CREATE SCHEMA pgbouncer;
CREATE FUNCTION pgbouncer.user_lookup(IN who text, OUT usename text, OUT passwd text) RETURNS record
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS $$ SELECT rolname::text, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END
        FROM pg_authid WHERE rolname = who AND rolcanlogin AND NOT rolsuper AND NOT rolcreaterole $$;
REVOKE ALL ON FUNCTION pgbouncer.user_lookup(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO pgbouncer;

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

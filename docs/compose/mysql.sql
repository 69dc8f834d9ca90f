-- Development passwords.

-- The broker counts connections, ends sessions and tries logins; Vault creates the users.
CREATE USER 'broker'@'%' IDENTIFIED BY 'dev-only-broker';
GRANT PROCESS, CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO 'broker'@'%';
GRANT SELECT ON mysql.user TO 'broker'@'%';

CREATE USER 'vault'@'%' IDENTIFIED BY 'dev-only-vault';
GRANT CREATE USER, CONNECTION_ADMIN, PROCESS ON *.* TO 'vault'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO 'vault'@'%' WITH GRANT OPTION;

CREATE TABLE shop.baskets (id bigint AUTO_INCREMENT PRIMARY KEY, note text NOT NULL);

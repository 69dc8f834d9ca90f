// Connects with each string it is given ({"driver": …, "text": …} in a list on standard input) by that driver, and prints what the server sees.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(import.meta.url);
const POSTGRES = "SELECT current_user::text AS \"user\", current_database()::text AS \"database\", current_setting('application_name') AS name, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted";
const MYSQL = `SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS user, DATABASE() AS \`database\`,
  (SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name') AS name,
  (SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER') AS encrypted`;

const drivers = {
  "node-postgres": async (string) => {
    const client = new (require("pg").Client)({ connectionString: string });
    client.on("error", () => {});
    await client.connect();
    try {
      return [(await client.query(POSTGRES)).rows[0], null];
    } finally {
      await client.end();
    }
  },
  mysql2: async (string) => {
    const pool = require("mysql2/promise").createPool(string);
    try {
      return [(await pool.query(MYSQL))[0][0], pool.pool.config.connectionLimit];
    } finally {
      await pool.end();
    }
  },
  mariadb: async (string) => {
    // A pool tries for ten seconds what one connection is refused at once.
    await (await require("mariadb").createConnection(string)).end();
    const pool = require("mariadb").createPool(string);
    try {
      const first = await pool.getConnection();
      const seen = (await first.query(MYSQL))[0];
      await first.release();
      // Its size is how many it gives at once when more are wanted, and no more come.
      const wanted = Array.from({ length: 20 }, () => pool.getConnection());
      let size = 0;
      for (let same = 0; same < 10; ) {
        await new Promise((done) => setTimeout(done, 50));
        const now = pool.activeConnections();
        same = now === size && now > 0 ? same + 1 : 0;
        size = now;
      }
      for (const connection of wanted) await (await connection).release();
      return [seen, size];
    } finally {
      await pool.end();
    }
  },
};
drivers.uri = drivers.mysql2;

for (const job of JSON.parse(await text(process.stdin))) {
  try {
    const [seen, pool] = await drivers[job.driver](job.text);
    console.log(JSON.stringify({ driver: job.driver, user: seen.user, database: seen.database, name: seen.name, encrypted: Boolean(Number(seen.encrypted)), pool }));
  } catch (failure) {
    console.log(JSON.stringify({ driver: job.driver, error: `${failure.code ?? ""} ${failure.message}` }));
  }
}

// Works with the documented client until standard input ends: says who it is when that changes, and each query that failed.
import { leased } from "../../../docs/clients/leased.mjs";

const [broker, role, tokenFile, connections, minConnections] = process.argv.slice(2);
const orders = await leased(broker, role, tokenFile, connections && { connections: Number(connections), minConnections: Number(minConnections) });
let [user, queries, stopped] = ["", 0, false];
process.stdin.on("end", () => (stopped = true)).resume();
await Promise.all([1, 2, 3, 4, 5, 6].map(async () => {
  while (!stopped) {
    try {
      const { rows } = await orders.query("SELECT current_user::text AS name FROM pg_sleep(0.02)");
      queries++;
      if (rows[0].name !== user) console.log(`user ${(user = rows[0].name)}`);
    } catch (failure) {
      console.log(`failed ${failure.message}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}));
await orders.close();
console.log(`done ${queries}`);

// PostgreSQL connections by a lease of the broker's: a pool per lease, because the user's name changes with the password.
//
//   const orders = await leased("https://broker.broker.svc", "orders-api", "/var/run/secrets/broker/token", { connections: 10, minConnections: 2 });
//   await orders.query("SELECT 1");
//   await orders.close();
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const SILENCE = 45_000; // the broker gives a sign of life every 15 seconds
const LONGEST_PAUSE = 30_000;
const START_WITHIN = 120_000; // a full database, or a broker that starts, answers before long

// connections: how many it wants (the role's default); minConnections: the fewest it accepts. The broker gives more, or asks it to go down, between the two.
export async function leased(broker, role, tokenFile, { connections, minConnections, log = (text) => console.error(`lease of ${role}: ${text}`) } = {}) {
  const stop = new AbortController();
  let grant, pool;
  let [told, allotment] = [0, 0]; // the numbers of the last size it was told, and of the last size it keeps to
  let gate = Promise.resolve(); // queries wait here while old connections have to close before new ones open

  // Kubernetes renews the token's file, so it is read each time.
  const call = async (method, path, headers = {}, signal = AbortSignal.timeout(30_000), wants = undefined) => {
    const body = wants && JSON.stringify(wants);
    const token = (await readFile(tokenFile, "utf8")).trim();
    const answer = await fetch(broker + path, { method, headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }), ...headers }, body, signal });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail ?? `the broker answered ${answer.status}`), {
      status: answer.status, retryAfter: Number(answer.headers.get("Retry-After")) || undefined,
    });
  };

  // Waits in line up to 20 seconds when the database has no connections free.
  const claim = async () => (await call("POST", `/api/v1/roles/${role}/credentials`, { Prefer: "wait=20" }, undefined, { connections, minConnections })).json();

  // The first claim waits until there is a grant; a caller that may not have one is told so at once.
  const begin = async () => {
    for (const end = Date.now() + START_WITHIN; ; ) {
      try {
        return await claim();
      } catch (failure) {
        if ((failure.status < 500 && !failure.retryAfter) || Date.now() > end) throw failure;
        log(`cannot claim yet: ${failure.message}`);
        await sleep((failure.retryAfter ?? 1) * 1000);
      }
    }
  };

  // Tells the broker what it uses, so that it can be asked to go down, and be given more.
  const inUse = () => `lease=${grant.lease.id}&allotment=${allotment}`;

  const open = (from) => {
    const made = new pg.Pool({ connectionString: from.credentials.drivers["node-postgres"], max: from.connections });
    // Without a listener, an idle connection that the database ends would end the process.
    made.users = 0;
    made.on("error", (failure) => log(`an idle connection ended: ${failure.message}`));
    return made;
  };

  // A pool that is told to end leaves its waiting callers waiting: it ends when nobody uses it, or when its time is over. Returns whether nobody did.
  const drained = async (old, within) => {
    const end = Date.now() + within;
    while (old.users > 0 && Date.now() < end) await sleep(20, undefined, { ref: false });
    const idle = old.users === 0;
    const ended = old.end();
    if (idle) await ended;
    return idle;
  };

  // Moves to another pool. Running queries finish on the old one; where both may not be open at once, new ones wait for them.
  const moveTo = async (next, overlapSeconds) => {
    const old = pool;
    let closed = true;
    log(`moves from ${grant.credentials.username} to ${next.credentials.username}, ${next.connections} connections`);
    if (overlapSeconds > 0) {
      pool = open(next);
      void drained(old, overlapSeconds * 1000);
    } else {
      let opened;
      gate = new Promise((done) => (opened = done));
      closed = await drained(old, 30_000);
      pool = open(next);
      opened();
    }
    grant = next;
    return closed;
  };

  // Grows at once; shrinks as soon as enough are unused. False: they were not in time.
  const resize = async (renewed) => {
    if (renewed.connections !== grant.connections) log(`has ${renewed.connections} connections now`);
    grant = { ...renewed, credentials: grant.credentials };
    pool.options.max = grant.connections;
    const end = Date.now() + 30_000;
    while (pool.totalCount > grant.connections) {
      const surplus = pool.connect();
      const one = await Promise.race([surplus, sleep(Math.max(0, end - Date.now()), undefined, { ref: false })]);
      if (!one) {
        void surplus.then((late) => late.release(true), () => {});
        return false;
      }
      const gone = new Promise((done) => pool.once("remove", done));
      one.release(true);
      await gone;
    }
    return true;
  };

  const take = async (renewed) => {
    // Answers of watching and renewing can overtake each other: it ignores a size that is older than the last.
    if (renewed.allotment < told) return;
    told = renewed.allotment ?? told;
    const keeps = renewed.rotate && renewed.lease.id !== grant.lease.id ? await moveTo(renewed, renewed.overlapSeconds) : await resize(renewed);
    if (!keeps || told === allotment) return;
    // No more are open than it was told, and it confirms that: the broker then gives the others to waiting claims.
    allotment = told;
    await take(await (await call("POST", `/api/v1/holders/${grant.holder.id}/renew?${inUse()}`)).json());
  };

  // Server-sent events: the broker renews the holder while we listen, and says at once when to move.
  const watch = async () => {
    const quiet = new AbortController();
    let timer = setTimeout(() => quiet.abort(new Error("the broker is silent")), SILENCE);
    try {
      const answer = await call("GET", `/api/v1/holders/${grant.holder.id}/watch?${inUse()}`, {}, AbortSignal.any([stop.signal, quiet.signal]));
      let text = "";
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        timer.refresh();
        text += part;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? [];
          if (kind === "renewed" || kind === "rotate" || kind === "resize") await take(JSON.parse(data));
          if (kind === "ending") throw Object.assign(new Error(JSON.parse(data).detail), { status: 404 });
        }
      }
    } finally {
      clearTimeout(timer);
    }
  };

  const follow = async () => {
    let pause = 1000;
    while (!stop.signal.aborted) {
      const began = Date.now();
      let wanted = 0;
      try {
        await watch();
        log("the broker ended the watch; watching again");
      } catch (failure) {
        if (stop.signal.aborted) return;
        log(`${failure.message}; the connections go on meanwhile`);
        if (failure.status === 404) {
          // The holder has ended: it claims again. It usually gets the same lease, and then its connections stay.
          try {
            const next = await claim();
            [told, allotment] = [0, 0]; // a new holder begins with 0
            if (next.lease.id !== grant.lease.id) await moveTo(next, 0);
            else await resize(next);
            log(`has a new holder of ${grant.credentials.username}`);
            pause = 1000;
            continue;
          } catch (refused) {
            log(`cannot claim again: ${refused.message}`);
            failure = refused;
          }
        }
        wanted = (failure.retryAfter ?? 0) * 1000;
      }
      if (Date.now() - began > LONGEST_PAUSE) pause = 1000;
      await sleep(Math.max(wanted, pause * (0.5 + Math.random() / 2)), undefined, { signal: stop.signal, ref: false }).catch(() => {});
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  };

  grant = await begin();
  pool = open(grant);
  log(`has ${grant.connections} connections as ${grant.credentials.username}`);
  const following = follow();

  return {
    async query(...words) {
      for (let last; last !== gate; ) await (last = gate);
      const used = pool;
      used.users++;
      try {
        return await used.query(...words);
      } finally {
        used.users--;
      }
    },
    // Gives the connections back at once; if it does not get through, they come free by themselves.
    async close() {
      stop.abort();
      await following;
      await pool.end();
      await call("DELETE", `/api/v1/holders/${grant.holder.id}`).catch((failure) => log(`could not release: ${failure.message}`));
    },
  };
}

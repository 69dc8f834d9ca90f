// Applications that use a login of Vault's as its manuals say: each asks its database all the time, renews its lease, and reads another
// login when its own gives out, before it closes the connection it has. Prints what they saw when the file that is named last exists.
const fs = require('fs');
const { Client } = require('pg');
const [address, mount, role, jwts, port, stop] = process.argv.slice(2);
const [failed, users] = [[], {}];
const now = () => performance.now() / 1000;

const connect = async secret => {
  const client = new Client({ host: '127.0.0.1', port: Number(port), database: 'app', user: secret.data.username, password: secret.data.password });
  client.on('error', error => failed.push(String(error)));
  await client.connect();
  return client;
};

const live = async jwt => {
  const vault = require('node-vault')({ apiVersion: 'v1', endpoint: address });
  vault.token = (await vault.kubernetesLogin({ mount_point: mount, role, jwt })).auth.client_token;
  let secret = await vault.read(`database/creds/${role}`);
  let client = await connect(secret);
  let renewAt = 0;
  while (!fs.existsSync(stop)) {
    const user = (await client.query('SELECT current_user FROM pg_sleep(0.05)')).rows[0].current_user;
    users[user] = (users[user] ?? 0) + 1;
    if (now() < renewAt) continue;
    renewAt = now() + 1;
    await vault.tokenRenewSelf();
    let left = 0;
    try {
      left = (await vault.write('sys/leases/renew', { lease_id: secret.lease_id, increment: secret.lease_duration })).lease_duration;
    } catch (error) {
      if (error.response?.statusCode !== 400) throw error; // past the max TTL
    }
    if (left >= secret.lease_duration / 2) continue;
    secret = await vault.read(`database/creds/${role}`);
    const former = client;
    client = await connect(secret);
    await former.end();
  }
  await vault.write('sys/leases/revoke', { lease_id: secret.lease_id });
  await client.end();
};

Promise.all(fs.readFileSync(jwts, 'utf8').split(/\s+/).filter(Boolean).map(jwt => live(jwt).catch(error => failed.push(String(error)))))
  .then(() => console.log(JSON.stringify({ step: 'all', failed, users })));

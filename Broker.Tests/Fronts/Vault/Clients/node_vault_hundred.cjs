// A hundred clients at once, each with a token of its own: log in, read, renew. Prints what all of them saw.
const [address, role, jwts] = process.argv.slice(2);

const read = async jwt => {
  const vault = require('node-vault')({ apiVersion: 'v1', endpoint: address });
  vault.token = (await vault.kubernetesLogin({ mount_point: 'kubernetes', role, jwt })).auth.client_token;
  const secret = await vault.read(`database/creds/${role}`);
  const renewed = await vault.write('sys/leases/renew', { lease_id: secret.lease_id, increment: secret.lease_duration });
  return { user: secret.data.username, lease: secret.lease_id, same: renewed.lease_duration === secret.lease_duration };
};

Promise.all(require('fs').readFileSync(jwts, 'utf8').split(/\s+/).filter(Boolean).map(read))
  .then(seen => console.log(JSON.stringify({ step: 'all', users: new Set(seen.map(one => one.user)).size, leases: new Set(seen.map(one => one.lease)).size, same: seen.every(one => one.same) })))
  .catch(error => { console.error(error); process.exit(1); });

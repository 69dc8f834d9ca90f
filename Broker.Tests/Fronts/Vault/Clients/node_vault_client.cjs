// node-vault, as people use it: log in, read, renew, look up, revoke. Prints what it saw as JSON, a line for each step.
const [address, jwt, role] = process.argv.slice(2);
const say = (step, seen) => console.log(JSON.stringify({ step, ...seen }));
const refused = async (step, call) => {
  try { await call(); say(step, { error: null }); } catch (error) { say(step, { error: String(error.response?.statusCode ?? error.name), text: error.message }); }
};

(async () => {
  const vault = require('node-vault')({ apiVersion: 'v1', endpoint: address });
  const health = await vault.health();
  say('health', { sealed: health.sealed, initialized: health.initialized });
  await refused('bad login', () => vault.kubernetesLogin({ mount_point: 'kubernetes', role, jwt: 'not.a.token' }));
  const login = await vault.kubernetesLogin({ mount_point: 'kubernetes', role, jwt });
  vault.token = login.auth.client_token;
  say('login', { duration: login.auth.lease_duration, renewable: login.auth.renewable });
  const first = await vault.read(`database/creds/${role}`);
  say('read', { user: first.data.username, lease: first.lease_id, duration: first.lease_duration });
  const renewed = await vault.write('sys/leases/renew', { lease_id: first.lease_id, increment: first.lease_duration });
  say('renew', { lease: renewed.lease_id, duration: renewed.lease_duration });
  say('look up', { ttl: (await vault.write('sys/leases/lookup', { lease_id: first.lease_id })).data.ttl });
  say('renew token', { duration: (await vault.tokenRenewSelf()).auth.lease_duration });
  say('look up token', { type: (await vault.tokenLookupSelf()).data.type });
  const accessor = (await vault.tokenLookupSelf()).data.accessor;
  say('accessor', { id: (await vault.tokenLookupAccessor({ accessor })).data.id, token: (await vault.tokenLookup({ token: vault.token })).data.id === vault.token });
  say('help', { text: (await vault.help(`database/creds/${role}`)).help });
  await refused('unknown role', () => vault.read('database/creds/nosuch'));
  await refused('unknown lease', () => vault.write('sys/leases/renew', { lease_id: 'database/creds/nosuch/x' }));
  await refused('not allowed', () => vault.mounts());
  await vault.write('sys/leases/revoke', { lease_id: first.lease_id }); // takes 200 and 204 alone for success
  await refused('revoked lease', () => vault.write('sys/leases/renew', { lease_id: first.lease_id }));
  await vault.tokenRevokeSelf();
  await refused('read after revocation', () => vault.read(`database/creds/${role}`));
  vault.token = (await vault.kubernetesLogin({ mount_point: 'kubernetes', role, jwt })).auth.client_token;
  say('read again', { user: (await vault.read(`database/creds/${role}`)).data.username });
})().catch(error => { console.error(error); process.exit(1); });

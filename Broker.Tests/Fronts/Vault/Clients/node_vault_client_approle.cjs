// node-vault-client with AppRole: it logs in and renews its token by itself. Prints what it saw as JSON, a line for each step.
const [address, roleId, secretId, role] = process.argv.slice(2);
const say = (step, seen) => console.log(JSON.stringify({ step, ...seen }));

(async () => {
  const VaultClient = require('node-vault-client');
  const client = VaultClient.boot('main', { api: { url: address }, auth: { type: 'appRole', config: { role_id: roleId, secret_id: secretId } }, logger: false });
  const lease = await client.read(`database/creds/${role}`);
  say('read', { user: lease.getData().username, renewable: lease.isRenewable() });
  const again = await client.read(`database/creds/${role}`);
  say('read again', { user: again.getData().username });
  const wrong = VaultClient.boot('wrong', { api: { url: address }, auth: { type: 'appRole', config: { role_id: roleId, secret_id: 'wrong' } }, logger: false });
  try { await wrong.read(`database/creds/${role}`); say('bad login', { error: null }); } catch (error) { say('bad login', { error: String(error.statusCode ?? error.response?.status ?? error.name), text: error.message }); }
  process.exit(0);
})().catch(error => { console.error(error); process.exit(1); });

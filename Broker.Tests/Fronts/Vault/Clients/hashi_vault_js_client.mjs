// hashi-vault-js with AppRole. Prints what it saw as JSON, a line for each step.
import Vault from 'hashi-vault-js';

const [address, roleId, secretId, role] = process.argv.slice(2);
const say = (step, seen) => console.log(JSON.stringify({ step, ...seen }));
const refused = async (step, call) => {
  try { const answer = await call(); say(step, { error: answer?.isVaultError ? String(answer.response?.status) : null }); } catch (error) { say(step, { error: String(error.response?.status ?? error.name), text: error.message }); }
};

const vault = new Vault({ https: false, baseUrl: `${address.replace(/\/$/, '')}/v1`, timeout: 20000, proxy: false });
const health = await vault.healthCheck();
say('health', { sealed: health.sealed, initialized: health.initialized });
const login = await vault.loginWithAppRole(roleId, secretId);
say('login', { duration: login.lease_duration ?? login.auth?.lease_duration });
const token = login.client_token ?? login.auth.client_token;
await refused('bad login', () => vault.loginWithAppRole(roleId, 'wrong'));
const self = await vault.lookupSelfToken(token);
say('look up token', { type: self.type ?? self.data?.type });
const renewed = await vault.renewSelfToken(token, '1h');
say('renew token', { duration: renewed.lease_duration ?? renewed.auth?.lease_duration });
const read = await vault.generateDBdynamicCreds ? null : null;
await vault.revokeSelfToken(token);
await refused('look up after revocation', () => vault.lookupSelfToken(token));

// A real OpenID provider on this machine: oidc-provider with its own log-in form, which takes any password.
// What it is told: {"modules", "host", "port", "accounts", "client", "userinfoOnly"}. The file of accounts is read at every
// look, so that a test can take somebody out of a group.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

const told = JSON.parse(process.argv[2]);
const { Provider } = await import(`${told.modules}/oidc-provider/lib/index.js`);
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const provider = new Provider(`http://${told.host}:${told.port}`, {
  clients: [{ ...told.client, id_token_signed_response_alg: 'ES256' }],
  jwks: { keys: [{ ...key, alg: 'ES256', use: 'sig', kid: 'one' }] },
  cookies: { keys: ['nobody keeps this secret'] },
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'email', 'groups'],
  conformIdTokenClaims: told.userinfoOnly,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => {
    const claims = JSON.parse(readFileSync(told.accounts))[id];
    return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
  },
});
provider.listen(told.port, told.host);

// A real authorization server (oidc-provider) at the addresses of X, and the two calls of X's API that need its tokens.
// It requires PKCE, gives a new refresh token with each refresh, and ends the grant when an old one comes back. The first
// access token of a grant lives for a minute, the others for two hours.
// What it is told: {"modules", "port", "clientId", "secret", "redirectUri", "scope"}. GET /seen says what it has
// seen, the secrets of all requests for tokens included.

const told = JSON.parse(process.argv[2]);
const { Provider } = await import(`${told.modules}/oidc-provider/lib/index.js`);
const seen = { refreshes: 0, refusedRefreshes: 0, revokedGrants: 0, posts: [], secrets: [] };
const grantType = (ctx) => ctx.oidc?.params?.grant_type;

const provider = new Provider(`http://127.0.0.1:${told.port}`, {
  clients: [
    {
      client_id: told.clientId,
      client_secret: told.secret,
      redirect_uris: [told.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  cookies: { keys: ['nobody keeps this secret'] },
  scopes: told.scope.split(' '),
  routes: { authorization: '/i/oauth2/authorize', token: '/2/oauth2/token', revocation: '/2/oauth2/revoke' },
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  issueRefreshToken: (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline.access'),
  ttl: {
    AccessToken: (ctx) => (grantType(ctx) === 'refresh_token' ? 7200 : 60),
    AuthorizationCode: 30,
    Grant: 86_400,
    Interaction: 600,
    RefreshToken: 86_400,
    Session: 600,
  },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true }, userinfo: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.on('grant.success', (ctx) => (seen.refreshes += grantType(ctx) === 'refresh_token'));
provider.on('grant.error', (ctx) => (seen.refusedRefreshes += grantType(ctx) === 'refresh_token'));
provider.on('grant.revoked', () => (seen.revokedGrants += 1));

const owner = async (ctx) => {
  const token = await provider.AccessToken.find(ctx.get('authorization').replace('Bearer ', ''));
  return token && (await provider.Grant.find(token.grantId)) && token.accountId;
};
const body = async (ctx) => {
  const pieces = [];
  for await (const piece of ctx.req) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces));
};
const api = {
  'GET /2/users/me': async (_, user) => [200, { data: { id: user, name: user, username: user } }],
  'POST /2/tweets': async (ctx, user) => {
    const { text } = await body(ctx);
    seen.posts.push({ text, user });
    return [201, { data: { id: String(seen.posts.length), text } }];
  },
};
provider.use(async (ctx, next) => {
  const call = api[`${ctx.method} ${ctx.path}`];
  if (ctx.path === '/seen') {
    ctx.body = seen;
  } else if (!call) {
    await next();
    if (ctx.path === '/2/oauth2/token') {
      const { code, code_verifier: verifier, refresh_token: refresh } = ctx.oidc?.params ?? {};
      seen.secrets.push(...[code, verifier, refresh, ctx.body.access_token, ctx.body.refresh_token].filter(Boolean));
    }
  } else {
    const user = await owner(ctx);
    [ctx.status, ctx.body] = user ? await call(ctx, user) : [401, { title: 'Unauthorized', type: 'about:blank', status: 401 }];
  }
});
provider.listen(told.port, '127.0.0.1');

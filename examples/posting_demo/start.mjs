// A real Bluesky server (PDS) and a directory of accounts (did-plc) on the loopback, with real rate limits.
// What it is told: {"modules", "folder", "port", "directoryPort", "documents"}. `documents` maps public addresses to
// local ones, from which the server reads the documents of clients: no test has a public address.

import { createRequire } from 'node:module';
import net from 'node:net';

const told = JSON.parse(process.argv[2]);

// Both servers listen on every address unless they are stopped from doing so.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'number') return listen.call(this, first, '127.0.0.1', ...rest.filter((each) => typeof each === 'function'));
  return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
};

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  for (const [base, local] of Object.entries(told.documents)) {
    if (!request.url.startsWith(`${base}/`)) continue;
    const found = await realFetch(local + request.url.slice(base.length), { signal: request.signal });
    const response = new Response(await found.arrayBuffer(), { status: found.status, headers: found.headers });
    Object.defineProperty(response, 'url', { value: request.url });
    return response;
  }
  return realFetch(input, init);
};

const require = createRequire(`${told.modules}/`);
const load = async (name) => {
  try {
    return require(name);
  } catch (error) {
    if (!['ERR_REQUIRE_ESM', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(error.code)) throw error;
    return import(`${told.modules}/${name}/dist/index.js`);
  }
};
const plc = await load('@did-plc/server');
const { PDS, envToCfg, envToSecrets } = await load('@atproto/pds');
const { Secp256k1Keypair } = await load('@atproto/crypto');

const directory = plc.PlcServer.create({ db: plc.Database.mock(), port: told.directoryPort });
await directory.start();
const key = await Secp256k1Keypair.create({ exportable: true });
const settings = {
  devMode: true,
  port: told.port,
  hostname: 'localhost',
  dataDirectory: told.folder,
  blobstoreDiskLocation: `${told.folder}/blobs`,
  recoveryDidKey: (await Secp256k1Keypair.create()).did(),
  adminPassword: 'admin-pass',
  jwtSecret: 'jwt-secret-for-tests',
  serviceHandleDomains: ['.test'],
  didPlcUrl: `http://127.0.0.1:${told.directoryPort}`,
  bskyAppViewUrl: 'https://appview.invalid',
  bskyAppViewDid: 'did:example:invalid',
  bskyAppViewCdnUrlPattern: 'http://cdn.appview.invalid/%s/%s/%s',
  modServiceUrl: 'https://moderator.invalid',
  modServiceDid: 'did:example:invalid',
  plcRotationKeyK256PrivateKeyHex: Buffer.from(await key.export()).toString('hex'),
  inviteRequired: false,
  disableSsrfProtection: true,
  rateLimitsEnabled: true,
  crawlers: [],
  serviceName: 'A server on this machine',
};
const server = await PDS.create(envToCfg(settings), envToSecrets(settings));
// It keeps the documents of clients for ten minutes, which no test waits for: after this signal it reads each anew.
let kept = null; // the addresses that were read since; null before the first signal
const { clientManager } = server.ctx.oauthProvider;
for (const getter of [clientManager.jwks, clientManager.metadataGetter]) {
  const get = getter.get.bind(getter);
  getter.get = (address, options) => {
    const noCache = kept !== null && !kept.has(address);
    kept?.add(address);
    return get(address, { ...options, noCache });
  };
}
process.on('SIGUSR2', () => {
  kept = new Set();
  console.log('documents forgotten');
});
await server.start();

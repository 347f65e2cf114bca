// A real OpenID Connect provider over TLS: any name may log in, and a name is its own group.
//
// usage: node provider.mjs PORT REDIRECT_URI; environment: MODULES, CERTIFICATE, SECRET
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { MODULES, CERTIFICATE, SECRET } = process.env;
const [port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(join(MODULES, 'oidc-provider', 'lib', 'index.js')));

const provider = new Provider(`https://localhost:${port}`, {
  clients: [{
    client_id: 'pgbackstop',
    client_secret: SECRET,
    redirect_uris: [redirect],
    post_logout_redirect_uris: [redirect.replace('/oidc/callback', '')],
  }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  cookies: { keys: [SECRET] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: [id] }),
  }),
  pkce: { required: () => true },
});
const pem = readFileSync(CERTIFICATE);
createServer({ cert: pem, key: pem }, provider.callback()).listen(port, '127.0.0.1', () => console.log('listening'));

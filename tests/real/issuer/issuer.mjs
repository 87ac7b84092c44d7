// A certified OpenID provider on the loopback, with the clients and the one account that tests/real/issuer.sh uses.
//
//   node issuer.mjs DIRECTORY
//
// The directory gets the private keys of the clients that sign. It prints one JSON line when it listens: `{ issuer, control }`. The control port is for the test alone:
//   GET  /state                   counts, faults left, settings, as JSON
//   GET  /tokens[?kind=&client=]  every token ever given out, one a line, oldest first
//   POST /set?name=value          a setting below
//   POST /fault?path=&kind=[&times=][&seconds=]   the next POST requests to that path go wrong: see faults.mjs
//   POST /approve?code=           the account lets in the device that shows this code, without a browser
//   POST /reset                   counts from zero, no faults

import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';

import * as faults from './faults.mjs';
import { Memory, grace, ledger } from './memory.mjs';
import * as pages from './pages.mjs';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const ACCOUNT = { name: 'ann', password: 'canary-password-of-ann' };
// A client that says `http://127.0.0.1/*` may be answered at any path of the loopback.
const ANY_PATH = 'http://127.0.0.1/*';

// Seconds between polls, of an access token's and a device code's life; and 1 where DPoP proofs need a nonce.
const settings = { interval: 1, access: 3600, device: 300, nonce: 0 };
const counts = { granted: {}, refused: {}, registered: 0, pushed: 0, ended: 0 };

// Makes a pair of keys; the private one goes to whoever signs, the public one to the client's registration.
function signer(name, type, options, alg) {
    const { privateKey, publicKey } = generateKeyPairSync(type, options);
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
    writeFileSync(`${process.argv[2]}/${name}.pem`, pem, { mode: 0o600 });
    return { jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), alg, use: 'sig', kid: name }] } };
}

const native = {
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
};
const device = { ...native, grant_types: [DEVICE, 'refresh_token'], response_types: [], redirect_uris: [] };
const job = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
// With what must be escaped in a form, and once more in the header `Authorization` (RFC 6749, section 2.3.1).
const JOB_SECRET = 'canary secret:of/a+job%&';

const CLIENTS = [
    { ...device, client_id: 'device', client_name: 'Keyfob' },
    // The same at an issuer that repeats its answer for a while.
    { ...device, client_id: 'device-grace', client_name: 'Keyfob' },
    { ...device, client_id: 'device-dpop', client_name: 'Keyfob', dpop_bound_access_tokens: true },
    { ...native, client_id: 'browser', client_name: 'Keyfob' },
    { ...native, client_id: 'browser-any-path', client_name: 'Keyfob', redirect_uris: [ANY_PATH] },
    { ...native, client_id: 'browser-pushed', client_name: 'Keyfob', require_pushed_authorization_requests: true },
    { ...native, client_id: 'browser-dpop', client_name: 'Keyfob', dpop_bound_access_tokens: true },
    { ...job, client_id: 'job', client_secret: JOB_SECRET, token_endpoint_auth_method: 'client_secret_post' },
    { ...job, client_id: 'job-basic', client_secret: JOB_SECRET },
    {
        ...job,
        ...signer('rsa', 'rsa', { modulusLength: 2048 }, 'RS256'),
        client_id: 'job-rsa',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'RS256',
    },
    {
        ...job,
        ...signer('curve', 'ec', { namedCurve: 'P-256' }, 'ES256'),
        client_id: 'job-curve',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
    },
    // Who asks what became of a token.
    { ...job, client_id: 'watcher', client_secret: 'canary-secret-of-watcher', grant_types: [] },
];
grace.set('device-grace', 120);

const html = (context, text) => {
    context.type = 'html';
    context.body = text;
};

function configuration() {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'one' };
    return {
        adapter: Memory,
        clients: CLIENTS,
        jwks: { keys: [key] },
        cookies: { keys: [randomBytes(16).toString('hex')] },
        scopes: ['openid', 'offline_access', 'repo'],
        claims: { email: ['email', 'email_verified'], profile: ['name'] },
        findAccount: (context, id) => ({
            accountId: id,
            claims: () => ({ sub: id, name: 'Ann', email: `${id}@acme.example`, email_verified: true }),
        }),
        interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
        rotateRefreshToken: true,
        renderError: (context, out) => html(context, pages.failed(out)),
        ttl: {
            AccessToken: () => settings.access,
            ClientCredentials: () => settings.access,
            DeviceCode: () => settings.device,
            AuthorizationCode: 60,
            Grant: 86400,
            IdToken: 3600,
            Interaction: 600,
            RefreshToken: 86400,
            Session: 86400,
        },
        features: {
            devInteractions: { enabled: false },
            introspection: { enabled: true, allowedPolicy: (context, client) => client.clientId === 'watcher' },
            revocation: { enabled: true, allowedPolicy: (context, client, token) => token.clientId === client.clientId },
            clientCredentials: { enabled: true },
            registration: { enabled: true },
            pushedAuthorizationRequests: { enabled: true },
            dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => settings.nonce === 1 },
            resourceIndicators: {
                enabled: true,
                getResourceServerInfo: (context, resource) => ({
                    scope: 'repo',
                    audience: resource,
                    accessTokenTTL: settings.access,
                    accessTokenFormat: 'opaque',
                }),
            },
            deviceFlow: {
                enabled: true,
                userCodeInputSource: (context, form, out, error) => html(context, pages.code(form, problem(error))),
                userCodeConfirmSource: (context, form, client, info, shown) =>
                    html(context, pages.confirm(form, client.clientName, shown)),
                successSource: (context) => html(context, pages.done(context.oidc.client.clientName)),
            },
        },
    };
}

function problem(error) {
    if (!error) return undefined;
    return error.name === 'AbortedError' ? 'The device was not let in.' : 'That code is not good. Try again.';
}

function watch(provider) {
    const tell = (where, name) => {
        where[name] = (where[name] ?? 0) + 1;
    };
    provider.on('grant.success', (context) => tell(counts.granted, context.oidc.params.grant_type));
    provider.on('grant.error', (context, error) =>
        tell(counts.refused, `${context.oidc?.params?.grant_type} ${error.error}`),
    );
    provider.on('grant.revoked', () => tell(counts, 'ended'));
    provider.on('registration_create.success', () => tell(counts, 'registered'));
    provider.on('pushed_authorization_request.success', () => tell(counts, 'pushed'));
    provider.on('server_error', (context, error) => console.error(error));
}

function loosen(provider) {
    const allowed = provider.Client.prototype.redirectUriAllowed;
    provider.Client.prototype.redirectUriAllowed = function redirectUriAllowed(value) {
        const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\]):\d+\//.test(value);
        return allowed.call(this, value) || (loopback && this.redirectUris?.includes(ANY_PATH));
    };
}

async function body(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return new URLSearchParams(Buffer.concat(parts).toString());
}

// A person signs in, then lets the client in or not.
async function interaction(provider, request, answer) {
    const { prompt, params, session, grantId } = await provider.interactionDetails(request, answer);
    const show = (text) => {
        answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
        answer.end(text);
    };
    const client = await provider.Client.find(params.client_id);
    const asked = prompt.details;
    if (request.method !== 'POST') {
        if (prompt.name === 'login') return show(pages.login(request.url));
        const scopes = [...(asked.missingOIDCScope ?? []), ...Object.values(asked.missingResourceScopes ?? {}).flat()];
        return show(pages.consent(request.url, client.clientName ?? client.clientId, scopes));
    }
    const given = await body(request);
    const finish = (result) => provider.interactionFinished(request, answer, result);
    if (prompt.name === 'login') {
        const right = given.get('user') === ACCOUNT.name && given.get('password') === ACCOUNT.password;
        return right ? finish({ login: { accountId: ACCOUNT.name } }) : show(pages.login(request.url, true));
    }
    if (given.get('answer') !== 'yes') {
        return finish({ error: 'access_denied', error_description: 'the person said no' });
    }
    const known = grantId && (await provider.Grant.find(grantId));
    const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (asked.missingOIDCScope) grant.addOIDCScope(asked.missingOIDCScope.join(' '));
    if (asked.missingOIDCClaims) grant.addOIDCClaims(asked.missingOIDCClaims);
    for (const [resource, scopes] of Object.entries(asked.missingResourceScopes ?? {})) {
        grant.addResourceScope(resource, scopes.join(' '));
    }
    return finish({ consent: { grantId: await grant.save() } });
}

async function approve(shown) {
    const code = await provider.DeviceCode.findByUserCode(shown.replaceAll('-', ''));
    if (!code) return false;
    const grant = new provider.Grant({ accountId: ACCOUNT.name, clientId: code.clientId });
    grant.addOIDCScope(code.params.scope);
    const { resource } = code.params;
    if (resource) grant.addResourceScope(resource, code.params.scope);
    const grantId = await grant.save();
    const authTime = Math.floor(Date.now() / 1000);
    Object.assign(code, { accountId: ACCOUNT.name, grantId, scope: code.params.scope, resource, authTime });
    await code.save();
    return true;
}

async function control(request, answer) {
    const url = new URL(request.url, 'http://control');
    const say = (status, text) => {
        answer.writeHead(status);
        answer.end(text);
    };
    const asked = Object.fromEntries(url.searchParams);
    switch (`${request.method} ${url.pathname}`) {
        case 'GET /state':
            return say(200, JSON.stringify({ ...counts, requests: faults.requests, faults: faults.left(), settings }));
        case 'GET /tokens': {
            const wanted = ledger.filter((one) => Object.entries(asked).every(([name, value]) => one[name] === value));
            return say(200, wanted.map((one) => `${one.value}\n`).join(''));
        }
        case 'POST /set':
            if (!Object.keys(asked).every((name) => name in settings)) return say(400, 'no such setting');
            for (const [name, value] of Object.entries(asked)) settings[name] = Number(value);
            return say(200, '');
        case 'POST /fault':
            if (!faults.kinds.includes(asked.kind)) return say(400, 'no such fault');
            faults.order(asked.path, asked.kind, Number(asked.times ?? 1), Number(asked.seconds ?? 1));
            return say(200, '');
        case 'POST /approve':
            return (await approve(asked.code)) ? say(200, '') : say(404, 'no such code');
        case 'POST /reset':
            for (const where of [counts.granted, counts.refused, faults.requests]) {
                for (const name of Object.keys(where)) delete where[name];
            }
            Object.assign(counts, { registered: 0, pushed: 0, ended: 0 });
            faults.forget();
            return say(200, '');
        default:
            return say(404, 'no such order');
    }
}

const listen = (server) =>
    new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

const front = createServer();
const back = createServer(control);
const issuer = `http://127.0.0.1:${await listen(front)}`;
const provider = new Provider(issuer, configuration());
watch(provider);
loosen(provider);
// The provider names no pace, and a client's own is five seconds.
provider.use(async (context, next) => {
    await next();
    if (context.oidc?.route === 'device_authorization' && context.status === 200) {
        context.body.interval = settings.interval;
    }
});
const serve = provider.callback();
front.on('request', (request, answer) => {
    faults.pass(request, answer, () => {
        if (!request.url.startsWith('/interaction/')) return serve(request, answer);
        return interaction(provider, request, answer).catch((error) => {
            answer.writeHead(400, { 'content-type': 'text/html; charset=utf-8' });
            answer.end(pages.failed({ error: error.name, description: error.message }));
        });
    });
});
console.log(JSON.stringify({ issuer, control: `http://127.0.0.1:${await listen(back)}` }));

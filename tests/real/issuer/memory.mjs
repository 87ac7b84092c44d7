// Where the issuer keeps what it gave out: in memory, with a ledger of every token and a period of grace for rotation.
// It implements the adapter that oidc-provider asks for. It must not know what a client or a page is.

// Every token that was ever given out, oldest first: `{ kind, value, client }`. The value of an opaque token is its id.
export const ledger = [];

// Seconds for which a refresh token that was spent is good once more, by client id. Absent: not at all.
export const grace = new Map();

const LISTED = { AccessToken: 'access', ClientCredentials: 'access', RefreshToken: 'refresh' };
const now = () => Math.floor(Date.now() / 1000);
const all = new Map();

function forgiven(payload) {
    const seconds = grace.get(payload.clientId) ?? 0;
    return payload.kind === 'RefreshToken' && payload.consumed !== undefined && now() - payload.consumed < seconds;
}

export class Memory {
    constructor(model) {
        if (!all.has(model)) all.set(model, new Map());
        this.model = model;
        this.kept = all.get(model);
    }

    async upsert(id, payload, seconds) {
        if (this.model in LISTED && !this.kept.has(id)) {
            ledger.push({ kind: LISTED[this.model], value: id, client: payload.clientId });
        }
        this.kept.set(id, { payload, end: seconds ? now() + seconds : Infinity });
    }

    async find(id) {
        const { payload, end } = this.kept.get(id) ?? {};
        // What has ended stays for a minute: the protocol tells an ended code from one that never was.
        if (!payload || end + 60 < now()) return undefined;
        return forgiven(payload) ? { ...payload, consumed: undefined } : { ...payload };
    }

    async findBy(field, wanted) {
        for (const [id, { payload }] of this.kept) {
            if (payload[field] === wanted) return this.find(id);
        }
        return undefined;
    }

    findByUid(uid) {
        return this.findBy('uid', uid);
    }

    findByUserCode(code) {
        return this.findBy('userCode', code);
    }

    async consume(id) {
        const kept = this.kept.get(id);
        if (kept) kept.payload = { ...kept.payload, consumed: kept.payload.consumed ?? now() };
    }

    async destroy(id) {
        this.kept.delete(id);
    }

    async revokeByGrantId(grant) {
        for (const [id, { payload }] of this.kept) {
            if (payload.grantId === grant) this.kept.delete(id);
        }
    }
}

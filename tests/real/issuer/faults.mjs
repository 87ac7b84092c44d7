// What stands between the issuer and its caller: faults on order, and a count of what came.
// It must not know what a request means.

const waiting = [];

// Requests that came, by method and path, the ones that met a fault among them.
export const requests = {};

// `path` and `kind` of the next `times` POST requests that go wrong.
export function order(path, kind, times, seconds) {
    for (let at = 0; at < times; at += 1) waiting.push({ path, kind, seconds });
}

export const left = () => waiting.length;

export const forget = () => waiting.splice(0);

const FAULTS = {
    // The issuer does all that was asked, and its answer is lost.
    drop(request, answer, serve) {
        answer.write = () => true;
        answer.end = () => request.socket.destroy();
        serve();
    },
    unavailable(request, answer, serve, seconds) {
        answer.writeHead(503, { 'retry-after': String(seconds), 'content-type': 'application/json' });
        answer.end('{"error":"temporarily_unavailable"}');
    },
    // The issuer does at once what was asked, and its answer takes a while.
    slow(request, answer, serve, seconds) {
        const end = answer.end.bind(answer);
        answer.end = (...last) => setTimeout(() => end(...last), seconds * 1000);
        serve();
    },
    // Something that is no issuer answers: a captive portal, a gateway.
    page(request, answer) {
        answer.writeHead(200, { 'content-type': 'text/html' });
        answer.end('<!doctype html><title>Welcome</title><p>Please accept our terms.</p>');
    },
};

export const kinds = Object.keys(FAULTS);

// `serve` lets the issuer answer.
export function pass(request, answer, serve) {
    const path = request.url.split('?')[0];
    const name = `${request.method} ${path}`;
    requests[name] = (requests[name] ?? 0) + 1;
    const at = waiting.findIndex((fault) => request.method === 'POST' && fault.path === path);
    if (at < 0) return serve();
    const [fault] = waiting.splice(at, 1);
    return FAULTS[fault.kind](request, answer, serve, fault.seconds);
}

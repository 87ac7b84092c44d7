// A person at a real browser: opens a page, signs in, answers, and waits for the page that ends it.
//
//   node browser.mjs [--answer yes|no|close] [--code CODE] [--shots DIRECTORY] [--name NAME] URL
//
// It prints one JSON line: `{ url, title, text, pages, foreign, wide }`, of the last page; `pages` names those of the
// issuer that were met, `foreign` the addresses off this machine that a page wanted, and `wide` the pages that a phone
// would have to scroll sideways. Pages are kept as pictures at a desktop's size and at a phone's: those of the issuer once,
// `issuer-PAGE-SIZE.png`, and the end of every run, `NAME-SIZE.png`.
// It knows the issuer's pages by their `data-page`, and any other page as the end.

import { existsSync, mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
// Long enough for a loaded machine; a page that hangs is a failure of whoever shows it.
const PATIENCE = 30_000;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const QUIET = [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
];

const { values: told, positionals } = parseArgs({
    allowPositionals: true,
    options: {
        answer: { type: 'string', default: 'yes' },
        code: { type: 'string' },
        shots: { type: 'string' },
        name: { type: 'string', default: 'page' },
    },
});
const [start] = positionals;

const seen = { pages: [], foreign: [], wide: [] };

async function picture(page, what) {
    for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
        if (wide) seen.wide.push(`${what ?? 'end'} ${size}`);
        const path = `${told.shots}/${what ? `issuer-${what}` : told.name}-${size}.png`;
        if (told.shots && !(what && existsSync(path))) await page.screenshot({ path });
    }
    await page.setViewportSize(SIZES.desktop);
}

// What a person does on each of the issuer's pages; none where there is nothing left to do.
const ACTS = {
    async login(page) {
        await page.fill('[name=user]', 'ann');
        await page.fill('[name=password]', 'canary-password-of-ann');
        return 'form button';
    },
    consent: () => (told.answer === 'no' ? 'button[value=no]' : 'button[value=yes]'),
    confirm: () => (told.answer === 'no' ? 'button[name=abort]' : 'button:not([name])'),
    async code(page) {
        if (!told.code || seen.pages.filter((name) => name === 'code').length > 1) return undefined;
        await page.fill('[name=user_code]', told.code);
        return 'button';
    },
};

// The name of an issuer's page, once it is there whole; one that only sends the browser on is waited out.
async function where(page) {
    const there = await page.waitForFunction(
        () => document.readyState === 'complete' && document.title !== 'Submitting Callback' && [document.body?.dataset.page],
    );
    const [name] = await there.jsonValue();
    return name;
}

async function walk(page) {
    await page.goto(start);
    for (;;) {
        const name = await where(page);
        seen.pages.push(name ?? 'end');
        await picture(page, name);
        if (told.answer === 'close') return;
        const button = await ACTS[name]?.(page);
        if (!button) return;
        // A form post is answered by another page, also by one of the same address.
        await Promise.all([page.waitForEvent('load'), page.click(button)]);
    }
}

if (told.shots) mkdirSync(told.shots, { recursive: true });
const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: process.getuid() === 0 ? ['--no-sandbox', ...QUIET] : QUIET,
});
try {
    const context = await browser.newContext({ viewport: SIZES.desktop });
    context.setDefaultTimeout(PATIENCE);
    await context.route(
        (url) => !['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname) && /^(https?|wss?):$/.test(url.protocol),
        (route) => {
            seen.foreign.push(route.request().url());
            return route.abort();
        },
    );
    const page = await context.newPage();
    await walk(page);
    const text = await page.evaluate(() => document.body.innerText);
    console.log(JSON.stringify({ url: page.url(), title: await page.title(), text, ...seen }));
} finally {
    await browser.close();
}

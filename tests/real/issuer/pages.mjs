// The issuer's pages. Each names itself in `data-page`, so that whoever drives a browser knows where it is.
// They load nothing from anywhere, and must not know what an answer to them does.

const escape = (text) =>
    String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

const page = (name, title, body) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 12vh auto; max-width: 24rem; padding: 0 1.5rem; color: #222 }
h1 { font-size: 1.5rem; line-height: 1.2 }
label { display: block; margin: 1rem 0 }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; margin-top: .25rem }
button { font: inherit; padding: .5rem 1.25rem; margin-right: .5rem }
code { font-size: 1.75rem; letter-spacing: .1em }
</style>
</head>
<body data-page="${name}">
<h1>${escape(title)}</h1>
${body}
</body>
</html>
`;

export const login = (action, wrong) =>
    page(
        'login',
        'Sign in',
        `${wrong ? '<p role="alert">That is not the password.</p>' : ''}
<form method="post" action="${escape(action)}">
<label>User name <input name="user" autocomplete="off" autofocus></label>
<label>Password <input name="password" type="password" autocomplete="off"></label>
<button>Sign in</button>
</form>`,
    );

export const consent = (action, client, asked) =>
    page(
        'consent',
        `Let ${client} in?`,
        `<p>${escape(client)} asks for:</p>
<ul>${asked.map((scope) => `<li>${escape(scope)}</li>`).join('')}</ul>
<form method="post" action="${escape(action)}">
<button name="answer" value="yes">Allow</button>
<button name="answer" value="no">Deny</button>
</form>`,
    );

// `form` comes from the provider and holds the field for the code.
export const code = (form, problem) =>
    page(
        'code',
        'Connect a device',
        `<p${problem ? ' role="alert"' : ''}>${escape(problem ?? 'Enter the code that your device shows.')}</p>
${form}
<p><button form="op.deviceInputForm">Go on</button></p>`,
    );

// `form` comes from the provider and holds the code.
export const confirm = (form, client, shown) =>
    page(
        'confirm',
        `Connect ${client}?`,
        `<p>Your device should show this code:</p>
<p><code>${escape(shown)}</code></p>
<p>Go on only if it does, and if you started this yourself.</p>
${form}
<p><button form="op.deviceConfirmForm">Go on</button>
<button form="op.deviceConfirmForm" name="abort" value="yes">Deny</button></p>`,
    );

export const done = (client) =>
    page('done', 'Connected', `<p>${escape(client)} is signed in. You may close this page.</p>`);

export const failed = (what) =>
    page(
        'failed',
        'That did not work',
        `<dl>${Object.entries(what)
            .map(([name, text]) => `<dt>${escape(name)}</dt><dd>${escape(text)}</dd>`)
            .join('')}</dl>`,
    );

#!/usr/bin/env bash
# git over HTTP with keyfob as its helper: nginx asks for a password at one place and for a bearer token at another.
# It knows git's and nginx's settings; it must not know how keyfob stores anything.
# By hand: KEYFOB=target/debug/keyfob tests/real/git-http.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need nginx nginx-light fcgiwrap fcgiwrap git git
make_work git-http
lay_out_keyfob

PASSWORD=canary-password-$RANDOM$RANDOM
TOKEN=canary-token-$RANDOM$RANDOM
PORT=$(free_port)
SITE=http://127.0.0.1:$PORT
CLIENT="git $(git version | cut -d' ' -f3)"
BACKEND=$(git --exec-path)/git-http-backend
[[ -x $BACKEND ]] || die "git's http backend is not at $BACKEND"

# The caller's git: a home of its own, keyfob its only helper.
export HOME=$WORK/home KEYFOB_HOME=$WORK/keyfob KEYFOB_KEYCHAIN=off
mkdir -p "$HOME" "$WORK/repos" "$WORK/nginx"
chmod 755 "$WORK"
git config --global user.name 'A Person'
git config --global user.email person@example.invalid
git config --global init.defaultBranch main
git config --global credential.helper keyfob
git config --global credential.useHttpPath false

make_repository() {
    git init -q --bare "$WORK/repos/$1.git"
    git -C "$WORK/repos/$1.git" config http.receivepack true
}

start_site() {
    printf 'ann:{PLAIN}%s\n' "$PASSWORD" >"$WORK/nginx/htpasswd"
    cat >"$WORK/nginx/backend.conf" <<EOF
fastcgi_pass unix:$WORK/nginx/fcgi.sock;
fastcgi_param SCRIPT_FILENAME $BACKEND;
fastcgi_param GIT_HTTP_EXPORT_ALL "";
fastcgi_param GIT_PROJECT_ROOT $WORK/repos;
fastcgi_param PATH_INFO \$git_path;
fastcgi_param QUERY_STRING \$query_string;
fastcgi_param REQUEST_METHOD \$request_method;
fastcgi_param CONTENT_TYPE \$content_type;
fastcgi_param CONTENT_LENGTH \$content_length;
fastcgi_param REMOTE_USER \$caller;
fastcgi_param HTTP_CONTENT_ENCODING \$http_content_encoding;
fastcgi_param HTTP_GIT_PROTOCOL \$http_git_protocol;
EOF
    local as_user=
    ((EUID != 0)) || as_user='user root;'
    cat >"$WORK/nginx/nginx.conf" <<EOF
$as_user
daemon off;
worker_processes 1;
pid $WORK/nginx/pid;
error_log stderr warn;
events { worker_connections 64; }
http {
    access_log $WORK/nginx/access.log;
    client_body_temp_path $WORK/nginx/body;
    proxy_temp_path $WORK/nginx/proxy;
    fastcgi_temp_path $WORK/nginx/fastcgi;
    uwsgi_temp_path $WORK/nginx/uwsgi;
    scgi_temp_path $WORK/nginx/scgi;
    client_max_body_size 64m;
    map \$http_authorization \$bearer_ok { default 0; "Bearer $TOKEN" 1; }
    server {
        listen 127.0.0.1:$PORT;
        location ~ ^/basic(?<git_path>/.*)\$ {
            auth_basic "keyfob test";
            auth_basic_user_file $WORK/nginx/htpasswd;
            set \$caller \$remote_user;
            include $WORK/nginx/backend.conf;
        }
        location ~ ^/bearer(?<git_path>/.*)\$ {
            set \$caller token;
            error_page 401 @challenge;
            if (\$bearer_ok = 0) { return 401; }
            include $WORK/nginx/backend.conf;
        }
        location @challenge { add_header WWW-Authenticate 'Bearer realm="keyfob test"' always; return 401; }
        location = /alive { return 204; }
    }
}
EOF
    serve fcgiwrap fcgiwrap -s "unix:$WORK/nginx/fcgi.sock"
    serve nginx nginx -p "$WORK/nginx" -c "$WORK/nginx/nginx.conf"
    await test -S "$WORK/nginx/fcgi.sock" || die "fcgiwrap did not start: $(cat "$WORK/fcgiwrap.log")"
    await bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT" || die "nginx did not start: $(cat "$WORK/nginx.log")"
}

# `round NAME URL`: clone, push and fetch; git must finish without asking, and say nothing of ours.
round() {
    local name=$1 url=$2 log=$WORK/$1.err
    : >"$log"
    git clone -q "$url" "$WORK/$name" 2>>"$log" || { cat "$log"; return 1; }
    (cd "$WORK/$name" && echo one >file && git add file && git commit -qm one && git push -q origin HEAD:main) 2>>"$log" ||
        { cat "$log"; return 1; }
    git clone -q "$url" "$WORK/$name-second" 2>>"$log" || { cat "$log"; return 1; }
    (cd "$WORK/$name" && echo two >file && git commit -qam two && git push -q origin HEAD:main) 2>>"$log" ||
        { cat "$log"; return 1; }
    git -C "$WORK/$name-second" fetch -q origin 2>>"$log" || { cat "$log"; return 1; }
    [[ $(git -C "$WORK/$name-second" rev-parse origin/main) == $(git -C "$WORK/$name" rev-parse HEAD) ]]
}

# git itself says "You appear to have cloned an empty repository"; any other word would be ours.
silent() { ! grep -v 'cloned an empty repository' "$WORK/$1.err" | grep .; }

# Runs git's own credential commands: `credential fill|approve|reject` with the given lines on stdin.
credential() {
    local action=$1
    shift
    printf '%s\n' "$@" | git credential "$action"
}

stored_password() { credential fill protocol=http "host=127.0.0.1:$PORT" 2>/dev/null | sed -n 's/^password=//p'; }
password_is() { [[ $(stored_password) == "$1" ]]; }

# `asking ANSWER`: git with a stand-in for a person who types user and password.
asking() {
    local password=$1
    shift
    cat >"$WORK/askpass" <<EOF
#!/bin/sh
case "\$1" in Username*) echo ann ;; *) echo '$password' ;; esac
EOF
    chmod +x "$WORK/askpass"
    GIT_ASKPASS=$WORK/askpass GIT_TERMINAL_PROMPT=1 "$@"
}

no_leak() { ! holds_canary "$WORK"/*.err "$WORK/nginx/access.log" "$WORK/nginx.log" "$HOME"; }

basic() {
    make_repository plain
    ok "git · miss · $CLIENT: without a stored password it is refused" fails git ls-remote "$SITE/basic/plain.git"
    ok 'a wrong password typed by a person is not kept' fails asking canary-wrong git ls-remote "$SITE/basic/plain.git"
    ok 'nothing is stored after that' password_is ''
    ok 'the right password typed once lets git in' asking "$PASSWORD" git ls-remote "$SITE/basic/plain.git"
    ok "git · store · $CLIENT: it stored it with keyfob" password_is "$PASSWORD"
    ok "git · hit · $CLIENT: clone, push and fetch work with the stored password" round basic "$SITE/basic/plain.git"
    ok 'keyfob said nothing meanwhile' silent basic
    ok 'the stored password is still there' password_is "$PASSWORD"
    credential approve protocol=http "host=127.0.0.1:$PORT" username=ann password=canary-stale
    ok 'a stale password is refused' fails git ls-remote "$SITE/basic/plain.git"
    ok "git · erase · $CLIENT: it had it erased" password_is ''
    credential approve protocol=http "host=127.0.0.1:$PORT" username=ann "password=$PASSWORD"
    credential reject protocol=http "host=127.0.0.1:$PORT" username=ann password=canary-other
    ok 'a rejected other password does not erase the stored one' password_is "$PASSWORD"
    credential reject protocol=http "host=127.0.0.1:$PORT" username=ann "password=$PASSWORD"
    ok 'the rejected stored one is erased' password_is ''
}

bearer() {
    make_repository token
    credential approve 'capability[]=authtype' protocol=http "host=127.0.0.1:$PORT" authtype=Bearer "credential=$TOKEN"
    ok "git · hit · $CLIENT: clone, push and fetch work with a stored bearer token" round bearer "$SITE/bearer/token.git"
    ok 'keyfob said nothing meanwhile, either' silent bearer
    ok 'a request without the capability does not get the token' \
        fails bash -c "printf 'protocol=http\nhost=127.0.0.1:$PORT\n\n' | git-credential-keyfob get | grep -q canary"
    credential approve 'capability[]=authtype' protocol=http "host=127.0.0.1:$PORT" authtype=Bearer credential=canary-revoked
    ok 'a revoked token is refused' fails git ls-remote "$SITE/bearer/token.git"
    ok "git · erase · $CLIENT: it had the token erased" fails bash -c \
        "printf 'capability[]=authtype\nprotocol=http\nhost=127.0.0.1:$PORT\n\n' | git-credential-keyfob get | grep -q canary"
}

start_site
basic
minor=$(git version | sed 's/^git version 2\.\([0-9]*\).*/\1/')
if ((minor >= 46)); then
    bearer
else
    skip 'bearer tokens of git' "they need git 2.46 ($(git version) here)"
fi
ok 'no secret in a log, on stderr or in the home directory' no_leak
finish

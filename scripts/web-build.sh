#!/usr/bin/env bash
# Builds the dashboard into web/dist, which the api embeds; does nothing while its sources are older than the last build.
set -euo pipefail
cd "$(dirname "$0")/../web"
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    ../scripts/node.sh npm ci --no-audit --no-fund --loglevel=error
    touch node_modules/.package-lock.json
fi
stamp=dist/index.html
if [ -e "$stamp" ] && [ -z "$(find . -path ./node_modules -prune -o -path ./dist -prune -o -path ./e2e -prune -o -path ./test-results -prune -o -newer "$stamp" -type f -print -quit)" ]; then
    exit 0
fi
../scripts/node.sh npm run --silent build

#!/usr/bin/env bash
# The browser tests, in a real Chromium against a real Footfall with the simulated campus. Everything it starts is ended again.
#
#   scripts/web-e2e.sh                 all of them
#   scripts/web-e2e.sh refusal.spec    those of a file
set -euo pipefail
cd "$(dirname "$0")/.."

CHROMIUM=$(scripts/chromium.sh) || { echo "no Chromium found: make setup" >&2; exit 1; }
export CHROMIUM

# As `make test` has built it: alone, with other features of what it depends on, all of that would be compiled once more.
cargo test --workspace --locked --quiet --no-run
work=$(mktemp -d)
# The servers may run as another account, which has to reach their folders.
chmod 755 "$work"
up=
finish() {
    if [ -n "$up" ]; then kill -TERM "$up" 2>/dev/null && wait "$up" || true; fi
    rm -rf "$work"
}
trap finish EXIT

# The history fills the charts, as on a site that has been open for a while.
target/debug/footfall up --dir "$work/stack" --http 127.0.0.1:0 --mqtt 127.0.0.1:0 \
    --kafka-port 0 --postgres-port 0 --redis-port 0 --history 15m >"$work/up.log" 2>&1 &
up=$!
for _ in $(seq 900); do
    grep -q '^ready ' "$work/up.log" && break
    kill -0 "$up" 2>/dev/null || break
    sleep 0.2
done
grep -q '^ready ' "$work/up.log" || { cat "$work/up.log" "$work"/stack/logs/*.log >&2; exit 1; }

field() { scripts/node.sh node -p "JSON.parse(require('fs').readFileSync('$work/stack/run.json'))['$1']"; }
FOOTFALL_HTTP=$(field http)
FOOTFALL_MQTT_ADDR=$(field mqtt)
export FOOTFALL_HTTP FOOTFALL_MQTT_ADDR
cd web
../scripts/node.sh npm run --silent e2e -- "$@"

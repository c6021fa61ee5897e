#!/usr/bin/env bash
# Installs what this machine lacks to build, run and test Footfall, and says so before it does. Quiet and quick when all is there.
#
#   scripts/setup.sh demo    what `make demo` needs
#   scripts/setup.sh test    that, and what only the tests need
#
# Debian and Ubuntu: packages, as root or through sudo. Elsewhere it names what is missing and stops.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-test}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The largest Java among JAVA_HOME's, the PATH's and Debian's own; Kafka 4 needs 17. `release` spares starting each of them.
java_major() {
    local java major best=0
    for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        [ -x "$java" ] || continue
        major=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$(dirname "$(readlink -f "$java")")/../release" 2>/dev/null || true)
        [ "${major:-0}" -gt "$best" ] && best=$major
    done
    echo "$best"
}

postgres_major() {
    { ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sed 's,.*postgresql/\([0-9]*\)/.*,\1,'
      have initdb && initdb --version | sed 's/.* \([0-9]*\)[.].*/\1/'; true; } | sort -n | tail -1
}

redis_major() { have redis-server && redis-server --version | sed 's/.*v=\([0-9]*\)[.].*/\1/'; }

# A server that is used where it is needs nothing here. The tests start their own, whatever the environment says.
is_elsewhere() { [ "$purpose" = demo ] && [ -n "${!1:-}" ] && [ "${!1}" != real ]; }

# Debian packages that are missing, one a line. A program that came another way counts.
missing_packages() {
    have make || echo make
    have cc && have c++ || echo build-essential
    have cmake || echo cmake
    have pkg-config || echo pkg-config
    [ -e /usr/include/openssl/ssl.h ] || pkg-config --exists libssl 2>/dev/null || echo libssl-dev
    # librdkafka's cmake build includes curl/curl.h even without OIDC; nothing is linked from it.
    [ -n "$(ls /usr/include/curl/curl.h /usr/include/*/curl/curl.h 2>/dev/null)" ] || echo libcurl4-openssl-dev
    [ -e /usr/include/zlib.h ] || pkg-config --exists zlib 2>/dev/null || echo zlib1g-dev
    if ! is_elsewhere FOOTFALL_KAFKA; then
        # The distribution's own Java: 17 on Debian 12, newer on all that are newer.
        [ "$(java_major)" -ge 17 ] || echo default-jre-headless
        have mvn || scripts/kafka-jars.sh --check || echo maven
    fi
    is_elsewhere FOOTFALL_POSTGRES || [ -n "$(postgres_major)" ] || echo postgresql
    is_elsewhere FOOTFALL_REDIS || have redis-server || echo redis-server
    if ! scripts/node.sh --check || [ "$purpose" = test ]; then
        python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
    fi
    if [ "$purpose" = test ]; then
        have mosquitto_pub || echo mosquitto-clients
        # The distribution's Python, whatever other one comes first in the path.
        /usr/bin/python3 -c 'import paho.mqtt.client' 2>/dev/null || echo python3-paho-mqtt
        scripts/chromium.sh --check || echo chromium
    fi
}

# A freshly installed server starts on its default port, where nobody asked for it. One that ran before is left alone.
stop_service() {
    if [ -d /run/systemd/system ]; then
        $sudo systemctl disable --now "$1" >/dev/null 2>&1 || true
    else
        $sudo service "$1" stop >/dev/null 2>&1 || true
    fi
}

install_packages() {
    local packages=("$@") package names=()
    have apt-get || fail "missing: ${packages[*]} (Debian's names). Install them with your package manager, then run this again."
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "missing: ${packages[*]}. Run as root: apt-get install ${packages[*]}"
        sudo=sudo
        [ -t 0 ] || sudo="sudo -n"
    fi
    say "refreshing the package lists"
    $sudo apt-get update -qq || fail "apt-get update failed"
    for package in "${packages[@]}"; do
        # Known only now that the lists are fresh; without a package, Playwright brings one at the end.
        [ "$package" = chromium ] && ! scripts/chromium.sh --packaged && continue
        names+=("$package")
    done
    [ "${#names[@]}" -gt 0 ] || return 0
    say "installing ${names[*]}"
    local log
    log=$(mktemp)
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${names[@]}" >"$log" 2>&1 || {
        tail -20 "$log" >&2
        fail "could not install ${names[*]}"
    }
    rm -f "$log"
    for package in "${names[@]}"; do
        case $package in
        postgresql | redis-server)
            say "stopping the service $package, which the package has started: ours run on ports of their own"
            stop_service "$package"
            ;;
        esac
    done
}

check_rust() {
    have cargo || fail "Rust is missing. Install it with:  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(cargo --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -1)" = "$wanted" ] ||
        fail "Rust $found is too old, $wanted is needed. Install it with:  rustup update stable"
}

# Installed, but too old for us, and not ours to replace.
check_versions() {
    is_elsewhere FOOTFALL_POSTGRES || [ "$(postgres_major)" -ge 15 ] ||
        fail "Postgres $(postgres_major) is too old, 15 is needed (Debian 12, Ubuntu 24.04); make demo can use another one: set FOOTFALL_POSTGRES"
    is_elsewhere FOOTFALL_REDIS || [ "$(redis_major)" -ge 7 ] ||
        fail "Redis $(redis_major) is too old, 7 is needed (Debian 12, Ubuntu 24.04); make demo can use another one: set FOOTFALL_REDIS"
}

sudo=
check_rust
mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"
check_versions
scripts/node.sh --install
is_elsewhere FOOTFALL_KAFKA || scripts/kafka-jars.sh
[ "$purpose" = demo ] || scripts/chromium.sh --install

#!/usr/bin/env bash
# Fuzzes the readers of foreign bytes, one after another on one core. What reaches something new joins fuzz/corpus/<target>/,
# what breaks a promise is left in fuzz/findings/<target>/; `cargo test` replays both.
#
#   scripts/fuzz.sh                        a minute each
#   scripts/fuzz.sh --minutes 10 native    ten minutes, only that one
#
# No sanitizer: the code under test is safe Rust, so a finding is a panic, an overflow, a broken assertion, or too much time
# or memory. That also spares a nightly compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=1
if [ "${1:-}" = --minutes ]; then
    minutes=${2:?--minutes needs a number}
    shift 2
fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cd fuzz/targets && ls | sed 's/[.]rs$//')

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz"
    cargo install cargo-fuzz --locked --quiet
fi
nice -n 10 cargo fuzz build --sanitizer none
programs=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release

broken=()
for target in "${targets[@]}"; do
    corpus=fuzz/corpus/$target findings=fuzz/findings/$target work=fuzz/work/$target
    mkdir -p "$corpus" "$findings" "$work"
    echo "fuzz: $target for $minutes min"
    nice -n 10 "$programs/$target" -max_total_time=$((minutes * 60)) -rss_limit_mb=1024 -timeout=10 -max_len=4096 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$findings/" "$work" "$corpus" || broken+=("$target")
    # Of all that was tried, what reaches code that the corpus does not.
    nice -n 10 "$programs/$target" -set_cover_merge=1 -use_counters=0 -rss_limit_mb=1024 -max_len=1024 -verbosity=0 \
        "$corpus" "$work" || broken+=("$target")
    rmdir --ignore-fail-on-non-empty "$findings"
done
if [ ${#broken[@]} -gt 0 ]; then
    echo "fuzz: broken: ${broken[*]}; the inputs are in fuzz/findings" >&2
    exit 1
fi

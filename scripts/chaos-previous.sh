#!/usr/bin/env bash
# Builds the program of an earlier commit (default: the one before), for the rolling upgrade of the chaos suite, and prints where
# it is. Kept below target/previous, so that it is built once for each commit. The dashboard in it is the present one, if any.
#   scripts/chaos-previous.sh [COMMIT]
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse --verify --quiet "${1:-HEAD~1}^{commit}") || {
  echo "chaos-previous: no commit ${1:-HEAD~1} in this checkout" >&2
  exit 1
}
home=$PWD/target/previous
tree=$home/tree
program=$home/footfall
if [[ -x $program && $(cat "$home/commit" 2>/dev/null) == "$commit" ]]; then
  echo "$program"
  exit
fi

if [[ -e $tree/.git ]]; then
  git -C "$tree" checkout --quiet --detach --force "$commit"
else
  mkdir -p "$home"
  git worktree prune
  git worktree add --quiet --detach "$tree" "$commit"
fi
if [[ -d web/dist ]]; then
  mkdir -p "$tree/web/dist"
  cp -a web/dist/. "$tree/web/dist/"
fi
CARGO_TARGET_DIR=$home/build cargo build --locked -p footfall --manifest-path "$tree/Cargo.toml" >&2
cp "$home/build/debug/footfall" "$program"
echo "$commit" > "$home/commit"
echo "$program"

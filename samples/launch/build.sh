#!/usr/bin/env bash
# Configures and builds the targets of a sample, and prints the folder of the build, last and alone
# on standard output. For the samples' own `run`; works from any directory, as root or not.
#   usage: samples/launch/build.sh TARGET...; the first one gives the messages their name
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# The build lies in build/release; where somebody else made that (root, say), in the user's cache.
build=$root/build/release
mkdir -p "$build" 2>/dev/null || true
for path in "$build" "$build/CMakeCache.txt" "$build/.ninja_log" "$build/samples/$1"; do
    if [ ! -w "$path" ] && { [ -e "$path" ] || [ "$path" = "$build" ]; }; then
        build=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/headrace/build/release
        echo "$1: $path cannot be written: building in $build" >&2
        break
    fi
done

# A compiler takes up to 2 GB over LibTorch's headers.
memory_gb=$(awk '/^MemAvailable/ {print int($2 / 1000000)}' /proc/meminfo)
jobs=$(nproc)
[ "$jobs" -le $((memory_gb / 2)) ] || jobs=$((memory_gb / 2))
[ "$jobs" -ge 1 ] || jobs=1

# From the source's folder, where the presets are. What other samples lack is left out.
cd "$root"
log=$build/configure.log
mkdir -p "$build"
if ! cmake --preset release -B "$build" -DHEADRACE_SAMPLES=AUTO -DHEADRACE_TORCH=AUTO \
    >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
if ! cmake --build "$build" -j "$jobs" --target "$@" >&2; then
    grep '^-- headrace: .*left out' "$log" >&2 || true
    exit 1
fi
echo "$build"

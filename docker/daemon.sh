# shellcheck shell=bash
# For docker/test: finds a Docker daemon and a client that speaks BuildKit, or starts a daemon for
# as long as the test lasts. To be sourced, by bash with `set -euo pipefail`.

say() { printf 'docker: %s\n' "$*" >&2; }

# Where a daemon of our own keeps images and caches, so that the next run downloads nothing again.
own_root=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/headrace/docker
own_daemon=""  # its process, where we started one
own_socket=""

# Sets `docker` to a client that can build with BuildKit; before Docker 23 that was to be asked for,
# since then a plug-in does it.
find_client() {
    local candidate version
    export DOCKER_BUILDKIT=1
    for candidate in docker /usr/bin/docker; do
        version=$("$candidate" version --format '{{.Client.Version}}' 2>/dev/null) || true
        [ -n "$version" ] || continue
        if [ "${version%%.*}" -lt 23 ] || "$candidate" buildx version >/dev/null 2>&1; then
            docker=$candidate
            return 0
        fi
    done
    return 1
}

# Sets `compose` to the words of Docker Compose, of either kind.
find_compose() {
    if "$docker" compose version >/dev/null 2>&1; then
        compose=("$docker" compose)
    elif command -v docker-compose >/dev/null; then
        compose=(docker-compose)
    else
        return 1
    fi
}

# Installs a daemon where there is none, but starts no service of the system's, and takes nothing
# away: where Docker's own packages are, Debian's are not installed over them.
require_daemon() {
    if command -v dockerd >/dev/null && command -v docker-compose >/dev/null; then return 0; fi
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then policy=""; else
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    "$here/../cmake/require_packages.sh" docker || status=1
    [ -z "$policy" ] || rm -f "$policy"
    return "$status"
}

# Starts a daemon of our own, in name spaces of its own for mounts and processes, which ends when
# this shell does: whatever happens, no mount and no container stays behind. It touches no network:
# no bridge, no packet filter.
start_daemon() {
    local folder
    mkdir -p "$own_root"
    exec 8>"$own_root/lock"
    if ! flock -n 8; then
        say "another docker/test is at work over $own_root; waiting for it, half an hour at most"
        flock -w 1800 8 || return 1
    fi
    folder=$(mktemp -d /tmp/headrace-docker.XXXXXX)
    own_socket=$folder/docker.sock
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=TERM --mount-proc dockerd \
        --data-root "$own_root/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
        --host "unix://$own_socket" --bridge=none --iptables=false --ip6tables=false \
        >"$folder/log" 2>&1 8>&- &
    own_daemon=$!
    export DOCKER_HOST=unix://$own_socket
    local tries
    for ((tries = 0; tries < 240; ++tries)); do
        if "$docker" info >/dev/null 2>&1; then return 0; fi
        kill -0 "$own_daemon" 2>/dev/null || break
        sleep 0.5
    done
    say "a daemon of our own does not start:"
    tail -5 "$folder/log" >&2
    return 1
}

stop_daemon() {
    [ -n "$own_daemon" ] || return 0
    local folder=${own_socket%/*} tries
    kill -KILL "$own_daemon" 2>/dev/null || true
    wait "$own_daemon" 2>/dev/null || true
    # The daemon is told by that, ends its containers, and takes this file away.
    for ((tries = 0; tries < 60; ++tries)); do
        [ -e "$folder/pid" ] || break
        sleep 0.5
    done
    rm -rf --one-file-system "$folder"
    own_daemon=""
}

# Sets `docker`, `compose` and `build_options`, the options of `docker build` that this place needs;
# and `base`, the image that it builds on, where that is not the Dockerfile's.
# Returns 1, and says why, where there is no daemon to be had.
find_daemon() {
    build_options=()
    if find_client && "$docker" info >/dev/null 2>&1; then
        find_compose || { say "no Docker Compose, of neither kind"; return 1; }
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "no Docker daemon answers, and one of our own wants root"
        return 1
    fi
    # Its containers have no network but the machine's, and there may be no registry of images: the
    # base is a system that debootstrap makes.
    local archive
    require_daemon || return 1
    archive=$("$here/../tests/package/debian_system") || return 1
    find_client || { say "no Docker client with BuildKit"; return 1; }
    find_compose || { say "no Docker Compose, of neither kind"; return 1; }
    start_daemon || return 1
    base=$(base_image "$archive") || return 1
    build_options=(--network host --build-arg "BASE=$base")
}

# base_image ARCHIVE: prints the name of an image of that system, made where it is not there yet.
base_image() {
    local archive=$1 name change=()
    name=headrace-base:$(sha256sum "$archive" | cut -c 1-16)
    # See README.md, "What a container has".
    [ -z "${OPENBLAS_CORETYPE:-}" ] || change=(--change "ENV OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE")
    if ! "$docker" image inspect "$name" >/dev/null 2>&1; then
        "$docker" import "${change[@]}" "$archive" "$name" >/dev/null || return 1
    fi
    echo "$name"
}

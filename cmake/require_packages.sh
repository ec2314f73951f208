#!/usr/bin/env bash
# Sees to it that the Debian packages are there which a build, the tests or a sample need: installs
# what is missing, says what it installs, and does nothing when nothing is missing.
#   usage: cmake/require_packages.sh GROUP...
#   groups: build cli tests bench torch audio voices words mpi clang package docs docker model,
#   and cuda (what require_cuda.sh needs)
# Uses sudo when not root. Without apt it looks for the programs and headers themselves, and stops
# with a list when some are missing. HEADRACE_NO_INSTALL=1: install nothing, only look.
# HEADRACE_TORCH_DIR set: the group `torch` is taken from there and nothing is installed for it.
set -euo pipefail

say() { printf 'headrace: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

packages_of() {
    case $1 in
        build) echo g++ cmake ninja-build pkg-config ccache ;;
        cli) echo libcxxopts-dev nlohmann-json3-dev ;;
        tests) echo libgtest-dev googletest ;;
        bench) echo libbenchmark-dev libboost-dev ;;
        torch) [ -n "${HEADRACE_TORCH_DIR:-}" ] || echo libtorch-dev libopenblas0-openmp ;;
        audio) echo libsndfile1-dev libkissfft-dev ;;
        voices) echo asterisk-core-sounds-{en,es,fr,it,ru}-wav ;;
        mpi) echo openmpi-bin libgloo-dev ;;
        words) echo wamerican wfrench wngerman witalian wspanish gnuplot-nox ;;
        clang) echo clang clang-format clang-tidy libclang-rt-dev ;;
        package) echo dpkg-dev debootstrap ;;
        docs) echo doxygen ;;
        model) echo spin ;;  # and a C compiler, which g++ brings
        docker) echo docker.io docker-compose debootstrap ;;  # a daemon for docker/test
        # What require_cuda.sh installs nvcc with, where there is none.
        cuda) [ -n "$(command -v nvcc)" ] || [ -x /usr/local/cuda/bin/nvcc ] || echo python3-pip ;;
        *) stop "no group \"$1\" of packages; there are: build cli tests bench torch audio voices" \
                "words mpi clang package docs docker model cuda" ;;
    esac
}

has_header() { echo "#include <$1>" | "${CXX:-c++}" -std=c++20 -E -x c++ - >/dev/null 2>&1; }
has_fuzzer() {
    echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
        clang++ -fsanitize=fuzzer -x c++ - -o /dev/null
}
has_words() { [ -f "/usr/share/dict/$1" ]; }
has_sounds() { compgen -G "/usr/share/asterisk/sounds/$1*" >/dev/null; }

# Whether what a package is wanted for is there, wherever it comes from.
works() {
    case $1 in
        g++) command -v "${CXX:-c++}" ;;
        ninja-build) command -v ninja ;;
        cmake | pkg-config | clang | clang-format | clang-tidy | spin) command -v "$1" ;;
        # A comfort: nothing fails without it. LibTorch takes ten times as long without OpenBLAS.
        ccache | googletest | libopenblas0-openmp | python3-pip | gnuplot-nox) true ;;
        docker.io) command -v dockerd ;;
        docker-compose | debootstrap) command -v "$1" ;;
        libclang-rt-dev) has_fuzzer ;;
        libcxxopts-dev) has_header cxxopts.hpp ;;
        nlohmann-json3-dev) has_header nlohmann/json.hpp ;;
        libgtest-dev) has_header gtest/gtest.h ;;
        libbenchmark-dev) has_header benchmark/benchmark.h ;;
        libboost-dev) has_header boost/interprocess/ipc/message_queue.hpp ;;
        libsndfile1-dev) has_header sndfile.h ;;
        libkissfft-dev) has_header kissfft/kiss_fftr.h ;;
        libgloo-dev) has_header gloo/algorithm.h ;;
        openmpi-bin) command -v mpirun ;;
        libtorch-dev)
            has_header torch/csrc/api/include/torch/version.h ||
                has_header torch/csrc/api/include/torch/torch.h ||
                python3 -c 'import importlib.util as u; u.find_spec("torch").origin' 2>&1 ;;
        wamerican) has_words american-english ;;
        wfrench | wngerman | witalian | wspanish) has_words "${1#w}" ;;
        asterisk-core-sounds-en-wav) has_sounds en ;;
        asterisk-core-sounds-es-wav) has_sounds es ;;
        asterisk-core-sounds-fr-wav) has_sounds fr ;;
        asterisk-core-sounds-it-wav) has_sounds it ;;
        asterisk-core-sounds-ru-wav) has_sounds ru ;;
        *) false ;;
    esac >/dev/null
}

# Sets `missing` to those of `wanted` that dpkg does not have.
look_with_dpkg() {
    local installed
    # dpkg-query fails for packages that it never heard of, and tells of the others all the same.
    installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package}\n' "${wanted[@]}" 2>/dev/null |
        sed -n 's/^installed://p' | tr '\n' ' ' || true) "
    missing=()
    local package
    for package in "${wanted[@]}"; do
        [[ $installed == *" $package "* ]] || missing+=("$package")
    done
}

# Sets `missing` to those of `missing` whose programs or headers are not there.
look_for_the_thing() {
    local package still=()
    for package in "${missing[@]}"; do
        works "$package" || still+=("$package")
    done
    missing=("${still[@]}")
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo env "$@"; fi
}

apt() {
    as_root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@" >&2
}

# True when apt's lists know every missing package.
lists_know_them() {
    local known
    known=$(apt-cache policy "${missing[@]}" 2>/dev/null | grep -c '^  Candidate: [^(]' || true)
    [ "$known" -eq "${#missing[@]}" ]
}

install_missing() {
    say "installing with apt-get: ${missing[*]}"
    local attempt
    for attempt in 1 2 3; do
        if [ "$attempt" -gt 1 ]; then
            say "that failed; trying again with fresh lists (attempt $attempt of 3)"
            sleep $((attempt * 3))
        fi
        if [ "$attempt" -gt 1 ] || ! lists_know_them; then
            apt update || continue
        fi
        # Never at the cost of what somebody has.
        if apt install -y --no-remove --no-install-recommends "${missing[@]}"; then
            return 0
        fi
    done
    return 1
}

[ $# -gt 0 ] || stop "usage: cmake/require_packages.sh GROUP...; see the comment in it"
wanted=()
for group in "$@"; do
    packages=$(packages_of "$group")
    for package in $packages; do
        wanted+=("$package")
    done
done
[ "${#wanted[@]}" -gt 0 ] || exit 0
missing=("${wanted[@]}")

may_install=yes
why=""
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    may_install=no why="this system has no apt"
else
    look_with_dpkg
    [ "${#missing[@]}" -gt 0 ] || exit 0
    if [ -n "${HEADRACE_NO_INSTALL:-}" ]; then
        may_install=no why="HEADRACE_NO_INSTALL is set"
    elif [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        may_install=no why="neither root nor sudo"
    fi
fi

if [ "$may_install" = yes ]; then
    if install_missing; then exit 0; fi
    why="apt-get could not install them"
fi
look_for_the_thing
[ "${#missing[@]}" -gt 0 ] || exit 0
stop "needed, by their names in Debian 12, and not there ($why): ${missing[*]}." \
     "Debian: apt-get install --no-install-recommends ${missing[*]}"

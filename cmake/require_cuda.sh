#!/usr/bin/env bash
# Sees to it that there is a CUDA compiler, and prints its path: the one that CUDACXX names, the
# nvcc in PATH or in /usr/local/cuda, or one that it installs into a folder of the caller's, from
# NVIDIA's packages in PyPI (compiler, runtime, CCCL and NVTX; 100 MB). Nothing of it needs a GPU.
#   usage: cmake/require_cuda.sh FOLDER
# HEADRACE_NO_INSTALL=1: install nothing, only look. Ends with 1, and says why, when there is none.
set -euo pipefail

# Versions that belong together; nvcc 13.0 runs on, and compiles for, what the preset `cuda` lists.
packages=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 nvidia-nvtx==13.0.85)

say() { printf 'headrace: %s\n' "$*" >&2; }
folder=${1:?usage: cmake/require_cuda.sh FOLDER}
toolkit=$folder/nvidia/cu13

for nvcc in "${CUDACXX:-}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc \
    "$toolkit/bin/nvcc"; do
    if [ -n "$nvcc" ] && "$nvcc" --version >/dev/null 2>&1; then
        echo "$nvcc"
        exit 0
    fi
done

if [ -n "${HEADRACE_NO_INSTALL:-}" ]; then
    say "no nvcc, and HEADRACE_NO_INSTALL is set"
    exit 1
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
    say "no nvcc, and no pip for python3 to install one with (Debian: python3-pip)"
    exit 1
fi
say "installing with pip into $folder: ${packages[*]}"
mkdir -p "$folder"
if ! python3 -m pip install -q --no-deps --upgrade --target "$folder" "${packages[@]}" >&2; then
    say "pip could not install them"
    exit 1
fi
chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/* 2>/dev/null || true
# nvcc looks for its libraries there, and CMake for the toolkit by this one.
[ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
[ -e "$toolkit/lib/libcudart.so" ] || ln -s libcudart.so.13 "$toolkit/lib/libcudart.so"
"$toolkit/bin/nvcc" --version >/dev/null || { say "the nvcc in $toolkit does not start"; exit 1; }
echo "$toolkit/bin/nvcc"

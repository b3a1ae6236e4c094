#!/bin/sh
# Builds the Python binding of llama.cpp for the accuracy table, into build/llama-venv, which takes
# about six minutes on two cores. The instruction sets are named, not detected, and AMX is left out,
# because its code crashed on a machine that reports AMX and does not offer it.
#
# Exit status 77, with a reason, if the package index cannot be reached.
set -eu
cd "$(dirname "$0")/../.."
venv=build/llama-venv
if $venv/bin/python -c 'import llama_cpp, gguf, matplotlib' 2>/dev/null; then exit 0; fi
mkdir -p build
python3 -m venv $venv
CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_VBMI=ON"
CMAKE_ARGS="$CMAKE_ARGS -DGGML_AMX_TILE=OFF -DGGML_AMX_INT8=OFF -DGGML_AMX_BF16=OFF"
CMAKE_ARGS="$CMAKE_ARGS -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF"
export CMAKE_ARGS
if ! $venv/bin/python -m pip install -q --no-binary llama-cpp-python llama-cpp-python==0.3.36 \
    gguf==0.19.0 matplotlib >build/llama-venv.log 2>&1 </dev/null; then
    echo "llama_cpp: the Python package index did not give llama-cpp-python 0.3.36, or it does" \
        "not build here (build/llama-venv.log)" >&2
    exit 77
fi

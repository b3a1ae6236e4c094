#!/bin/sh
# The curve of docs/accuracy.md: fetches SmolLM2, builds llama.cpp's binding, installs its tools,
# measures, and writes docs/accuracy. The first time it takes more than an hour on two free cores.
# APUS_BUILD names the build folder. Exit status 77, with a reason, if something cannot be fetched.
set -eu
cd "$(dirname "$0")/../.."
gguf=$(sh toolchain/model.sh gguf) || exit $?
sh bench/accuracy/llama_cpp.sh
sh bench/peers/peers.sh llama.cpp
rm -f build/accuracy/curve* # of another build, perhaps
exec nice build/llama-venv/bin/python bench/accuracy/curve.py "$gguf" --docs docs "$@"

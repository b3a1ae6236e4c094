#!/bin/sh
# The accuracy table of docs/accuracy.md: fetches SmolLM2, builds llama.cpp's binding, measures, and
# prints the table. It takes about half an hour on two free cores. APUS_BUILD names the build
# folder. Exit status 77, with a reason, if something cannot be fetched.
set -eu
cd "$(dirname "$0")/../.."
gguf=$(sh toolchain/model.sh gguf) || exit $?
sh bench/accuracy/llama_cpp.sh
rm -f build/accuracy/*.apus build/accuracy/windows.jsonl # of another build, perhaps
exec nice build/llama-venv/bin/python bench/accuracy/table.py "$gguf" --check "$@"

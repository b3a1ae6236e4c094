#!/bin/sh
# Packs what train.py has written, or its last state while it runs: DIRECTORY/target.apus and
# DIRECTORY/draft.apus.
#   pack.sh DIRECTORY [PYTHON]
set -eu
here=$(dirname "$0")
directory=${1:?usage: pack.sh DIRECTORY [PYTHON]}
"${2:-python3}" "$here/export.py" "$directory"
pack=${APUS_BUILD:-$here/../../build/release}/apus-pack
for name in target draft; do
    "$pack" "$directory/$name" -o "$directory/$name.apus" --weights int8 --fim qwen-spm \
        --name "apus pair, $name"
done

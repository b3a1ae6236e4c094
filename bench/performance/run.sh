#!/bin/sh
# Measures what docs/performance.md shows, into JSON files, on a machine that should have nothing else to do. About 25 minutes on two cores, most
# of them filling a context of 8192 tokens.
#
#     bench/performance/run.sh OUT [PEER ...]          then: bench/performance/report.py OUT
#
# PEER: NAME=COMMAND as in bench/peers/peers.py; llama.cpp of Debian unstable is taken by itself where bench/peers/setup.sh can have it.
# Needs numpy and the packages of `toolchain/setup.sh tests`; models are made once in build/performance.
set -eu
cd "$(dirname "$0")/../.."
out=$1
shift
models=build/performance
python=build/oracle-venv/bin/python
apus=build/release/apus
mkdir -p "$out" $models
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

model() { # name, shape, GGUF type, weights
    [ -e "$models/$2.$3.gguf" ] || $python bench/peers/random_gguf.py "$2" "$models/$2.$3.gguf" --type "$3"
    [ -e "$models/$1.apus" ] || build/release/apus-pack "$models/$2.$3.gguf" --weights "$4" --no-calibrate -o "$models/$1.apus" >&2
}
say "models"
model 135m-int4 amd-llama-135m q4_0 int4
model 135m-int8 amd-llama-135m q8_0 int8
model 7b-int4 codellama-7b q4_0 int4

say "kernels"
build/release/bench/bench_gemv >"$out/gemv.json"
for m in 135m-int8 135m-int4 7b-int4; do
    for cpu in avx512 avx2; do
        say "$m, $cpu"
        $apus bench -m $models/$m.apus --cpu $cpu --seconds 40 --json >"$out/$m.$cpu.json" || rm "$out/$m.$cpu.json" # not on this processor
    done
done
for at in 512 2048 8192; do
    say "7b-int4 behind $at tokens"
    $apus bench -m $models/7b-int4.apus --at $at --seconds 20 --json >"$out/at-$at.json"
done
say "start"
$python bench/startup.py $models/7b-int4.apus --rounds 5 >"$out/startup.json"


peers=
if setup=$(sh bench/peers/setup.sh); then peers="--peer llama.cpp=$setup"; fi
for p in "$@"; do peers="$peers --peer '$p'"; done
if [ -n "$peers" ]; then
    say "peers"
    eval "$python bench/peers/peers.py $models/codellama-7b.q4_0.gguf $models/7b-int4.apus $peers -o '$out/peers.json'" >/dev/null
fi

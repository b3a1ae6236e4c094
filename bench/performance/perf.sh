#!/bin/sh
# Measures what docs/performance.md shows, writes it to JSON files, and writes that document from
# them. It takes less than 12 minutes on two cores that do nothing else, after the first run, which
# also makes the models and sets up the peers.
#
#     sh bench/performance/perf.sh [OUT [NAME=COMMAND ...]]
#
# OUT: folder for the JSON files, default docs/performance. NAME=COMMAND: more peers, as in
# bench/peers/peers.py; those of bench/peers/peers.sh are always used, and if one cannot be set up
# the reason is printed. ONLY="gemv engine context startup peers roofline report" chooses steps; the
# others keep their files. It needs the release build, numpy and the packages of
# `toolchain/setup.sh tests`; the report also installs matplotlib.
set -eu
cd "$(dirname "$0")/../.."
out=${1:-docs/performance}
[ $# -gt 0 ] && shift
models=build/performance
python=build/oracle-venv/bin/python
apus=build/release/apus
steps=${ONLY:-gemv engine context startup peers roofline report}
mkdir -p "$out" $models
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
wanted() { case " $steps " in *" $1 "*) ;; *) false ;; esac; }

model() { # name, shape, GGUF type, weights
    gguf=$models/$2.$3.gguf
    [ -e "$gguf" ] || $python bench/peers/random_gguf.py "$2" "$gguf" --type "$3"
    [ -e "$models/$1.apus" ] ||
        build/release/apus-pack "$gguf" --weights "$4" --no-calibrate -o "$models/$1.apus" >&2
}
model 135m-int4 amd-llama-135m q4_0 int4
model 135m-int8 amd-llama-135m q8_0 int8
model 7b-int4 codellama-7b q4_0 int4

if wanted gemv; then
    say "kernels"
    build/release/bench/bench_gemv --rounds 3 >"$out/gemv.json"
fi
if wanted engine; then
    for m in 135m-int8 135m-int4 7b-int4; do
        seconds=15
        [ $m = 7b-int4 ] && seconds=45
        for cpu in avx512 avx2; do
            say "$m, $cpu"
            $apus bench -m $models/$m.apus --cpu $cpu --seconds $seconds --json \
                >"$out/$m.$cpu.json" ||
                rm "$out/$m.$cpu.json" # the processor lacks this set
        done
    done
fi
if wanted context; then
    say "7b-int4 behind up to 8192 tokens"
    build/release/bench/bench_context $models/7b-int4.apus >"$out/context.json"
fi
if wanted startup; then
    say "start"
    $python bench/startup.py $models/7b-int4.apus --rounds 3 >"$out/startup.json"
fi
if wanted peers; then
    say "peers"
    found=$(sh bench/peers/peers.sh) || true
    for p in "$@"; do found="$found
$p"; done
    if [ -n "$found" ]; then
        printf '%s\n' "$found" | sed '/^$/d' |
            $python bench/peers/peers.py $models/codellama-7b.q4_0.gguf $models/7b-int4.apus \
                --peers - --rounds 5 -o "$out/peers.json" >/dev/null
    fi
fi
if wanted roofline; then
    say "roofline"
    if $python bench/performance/roofline.py --build build/release >"$out/roofline.json.part"; then
        mv "$out/roofline.json.part" "$out/roofline.json"
    else
        rm -f "$out/roofline.json.part"
    fi
fi
if wanted report; then
    say "report"
    $python -c "import matplotlib" 2>/dev/null ||
        $python -m pip install -q --disable-pip-version-check matplotlib </dev/null
    $python bench/performance/report.py "$out"
fi

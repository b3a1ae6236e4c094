#!/bin/sh
# What takes too long for every change; run before a release and after work on the parts it covers. Exit status 1 if something failed.
#
#   threads   the tests that use threads under the thread sanitizer (label threads)
#   long      the tests labelled long: 7B- and 6B-shaped checkpoints packed, mapped and run; tokenizers against their oracles on 10 MB;
#             accuracy tables on held-out text
#   fuzz      every libFuzzer target for FUZZ_SECONDS (120 unless set)
#
# Arguments choose parts (`sh toolchain/test-long.sh threads fuzz`); none means all. Needs about 40 GB of disk and 8 GB of memory.
set -u
cd "$(dirname "$0")/.."
. toolchain/stages.sh
parts=${*:-threads long fuzz}
has() { case " $parts " in *" $1 "*) return 0 ;; esac; return 1; }

stage setup sh toolchain/setup.sh tests
if has threads; then
    stage "build thread" build build/thread --preset thread
    tests "tests thread" build/thread -L threads -LE long
fi
if has long; then
    stage "build release" build build/release --preset release
    stage model sh toolchain/model.sh
    jobs=1 # they take the whole machine, and some measure time
    tests "tests long" build/release -L long --timeout 14400
fi
if has fuzz; then
    fuzz "${FUZZ_SECONDS:-120}"
fi
finish

#!/bin/sh
# The demos, then all tests but the long ones (toolchain/test-long.sh has those). The last line
# counts them; exit status 1 if one failed. Logs are in build/log. Tests whose oracles cannot be had
# (no Python package index) are skipped with a reason.
set -u
cd "$(dirname "$0")/.."
. toolchain/stages.sh

# numpy's threads spin while they wait, and there is a test for each processor already.
export OPENBLAS_NUM_THREADS=1

stage setup sh toolchain/setup.sh tests
stage demo sh toolchain/demo.sh
stage "demo pair" sh toolchain/demo.sh pair

# What people use: every test, with a compiler's warnings as errors.
stage "build release" build build/release all --preset release
tests "tests release" build/release -LE long

# The command line as other programs see it, on the demos' models.
pair=weights/models/pair
stage "command line contract, pair" python3 tests/api/contract.py $pair/target.apus \
    --draft $pair/draft.apus
stage "command line contract, smollm2" sh -c \
    'model=$(sh toolchain/model.sh) || exit $?; python3 tests/api/contract.py "$model"'

# Address and undefined-behaviour sanitizers. Oracles look at values, not at memory, and would take
# minutes there.
stage "build dev" build build/dev all --preset dev
tests "tests dev" build/dev -LE 'long|oracle|once'

# The other compiler, and its own idea of vector code: the same bits. Its warnings are seen by lint,
# in every file.
stage "build clang" build build/clang compiler_tests --preset clang
tests "tests clang" build/clang -L compiler -LE 'long|oracle|once'

# Addresses of 32 bits: short tests of what sizes and offsets decide, and the release's bits.
stage "packages i386" sh toolchain/i386.sh
if [ "$stage_status" = 0 ]; then
    stage "build narrow" build build/narrow narrow_tests --preset narrow
    tests "tests narrow" build/narrow -L narrow
fi

stage "build firmware" sh toolchain/firmware.sh
stage layout sh toolchain/lint.sh layout
stage lint sh toolchain/lint.sh

fuzz 10

finish 30

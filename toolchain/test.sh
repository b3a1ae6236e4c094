#!/bin/sh
# Runs the demos, then all tests except the long ones, which toolchain/test-long.sh runs. The last
# line counts them; exit status 1 if one failed. Logs are in build/log. Tests whose oracles cannot
# be had (no Python package index) are skipped with a reason.
set -u
cd "$(dirname "$0")/.."
. toolchain/stages.sh

# numpy's threads use their processors while they wait, and ctest already runs as many tests at once
# as there are processors.
export OPENBLAS_NUM_THREADS=1

stage setup sh toolchain/setup.sh tests
stage demo sh toolchain/demo.sh
stage "demo pair" sh toolchain/demo.sh pair

# The build that people use: every test, and each warning of the compiler is an error.
stage "build release" build build/release all --preset release
tests "tests release" build/release -LE long

# What other programs expect of the command line, tested with the models of the demos.
pair=weights/models/pair
stage "command line contract, pair" python3 tests/api/contract.py $pair/target.apus \
    --draft $pair/draft.apus
stage "command line contract, smollm2" sh -c \
    'model=$(sh toolchain/model.sh) || exit $?; python3 tests/api/contract.py "$model"'

# The sanitizers for addresses and undefined behaviour. The comparisons with oracles are left out,
# because they are about values, not memory, and would take minutes here.
stage "build dev" build build/dev all --preset dev
tests "tests dev" build/dev -LE 'long|oracle|once'

# The other compiler, whose vector code is different, must give the same bits. lint shows its
# warnings in every file.
stage "build clang" build build/clang compiler_tests --preset clang
tests "tests clang" build/clang -L compiler -LE 'long|oracle|once'

# Addresses of 32 bits: short tests of all that depends on sizes and offsets, which must give the
# same bits as the release build.
stage "packages i386" sh toolchain/i386.sh
if [ "$stage_status" = 0 ]; then
    stage "build narrow" build build/narrow narrow_tests --preset narrow
    tests "tests narrow" build/narrow -L narrow
fi

# Programs for Windows under Wine: the port's tests, short ones of the library, and the release's
# bits, bytes and answers.
stage "windows parts" sh toolchain/windows.sh
if [ "$stage_status" = 0 ]; then
    stage "build windows" build build/windows windows_short --preset windows
    tests "tests windows" build/windows -L windows -LE long
fi

# The library without libc for two processors, and images of it that boot: 90 seconds at most.
stage "build firmware" sh toolchain/firmware.sh
if [ "$stage_status" = 0 ]; then stage "boot images" sh toolchain/images.sh; fi
stage layout sh toolchain/lint.sh layout
stage lint sh toolchain/lint.sh

fuzz 10

# README.md says where Apus runs by what these stages did.
stage supported python3 toolchain/supported.py ran build/log

finish 35

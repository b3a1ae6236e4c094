#!/bin/sh
# clang-tidy (.clang-tidy says which checks) and cppcheck over every C file of the tree, or over the
# files named. Silent when clean.
#
#   sh toolchain/lint.sh [deep] [FILE ...] deep: the analyzer follows many more paths, which takes
#   ten times as long
set -eu
cd "$(dirname "$0")/.."
analyzer='--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=mode=shallow'
if [ "${1:-}" = deep ]; then
    analyzer=
    shift
fi
files=${*:-$(find apps bench cpu hal igpu npu port runtime tests weights -name '*.c' | sort)}

# As a debug build, so that assertions are seen, and by clang, whose flags clang-tidy understands.
# Only configured, not built, but for the shaders, which C includes as words.
cmake --preset fuzz -B build/lint -DAPUS_SANITIZE= >build/lint-configure.log ||
    { cat build/lint-configure.log; exit 1; }
if grep -q '^build apus_shader_words:' build/lint/build.ninja; then ninja -C build/lint apus_shader_words >>build/lint-configure.log; fi

bad=0
echo "$files" | tr ' ' '\n' | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/lint $analyzer 2>build/lint-tidy.log ||
    { grep -v 'warnings\? generated' build/lint-tidy.log; bad=1; }

# Without the tests, which pass null pointers on purpose, and the kernels in intrinsics, which take
# it minutes each. memleak: does not follow memory that is handed on through memcpy; the leak
# sanitizer runs in the dev tests.
echo "$files" | tr ' ' '\n' | grep -v -e '^tests/' -e '^cpu/avx' | xargs -r cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability,performance \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem --suppress=memleak -I. -Iinclude || bad=1
exit $bad

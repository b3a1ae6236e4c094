#!/bin/sh
# Runs clang-format (.clang-format; only version 14, because other versions give another layout),
# clang-tidy (.clang-tidy lists the checks) and cppcheck over every C file of the tree, or over the
# files named. Prints nothing if they find nothing.
#
#   sh toolchain/lint.sh [layout | deep] [FILE ...]
#
# layout: only clang-format; exit status 77, with the reason, if there is no version 14. deep: the
# analyzer follows many more paths, which takes ten times as long.
set -eu
cd "$(dirname "$0")/.."
analyzer='--extra-arg=-Xclang --extra-arg=-analyzer-config
    --extra-arg=-Xclang --extra-arg=mode=shallow'
only=
case ${1:-} in
deep) analyzer= && shift ;;
layout) only=layout && shift ;;
esac
folders="apps bench cpu hal igpu include npu port runtime speculate tests text trace weights"
files=${*:-$(find $folders -name '*.c' | sort)}
layout=${*:-$(find $folders -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.hpp')}
windows='/windows[a-z_]*\.c$\|/test_windows\.c$'
mkdir -p build
bad=0

# unicode_tables.c is made by weights/tools/make_unicode.py.
format=
for f in clang-format-14 clang-format; do
    [ -n "$format" ] || case $($f --version 2>/dev/null) in *"version 14."*) format=$f ;; esac
done
if [ -n "$format" ]; then
    echo "$layout" | tr ' ' '\n' | grep -v '^text/unicode_tables\.c$' |
        xargs -r "$format" --dry-run -Werror --ferror-limit=1 >build/lint-format.log 2>&1 ||
        { grep 'error:' build/lint-format.log
          echo "lint: expected the layout of .clang-format: $format -i FILE makes it"
          bad=1; }
else
    echo "skipped: layout is checked by clang-format 14, found" \
        "$(clang-format --version 2>/dev/null || echo none)"
    [ "$only" != layout ] || exit 77
fi
[ "$only" != layout ] || exit $bad

# Configures a debug build, so that assertions are seen, with clang, whose flags clang-tidy
# understands. Only the shaders are built, because C includes their words.
cmake --preset fuzz -B build/lint -DAPUS_SANITIZE= >build/lint-configure.log ||
    { cat build/lint-configure.log; exit 1; }
if grep -q '^build apus_shader_words:' build/lint/build.ninja; then
    ninja -C build/lint apus_shader_words >>build/lint-configure.log
fi

# Images and kernels for AArch64 are compiled with other targets and headers: toolchain/firmware.sh
# shows the warnings of their compilers.
echo "$files" | tr ' ' '\n' |
    grep -v -e '^apps/firmware/' -e '^cpu/neon' -e '^tests/firmware/neon' -e "$windows" |
    xargs -r -P "$(nproc)" -n 4 clang-tidy --quiet -p build/lint $analyzer 2>build/lint-tidy.log ||
    { grep -v 'warnings\? generated' build/lint-tidy.log; bad=1; }

# The files for Windows need MinGW's headers, which toolchain/windows.sh installs. clang does not
# know MinGW's word for formats.
if command -v x86_64-w64-mingw32-gcc >/dev/null; then
    echo "$files" | tr ' ' '\n' | grep -e "$windows" | xargs -r -I {} \
        clang-tidy --quiet $analyzer {} -- --target=x86_64-w64-mingw32 -std=c11 -I. -Iinclude \
        -isystem build/windows-parts/root/include -D_FILE_OFFSET_BITS=64 \
        -Wno-ignored-attributes 2>build/lint-tidy.log ||
        { grep -v 'warnings\? generated' build/lint-tidy.log; bad=1; }
fi

# cppcheck does not see the tests, which pass null pointers on purpose, or the kernels in
# intrinsics, which take it minutes each. Its check memleak is off, because it does not follow
# memory that is handed on through memcpy; the leak sanitizer runs in the dev tests.
echo "$files" | tr ' ' '\n' | grep -v -e '^tests/' -e '^cpu/avx' -e '^cpu/neon' |
    xargs -r cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,portability,performance \
        --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem --suppress=memleak \
        -I. -Iinclude || bad=1
exit $bad

#!/bin/sh
# What the preset `windows` needs on Debian 12, Ubuntu 22.04 or newer, as root or with sudo:
# MinGW-w64 and Wine from their packages; and jansson, libevent and cmocka, which have no packages
# for Windows, built from the sources that the distribution has of them, in build/windows-parts.
# The headers of Vulkan, the same for every system, are seen from there. Does nothing where all of
# that is there.
#
#   sh toolchain/windows.sh           makes it; exit status 77, with the reason as the last line,
#                                     where it cannot be had
#   sh toolchain/windows.sh run CMD   runs a program under Wine, in a folder of settings of its own
#                                     (build/windows-wine), as long as it takes
set -eu
began=$PWD
cd "$(dirname "$0")/.."
at=$PWD/build/windows-parts
tools="gcc-mingw-w64-x86-64 wine64"
sources="jansson libevent cmocka"
triplet=x86_64-w64-mingw32
recipe=2 # another number where what is built below is to be built anew

skip() { echo "skipped: $*"; exit 77; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

wine() {
    for name in wine64 /usr/lib/wine/wine64 wine; do
        command -v $name && return
    done
}

# Neither a browser engine nor .NET is asked for when Wine makes its settings, and no windows.
export WINEPREFIX="$PWD/build/windows-wine" WINEDEBUG="${WINEDEBUG:--all}" DISPLAY=
export WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe="
if [ "${1:-}" = run ]; then
    shift
    program=$(wine)
    cd "$began"
    exec "$program" "$@"
fi

[ "$(uname -m)" = x86_64 ] || skip "programs for Windows on x86-64 run under Wine on x86-64 alone"
command -v apt-get >/dev/null || skip "no apt-get here, for MinGW-w64, Wine and three libraries"
mkdir -p "$at/lists/partial" "$at/source"
if ! command -v $triplet-gcc >/dev/null || [ -z "$(wine)" ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $tools >"$at/log" 2>&1 </dev/null ||
        skip "$tools could not be installed (build/windows-parts/log)"
fi
if ! [ -e "$WINEPREFIX/system.reg" ]; then
    mkdir -p "$WINEPREFIX"
    "$(wine)" wineboot --init >>"$at/log" 2>&1 </dev/null ||
        skip "Wine could not make its settings (build/windows-parts/log)"
fi
want="$recipe $sources $($triplet-gcc -dumpfullversion)"
[ "$(cat "$at/.built" 2>/dev/null)" = "$want" ] && exit 0

# The archive that this system's own packages come from has the sources as well: its line, as apt
# has it, with the keys that belong to it.
keys=$(ls /usr/share/keyrings/debian-archive-keyring.gpg \
    /usr/share/keyrings/ubuntu-archive-keyring.gpg 2>/dev/null | head -n 1)
apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(CODENAME)' \
    'Created-By: Packages' | sed -n -E 's/^(Debian|Ubuntu) (main|universe) //p' | sort -u |
    sed "s|^|deb-src [signed-by=$keys] |; s|\$| main|" >"$at/sources.list"
grep -q Ubuntu /etc/os-release && sed -i 's/ main$/ main universe/' "$at/sources.list"
apt="apt-get -qq -o Dir::Etc::SourceList=$at/sources.list -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists=$at/lists -o APT::Sandbox::User= -o Debug::NoLocking=1"
$apt update >>"$at/log" 2>&1 </dev/null || true
rm -rf "$at/source" && mkdir -p "$at/source"
(cd "$at/source" && $apt source --download-only $sources) >>"$at/log" 2>&1 </dev/null ||
    skip "this system's archives did not give the sources of $sources (build/windows-parts/log)"
for archive in "$at"/source/*.orig.tar.[gx]z; do tar -xf "$archive" -C "$at/source"; done

# As static libraries: the programs stand alone. Two at a time, because most of it is the waiting of
# many small checks.
build() {
    name=$1
    shift
    cmake -S "$at"/source/$name-*/ -B "$at/source/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=$triplet-gcc -DBUILD_SHARED_LIBS=OFF \
        -DCMAKE_RC_COMPILER=$triplet-windres -DCMAKE_INSTALL_PREFIX="$at/root" \
        -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DCMAKE_C_FLAGS=-w "$@" &&
        cmake --build "$at/source/$name" --target install
}
need() {
    [ "$2" = 0 ] && return
    tail -n 30 "$at/$1.log" >&2
    echo "$1 could not be built for Windows ($at/$1.log)" >&2
    exit 1
}
rm -rf "$at/root"
mkdir -p "$at/root/lib/pkgconfig" "$at/root/include"
build libevent -DEVENT__LIBRARY_TYPE=STATIC -DEVENT__DISABLE_OPENSSL=ON \
    -DEVENT__DISABLE_MBEDTLS=ON -DEVENT__DISABLE_TESTS=ON -DEVENT__DISABLE_SAMPLES=ON \
    -DEVENT__DISABLE_BENCHMARK=ON -DEVENT__DISABLE_REGRESS=ON >"$at/libevent.log" 2>&1 &
libevent=$!
status=0
build jansson -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF \
    >"$at/jansson.log" 2>&1 || status=$?
need jansson $status

# cmocka is one file, which its own build makes a DLL of.
{
    cd "$at"/source/cmocka-*/ &&
        $triplet-gcc -O2 -w -Iinclude -DHAVE_MALLOC_H -DHAVE_SIGNAL_H -c src/cmocka.c -o cmocka.o &&
        $triplet-ar rcs "$at/root/lib/libcmocka.a" cmocka.o &&
        cd include && cp cmocka*.h "$at/root/include" && cd ..
} >"$at/cmocka.log" 2>&1 || status=$?
need cmocka $status
printf '%s\n' 'Name: cmocka' 'Description: unit tests' "Version: $(basename "$PWD" | cut -d- -f2)" \
    "Libs: -L$at/root/lib -lcmocka" "Cflags: -I$at/root/include" >"$at/root/lib/pkgconfig/cmocka.pc"
cd "$at"
wait $libevent || status=$?
need libevent $status
for folder in vulkan vk_video; do
    ! [ -d /usr/include/$folder ] || ln -sfn /usr/include/$folder "$at/root/include/$folder"
done
rm -rf "$at/source"
echo "$want" >"$at/.built"

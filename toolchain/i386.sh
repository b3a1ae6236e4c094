#!/bin/sh
# Puts cmocka and jansson for i386 into build/i386, for the build with addresses of 32 bits (preset
# `narrow`). They are Debian's packages, which are unpacked there: nothing on the system is changed,
# not even its list of architectures. Does nothing if they are there already.
#
# Exit status 77, with the reason as the last line, if they or `gcc -m32` cannot be had.
set -eu
cd "$(dirname "$0")/.."
at=$PWD/build/i386
packages="libcmocka0 libcmocka-dev libjansson4 libjansson-dev"
skip() { echo "skipped: $*"; exit 77; }

[ "$(uname -m)" = x86_64 ] || skip "addresses of 32 bits are tested on x86-64, this is $(uname -m)"
mkdir -p "$at/lists/partial" "$at/archives/partial"
echo 'int main(void) { return 0; }' >"$at/empty.c"
gcc -m32 "$at/empty.c" -o "$at/empty" 2>/dev/null && "$at/empty" ||
    skip "gcc -m32 makes no program that runs here (Debian and Ubuntu: gcc-multilib)"
[ "$(cat "$at/.unpacked" 2>/dev/null)" = "$packages" ] && exit 0

command -v apt-get >/dev/null || skip "no apt-get here, for cmocka and jansson of i386"
apt="apt-get -qq -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::Cache=$at
    -o Dir::State::Lists=$at/lists -o APT::Sandbox::User= -o Debug::NoLocking=1"
# go on after an error: an archive that cannot be reached may not be needed
$apt update >"$at/log" 2>&1 </dev/null || true
(cd "$at/archives" && $apt download $packages) >>"$at/log" 2>&1 </dev/null ||
    skip "this system's archives did not give $packages for i386 (build/i386/log)"
rm -rf "$at/root"
for package in "$at"/archives/*_i386.deb; do dpkg-deb -x "$package" "$at/root"; done
rm -rf "$at/archives" "$at/lists"
echo "$packages" >"$at/.unpacked"

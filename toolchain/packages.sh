#!/bin/sh
# Debian packages of what `cmake --install` lays down, built as Debian builds: its compiler flags,
# its folders.
#
#   sh toolchain/packages.sh make            into build/debian/packages
#   sh toolchain/packages.sh lint            lintian over them; what it may say is explained in
#                                            toolchain/debian/lintian.txt, and nothing else may be
#   sh toolchain/packages.sh clean SUITE     installs them in a new, minimal chroot of a Debian
#                                            (bookworm, trixie), and has a stranger's programs built
#                                            and run there: tests/install/stranger.sh. As root, with
#                                            debootstrap
#
# Exit status 77, with the reason as the last line, where it cannot be had.
set -eu
cd "$(dirname "$0")/.."
out=build/debian/packages

skip() { echo "skipped: $*"; exit 77; }

make() {
    for tool in dpkg-deb dpkg-shlibdeps dpkg-buildflags; do
        command -v $tool >/dev/null || skip "$tool (dpkg-dev) is not installed"
    done
    export DEB_BUILD_MAINT_OPTIONS=hardening=+all DEB_CFLAGS_MAINT_STRIP=-g
    flags="$(dpkg-buildflags --get CFLAGS) $(dpkg-buildflags --get CPPFLAGS)"
    link=$(dpkg-buildflags --get LDFLAGS)
    cmake -S . -B build/debian -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
        -DCMAKE_C_FLAGS="$flags" -DCMAKE_EXE_LINKER_FLAGS="$link" \
        -DCMAKE_SHARED_LINKER_FLAGS="$link"
    cmake --build build/debian
    rm -rf $out
    cpack -G DEB --config build/debian/CPackConfig.cmake -B $out
    rm -rf $out/_CPack_Packages
}

lint() {
    command -v lintian >/dev/null || skip "lintian is not installed"
    lintian --allow-root --tag-display-limit 0 --fail-on error,warning \
        --suppress-tags-from-file toolchain/debian/lintian.txt $out/*.deb
}

# A chroot of its own each time: what is to be seen is what a system without anything needs.
clean() {
    suite=$1
    [ "$(id -u)" = 0 ] || skip "a chroot is made and entered by root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    from=$(sh toolchain/unstable.sh mirror)
    [ -n "$from" ] || skip "apt knows no Debian archive here: set APUS_DEBIAN_MIRROR to one"
    root=$PWD/build/clean-$suite
    rm -rf "$root"
    debootstrap --variant=minbase "$suite" "$root" "$from" ||
        skip "debootstrap of $suite gave an error"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mkdir "$root/packages" "$root/stranger"
    cp $out/*.deb "$root/packages"
    cp tests/install/stranger.sh tests/install/outside/* README.md "$root/stranger"
    unshare -m sh -c 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
        exec chroot "$1" sh /stranger/stranger.sh' clean "$root"
    rm -rf "$root"
}

case ${1:-} in
make | lint) "$1" ;;
clean) clean "${2:?a suite of Debian, such as bookworm}" ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

#!/bin/sh
# Makes and enters a Debian unstable in a folder, for its newer Vulkan drivers, validation layers,
# shader compiler and C compiler, for AMD's driver without the hardware (mesa-drm-shim), and for
# AMD's tools for NPUs. It needs root and debootstrap; the mounts are gone when the command ends.
#
#   sh toolchain/unstable.sh make          makes the folder, and does nothing if it is
#                                          complete; about 1.3 GB, some minutes
#   sh toolchain/unstable.sh run CMD...    runs a shell command line there, in this repository,
#                                          which is /apus there
#   sh toolchain/unstable.sh mirror        says where Debian's packages come from here
#
# The folder is build/unstable, or $APUS_UNSTABLE. The packages come from the archive that this
# system's own Debian packages come from, or from $APUS_DEBIAN_MIRROR. Exit status 77, with the
# reason as the last line, if Debian unstable cannot be had.
set -eu
cd "$(dirname "$0")/.."
root=${APUS_UNSTABLE:-$PWD/build/unstable}
packages="gcc libc6-dev cmake ninja-build pkg-config python3 libcmocka-dev libjansson-dev"
packages="$packages libevent-dev" # apus serve
packages="$packages libvulkan-dev libvulkan1 glslang-tools spirv-tools"
packages="$packages mesa-vulkan-drivers mesa-drm-shim vulkan-validationlayers"
packages="$packages libxrt-utils libxrt-utils-npu" # xclbinutil; aiebu-asm, aiebu-dump, xrt-smi
packages="$packages neovim python3-msgpack" # an editor, and the encoding of its protocol
packages="$packages g++ libxrt2 libxrt-npu2 libxrt-dev uuid-dev"

skip() { echo "skipped: $*"; exit 77; }

# Prints the archive that this system's own packages come from, as apt is configured; nothing if the
# system is not Debian.
mirror() {
    [ -n "${APUS_DEBIAN_MIRROR:-}" ] && echo "$APUS_DEBIAN_MIRROR" && return
    apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' \
        2>/dev/null | sed -n 's/^Debian main //p' | head -n 1
}

# The lists may be old, so that a mirror that keeps the state of some day can be used.
make() {
    [ "$(cat "$root/.apus-installed" 2>/dev/null)" = "$packages" ] && return
    [ "$(id -u)" = 0 ] || skip "Debian unstable is made and entered by root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    if ! [ -e "$root/etc/debian_version" ]; then
        from=$(mirror)
        [ -n "$from" ] || skip "apt knows no Debian archive here: set APUS_DEBIAN_MIRROR to one"
        debootstrap --variant=minbase unstable "$root" "$from" ||
            skip "debootstrap of unstable gave an error"
    fi
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    run "apt-get -o Acquire::Check-Valid-Until=false update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages" ||
        skip "unstable's packages could not be installed"
    echo "$packages" >"$root/.apus-installed"
}

run() {
    mkdir -p "$root/apus"
    unshare -m sh -c 'mount --bind . "$1/apus" && mount -t proc proc "$1/proc" &&
        mount --bind /dev "$1/dev" && exec chroot "$1" sh -c "cd /apus && $2"' run "$root" "$*"
}

case ${1:-} in
make) make ;;
mirror) mirror ;;
run)
    shift
    [ -e "$root/.apus-installed" ] ||
        skip "there is no Debian unstable here: sh toolchain/unstable.sh make"
    run "$@"
    ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

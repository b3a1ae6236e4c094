#!/bin/sh
# Boots the images that toolchain/firmware.sh has built in QEMU, without a display, and compares
# what they write with build/release's; then the kernels for AArch64 with plain C. All within 90
# seconds. Exit status 77, with the reason, where an emulator or a cross compiler is not installed.
set -u
cd "$(dirname "$0")/.."
mkdir -p build/log
skipped=
for machine in aarch64 x86_64; do
    case $machine in
    aarch64) image=build/aarch64/apus-image.elf seconds=25 ;;
    *) image=build/firmware/apus-image.efi seconds=65 ;; # its firmware takes the most
    esac
    if ! [ -e $image ]; then
        skipped="skipped: $image was not built"
        continue
    fi
    python3 tests/firmware/boot.py $machine $image build/release/apus . $seconds \
        >build/log/boot 2>&1
    status=$?
    cat build/log/boot
    case $status in
    0) ;;
    77) skipped=$(tail -n 1 build/log/boot) ;;
    *) exit $status ;;
    esac
done
if ! [ -e build/aarch64/neon_check ] || ! command -v qemu-aarch64 >/dev/null 2>&1; then
    skipped="skipped: qemu-aarch64 or a cross compiler is not installed"
elif qemu-aarch64 -cpu max build/aarch64/neon_check; then
    echo "kernels of NEON give the bits of plain C"
else
    echo "FAIL neon_check: exit status $?; tests/firmware/neon_check.c says what it means"
    exit 1
fi
[ -z "$skipped" ] || { echo "$skipped" && exit 77; }

#!/bin/sh
# Builds the library for images without an operating system, for x86-64 with the system's compiler
# and for AArch64 with clang and lld, and the images of apps/firmware. Checks that the library asks
# for nothing, that it links without libc, and how large it is. build/release comes before:
# its apus-pack writes the images' models.
set -eu
cd "$(dirname "$0")/.."
check() {
    cmake --build "$1"
    python3 tests/guards/symbols.py freestanding "$1/libapus_parts.a"
    python3 tests/guards/symbols.py archive "$1/libapus.a"
    folder=$1
    shift
    python3 tests/guards/image.py "$folder/libapus.a" "$folder/image" "$@"
}
packer=$PWD/build/release/apus-pack
cmake --preset firmware -DAPUS_IMAGE_PACKER="$packer"
check build/firmware cc
if command -v clang >/dev/null 2>&1 && command -v ld.lld >/dev/null 2>&1; then
    rm -f build/aarch64/CMakeCache.txt # a toolchain is taken once
    cmake --preset firmware -B build/aarch64 --toolchain toolchain/cmake/aarch64.cmake \
        -DAPUS_IMAGE_PACKER="$packer"
    check build/aarch64 clang --target=aarch64-none-elf
fi

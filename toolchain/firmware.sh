#!/bin/sh
# Builds the library for images without an operating system and checks that it asks for nothing,
# that it links without libc, and how large it is.
set -eu
cd "$(dirname "$0")/.."
cmake --preset firmware
cmake --build --preset firmware
python3 tests/guards/symbols.py freestanding build/firmware/libapus_parts.a
python3 tests/guards/symbols.py archive build/firmware/libapus.a
python3 tests/guards/image.py build/firmware/libapus.a build/firmware/image cc

#!/bin/sh
# Builds the library for images without an operating system and checks that it asks for nothing but
# the five memory functions.
set -eu
cd "$(dirname "$0")/.."
cmake --preset firmware
cmake --build --preset firmware
python3 tests/guards/symbols.py freestanding build/firmware/libapus_parts.a
python3 tests/guards/symbols.py archive build/firmware/libapus.a

#!/bin/sh
# Makes a Python environment with pip in the folder given, unless one that works is there.
set -eu
if [ -x "$1/bin/python" ] && "$1/bin/python" -m pip --version >/dev/null 2>&1; then exit 0; fi
echo "setup: making $1"
rm -rf "$1"
python3 -m venv "$1"

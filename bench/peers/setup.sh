#!/bin/sh
# Debian unstable's llama.cpp, for bench/peers and bench/accuracy: its packages in a folder of their own (build/peers/sid), and build/peers/llama-bench,
# llama-quantize and llama-imatrix, which run its programs from there with the instruction set of VARIANT (default zen4: AVX-512 VNNI without AMX).
# Needs root for debootstrap, as toolchain/setup.sh does; nothing outside build/peers changes.
#
# Exit 77, with a reason, if the packages cannot be reached.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD/build/peers/sid
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
skip() { echo "peers: $*" >&2; exit 77; }

mkdir -p build/peers
if ! [ -e "$root/usr/bin/llama-imatrix" ]; then
    [ "$(id -u)" = 0 ] || skip "debootstrap needs root"
    command -v debootstrap >/dev/null || apt-get install -y -q debootstrap >build/peers/setup.log 2>&1 || skip "debootstrap is not to be had"
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates sid "$root" "$mirror" >build/peers/setup.log 2>&1 ||
        skip "$mirror gave no Debian unstable (build/peers/setup.log)"
    # A mirror's copy of unstable may be older than its week.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99valid"
    chroot "$root" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends llama.cpp-tools llama.cpp-tools-extra' \
        >>build/peers/setup.log 2>&1 || skip "llama.cpp's packages do not install (build/peers/setup.log)"
fi
for tool in llama-bench llama-quantize llama-imatrix; do
    cat >build/peers/$tool <<END
#!/bin/sh
lib=$root/usr/lib/x86_64-linux-gnu
export GGML_BACKEND_PATH=\$lib/ggml/backends0/libggml-cpu-\${VARIANT:-zen4}.so
exec \$lib/ld-linux-x86-64.so.2 --library-path \$lib:\$lib/llama:\$lib/blas $root/usr/bin/$tool "\$@"
END
    chmod +x build/peers/$tool
done
echo build/peers/llama-bench

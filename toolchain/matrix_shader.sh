#!/bin/sh
# Makes or compares igpu/shaders/gemv_matrix.spv, which the compilers of Debian 12 cannot make, with
# the compiler of Debian unstable (toolchain/unstable.sh), and the hashes of its sources.
#
#   sh toolchain/matrix_shader.sh make       after a change of its sources
#   sh toolchain/matrix_shader.sh compare    exit status 1 if the sources give another file
set -eu
cd "$(dirname "$0")/.."
folder=igpu/shaders
compile() {
    sh toolchain/unstable.sh run "glslangValidator --quiet -V --target-env vulkan1.2 -I$folder \
        -o $1 $folder/gemv_matrix.comp"
}
sums() {
    (cd $folder && sha256sum gemv_matrix.comp gemv.glsl act.glsl common.glsl gemv_matrix.spv)
}
case ${1:-} in
make) compile $folder/gemv_matrix.spv && sums >$folder/gemv_matrix.sha256 ;;
compare)
    mkdir -p build
    compile build/gemv_matrix.spv || exit $?
    cmp build/gemv_matrix.spv $folder/gemv_matrix.spv && sums | cmp - $folder/gemv_matrix.sha256
    ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

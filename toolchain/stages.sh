# Sourced by test.sh and test-long.sh, in the repository's root: runs stages, keeps their logs in build/log, counts and times them.
# The counts are tests where a stage runs ctest, and 1 for any other stage.

passed=0 failed=0 skipped=0
times=
mkdir -p build/log
python=$PWD/build/oracle-venv/bin/python
jobs=$(nproc)

# stage NAME command...: quiet unless it fails. Exit status 77 is a skip; the last line of its output says why.
stage() {
    stage_name=$1
    shift
    stage_log=build/log/$(echo "$stage_name" | tr ' /' '--').log
    printf '\n== %s\n' "$stage_name"
    stage_begin=$(date +%s)
    stage_status=0
    if [ "$stage_name" = demo ]; then # the one whose output is the point
        { "$@" </dev/null 2>&1; echo $? >build/log/status; } | tee "$stage_log"
        stage_status=$(cat build/log/status)
    else
        "$@" >"$stage_log" 2>&1 </dev/null || stage_status=$?
    fi
    stage_seconds=$(($(date +%s) - stage_begin))
    times="$times$(printf '%5d s  %s' $stage_seconds "$stage_name")
"
    case $stage_status in
    0) passed=$((passed + 1)) && echo "ok, $stage_seconds s" ;;
    77) skipped=$((skipped + 1)) && echo "skipped: $(tail -n 1 "$stage_log")" ;;
    *) failed=$((failed + 1)) && tail -n 40 "$stage_log" && echo "FAILED (exit status $stage_status), $stage_seconds s, $stage_log" ;;
    esac
    return 0
}

# tests NAME build-folder ctest-arguments...: counts every test, names the ones that failed or skipped and why.
tests() {
    stage_name=$1 tests_folder=$2
    shift 2
    tests_report=$PWD/build/log/$(echo "$stage_name" | tr ' /' '--')
    printf '\n== %s\n' "$stage_name"
    stage_begin=$(date +%s)
    rm -f "$tests_report.xml"
    ctest --test-dir "$tests_folder" -j "$jobs" --timeout 900 --no-tests=error --output-on-failure --output-junit "$tests_report.xml" "$@" \
        >"$tests_report.log" 2>&1 </dev/null || true
    stage_seconds=$(($(date +%s) - stage_begin))
    times="$times$(printf '%5d s  %s' $stage_seconds "$stage_name")
"
    if counts=$(python3 toolchain/ctest_counts.py "$tests_report.xml"); then
        echo "$counts" | sed '$d'
        set -- $(echo "$counts" | tail -n 1)
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
        echo "$1 ok, $2 failed, $3 skipped, $stage_seconds s"
    else
        failed=$((failed + 1))
        tail -n 40 "$tests_report.log"
        echo "FAILED: ctest gave no report, $tests_report.log"
    fi
}

# configure FOLDER cmake-arguments...; then `cmake --build`. Used as a stage's command.
build() {
    build_folder=$1
    shift
    cmake "$@" -DAPUS_ORACLE_PYTHON="$python" && cmake --build "$build_folder"
}

# fuzz SECONDS: every libFuzzer target, from its seeds in tests/fuzz/seeds/NAME where there are some. Findings stay in build/fuzz-found.
fuzz() {
    fuzz_any=
    for target in $(find build/fuzz -type f -name 'fuzz_*' -perm -100 | sort); do
        fuzz_any=1
        name=$(basename "$target")
        corpus=build/fuzz-corpus/$name
        mkdir -p "$corpus" build/fuzz-found
        seeds=tests/fuzz/seeds/$name
        [ -d "$seeds" ] || seeds=
        stage "fuzz $name $1 s" "$target" -max_total_time="$1" -timeout=20 -rss_limit_mb=4096 -artifact_prefix=build/fuzz-found/ "$corpus" $seeds
    done
    [ -n "$fuzz_any" ] || stage "fuzz" sh -c 'echo "no fuzz targets were built"; exit 1'
}

finish() {
    printf '\n== Times\n%s' "$times"
    printf '\n%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    [ $failed = 0 ]
}

# Sourced by test.sh and test-long.sh in the repository's root: runs stages, keeps their logs in
# build/log, counts and times them. A stage that runs ctest counts each of its tests, and any other
# stage counts as 1. The cost of a stage is its processor time, which other work on the machine
# changes little; CONTRIBUTING.md has the budget. What became of each stage is in build/log/results.

passed=0 failed=0 skipped=0
times=
mkdir -p build/log
rm -f build/log/costs build/log/results build/log/*.xml
python=$PWD/build/oracle-venv/bin/python
jobs=$(nproc)

# Sets `used` to the seconds of processor time of all stages so far. They are in the second line
# that the shell's own `times` prints. In $(...) it would print the times of that subshell, so its
# output goes through a file.
processor() {
    times >build/log/processor
    used=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/)
                                                     sum += 60 * t[1] + t[2] } }
                END { printf "%.0f", sum }' build/log/processor)
}

begin() {
    printf '\n== %s\n' "$stage_name"
    stage_begin=$(date +%s)
    processor
    stage_used=$used
}

# Sets `took`, which is printed with the stage's result, and adds the times to the table that is
# printed at the end.
end() {
    stage_seconds=$(($(date +%s) - stage_begin))
    processor
    took="$stage_seconds s ($((used - stage_used)) s of processor time)"
    times="$times$(printf '%7d %13d   %s' $stage_seconds $((used - stage_used)) "$stage_name")
"
}

# stage NAME command...: runs the command and shows its output only if it fails. Exit status 77
# means that it was skipped; the last line of its output says why.
stage() {
    stage_name=$1
    shift
    stage_log=build/log/$(echo "$stage_name" | tr -s ' /,' '-').log
    begin
    stage_status=0
    if [ "${stage_name%% *}" = demo ]; then # its output is always shown
        { "$@" </dev/null 2>&1; echo $? >build/log/status; } | tee "$stage_log"
        stage_status=$(cat build/log/status)
    else
        "$@" >"$stage_log" 2>&1 </dev/null || stage_status=$?
    fi
    end
    case $stage_status in
    0) result=passed passed=$((passed + 1)) && echo "ok, $took" ;;
    77) result=skipped skipped=$((skipped + 1)) && echo "skipped: $(tail -n 1 "$stage_log")" ;;
    *)
        result=failed failed=$((failed + 1))
        tail -n 40 "$stage_log"
        echo "FAILED (exit status $stage_status), $took, $stage_log"
        ;;
    esac
    echo "$result $stage_name" >>build/log/results
}

# tests NAME build-folder ctest-arguments...: runs tests and counts each of them. Prints which ones
# failed or were skipped, and why.
tests() {
    stage_name=$1 tests_folder=$2
    shift 2
    tests_report=$PWD/build/log/$(echo "$stage_name" | tr -s ' /,' '-')
    begin
    rm -f "$tests_report.xml" "$tests_report.costs"
    ctest --test-dir "$tests_folder" --show-only=json-v1 "$@" 2>"$tests_report.log" |
        python3 toolchain/costed.py "$tests_folder/costed" "$tests_report.costs" \
            2>>"$tests_report.log" || true
    ctest --test-dir "$tests_folder/costed" -j "$jobs" --timeout 900 --no-tests=error \
        --output-on-failure --output-junit "$tests_report.xml" "$@" \
        >>"$tests_report.log" 2>&1 </dev/null || true
    if [ -e "$tests_report.costs" ]; then
        sed "s|\$| ($stage_name)|" "$tests_report.costs" >>build/log/costs
    fi
    end
    if counts=$(python3 toolchain/ctest_counts.py "$tests_report.xml"); then
        echo "$counts" | sed '$d'
        set -- $(echo "$counts" | tail -n 1)
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
        echo "$1 ok, $2 failed, $3 skipped, $took"
        if [ "$2" = 0 ]; then result=passed; else result=failed; fi
    else
        failed=$((failed + 1))
        tail -n 40 "$tests_report.log"
        echo "FAILED: ctest gave no report, $tests_report.log"
        result=failed
    fi
    echo "$result $stage_name" >>build/log/results
}

# build FOLDER TARGET cmake-arguments...: configures, then builds the target. A stage can have this
# as its command.
build() {
    build_folder=$1 build_target=$2
    shift 2
    cmake "$@" -DAPUS_ORACLE_PYTHON="$python" &&
        cmake --build "$build_folder" --target "$build_target"
}

# fuzz SECONDS: builds the libFuzzer targets and runs each of them that long, starting from its
# seeds. What they find stays in build/fuzz/tests/fuzz.
fuzz() {
    stage "build fuzz" sh -c 'cmake --preset fuzz -DAPUS_FUZZ_SECONDS="$1" &&
        cmake --build --preset fuzz --target fuzzers' fuzz "$1"
    tests "fuzz $1 s" build/fuzz -L fuzz --timeout $(($1 + 600))
}

# finish [MINUTES]: prints the sums. If the stages took more minutes of processor time than MINUTES,
# that is no failure, since machines differ; it is printed, with the tests that took most.
finish() {
    processor
    printf '\n== Times, in seconds\n   wall     processor   stage\n%s' "$times"
    printf '%7s %13d   in all, %d minutes of processor time\n' '' "$used" $(((used + 30) / 60))
    if [ $# -gt 0 ] && [ $used -gt $(($1 * 60)) ]; then
        printf '\nOVER the %d minutes of processor time that are allowed. Tests that took most:\n' \
            "$1"
        sort -rn build/log/costs 2>/dev/null | head | sed 's/^/  /'
    fi
    printf '\n%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    [ $failed = 0 ]
}

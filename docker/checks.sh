# shellcheck shell=bash
# For docker/test: counts and tells what passed. To be sourced, by bash with `set -euo pipefail`;
# `work` is a folder to write to.

passed=0 failed=0 skipped=0
ok=no  # whether the last check passed

# check NAME COMMAND...: what the command prints is shown when it fails, and else those lines that
# begin with `note:`. Status 77: skipped.
check() {
    local name=$1 log=$work/check.log status start=$SECONDS
    shift
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    ok=no
    case $status in
        0)
            ok=yes passed=$((passed + 1))
            printf 'ok    %s (%s s)\n' "$name" $((SECONDS - start))
            sed -n 's/^note: */      /p' "$log"
            ;;
        77) skip "$name" "$(tail -1 "$log")" ;;
        *)
            failed=$((failed + 1))
            printf 'FAIL  %s (%s s)\n' "$name" $((SECONDS - start))
            tail -60 "$log" | sed 's/^/      /'
            ;;
    esac
}

skip() {
    skipped=$((skipped + 1))
    printf 'skip  %s: %s\n' "$1" "$2"
}

# sum_up STATUS: the last line, and the end.
sum_up() {
    if [ "$1" -ne 0 ] && [ "$1" -ne 77 ] && [ "$failed" -eq 0 ]; then failed=1; fi
    printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ] || exit 1
    exit "$1"
}

# equal FOUND WANTED
equal() {
    [ "$1" = "$2" ] || { echo "found \"$1\", wanted \"$2\"" && return 1; }
}

# contains FILE PATTERN, an extended regular expression
contains() {
    grep -qE "$2" "$1" || { echo "found no $2 in:" && cat "$1" && return 1; }
}

# wait_for SECONDS PATTERN COMMAND...: until the command prints it.
wait_for() {
    local until=$((SECONDS + $1)) pattern=$2 text=""
    shift 2
    while [ "$SECONDS" -le "$until" ]; do
        text=$("$@" 2>&1) || true
        if grep -qE "$pattern" <<<"$text"; then return 0; fi
        sleep 0.2
    done
    echo "no $pattern came from $*; last was:"
    tail -20 <<<"$text"
    return 1
}

# number NAME: of that key in the JSON text on standard input.
number() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" | sed -n 1p; }

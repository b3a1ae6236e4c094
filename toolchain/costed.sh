#!/bin/sh
# costed.sh FILE NAME command...: runs the command, and adds "seconds NAME" to FILE: the processor
# time of the command and of all that it waited for. Exit status: the command's.
file=$1 name=$2
shift 2
"$@"
status=$?
times >"$file.$$" # not in a pipe, whose subshell would tell of its own
awk -v name="$name" 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/)
                                                          sum += 60 * t[1] + t[2] }
                               printf "%.2f %s\n", sum, name }' "$file.$$" >>"$file"
rm -f "$file.$$"
exit $status

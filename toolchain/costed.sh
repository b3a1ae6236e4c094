#!/bin/sh
# costed.sh FILE NAME command...: runs the command and adds a line "seconds NAME" to FILE, with the
# processor time of the command and of all processes that it waited for. The exit status is that of
# the command.
file=$1 name=$2
shift 2
"$@"
status=$?
times >"$file.$$" # not in a pipe: a subshell prints its own times
awk -v name="$name" 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/)
                                                          sum += 60 * t[1] + t[2] }
                               printf "%.2f %s\n", sum, name }' "$file.$$" >>"$file"
rm -f "$file.$$"
exit $status

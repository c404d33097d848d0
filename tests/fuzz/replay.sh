#!/bin/sh
# Hands every file of the kept corpora to its fuzz target, then FUZZ_ROUNDS
# mutations of them (none unless set).  Run by make check in the build folder.
#	FUZZ_TARGETS  the programs: fuzz_query fuzz_json ...
#	FUZZ_CORPUS   the folder that has query/, json/ ...
# Prints a line for each target; exit status 1 when one failed.
set -u
status=0

for target in $FUZZ_TARGETS; do
	corpus=$FUZZ_CORPUS/${target#fuzz_}
	if test ! -d "$corpus"; then
		echo "FAIL $target: no corpus"
		status=1
	elif found=$("./$target" --rounds "${FUZZ_ROUNDS:-0}" "$corpus"); then
		echo "ok   $target: $found"
	else
		echo "FAIL $target: see crash-$target in $(pwd)"
		status=1
	fi
done
exit $status

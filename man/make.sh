#!/bin/sh
# man/make.sh PROGRAM SOURCE VERSION: the man page on standard output, with the
# program's own table of options in the place of @OPTIONS@.
set -eu
options=$("$1" --help-man)
export options
awk -v version="$3" '
	$0 == "@OPTIONS@" { print ENVIRON["options"]; next }
	{ gsub("@VERSION@", version); print }
' "$2"

#!/bin/sh
# Turns SQL files into a C source: schema.sql becomes "const char sql_schema[]",
# terminated by NUL.  As numbers, for ISO C ends string literals at 4095 bytes.
#
#	sh sql/embed.sh FILE.sql... >sql_text.c
set -eu

for file in "$@"; do
	name=sql_$(basename "$file" .sql | tr -c 'A-Za-z0-9\n' _)
	printf 'extern const char %s[];\nconst char %s[] = {\n' "$name" "$name"
	od -A n -v -t x1 "$file" | sed 's/\([0-9a-f][0-9a-f]\) */0x\1,/g'
	printf '0};\n'
done

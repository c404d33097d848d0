# How the tests of the package tell what they found; read by bash with ".".

failed=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# check SENTENCE COMMAND...: a test, which the command passes by status 0.
check()
{
	local sentence=$1
	shift

	if "$@" >"$said" 2>&1 </dev/null; then
		echo "ok $sentence"
	else
		echo "not ok $sentence"
		tail -n 40 "$said" | sed 's/^/#   /'
		failed=$((failed + 1))
		return 1
	fi
}

# must SENTENCE COMMAND...: likewise; without it the rest has no sense.
must()
{
	check "$@" || exit 1
}

/* Options: values, their sources and strength, and what errors tell. */
#include "base/options.h"
#include "tests.h"

#include <stdlib.h>

static struct options o;
static struct err e;

static void
begin(void)
{
	e = (struct err){.rc = RC_OK};
	CU_ASSERT_EQUAL_FATAL(options_init(&o, &e), RC_OK);
}

static enum rc
arg(const char *one)
{
	char *argv[] = {
	    (char *)(uintptr_t) "cometlog.fcgi", (char *)(uintptr_t)one, NULL};

	return options_parse_args(&o, 2, argv, &e);
}

static enum rc
env(const char *one)
{
	char *list[] = {
	    (char *)(uintptr_t) "HOME=/", (char *)(uintptr_t)one, NULL};

	return options_parse_env(&o, list, &e);
}

static enum rc
file(const char *text)
{
	return options_parse_text(
	    &o, OPTIONS_FILE, "site.conf", slice_of(text), &e);
}

/* The call failed with RC_CONFIG and a text that holds all of these. */
static void
wrong(enum rc rc, const char *one, const char *other)
{
	CU_ASSERT_EQUAL(rc, RC_CONFIG);
	CU_ASSERT_EQUAL(e.rc, RC_CONFIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, one));
	CU_ASSERT_PTR_NOT_NULL(strstr(e.text, other));
}

static void
names_in_a_file_are_meant_from_its_folder(void)
{
	begin();
	CU_ASSERT_EQUAL(
	    options_parse_text(&o, OPTIONS_FILE, "/srv/live/cometlog.conf",
	        SLICE("log = data/cometlog.db\ntip-file = ../tip\n"
	              "run-dir = /run/x\nsocket = s.sock\n"),
	        &e),
	    RC_OK);
	CU_ASSERT_STRING_EQUAL(o.log, "/srv/live/data/cometlog.db");
	CU_ASSERT_STRING_EQUAL(o.tip_file, "/srv/live/../tip");
	CU_ASSERT_STRING_EQUAL(o.run_dir, "/run/x");
	options_fini(&o);
	begin();
	CU_ASSERT_EQUAL(file("log = a.db\n"), RC_OK);
	CU_ASSERT_STRING_EQUAL(o.log, "a.db");
	options_fini(&o);
}

static void
defaults(void)
{
	begin();
	CU_ASSERT_PTR_NULL(o.log);
	CU_ASSERT_EQUAL(o.durability, OPTIONS_FULL);
	CU_ASSERT_EQUAL(o.journal, OPTIONS_WAL);
	CU_ASSERT_EQUAL(o.socket_mode, 0600);
	CU_ASSERT_EQUAL(o.message_bytes, 65536);
	CU_ASSERT_EQUAL(o.params_bytes, 49152);
	CU_ASSERT_EQUAL(o.max_hold_ms, 270000);
	CU_ASSERT_EQUAL(o.dedupe_window_s, 86400);
	CU_ASSERT_EQUAL(o.diag, DIAG_INFO);
	CU_ASSERT_EQUAL_FATAL(o.retain.n, 1);
	CU_ASSERT_TRUE(slice_is(o.retain.item[0].pattern, SLICE("**")));
	CU_ASSERT_EQUAL(o.retain.item[0].age_ms, UINT64_C(2592000000));
	CU_ASSERT_EQUAL(o.retain.item[0].messages, 1000000);
	CU_ASSERT_EQUAL(o.retain.item[0].bytes, UINT64_C(1) << 30);
	CU_ASSERT_EQUAL(o.allow_origin.n, 0);
	CU_ASSERT_EQUAL(o.ask, OPTIONS_RUN);
	options_fini(&o);
}

static void
log_is_required(void)
{
	begin();
	wrong(options_check(&o, &e), "--log", "COMETLOG_LOG");
	CU_ASSERT_EQUAL(arg("--log=a.db"), RC_OK);
	CU_ASSERT_EQUAL(options_check(&o, &e), RC_OK);
	CU_ASSERT_STRING_EQUAL(o.log, "a.db");
	options_fini(&o);
}

static void
both_forms(void)
{
	char *argv[] = {(char *)(uintptr_t) "x",
	    (char *)(uintptr_t) "--message-bytes", (char *)(uintptr_t) "64K",
	    (char *)(uintptr_t) "--retry=3s"};

	begin();
	o.message_bytes = 1;
	CU_ASSERT_EQUAL(options_parse_args(&o, 4, argv, &e), RC_OK);
	CU_ASSERT_EQUAL(o.message_bytes, 65536);
	CU_ASSERT_EQUAL(o.retry_ms, 3000);
	wrong(options_parse_args(&o, 2, argv, &e),
	    "command line: --message-bytes", "lacks its value");
	options_fini(&o);
}

static void
values(void)
{
	begin();
	CU_ASSERT_EQUAL(arg("--queue-bytes=4G"), RC_OK);
	CU_ASSERT_EQUAL(o.queue_bytes, UINT64_C(4) << 30);
	CU_ASSERT_EQUAL(arg("--queue-bytes=2MiB"), RC_OK);
	CU_ASSERT_EQUAL(o.queue_bytes, 2 << 20);
	CU_ASSERT_EQUAL(arg("--message-bytes=1"), RC_OK);
	CU_ASSERT_EQUAL(o.message_bytes, 1);
	CU_ASSERT_EQUAL(arg("--max-hold=1h"), RC_OK);
	CU_ASSERT_EQUAL(o.max_hold_ms, 3600000);
	CU_ASSERT_EQUAL(arg("--dedupe-window=365d"), RC_OK);
	CU_ASSERT_EQUAL(o.dedupe_window_s, 31536000);
	CU_ASSERT_EQUAL(arg("--socket-mode=660"), RC_OK);
	CU_ASSERT_EQUAL(o.socket_mode, 0660);
	CU_ASSERT_EQUAL(arg("--diag=debug"), RC_OK);
	CU_ASSERT_EQUAL(o.diag, DIAG_DEBUG);
	CU_ASSERT_EQUAL(arg("--journal=rollback"), RC_OK);
	CU_ASSERT_EQUAL(o.journal, OPTIONS_ROLLBACK);
	CU_ASSERT_EQUAL(arg("--tip-file=/srv/tip"), RC_OK);
	CU_ASSERT_STRING_EQUAL(o.tip_file, "/srv/tip");
	CU_ASSERT_EQUAL(arg("--tip-file="), RC_OK);
	CU_ASSERT_PTR_NULL(o.tip_file);
	options_fini(&o);
}

static void
wrong_values(void)
{
	static const char *const bad[] = {"--message-bytes=0",
	    "--message-bytes=17M", "--message-bytes=-1",
	    "--message-bytes=", "--message-bytes= ", "--message-bytes=64KB",
	    "--message-bytes=6.4K", "--message-bytes=0x10", "--message-bytes=K",
	    "--queue-bytes=18446744073709551616", "--queue-bytes=17179869185G",
	    "--retry=99", "--retry=60001", "--retry=2 s", "--retry=2w",
	    "--dedupe-window=1500ms", "--workers=65", "--workers=+1",
	    "--workers=1K", "--socket-mode=0800", "--socket-mode=01000",
	    "--socket-mode=rw", "--diag=loud", "--diag=", "--diag=error,warn",
	    "--diag=Error", "--log=a\nb", "--socket=localhost:9000",
	    "--socket=127.0.0.1:0", "--socket=127.0.0.1:65536",
	    "--socket=127.0.0.1:", "--socket=:1", "--socket=[::1]",
	    "--socket=::1:80:", "--socket=[127.0.0.1]:80",
	    "--allow-origin=example.org", "--allow-origin=https://a/",
	    "--allow-origin=https://A", "--allow-origin=https://*.a",
	    "--allow-origin=https://a,https://b", "--allow-origin=://a"};
	size_t i;

	begin();
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		e.text[0] = 0;
		CU_ASSERT_EQUAL(arg(bad[i]), RC_CONFIG);
		CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "command line: --"));
		CU_ASSERT_PTR_NOT_NULL(strstr(e.text, " must "));
	}
	CU_ASSERT_EQUAL(o.message_bytes, 65536);
	CU_ASSERT_EQUAL(o.allow_origin.n, 0);
	options_fini(&o);
}

static void
sockets(void)
{
	char path[120] = "--socket=/";

	begin();
	CU_ASSERT_EQUAL(arg("--socket=127.0.0.1:9000"), RC_OK);
	CU_ASSERT_EQUAL(arg("--socket=[::1]:9000"), RC_OK);
	CU_ASSERT_EQUAL(arg("--socket=comet.sock"), RC_OK);
	CU_ASSERT_EQUAL(arg("--socket=/run/a:b"), RC_OK);
	CU_ASSERT_STRING_EQUAL(o.socket, "/run/a:b");
	memset(path + 10, 'a', 106);
	CU_ASSERT_EQUAL(arg(path), RC_OK); /* 107 bytes: the most */
	path[116] = 'a';
	wrong(arg(path), "--socket", "108 bytes long");
	options_fini(&o);
}

static void
texts_tell_what_is_right(void)
{
	begin();
	wrong(arg("--message-bytes=17M"),
	    "command line: --message-bytes \"17M\"", "1 to 16M bytes");
	wrong(env("COMETLOG_RETRY=1"), "environment: COMETLOG_RETRY \"1\"",
	    "100 to 60000 ms");
	wrong(file("# x\n\ndiag = loud\n"), "site.conf:3: diag \"loud\"",
	    "error, warn, info or debug");
	wrong(arg("--mesage-byts=1"), "--mesage-byts",
	    "is --message-bytes meant?");
	wrong(env("COMETLOG_MAX_HOLDS=1"), "COMETLOG_MAX_HOLDS",
	    "is COMETLOG_MAX_HOLD meant?");
	wrong(file("retri = 1"), "site.conf:1: retri", "is retry meant?");
	wrong(file("max_hold = 10s"), "max_hold", "is max-hold meant?");
	wrong(arg("--message=1"), "--message", "is --message-bytes meant?");
	wrong(arg("--nonsense-of-all-kinds=1"), "nonsense", "see --help");
	wrong(arg("-h"), "\"-h\"", "--name value");
	wrong(arg("--"), "command line", "see --help");
	options_fini(&o);
}

static void
every_source_order(void)
{
	begin();
	CU_ASSERT_EQUAL(file("retry = 1s\nmax-held = 7\nfetches=8\n"), RC_OK);
	CU_ASSERT_EQUAL(env("COMETLOG_RETRY=2s"), RC_OK);
	CU_ASSERT_EQUAL(env("COMETLOG_MAX_HELD=9"), RC_OK);
	CU_ASSERT_EQUAL(arg("--retry=3s"), RC_OK);
	CU_ASSERT_EQUAL(o.retry_ms, 3000);
	CU_ASSERT_EQUAL(o.max_held, 9);
	CU_ASSERT_EQUAL(o.fetches, 8);
	CU_ASSERT_EQUAL(env("COMETLOG_RETRY=4s"), RC_OK);
	CU_ASSERT_EQUAL(file("retry = 5s\nmax-held = 6"), RC_OK);
	CU_ASSERT_EQUAL(o.retry_ms, 3000);
	CU_ASSERT_EQUAL(o.max_held, 9);
	wrong(file("retry = 5 s"), "site.conf:1", "100 to 60000");
	CU_ASSERT_EQUAL(o.retry_ms, 3000);
	options_fini(&o);
}

static void
shipped_file_is_the_weakest(void)
{
	static const char shipped[] = "retry = 1s\nmax-held = 7\nfetches = 8\n"
	                              "retain = a age=1h\nretain = b age=1h\n";

	for (int is_read_last = 0; is_read_last < 2; is_read_last++) {
		begin();
		if (is_read_last)
			CU_ASSERT_EQUAL(file("retry=2s\nretain=c\n"), RC_OK);
		CU_ASSERT_EQUAL(options_parse_text(&o, OPTIONS_SHIPPED,
		                    "defaults.conf", slice_of(shipped), &e),
		    RC_OK);
		if (!is_read_last)
			CU_ASSERT_EQUAL(file("retry=2s\nretain=c\n"), RC_OK);
		CU_ASSERT_EQUAL(env("COMETLOG_MAX_HELD=9"), RC_OK);
		CU_ASSERT_EQUAL(o.retry_ms, 2000);
		CU_ASSERT_EQUAL(o.max_held, 9);
		CU_ASSERT_EQUAL(o.fetches, 8);
		CU_ASSERT_EQUAL_FATAL(o.retain.n, 1);
		CU_ASSERT_STRING_EQUAL(o.retain.item[0].pattern.p, "c");
		options_fini(&o);
	}
	wrong(options_parse_text(&o, OPTIONS_SHIPPED, "defaults.conf",
	          SLICE("retry = 5 s"), &e),
	    "defaults.conf:1", "100 to 60000");
}

static void
every_variable(void)
{
	begin();
	CU_ASSERT_EQUAL(env("COMETLOG_MESSAGE_BYTES=2K"), RC_OK);
	CU_ASSERT_EQUAL(o.message_bytes, 2048);
	CU_ASSERT_EQUAL(env("COMETLOG_CONFIG=/etc/cometlog.conf"), RC_OK);
	CU_ASSERT_STRING_EQUAL(o.config, "/etc/cometlog.conf");
	wrong(env("COMETLOG_=1"), "COMETLOG_", "not an option");
	wrong(env("COMETLOG_retry=1s"), "COMETLOG_RETRY", "not an option");
	CU_ASSERT_EQUAL(env("COMETLOGRETRY=x"), RC_OK);
	CU_ASSERT_EQUAL(env("cometlog_retry=x"), RC_OK);
	options_fini(&o);
}

static void
lists(void)
{
	begin();
	CU_ASSERT_EQUAL(
	    file("retain = a/** age=1h\nretain = b bytes=1\n"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(o.retain.n, 2);
	CU_ASSERT_EQUAL(
	    env("COMETLOG_RETAIN= c age=2d ; ;d messages=5;"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(o.retain.n, 2);
	CU_ASSERT_STRING_EQUAL(o.retain.item[0].pattern.p, "c");
	CU_ASSERT_EQUAL(o.retain.item[0].age_ms, 172800000);
	CU_ASSERT_EQUAL(o.retain.item[1].messages, 5);
	CU_ASSERT_EQUAL(file("retain = e\n"), RC_OK);
	CU_ASSERT_EQUAL(o.retain.n, 2);
	CU_ASSERT_EQUAL(arg("--retain=/f/*"), RC_OK);
	CU_ASSERT_EQUAL(arg("--retain=g  bytes=1K   age=10ms"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(o.retain.n, 2);
	CU_ASSERT_STRING_EQUAL(o.retain.item[0].pattern.p, "f/*");
	CU_ASSERT_EQUAL(o.retain.item[0].age_ms, 0);
	CU_ASSERT_EQUAL(o.retain.item[1].bytes, 1024);
	CU_ASSERT_EQUAL(o.retain.item[1].age_ms, 10);
	CU_ASSERT_EQUAL(arg("--retain="), RC_OK);
	CU_ASSERT_EQUAL(o.retain.n, 0);
	CU_ASSERT_EQUAL(arg("--allow-origin=*"), RC_OK);
	CU_ASSERT_EQUAL(arg("--allow-origin=http://a:80"), RC_OK);
	CU_ASSERT_EQUAL_FATAL(o.allow_origin.n, 2);
	CU_ASSERT_STRING_EQUAL(o.allow_origin.item[1], "http://a:80");
	options_fini(&o);
}

static void
wrong_rules(void)
{
	begin();
	wrong(arg("--retain=a*b"), "--retain \"a*b\" is wrong: ", "pattern");
	wrong(arg("--retain=**/a"), "--retain", "pattern");
	wrong(arg("--retain=a ages=1d"), "\"ages=1d\"", "age=30d");
	wrong(arg("--retain=a 30d"), "\"30d\"", "age=30d");
	wrong(arg("--retain=a age=30"), "\"age=30\"", "s, m, h or d");
	wrong(arg("--retain=a age=0d"), "\"age=0d\"", "at least 1");
	wrong(arg("--retain=a messages=1K"), "\"messages=1K\"", "whole number");
	wrong(arg("--retain=a bytes=9223372036854775808"), "bytes=9", "size");
	wrong(arg("--retain=a bytes"), "\"bytes\"", "size");
	wrong(
	    env("COMETLOG_RETAIN=a;b age"), "COMETLOG_RETAIN \"b age\"", "age");
	options_fini(&o);
}

static void
file_form(void)
{
	begin();
	CU_ASSERT_EQUAL(
	    file("\xef\xbb\xbf# a comment\r\n  log = \"/srv/my site/#1.db\"  # "
	         "why\r\ntip-file = /srv/a#b\t# c\nretry=1s"),
	    RC_OK);
	CU_ASSERT_STRING_EQUAL(o.log, "/srv/my site/#1.db");
	CU_ASSERT_STRING_EQUAL(o.tip_file, "/srv/a#b");
	CU_ASSERT_EQUAL(o.retry_ms, 1000);
	wrong(file("retry 1s"), "site.conf:1", "name = value");
	wrong(file("\n[site]"), "site.conf:2", "name = value");
	wrong(file("= 1"), "site.conf:1", "not an option");
	wrong(file("log = \"a"), "site.conf:1: log", "quotes");
	wrong(file("log = \"a\" b"), "site.conf:1: log", "quotes");
	wrong(file("log = \""), "site.conf:1: log", "quotes");
	wrong(file("config = other.conf"), "config", "can't be set in a file");
	options_fini(&o);
}

static void
hostile_text(void)
{
	static const char text[] = "log = \"a b\" # c\nretain = **\tage=3d "
	                           "bytes=1G\nallow-origin=https://a:1\n"
	                           "socket=[::1]:80\nmax-hold=5s\n";
	char copy[sizeof text];
	size_t i, n;
	int byte;

	for (n = 0; n < sizeof text; n++) {
		char *cut = malloc(n == 0 ? 1 : n);

		memcpy(cut, text, n);
		begin();
		(void)!options_parse_text(
		    &o, OPTIONS_FILE, "f", (struct slice){cut, n}, &e);
		options_fini(&o);
		free(cut);
	}
	for (i = 0; i < sizeof text - 1; i++)
		for (byte = 0; byte < 256; byte += 5) {
			memcpy(copy, text, sizeof text);
			copy[i] = (char)byte;
			begin();
			(void)!options_parse_text(&o, OPTIONS_FILE, "f",
			    (struct slice){copy, sizeof text - 1}, &e);
			options_fini(&o);
		}
	begin();
	wrong(
	    options_parse_text(&o, OPTIONS_FILE, "f", SLICE("log = a\0b"), &e),
	    "f:1: log", "control characters");
	options_fini(&o);
}

static void
long_texts_are_cut(void)
{
	char text[5000];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	begin();
	wrong(file(text), "site.conf:1", "name = value");
	memcpy(text, "--", 2);
	wrong(arg(text), "--xxx", "not an option");
	memcpy(text, "--retry=", 8);
	wrong(arg(text), "--retry", "100 to 60000 ms");
	memcpy(text, "--retain=", 9);
	wrong(arg(text), "--retain", "255");
	memcpy(text, "COMETLOG_", 9);
	wrong(env(text), "COMETLOG_", "not an option");
	options_fini(&o);
}

static void
questions(void)
{
	begin();
	CU_ASSERT_EQUAL(arg("--help"), RC_OK);
	CU_ASSERT_EQUAL(o.ask, OPTIONS_HELP);
	CU_ASSERT_EQUAL(arg("--version"), RC_OK);
	CU_ASSERT_EQUAL(o.ask, OPTIONS_VERSION);
	CU_ASSERT_EQUAL(arg("--help-man"), RC_OK);
	CU_ASSERT_EQUAL(o.ask, OPTIONS_HELP_MAN);
	options_fini(&o);
	CU_ASSERT_EQUAL(o.ask, OPTIONS_RUN);
}

static void
help_is_narrow(void)
{
	static const char *const names[] = {
#define GROUP(title)
#define X(type, field, kind, name, unit, def, least, most, help) "--" name " ",
#include "base/options.def"
#undef X
#undef GROUP
	};
	struct buf b;
	const char *line, *end;
	size_t i;

	buf_init(&b, 0);
	options_add_help(&b, "cometlog.fcgi");
	buf_add_char(&b, 0);
	CU_ASSERT_EQUAL_FATAL(b.rc, RC_OK);
	for (line = b.p; (end = strchr(line, '\n')) != NULL; line = end + 1)
		CU_ASSERT(end - line <= 80);
	for (i = 0; i < OPTIONS_N; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(b.p, names[i]));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, "(default 64K; 1 to 16M bytes)"));
	buf_clear(&b);
	options_add_man(&b);
	buf_add_char(&b, 0);
	CU_ASSERT_EQUAL_FATAL(b.rc, RC_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, ".It Fl -max-hold Ar ms\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(b.p, " Cm strict | full | normal\n"));
	buf_fini(&b);
}

CU_TestInfo test_options[] = {
    {"names_in_a_file_are_meant_from_its_folder",
        names_in_a_file_are_meant_from_its_folder},
    {"defaults_are_those_of_the_table_and_in_range", defaults},
    {"without_a_log_the_operator_is_told_where_to_name_it", log_is_required},
    {"a_value_follows_an_equals_sign_or_is_the_next_argument", both_forms},
    {"values_take_units_choices_and_octal_digits", values},
    {"a_wrong_value_is_refused_and_changes_nothing", wrong_values},
    {"a_socket_is_a_path_that_fits_or_a_numeric_address", sockets},
    {"errors_tell_where_and_what_would_be_right", texts_tell_what_is_right},
    {"a_weaker_source_never_replaces_a_stronger_one", every_source_order},
    {"a_shipped_file_is_weaker_than_all_but_the_defaults",
        shipped_file_is_the_weakest},
    {"unknown_variables_of_ours_are_wrong_others_are_not", every_variable},
    {"a_stronger_source_replaces_a_list_the_same_one_adds", lists},
    {"a_wrong_retain_rule_is_told_by_its_word", wrong_rules},
    {"a_file_has_comments_quotes_and_line_numbers", file_form},
    {"cut_and_changed_files_never_do_harm", hostile_text},
    {"overlong_input_is_cut_in_the_error_text", long_texts_are_cut},
    {"help_and_version_are_asked_for_not_set", questions},
    {"help_names_every_option_within_80_columns", help_is_narrow},
    CU_TEST_INFO_NULL,
};

/*
 * The one list of unit test suites.  Each is tests/unit/test_NAME.c, which
 * defines test_NAME[], ended by CU_TEST_INFO_NULL.  Test names are sentences.
 */
#ifndef COMETLOG_UNIT_TESTS_H
#define COMETLOG_UNIT_TESTS_H

#include <CUnit/CUnit.h>

#define TEST_SUITES(X) \
	X(err_buf) \
	X(utf8) \
	X(channel) \
	X(cursor) \
	X(options) \
	X(query) \
	X(multipart) \
	X(json) \
	X(envelope) \
	X(encode) \
	X(html) \
	X(http) \
	X(fcgi) \
	X(wsopen) \
	X(wsframe) \
	X(deflate) \
	X(wsread) \
	X(wsop) \
	X(bayeux) \
	X(wheel) \
	X(handoff) \
	X(ring) \
	X(wake) \
	X(topic) \
	X(interest) \
	X(budget) \
	X(folder) \
	X(responder) \
	X(ratelimit) \
	X(tip) \
	X(schema) \
	X(log_reader) \
	X(log_writer) \
	X(log_early) \
	X(log_retain) \
	X(log_fitness) \
	X(findings) \
	X(session) \
	X(slots)

#define X(name) extern CU_TestInfo test_##name[];
TEST_SUITES(X)
#undef X

#endif

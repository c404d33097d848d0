/*
 * Runs the suites of tests.h: all of them, or those named as arguments.
 * Prints what failed and one closing line; -v prints each test.
 * Exit status: 0 all passed, 1 some failed or none ran, 2 wrong usage.
 */
#include "tests.h"

#include <CUnit/TestRun.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define X(name) {#name, NULL, NULL, NULL, NULL, test_##name},
static CU_SuiteInfo suites[] = {TEST_SUITES(X) CU_SUITE_INFO_NULL};
#undef X

static bool verbose;
static unsigned passed, failed;

static void
report_test(const CU_pTest test, const CU_pSuite suite,
    const CU_pFailureRecord failures)
{
	const CU_FailureRecord *f;

	if (!failures) {
		passed++;
		if (verbose)
			printf("ok   %s: %s\n", suite->pName, test->pName);
		return;
	}
	failed++;
	printf("FAIL %s: %s\n", suite->pName, test->pName);
	for (f = failures; f; f = f->pNext)
		printf("     %s:%u: %s\n", f->strFileName, f->uiLineNumber,
		    f->strCondition);
}

static CU_SuiteInfo *
find_suite(const char *name)
{
	CU_SuiteInfo *s;

	for (s = suites; s->pName; s++)
		if (strcmp(s->pName, name) == 0)
			return s;
	return NULL;
}

/* Registers s alone, so that suites come in the order that was asked for. */
static CU_ErrorCode
add_suite(const CU_SuiteInfo *s)
{
	CU_SuiteInfo one[] = {*s, CU_SUITE_INFO_NULL};

	return CU_register_suites(one);
}

static CU_ErrorCode
add_suites(int argc, char **argv)
{
	CU_ErrorCode code = CU_initialize_registry();
	const CU_SuiteInfo *s;
	int i;

	if (code == CUE_SUCCESS && argc == 0)
		return CU_register_suites(suites);
	for (i = 0; i < argc && code == CUE_SUCCESS; i++) {
		s = find_suite(argv[i]);
		code = s ? add_suite(s) : CUE_NOSUITE;
	}
	return code;
}

int
main(int argc, char **argv)
{
	int skip = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		verbose = true;
		skip = 2;
	}
	if (add_suites(argc - skip, argv + skip) != CUE_SUCCESS) {
		fprintf(stderr, "%s: %s\n", argv[0], CU_get_error_msg());
		fprintf(stderr, "usage: %s [-v] [SUITE...]\n", argv[0]);
		return 2;
	}
	CU_set_test_complete_handler(report_test);
	if (CU_run_all_tests() != CUE_SUCCESS) {
		failed++;
		printf("FAIL %s\n", CU_get_error_msg());
	}
	CU_cleanup_registry();
	printf("unit: %u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}

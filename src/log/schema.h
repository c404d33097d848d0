/*
 * The shape of the database: which version a file has, making it, and bringing
 * it up to date.  Used by log.c when it opens the file.
 */
#ifndef COMETLOG_LOG_SCHEMA_H
#define COMETLOG_LOG_SCHEMA_H

#include "log/db.h"

/* PRAGMA application_id of our files: "CMTL". */
#define SCHEMA_APPLICATION_ID 0x434d544c

/* One line of versions.  The newest is 1 + n_upgrades (PRAGMA user_version). */
struct schema {
	const char *create;         /* makes the newest version at once */
	const char *const *upgrade; /* [i]: from version i + 1 to i + 2 */
	size_t n_upgrades;
};

extern const struct schema schema_current;

/* Looks, changing nothing: RC_LOG if the file is some other program's, or no
   database; RC_CONFIG if its version is newer than this program knows. */
enum rc schema_check(
    struct db *db, const struct schema *s, struct err *e) MUST_CHECK;

/* Makes the tables, or upgrades them version by version, in one transaction;
   nothing is changed on failure.  As schema_check, RC_LOG and RC_BUSY. */
enum rc schema_ensure(
    struct db *db, const struct schema *s, struct err *e) MUST_CHECK;

#endif

#include "log/schema.h"

#include "log/sql_text.h"

#include <stdio.h>

static const char *const upgrade[] = {
    sql_upgrade_1,
};

const struct schema schema_current = {
    .create = sql_schema,
    .upgrade = upgrade,
    .n_upgrades = sizeof upgrade / sizeof *upgrade,
};

static int64_t
newest_version(const struct schema *s)
{
	return 1 + (int64_t)s->n_upgrades;
}

/* *version: 0 for a file without tables. */
static enum rc
read_version(
    struct db *db, const struct schema *s, int64_t *version, struct err *e)
{
	int64_t application, tables;
	enum rc rc;

	if ((rc = db_int(db, "PRAGMA user_version", version, e)) != RC_OK ||
	    (rc = db_int(db, "PRAGMA application_id", &application, e)) !=
	        RC_OK ||
	    (rc = db_int(db, "SELECT count(*) FROM sqlite_master", &tables,
	         e)) != RC_OK)
		return rc;
	if (application == 0 && tables == 0 && *version == 0)
		return RC_OK;
	if (application != SCHEMA_APPLICATION_ID || *version < 1)
		return err_set(e, RC_LOG,
		    "%s is a database of another program, not a message log",
		    db->path);
	if (*version > newest_version(s))
		return err_set(e, RC_CONFIG,
		    "%s has version %lld of the schema, this program knows "
		    "up to %lld: install the newer program again",
		    db->path, (long long)*version,
		    (long long)newest_version(s));
	return RC_OK;
}

enum rc
schema_check(struct db *db, const struct schema *s, struct err *e)
{
	int64_t version;

	return read_version(db, s, &version, e);
}

static enum rc
bring_up(struct db *db, const struct schema *s, int64_t version, struct err *e)
{
	char marks[96];
	enum rc rc = RC_OK;

	/* an upgrade may edit sqlite_master, which some
	   builds of SQLite forbid */
	(void)sqlite3_db_config(
	    db->c, SQLITE_DBCONFIG_DEFENSIVE, 0, (int *)NULL);
	if (version == 0)
		rc = db_exec(db, s->create, e);
	else
		for (size_t i = (size_t)version - 1;
		     i < s->n_upgrades && rc == RC_OK; i++)
			rc = db_exec(db, s->upgrade[i], e);
	if (rc != RC_OK)
		return rc;
	snprintf(marks, sizeof marks,
	    "PRAGMA application_id = %d; PRAGMA user_version = %lld",
	    SCHEMA_APPLICATION_ID, (long long)newest_version(s));
	return db_exec(db, marks, e);
}

enum rc
schema_ensure(struct db *db, const struct schema *s, struct err *e)
{
	int64_t version;
	enum rc rc;

	rc = read_version(db, s, &version, e);
	if (rc != RC_OK || version == newest_version(s))
		return rc;
	rc = db_exec(db, "BEGIN IMMEDIATE", e);
	if (rc != RC_OK)
		return rc;
	/* again, for another process may have been faster */
	rc = read_version(db, s, &version, e);
	if (rc == RC_OK && version != newest_version(s))
		rc = bring_up(db, s, version, e);
	if (rc == RC_OK)
		rc = db_exec(db, "COMMIT", e);
	if (rc != RC_OK)
		db_rollback(db);
	return rc;
}

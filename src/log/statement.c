#include "log/statement.h"

const char *const statement_sql[ST_COUNT] = {
#define X(name, sql) sql,
    STATEMENT_LIST(X)
#undef X
};

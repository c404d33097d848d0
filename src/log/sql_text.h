/* What sql/embed.sh makes of the files in sql/. */
#ifndef COMETLOG_LOG_SQL_TEXT_H
#define COMETLOG_LOG_SQL_TEXT_H

extern const char sql_schema[];
extern const char sql_upgrade_1[];

#endif

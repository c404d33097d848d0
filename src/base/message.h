/* One message of the log as a value.  Everything in it is borrowed. */
#ifndef COMETLOG_BASE_MESSAGE_H
#define COMETLOG_BASE_MESSAGE_H

#include "base/slice.h"

#include <stdint.h>

struct message {
	uint64_t seq;         /* position in the log; 0 before it is stored */
	int64_t time_ms;      /* Unix milliseconds */
	struct slice channel; /* valid by channel_check */
	struct slice event;   /* p == NULL: none was given; no
	                         control characters */
	struct slice id;      /* likewise */
	struct slice data;    /* UTF-8; may be empty */
	bool is_json;         /* data is one compact JSON
	                         text, not a string */
};

#endif

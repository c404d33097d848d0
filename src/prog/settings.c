#include "prog/settings.h"

#include "prog/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_BYTES (1024 * 1024)
#define PIECE_BYTES 4096

static bool
is_cgi(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "GATEWAY_INTERFACE=", 18) == 0)
			return true;
	return false;
}

static enum rc
read_all(int fd, const char *path, struct buf *b, struct err *e)
{
	ssize_t n;
	char *to;

	while ((to = buf_room(b, PIECE_BYTES)) != NULL) {
		n = read(fd, to, PIECE_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, RC_CONFIG, "config %s: %s", path,
			    strerror(errno));
		if (n == 0)
			return RC_OK;
		b->n += (size_t)n;
	}
	if (b->rc == RC_NOMEM)
		return err_set(e, RC_NOMEM, "config %s: no memory", path);
	return err_set(e, RC_CONFIG, "config %s: is longer than %d bytes", path,
	    FILE_BYTES);
}

static enum rc
read_config(struct options *o, struct err *e)
{
	struct buf b;
	enum rc rc;
	int fd = open(o->config, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, RC_CONFIG, "config %s: %s", o->config,
		    strerror(errno));
	buf_init(&b, FILE_BYTES + PIECE_BYTES);
	rc = read_all(fd, o->config, &b, e);
	if (rc == RC_OK)
		rc = options_parse_text(o, o->config, buf_slice(&b), e);
	buf_fini(&b);
	close(fd);
	return rc;
}

enum rc
settings_load(struct options *o, int argc, char *const *argv, char *const *env,
    struct err *e)
{
	enum rc rc = options_init(o, e);
	bool is_beside = false;

	if (rc == RC_OK && !is_cgi(env))
		rc = options_parse_args(o, argc, argv, e);
	if (rc != RC_OK || o->ask != OPTIONS_RUN)
		return rc;
	rc = options_parse_env(o, env, e);
	if (rc == RC_OK && o->config == NULL) {
		rc = folder_find_config(&o->config, e);
		is_beside = o->config != NULL;
	}
	if (rc == RC_OK && o->config != NULL)
		rc = read_config(o, e);
	if (rc == RC_OK && is_beside && o->log == NULL)
		rc = folder_choose_log(o->config, &o->log, e);
	if (rc == RC_OK)
		rc = options_check(o, e);
	return rc;
}

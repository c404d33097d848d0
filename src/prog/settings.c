#include "prog/settings.h"

#include "prog/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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
read_config(struct options *o, enum option_source source, const char *path,
    struct err *e)
{
	struct buf b;
	enum rc rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(
		    e, RC_CONFIG, "config %s: %s", path, strerror(errno));
	buf_init(&b, FILE_BYTES + PIECE_BYTES);
	rc = read_all(fd, path, &b, e);
	if (rc == RC_OK)
		rc = options_parse_text(o, source, path, buf_slice(&b), e);
	buf_fini(&b);
	close(fd);
	return rc;
}

static enum rc
read_if_there(struct options *o, enum option_source source, const char *folder,
    const char *name, struct err *e)
{
	char *path;
	enum rc rc = folder_file(folder, name, &path, e);

	if (rc == RC_OK && path != NULL)
		rc = read_config(o, source, path, e);
	free(path);
	return rc;
}

/* What lies beside the program; nothing, where it is installed otherwise. */
static enum rc
read_folder(struct options *o, struct err *e)
{
	char *folder;
	enum rc rc = folder_find(&folder, e);

	if (rc != RC_OK || folder == NULL)
		return rc;
	rc = read_if_there(o, OPTIONS_SHIPPED, folder, FOLDER_SHIPPED, e);
	if (rc == RC_OK)
		rc = read_if_there(o, OPTIONS_FILE, folder, FOLDER_CONFIG, e);
	if (rc == RC_OK && o->log == NULL)
		rc = folder_choose_log(folder, &o->log, e);
	free(folder);
	return rc;
}

enum rc
settings_load(struct options *o, int argc, char *const *argv, char *const *env,
    struct err *e)
{
	enum rc rc = options_init(o, e);

	if (rc == RC_OK && !is_cgi(env))
		rc = options_parse_args(o, argc, argv, e);
	if (rc != RC_OK || o->ask != OPTIONS_RUN)
		return rc;
	rc = options_parse_env(o, env, e);
	if (rc == RC_OK)
		rc = o->config == NULL
		    ? read_folder(o, e)
		    : read_config(o, OPTIONS_FILE, o->config, e);
	if (rc == RC_OK)
		rc = options_check(o, e);
	return rc;
}

#include "prog/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_NAME "cometlog.db"

/* For Apache 2.4, 2.2, and for hosts where the module has been left out. */
static const char deny[] = "<IfModule mod_authz_core.c>\n"
                           "\tRequire all denied\n"
                           "</IfModule>\n"
                           "<IfModule !mod_authz_core.c>\n"
                           "\tDeny from all\n"
                           "</IfModule>\n";

static enum rc
no_memory(struct err *e)
{
	return err_set(e, RC_NOMEM, "no memory for the program's folder");
}

enum rc
folder_file(const char *folder, const char *name, char **path, struct err *e)
{
	if (asprintf(path, "%s/%s", folder, name) < 0) {
		*path = NULL;
		return no_memory(e);
	}
	if (access(*path, F_OK) != 0) {
		free(*path);
		*path = NULL;
	}
	return RC_OK;
}

enum rc
folder_find(char **folder, struct err *e)
{
	char *self = realpath("/proc/self/exe", NULL);
	char *slash = self == NULL ? NULL : strrchr(self, '/'), *file = NULL;
	enum rc rc = RC_OK;

	*folder = NULL;
	if (slash != NULL) {
		*slash = 0;
		rc = folder_file(self, FOLDER_SHIPPED, &file, e);
		if (rc == RC_OK && file == NULL)
			rc = folder_file(self, FOLDER_CONFIG, &file, e);
	}
	if (file != NULL)
		*folder = self;
	else
		free(self);
	free(file);
	return rc;
}

/* A folder of ours, denied to the web server; true if it can be used. */
static bool
make_folder(const char *path)
{
	struct stat st;
	char *name;
	ssize_t n;
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return false;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) ||
	    access(path, W_OK | X_OK) != 0 ||
	    asprintf(&name, "%s/.htaccess", path) < 0)
		return false;
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd >= 0) {
		n = write(fd, deny, sizeof deny - 1);
		(void)n; /* the folder's mode denies it, too */
		close(fd);
	}
	free(name);
	return true;
}

static bool
is_web_root(struct slice name)
{
	static const char *const root[] = {"public_html", "htdocs", "httpdocs",
	    "www", "wwwroot", "webroot", "html", "web", "public"};

	for (size_t i = 0; i < sizeof root / sizeof *root; i++)
		if (slice_is(name, slice_of(root[i])))
			return true;
	return false;
}

static bool
is_ours(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_uid == geteuid() && access(path, W_OK | X_OK) == 0;
}

/*
 * The bytes of folder's path that lie above its web root, when that place is
 * this user's; 0: it can't be told.  "/home/u" of "/home/u/public_html/live".
 */
static size_t
above_web_root(const char *folder)
{
	char *path = strdup(folder), *from, *end;
	size_t n = 0;

	if (path == NULL)
		return 0;
	for (from = path; n == 0 && from != NULL && *from == '/'; from = end) {
		end = strchr(from + 1, '/');
		if (!is_web_root((struct slice){from + 1,
		        end == NULL ? strlen(from + 1)
		                    : (size_t)(end - from - 1)}))
			continue;
		*from = 0;
		if (from > path && is_ours(path))
			n = (size_t)(from - path);
		*from = '/';
	}
	free(path);
	return n;
}

/* ABOVE/cometlog-data/NAME/cometlog.db; NULL: it can't be there. */
static char *
log_outside(const char *folder)
{
	size_t above = above_web_root(folder);
	char *data = NULL, *own = NULL, *log = NULL, *c;

	if (above == 0 ||
	    asprintf(&data, "%.*s/cometlog-data", (int)above, folder) < 0)
		return NULL;
	if (!make_folder(data) ||
	    asprintf(&own, "%s/%s", data, folder + above + 1) < 0) {
		free(data);
		return NULL;
	}
	for (c = own + strlen(data) + 1; *c != 0; c++)
		if (*c == '/')
			*c = '-';
	if (make_folder(own) && asprintf(&log, "%s/" LOG_NAME, own) < 0)
		log = NULL;
	free(own);
	free(data);
	return log;
}

enum rc
folder_choose_log(const char *folder, char **log, struct err *e)
{
	char *data = NULL, *inside = NULL;
	enum rc rc = RC_OK;

	*log = NULL;
	if (asprintf(&data, "%s/data", folder) < 0)
		data = NULL;
	if (data == NULL || asprintf(&inside, "%s/" LOG_NAME, data) < 0) {
		inside = NULL;
		rc = no_memory(e);
	} else if (access(inside, F_OK) != 0) {
		*log = log_outside(folder);
	}
	if (rc == RC_OK && *log == NULL) {
		if (make_folder(data)) {
			*log = inside;
			inside = NULL;
		} else {
			rc = err_set(e, RC_CONFIG,
			    "the log needs a folder "
			    "that this program can write: make %s writable for "
			    "it, or set log = FILE in " FOLDER_CONFIG,
			    data);
		}
	}
	free(inside);
	free(data);
	return rc;
}

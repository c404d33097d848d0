/*
 * For the statically linked program alone, by the linker's --wrap: what
 * libfcgi, libuv and SQLite mention and no path of ours calls, and what glibc
 * could do only with the shared libraries of its own version, which a foreign
 * host doesn't have.  Here it fails, as the manuals allow.
 */
#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);
struct hostent *__wrap_gethostbyname(const char *name);
int __wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t n,
    struct passwd **result);

void *
__wrap_dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

struct hostent *
__wrap_gethostbyname(const char *name)
{
	(void)name;
	h_errno = NO_RECOVERY;
	return NULL;
}

int
__wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *text, size_t n,
    struct passwd **result)
{
	(void)uid;
	(void)entry;
	(void)text;
	(void)n;
	*result = NULL;
	return ENOSYS;
}

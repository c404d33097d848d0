#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

uint64_t
clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t
clock_unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t
clock_random(void)
{
	uint64_t v;
	struct timespec t;

	if (getrandom(&v, sizeof v, GRND_NONBLOCK) == (ssize_t)sizeof v)
		return v;
	clock_gettime(CLOCK_MONOTONIC, &t); /* before the pool is ready */
	return (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)t.tv_sec;
}

uint32_t
clock_jitter_ms(uint32_t ms)
{
	return ms - ms / 4 + (uint32_t)(clock_random() % (ms / 2 + 1));
}

bool
clock_boot(char boot[CLOCK_BOOT_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	bool is_known =
	    fd >= 0 && read(fd, boot, CLOCK_BOOT_BYTES) == CLOCK_BOOT_BYTES;

	if (fd >= 0)
		close(fd);
	if (!is_known)
		memset(boot, 0, CLOCK_BOOT_BYTES);
	return is_known;
}

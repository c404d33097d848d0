/*
 * A main() for a fuzz target that is built without libFuzzer.
 *
 *     fuzz_NAME [--rounds N] [--seed N] [FILE-OR-FOLDER...]
 *
 * Hands every file to LLVMFuzzerTestOneInput, then N mutations of them (none
 * unless asked), always the same ones for the same seed and corpus.  Each
 * input stands in an allocation of exactly its size, so that AddressSanitizer
 * sees one byte too many.  When the target dies, the input is left in the
 * file crash-fuzz_NAME of the current folder; give it as FILE to repeat.
 * Exit status: 0, or 1 when something could not be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_BYTES_MAX ((size_t)256 * 1024)
#define MUTANT_BYTES_MAX ((size_t)16 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Part of the sanitizers' run time where that is linked, else NULL. */
void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

struct input {
	uint8_t *data;
	size_t size;
};

static struct input *corpus;
static size_t corpus_n;
static struct input current;
static char crash_file[128];
static uint64_t random_state;

/* xorshift64*: the same numbers on every machine. */
static uint64_t
random_next(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/* 0 to below-1; 0 when below is 0. */
static size_t
random_below(size_t below)
{
	return below ? (size_t)(random_next() >> 16) % below : 0;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void *
must_alloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		die("memory");
	return p;
}

/* Only what a signal handler may do. */
static void
keep_current(void)
{
	int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	if (write(fd, current.data, current.size) >= 0)
		close(fd);
}

static void
on_abort(int sig)
{
	keep_current();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
run(const uint8_t *data, size_t size)
{
	current.data = must_alloc(NULL, size);
	current.size = size;
	if (size)
		memcpy(current.data, data, size);
	LLVMFuzzerTestOneInput(current.data, size);
	free(current.data);
	current = (struct input){NULL, 0};
}

static void
corpus_add_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct input in = {must_alloc(NULL, INPUT_BYTES_MAX), 0};

	if (!f)
		die(path);
	in.size = fread(in.data, 1, INPUT_BYTES_MAX, f);
	if (ferror(f))
		die(path);
	fclose(f);
	corpus = must_alloc(corpus, (corpus_n + 1) * sizeof(*corpus));
	corpus[corpus_n++] = in;
	run(in.data, in.size);
}

/* In the order of names, or the mutations would differ between machines. */
static void
corpus_add(const char *path)
{
	struct dirent **names;
	struct stat st;
	char *full;
	int i, n;

	if (stat(path, &st) != 0)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		corpus_add_file(path);
		return;
	}
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0)
		die(path);
	for (i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (name[0] != '.') {
			if (asprintf(&full, "%s/%s", path, name) < 0)
				die("memory");
			corpus_add(full);
			free(full);
		}
		free(names[i]);
	}
	free(names);
}

/* Puts n bytes of from at position at of m, moving the rest; cuts the end. */
static void
insert(struct input *m, size_t at, const uint8_t *from, size_t n)
{
	size_t room = MUTANT_BYTES_MAX - m->size;

	if (n > room)
		n = room;
	memmove(m->data + at + n, m->data + at, m->size - at);
	memcpy(m->data + at, from, n);
	m->size += n;
}

static void
erase(struct input *m, size_t at, size_t n)
{
	memmove(m->data + at, m->data + at + n, m->size - at - n);
	m->size -= n;
}

/* Puts a piece of some corpus input, or of m itself, into m. */
static void
insert_piece(struct input *m, size_t at)
{
	const struct input *other = &corpus[random_below(corpus_n)];
	size_t from = random_below(other->size);
	size_t n = random_below(other->size - from + 1);
	uint8_t piece[256];

	if (n > sizeof(piece))
		n = sizeof(piece);
	if (n)
		memcpy(piece, other->data + from, n);
	insert(m, at, piece, n);
}

static void
mutate_once(struct input *m)
{
	static const uint8_t telling[] = "\0\x7f\x80\xbf\xc0\xe2\xed\xf4\xff"
	                                 "\r\n\t %+&=;:,.*/\\\"'<>{}[]-09aAu$";
	uint8_t byte = telling[random_below(sizeof(telling) - 1)];
	size_t at = random_below(m->size + 1);
	size_t rest = m->size - at;

	switch (random_below(6)) {
	case 0:
		if (rest)
			m->data[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 1:
		if (rest)
			m->data[at] = byte;
		break;
	case 2:
		insert(m, at, &byte, 1);
		break;
	case 3:
		erase(m, at, random_below((rest < 16 ? rest : 16) + 1));
		break;
	case 4:
		insert_piece(m, at);
		break;
	default:
		if (random_below(8) == 0)
			erase(m, at, rest);
		break;
	}
}

static void
run_mutants(unsigned long rounds)
{
	uint8_t buffer[MUTANT_BYTES_MAX];
	size_t times;

	while (rounds-- > 0) {
		const struct input *seed = &corpus[random_below(corpus_n)];
		struct input m = {buffer, seed->size};

		if (m.size > MUTANT_BYTES_MAX)
			m.size = MUTANT_BYTES_MAX;
		memcpy(buffer, seed->data, m.size);
		for (times = 1 + random_below(8); times > 0; times--)
			mutate_once(&m);
		run(m.data, m.size);
	}
}

static unsigned long
number(const char *name, const char *text)
{
	char *end = NULL;
	unsigned long n;

	errno = 0;
	n = text ? strtoul(text, &end, 10) : 0;
	if (!end || end == text || *end || errno) {
		fprintf(stderr, "%s needs a number\n", name);
		exit(1);
	}
	return n;
}

int
main(int argc, char **argv)
{
	unsigned long rounds = 0, seed = 1;
	size_t i;
	int a;

	snprintf(crash_file, sizeof(crash_file), "crash-%s",
	    program_invocation_short_name);
	signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_current);
	corpus_add_file("/dev/null");
	for (a = 1; a < argc; a++) {
		if (strcmp(argv[a], "--rounds") == 0) {
			rounds = number("--rounds", argv[a + 1]);
			a++;
		} else if (strcmp(argv[a], "--seed") == 0) {
			seed = number("--seed", argv[a + 1]);
			a++;
		} else {
			corpus_add(argv[a]);
		}
	}
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	run_mutants(rounds);
	printf("%zu inputs, %lu mutations\n", corpus_n, rounds);
	for (i = 0; i < corpus_n; i++)
		free(corpus[i].data);
	free(corpus);
	return 0;
}

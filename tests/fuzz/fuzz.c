/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- random numbers: SplitMix64 ---- */

uint64_t fuzz_next(struct fuzz *f)
{
	uint64_t z = f->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t fuzz_below(struct fuzz *f, uint64_t n)
{
	return fuzz_next(f) % n;
}

bool fuzz_chance(struct fuzz *f, unsigned n)
{
	return !fuzz_below(f, n);
}

uint64_t fuzz_number(struct fuzz *f)
{
	uint64_t v = fuzz_next(f);

	switch (fuzz_below(f, 4)) {
	case 0: return v;
	case 1: return v >> fuzz_below(f, 64);
	case 2: return fuzz_below(f, 20) - 10;
	default: return (UINT64_C(1) << fuzz_below(f, 64)) + fuzz_below(f, 9) - 4;
	}
}

void fuzz_bytes(struct fuzz *f, void *to, size_t n)
{
	uint8_t *t = to;

	for (size_t i = 0; i < n; i++)
		t[i] = (uint8_t)fuzz_next(f);
}

static void mutate_once(struct fuzz *f, uint8_t *data, size_t n)
{
	size_t at = fuzz_below(f, n), k = (size_t)1 << fuzz_below(f, 4);
	uint64_t v;

	k = MIN(k, n - at);
	switch (fuzz_below(f, 4)) {
	case 0:
		data[at] ^= (uint8_t)(1 << fuzz_below(f, 8));
		break;
	case 1:
		data[at] = (uint8_t)fuzz_next(f);
		break;
	case 2:
		v = GUINT64_TO_LE(fuzz_number(f));
		memcpy(data + at, &v, k);
		break;
	default:
		memmove(data + at, data + fuzz_below(f, n - k + 1), k);
	}
}

void fuzz_mutate(struct fuzz *f, uint8_t *data, size_t n)
{
	for (uint64_t i = n ? 1 + fuzz_below(f, 8) : 0; i; i--)
		mutate_once(f, data, n);
}

/* ---- the program ---- */

enum { STUCK_SECONDS = 60, EVERY_ROUND = -1 };

/* What child and parent share. */
struct progress {
	volatile uint64_t round;
	volatile bool finished;
};

struct run {
	const struct fuzz_target *target;
	gint64 seed, only;
	gint seconds;
	struct progress *progress;
};

static void play(const struct run *r)
{
	gint64 end = g_get_monotonic_time() + (gint64)r->seconds * G_USEC_PER_SEC;
	void *o = r->target->open ? r->target->open() : NULL;
	uint64_t round = r->only == EVERY_ROUND ? 0 : (uint64_t)r->only;

	do {
		struct fuzz f = { (uint64_t)r->seed ^ round * UINT64_C(0xd1342543de82ef95) };

		r->progress->round = round++;
		r->target->round(&f, o);
	} while (r->only == EVERY_ROUND && g_get_monotonic_time() < end);
	if (r->target->close)
		r->target->close(o);
	r->progress->finished = true;
}

/* The child's status; kills it when a round takes too long. */
static int watch(pid_t child, const struct progress *p, bool *stuck)
{
	uint64_t last = 0;
	gint64 since = g_get_monotonic_time();
	int status;

	*stuck = false;
	while (waitpid(child, &status, WNOHANG) != child) {
		gint64 now = g_get_monotonic_time();

		if (p->round != last || p->finished) {
			last = p->round;
			since = now;
		} else if (now - since > (gint64)STUCK_SECONDS * G_USEC_PER_SEC) {
			*stuck = true;
			kill(child, SIGKILL);
		}
		g_usleep(20000);
	}
	return status;
}

static bool read_options(int argc, char **argv, struct run *r)
{
	GOptionEntry entries[] = {
		{ "seconds", 0, 0, G_OPTION_ARG_INT, &r->seconds, "how long (2)", "N" },
		{ "seed", 0, 0, G_OPTION_ARG_INT64, &r->seed, "which rounds (1)", "N" },
		{ "round", 0, 0, G_OPTION_ARG_INT64, &r->only, "only this round", "N" },
		{ 0 }
	};
	GOptionContext *c = g_option_context_new(NULL);
	GError *error = NULL;
	bool ok;

	g_option_context_add_main_entries(c, entries, NULL);
	ok = g_option_context_parse(c, &argc, &argv, &error);
	if (!ok) {
		fprintf(stderr, "%s\n", error->message);
		g_error_free(error);
	}
	g_option_context_free(c);
	return ok;
}

static void report(const struct run *r, const char *program, int status, bool stuck)
{
	bool good = WIFEXITED(status) && !WEXITSTATUS(status) && r->progress->finished;
	uint64_t round = r->progress->round;

	if (!good) {
		printf("# round %" PRIu64 " %s (wait status 0x%x)\n", round,
		       stuck ? "does not end" : r->progress->finished ? "was the last, then the exit failed" : "died", status);
		printf("# again: %s --seed %" PRId64 " --round %" PRIu64 "\n", program, r->seed, round);
	}
	printf("%sok 1 - %s: %" PRIu64 " rounds of seed %" PRId64 "\n1..1\n", good ? "" : "not ", r->target->name,
	       r->only == EVERY_ROUND ? round + 1 : 1, r->seed);
}

int fuzz_main(int argc, char **argv, const struct fuzz_target *target)
{
	struct run r = { .target = target, .seed = 1, .only = EVERY_ROUND, .seconds = 2 };
	bool stuck;
	int status;
	pid_t child;

	if (!read_options(argc, argv, &r))
		return 2;
	r.progress = mmap(NULL, sizeof *r.progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.progress == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	fflush(NULL);
	child = fork();
	if (child < 0) {
		perror("fork");
		return 2;
	}
	if (!child) {
		play(&r);
		exit(0);
	}
	status = watch(child, r.progress, &stuck);
	report(&r, argv[0], status, stuck);
	return WIFEXITED(status) && !WEXITSTATUS(status) && r.progress->finished ? 0 : 1;
}

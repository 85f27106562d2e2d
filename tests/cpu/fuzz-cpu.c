/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random sequences of instructions and random bytes: the interpreter instruction by
 * instruction, its blocks, the translator, and the host, compared.  sequence.h says how.
 *
 * Each case follows from its seed; the default runs a fixed number of them from seed 1 on,
 * `-m slow` many more, --seconds as many as there is time for.
 */
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accel/engine/engine.h"
#include "sequence.h"

enum { BATCH = 32, SHOWN = 20, QUICK = 20000, SLOW = 500000, PROGRESS = 30 };

/* The others than the trace. */
enum who { WHO_INTERP, WHO_JIT, WHO_HOST, WHO_COUNT };
static const char *const who_names[WHO_COUNT] = { "interp", "jit", "host" };

struct verdict {
	const char *what;               /* NULL: all agree */
	enum who who;
	unsigned run;
	struct outcome got;
	struct memory after;
};

struct fuzz {
	struct generator *gen;
	struct guest *guest[2];         /* WHO_INTERP, WHO_JIT */
	struct sequence *batch;         /* BATCH + 1, shared with the child; the last for second looks */
	struct verdict *verdict;        /* BATCH + 1 */
	unsigned long cases, runs, compared, on_host, steps, faults, different, unsteady;
	unsigned long by_kind[KIND_COUNT];
	gint64 begun, said;
	const char *program;
};

static gint64 first_seed = 1, count_wanted, seconds;
static char *kind_name, *drop_list;
static gint64 run_mask = (1 << RUNS) - 1;
static gboolean minimise, show_all;
static unsigned kind_wanted = KIND_COUNT;

/* ---- what the process dies of ---- */

static volatile guint64 seed_now;
static volatile const char *who_now = "trace";

/* Translated code has its stack pointer in the processor: a stack of its own, and no stdio. */
static void on_crash(int sig)
{
	char text[160];
	int n = snprintf(text, sizeof text, "\n# signal %d with seed %llu, %s\n", sig, (unsigned long long)seed_now, who_now);

	if (write(1, text, (size_t)n) == n)
		_exit(1);
	_exit(2);
}

static void watch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT };
	struct sigaction a = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };
	static uint8_t stack[1 << 16];   /* the kernel keeps it, where no leak checker looks */
	stack_t alt = { .ss_size = sizeof stack, .ss_sp = stack };

	sigaltstack(&alt, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++)
		sigaction(signals[i], &a, NULL);
}

/* ---- one sequence in all of them ---- */

static void in_engines(struct fuzz *f, struct sequence *s, struct verdict *v)
{
	v->what = NULL;
	seed_now = s->seed;
	who_now = "trace";
	sequence_trace(f->guest[WHO_INTERP], s);
	if (show_all) {
		sequence_show(s, 0, NULL, NULL, NULL);
		fflush(stdout);
	}
	for (unsigned i = WHO_INTERP; i <= WHO_JIT && !v->what; i++) {
		who_now = who_names[i];
		v->who = i;
		v->what = sequence_engine(f->guest[i], s, &v->run, &v->got, &v->after);
	}
	who_now = "trace";
}

/* Those of @s[0] to @s[n - 1] that the host can run, in children; one that dies is replaced behind the sequence that killed it. */
static void on_host(struct sequence *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned r = 0; r < RUNS; r++)
			s[i].run[r].host.ran = false;
	for (unsigned next = 0; next < n;) {
		volatile unsigned *done = &s[0].host_done;
		int status;
		pid_t p;

		fflush(stdout);
		*done = next;
		p = fork();
		if (!p) {
			struct itimerval t = { { 0, 0 }, { 3, 0 } };

			signal(SIGVTALRM, SIG_DFL);
			signal(SIGABRT, SIG_DFL);
			setitimer(ITIMER_VIRTUAL, &t, NULL);
			native_map();
			for (unsigned i = next; i < n; i++) {
				sequence_host(&s[i]);
				*done = i + 1;
			}
			_exit(0);
		}
		g_assert_cmpint(waitpid(p, &status, 0), ==, p);
		next = *done < n ? *done + 1 : n;
	}
}

static void compare_host(const struct sequence *s, struct verdict *v)
{
	if (v->what)
		return;
	v->who = WHO_HOST;
	v->what = sequence_host_differs(s, &v->run);
}

/* All of it for one sequence, whose memory is shared. */
static void look(struct fuzz *f, struct sequence *s, struct verdict *v)
{
	in_engines(f, s, v);
	if (!v->what)
		on_host(s, 1);
	compare_host(s, v);
}

/* ---- showing and making smaller ---- */

static void append_drops(GString *to, const struct sequence *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->count; i++) {
		if (s->item[i].dropped) {
			g_string_append_printf(to, "%s%u", any ? "," : " --drop ", i);
			any = true;
		}
	}
}

static void report(struct fuzz *f, const struct sequence *s, const struct verdict *v)
{
	const struct seq_run *r = &s->run[v->run];
	bool host = v->who == WHO_HOST;
	GString *command = g_string_new(NULL);

	g_string_printf(command, "%s --case %llu --count 1", f->program, (unsigned long long)s->seed);
	if (kind_wanted != KIND_COUNT)
		g_string_append_printf(command, " --kind %s", kind_names[kind_wanted]);
	append_drops(command, s);
	if (s->run_mask != (1 << RUNS) - 1)
		g_string_append_printf(command, " --runs %u", s->run_mask);
	printf("# DIFFERENCE seed %llu: %s, %s, run %u; again by\n#  %s\n", (unsigned long long)s->seed, who_names[v->who], v->what, v->run,
	       command->str);
	sequence_show(s, v->run, host ? &r->host : &v->got, host ? &r->host_after : &v->after, who_names[v->who]);
	fflush(stdout);
	g_string_free(command, TRUE);
}

/* Does it still differ in the same way? */
static bool still(struct fuzz *f, struct sequence *s, struct verdict *v, enum who who)
{
	sequence_place(s);
	look(f, s, v);
	return v->what && v->who == who;
}

/* Drops runs and items for as long as one can be dropped. */
static void make_smaller(struct fuzz *f, struct sequence *s, struct verdict *v)
{
	enum who who = v->who;
	bool smaller = true;

	for (unsigned r = 0; r < RUNS; r++) {
		uint32_t before = s->run_mask;

		s->run_mask &= ~(1u << r);
		if (before == s->run_mask || !s->run_mask || !still(f, s, v, who))
			s->run_mask = before;
	}
	while (smaller) {
		smaller = false;
		for (unsigned i = s->count; i-- > 0;) {
			if (s->item[i].dropped)
				continue;
			s->item[i].dropped = true;
			if (still(f, s, v, who))
				smaller = true;
			else
				s->item[i].dropped = false;
		}
	}
	still(f, s, v, who);
}

/*
 * Once in some ten million cases a host takes a fault that has no cause in the
 * instruction.  A difference counts if it comes again.
 */
static void different(struct fuzz *f, const struct sequence *was)
{
	struct sequence *s = &f->batch[BATCH];
	struct verdict *v = &f->verdict[BATCH];

	memcpy(s, was, sizeof *s);
	look(f, s, v);
	if (!v->what) {
		printf("# unsteady: seed %llu differed once and not again\n", (unsigned long long)s->seed);
		f->unsteady++;
		return;
	}
	if (f->different++ >= SHOWN)
		return;
	if (minimise)
		make_smaller(f, s, v);
	report(f, s, v);
}

/* ---- many ---- */

static void drop_items(struct sequence *s)
{
	char **list = g_strsplit(drop_list ? drop_list : "", ",", 0);

	for (char **at = list; *at; at++) {
		unsigned n = (unsigned)strtoul(*at, NULL, 10);

		if (n < s->count)
			s->item[n].dropped = true;
	}
	g_strfreev(list);
	s->run_mask = (uint32_t)run_mask;
	sequence_place(s);
}

static void note(struct fuzz *f, const struct sequence *s)
{
	f->cases++;
	f->by_kind[s->kind]++;
	for (unsigned i = 0; i < RUNS; i++) {
		const struct seq_run *r = &s->run[i];

		f->runs++;
		f->compared += r->comparable;
		f->on_host += r->on_host;
		f->steps += r->comparable ? r->steps : 0;
		f->faults += r->comparable && r->end.vector >= 0;
		if (show_all)
			printf("# seed %llu run %u: %s%s, %u instructions, ends with vector %d\n", (unsigned long long)s->seed, i,
			       r->on_host ? "all" : r->comparable ? "without the host: " : "not compared: ", r->why ? r->why : "", r->steps, r->end.vector);
	}
}

static void batch(struct fuzz *f, uint64_t seed, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		f->batch[i].seed = seed + i;
		sequence_make(f->gen, &f->batch[i], kind_wanted);
		if (drop_list || run_mask != (1 << RUNS) - 1)
			drop_items(&f->batch[i]);
		in_engines(f, &f->batch[i], &f->verdict[i]);
	}
	on_host(f->batch, n);
	for (unsigned i = 0; i < n; i++) {
		compare_host(&f->batch[i], &f->verdict[i]);
		note(f, &f->batch[i]);
		if (f->verdict[i].what)
			different(f, &f->batch[i]);
	}
}

static void say(struct fuzz *f, const char *what)
{
	printf("# %s: %.0f s, %lu sequences, %lu runs, %lu compared, %lu of them with the host; %lu instructions, %lu ended in a fault; %lu differ\n",
	       what, (double)(g_get_monotonic_time() - f->begun) / 1e6, f->cases, f->runs, f->compared, f->on_host, f->steps, f->faults, f->different);
	fflush(stdout);
	f->said = g_get_monotonic_time();
}

static void all(struct fuzz *f)
{
	uint64_t wanted = count_wanted ? (uint64_t)count_wanted : seconds ? UINT64_MAX : g_test_slow() ? SLOW : QUICK;

	f->begun = f->said = g_get_monotonic_time();
	while (f->cases < wanted && f->different < SHOWN) {
		batch(f, (uint64_t)first_seed + f->cases, (unsigned)MIN(BATCH, wanted - f->cases));
		if (seconds && g_get_monotonic_time() - f->begun >= seconds * 1000000)
			break;
		if (g_get_monotonic_time() - f->said >= PROGRESS * 1000000)
			say(f, "so far");
	}
	say(f, "in all");
	printf("# seeds %lld to %lld; sequences by kind:", (long long)first_seed, (long long)first_seed + (long long)f->cases - 1);
	for (unsigned i = 0; i < KIND_COUNT; i++)
		printf(" %s %lu", kind_names[i], f->by_kind[i]);
	putchar('\n');
}

static void test_sequences(gconstpointer program)
{
	struct fuzz f = { .program = program };

	f.gen = generator_new(1);
	f.guest[WHO_INTERP] = guest_new(&engine_interp);
	f.guest[WHO_JIT] = guest_new(engine_find("jit"));
	f.batch = mmap(NULL, (BATCH + 1) * sizeof *f.batch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g_assert_true(f.batch != MAP_FAILED);
	f.verdict = g_new0(struct verdict, BATCH + 1);
	watch_crashes();
	sequence_watch(f.guest, 2);
	all(&f);
	g_assert_cmpuint(f.unsteady, <=, 1 + f.runs / 1000000);
	g_assert_cmpuint(f.different, ==, 0);
	if (f.cases >= QUICK) {
		g_assert_cmpuint(f.compared, >, f.runs / 2);
		g_assert_cmpuint(f.faults, >, f.runs / 50);
	}
	munmap(f.batch, (BATCH + 1) * sizeof *f.batch);
	g_free(f.verdict);
	guest_free(f.guest[WHO_INTERP]);
	guest_free(f.guest[WHO_JIT]);
	generator_free(f.gen);
}

static bool find_kind(void)
{
	if (!kind_name)
		return true;
	for (kind_wanted = 0; kind_wanted < KIND_COUNT; kind_wanted++) {
		if (!strcmp(kind_names[kind_wanted], kind_name))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	const GOptionEntry entries[] = {
		{ "case", 0, 0, G_OPTION_ARG_INT64, &first_seed, "seed of the first case", "N" },
		{ "count", 0, 0, G_OPTION_ARG_INT64, &count_wanted, "so many cases", "N" },
		{ "seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "cases for so long", "N" },
		{ "kind", 0, 0, G_OPTION_ARG_STRING, &kind_name, "only user, compat, kernel, bytes, bytes-compat or bytes-kernel", "KIND" },
		{ "minimise", 0, 0, G_OPTION_ARG_NONE, &minimise, "leave out of a case that differs what is not needed for that", NULL },
		{ "drop", 0, 0, G_OPTION_ARG_STRING, &drop_list, "leave these instructions out", "N,N,..." },
		{ "runs", 0, 0, G_OPTION_ARG_INT64, &run_mask, "only these runs of each case, bit N is run N", "MASK" },
		{ "show", 0, 0, G_OPTION_ARG_NONE, &show_all, "print each case", NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *o = g_option_context_new(NULL);
	const char *program = argv[0];

	g_test_init(&argc, &argv, NULL);
	g_option_context_add_main_entries(o, entries, NULL);
	if (!g_option_context_parse(o, &argc, &argv, NULL) || !find_kind())
		return 2;
	g_option_context_free(o);
	if (!engine_find("jit")) {
		printf("1..0 # SKIP no translator for this host\n");
		return 0;
	}
	g_test_add_data_func("/cpu/fuzz", program, test_sequences);
	return g_test_run();
}

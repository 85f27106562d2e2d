/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stress SECONDS: fork, exec, pipes, signals, mmap and two threads, each with a
 * check of its result.  Prints a line and exits 1 at the first wrong one.
 *
 * stress locks SECONDS: threads, two a processor, in the kernel's one spinlock of one futex.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { printf("stress: line %d: %s\n", __LINE__, #x); exit(1); } } while (0)

static const char *self;

static void fork_exec(unsigned n)
{
	int status;
	char arg[16];
	pid_t p = fork();

	CHECK(p >= 0);
	snprintf(arg, sizeof arg, "%u", n & 0x7f);
	if (!p) {
		execl(self, self, "exit", arg, (char *)NULL);
		_exit(255);
	}
	CHECK(waitpid(p, &status, 0) == p);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)(n & 0x7f));
}

static void pipes(unsigned n)
{
	int to[2], from[2];
	uint32_t v;
	pid_t p;

	CHECK(!pipe(to) && !pipe(from));
	p = fork();
	CHECK(p >= 0);
	if (!p) {
		for (int i = 0; i < 50; i++) {
			if (read(to[0], &v, sizeof v) != sizeof v)
				_exit(1);
			v = v * 2654435761u + 1;
			if (write(from[1], &v, sizeof v) != sizeof v)
				_exit(1);
		}
		_exit(0);
	}
	for (uint32_t i = 0; i < 50; i++) {
		uint32_t sent = n + i;

		CHECK(write(to[1], &sent, sizeof sent) == sizeof sent);
		CHECK(read(from[0], &v, sizeof v) == sizeof v);
		CHECK(v == sent * 2654435761u + 1);
	}
	CHECK(waitpid(p, NULL, 0) == p);
	close(to[0]), close(to[1]), close(from[0]), close(from[1]);
}

static volatile sig_atomic_t signals;

static void on_signal(int s) { signals += s == SIGUSR1; }

static void signal_self(void)
{
	double d = 1.0;

	signals = 0;
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 100; i++) {
		d = d * 1.0001 + 0.5;
		raise(SIGUSR1);
	}
	CHECK(signals == 100);
	CHECK(d > 51.0 && d < 52.0);
}

static void map_memory(unsigned n)
{
	size_t size = 256 * 4096;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < size; i += 4096)
		CHECK(p[i] == 0);
	memset(p, (int)n, size);
	CHECK(!mprotect(p, size / 2, PROT_READ));
	for (size_t i = 0; i < size; i += 509)
		CHECK(p[i] == (uint8_t)n);
	CHECK(!munmap(p, size));
}

struct pair {
	pthread_mutex_t lock;
	pthread_cond_t turn;
	unsigned count, whose;
	atomic_uint free_running;
};

struct player {
	struct pair *pair;
	unsigned id;
};

static void *play(void *o)
{
	struct player *me = o;
	struct pair *p = me->pair;

	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&p->lock);
		while (p->whose != me->id)
			pthread_cond_wait(&p->turn, &p->lock);
		p->count++;
		p->whose = !me->id;
		pthread_cond_signal(&p->turn);
		pthread_mutex_unlock(&p->lock);
		for (int k = 0; k < 1000; k++)
			atomic_fetch_add(&p->free_running, 1);
	}
	return NULL;
}

static void threads(void)
{
	struct pair p = { .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER };
	struct player a = { &p, 0 }, b = { &p, 1 };
	pthread_t t[2];

	CHECK(!pthread_create(&t[0], NULL, play, &a) && !pthread_create(&t[1], NULL, play, &b));
	CHECK(!pthread_join(t[0], NULL) && !pthread_join(t[1], NULL));
	CHECK(p.count == 200 && atomic_load(&p.free_running) == 200000);
}

static atomic_uint word = 1;
static time_t locks_end;

static void *lock(void *unused)
{
	(void)unused;
	/* The kernel takes the lock of the word's bucket before it sees that the word is not what the caller thinks. */
	do {
		for (int i = 0; i < 1000; i++)
			CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 && errno == EAGAIN);
	} while (time(NULL) < locks_end);
	return NULL;
}

static void locks(int seconds)
{
	pthread_t threads[64];
	long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	CHECK(n > 0 && n <= 64);
	locks_end = time(NULL) + seconds;
	for (long i = 0; i < n; i++)
		CHECK(!pthread_create(&threads[i], NULL, lock, NULL));
	for (long i = 0; i < n; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

int main(int argc, char **argv)
{
	time_t end;
	unsigned n = 0;

	if (argc == 3 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "locks")) {
		locks(atoi(argv[2]));
		return 0;
	}
	self = "/proc/self/exe";
	end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	do {
		fork_exec(n);
		pipes(n);
		signal_self();
		map_memory(n);
		threads();
		n++;
	} while (time(NULL) < end);
	printf("stress: %u rounds\n", n);
	return 0;
}

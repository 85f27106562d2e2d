/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate on a futex.  A wake-up through the kernel costs tens of microseconds,
 * so the sleeper spins first, for as long as it would have taken lately until
 * the gate was opened, if that is little.  Who opens it for one that sleeps says when.
 *
 * One processor is left to who shall open a gate: of those that spin at the same time, on all gates, only
 * the last to come go on when there are more.  What they wait for is the next to happen, as a rule: of
 * partitions below each other, each waits for the one below it.
 */
#include "sync/gate.h"

#include <sys/param.h>

#include "sync/futex.h"
#include "sync/host.h"

enum { GATE_CLOSED, GATE_OPEN, GATE_SLEEPER };

/* Never longer than this, so that an idle guest stays idle. */
enum { SPIN_MIN_NS = 300, SPIN_MAX_NS = 60000, LOOKS_PER_CLOCK = 8 };

static _Atomic uint32_t spinners, last_spinner;

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

void gate_init(struct gate *g)
{
	atomic_init(&g->state, GATE_CLOSED);
	atomic_init(&g->opened_ns, 0);
	g->spin_ns = SPIN_MIN_NS;
}

void gate_open(struct gate *g)
{
	if (atomic_load_explicit(&g->state, memory_order_relaxed) == GATE_SLEEPER)
		atomic_store_explicit(&g->opened_ns, monotonic_ns(), memory_order_relaxed);
	/* An open gate needs no second store: the sleeper has not been through yet. */
	if (atomic_exchange(&g->state, GATE_OPEN) == GATE_SLEEPER)
		futex_wake_all(&g->state);
}

/* It was, or would have been, opened after so much spinning.  Longer than it may be: one wait of many says little. */
static void gate_learn(struct gate *g, int64_t ns)
{
	if (ns > SPIN_MAX_NS)
		g->spin_ns = MAX(g->spin_ns / 2, SPIN_MIN_NS);
	else
		g->spin_ns = MIN(MAX(g->spin_ns, 2 * ns), SPIN_MAX_NS);
}

static bool spin_until(const struct gate *g, int64_t until)
{
	uint32_t me = atomic_fetch_add(&last_spinner, 1) + 1;
	uint32_t most = host_processors() - 1;

	do {
		for (int i = 0; i < LOOKS_PER_CLOCK; i++) {
			if (atomic_load_explicit(&g->state, memory_order_relaxed) == GATE_OPEN)
				return true;
			spin_pause();
		}
		if (atomic_load_explicit(&spinners, memory_order_relaxed) > most && (!most || atomic_load(&last_spinner) != me))
			return false;
	} while (monotonic_ns() < until);
	return false;
}

static bool gate_spin(const struct gate *g, int64_t until)
{
	bool opened;

	atomic_fetch_add(&spinners, 1);
	opened = spin_until(g, until);
	atomic_fetch_sub(&spinners, 1);
	return opened;
}

bool gate_wait(struct gate *g, int64_t deadline_ns)
{
	uint32_t closed = GATE_CLOSED;
	bool opened;
	int64_t from;

	if (atomic_load(&g->state) == GATE_OPEN)
		return atomic_exchange(&g->state, GATE_CLOSED) == GATE_OPEN;
	from = monotonic_ns();
	if (gate_spin(g, MIN(from + g->spin_ns, deadline_ns)) || !atomic_compare_exchange_strong(&g->state, &closed, GATE_SLEEPER))
		return atomic_exchange(&g->state, GATE_CLOSED) == GATE_OPEN;
	while (atomic_load(&g->state) == GATE_SLEEPER && futex_wait(&g->state, GATE_SLEEPER, deadline_ns) == 0)
		;
	opened = atomic_exchange(&g->state, GATE_CLOSED) == GATE_OPEN;
	gate_learn(g, opened ? atomic_load(&g->opened_ns) - from : INT64_MAX);
	return opened;
}

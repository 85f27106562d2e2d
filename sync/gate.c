/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate on a futex.  A wake-up through the kernel costs tens of microseconds,
 * so the sleeper spins first, for as long as spinning has paid off lately.
 */
#include "sync/gate.h"

#include "sync/futex.h"

enum { GATE_CLOSED, GATE_OPEN, GATE_SLEEPER };

/* Rounds of about 40 ns: never more than 20 us, so that an idle guest stays idle. */
enum { SPIN_MIN = 8, SPIN_MAX = 512 };

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
	g->spin = SPIN_MIN;
}

void gate_open(struct gate *g)
{
	/* An open gate needs no second store: the sleeper has not been through yet. */
	if (atomic_exchange(&g->state, GATE_OPEN) == GATE_SLEEPER)
		futex_wake_all(&g->state);
}

static bool gate_spin(struct gate *g)
{
	for (uint32_t i = 0; i < g->spin; i++) {
		if (atomic_load_explicit(&g->state, memory_order_relaxed) == GATE_OPEN) {
			g->spin = g->spin * 2 > SPIN_MAX ? SPIN_MAX : g->spin * 2;
			return true;
		}
		spin_pause();
	}
	g->spin = g->spin / 2 < SPIN_MIN ? SPIN_MIN : g->spin / 2;
	return false;
}

bool gate_wait(struct gate *g, int64_t deadline_ns)
{
	uint32_t closed = GATE_CLOSED;

	if (!gate_spin(g) && atomic_compare_exchange_strong(&g->state, &closed, GATE_SLEEPER)) {
		while (atomic_load(&g->state) == GATE_SLEEPER &&
		       futex_wait(&g->state, GATE_SLEEPER, deadline_ns) == 0)
			;
	}
	return atomic_exchange(&g->state, GATE_CLOSED) == GATE_OPEN;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate: one thread sleeps at it, any thread opens it.  An open that comes
 * before the sleep is not lost.  On Linux a futex behind a short spin.
 */
#ifndef SYNC_GATE_H
#define SYNC_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gate {
	_Atomic uint32_t state;
	_Atomic int64_t opened_ns;   /* when it was opened for one that slept; CLOCK_MONOTONIC */
	int64_t spin_ns;            /* the sleeper's own: how long it spins next time */
};

void gate_init(struct gate *g);
void gate_open(struct gate *g);
/*
 * Sleeps until the gate is opened or @deadline_ns (CLOCK_MONOTONIC, INT64_MAX
 * for none) passes.  Closes it again.  True if it was opened.
 */
bool gate_wait(struct gate *g, int64_t deadline_ns);

#endif

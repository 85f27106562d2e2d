/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync/host.h"

#include <sched.h>
#include <stdatomic.h>

unsigned host_processors(void)
{
	static _Atomic unsigned found;
	unsigned n = atomic_load_explicit(&found, memory_order_relaxed);
	cpu_set_t set;

	if (!n) {
		n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
		atomic_store_explicit(&found, n, memory_order_relaxed);
	}
	return n;
}

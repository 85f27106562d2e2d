/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which deliberate fault is at work; in builds with -Dmutations=true only. */
#include "accel/hvtlfs/mutant.h"

#include <glib.h>
#include <string.h>

/* The only state of the process but the log's: a fault is in the code, not in a machine. */
enum mutant mutant_at_work;

static const char *const names[] = {
#define X(name, what) #name,
	MUTANTS(X)
#undef X
};

static const char *const lines[] = {
#define X(name, what) #name "  " what,
	MUTANTS(X)
#undef X
};

bool mutant_choose(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!strcmp(names[i], name)) {
			mutant_at_work = (enum mutant)(i + 1);
			return true;
		}
	}
	return false;
}

const char *mutant_line(size_t n)
{
	return n < G_N_ELEMENTS(lines) ? lines[n] : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines by name.
 */
#include "accel/engine/engine.h"

#include <string.h>

static const struct engine *const engines[] = { &engine_interp };

const char *const engine_names[] = { "interp", NULL };

const struct engine *engine_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof engines / sizeof engines[0]; i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engines by name.
 */
#include "accel/engine/engine.h"

#include <string.h>
#include <sys/mman.h>

/* The first that the host can run is the default. */
#ifdef __x86_64__
static const struct engine *const engines[] = { &engine_jit, &engine_interp };
const char *const engine_names[] = { "jit", "interp", NULL };
#else
static const struct engine *const engines[] = { &engine_interp };
const char *const engine_names[] = { "interp", NULL };
#endif

const struct engine *engine_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof engines / sizeof engines[0]; i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

const struct engine *engine_default(const char **lacks)
{
	const char *what, *first = NULL;
	size_t i = 0;

	for (; engines[i]->lacks && (what = engines[i]->lacks()); i++)
		if (!first)
			first = what;
	if (lacks)
		*lacks = first;
	return engines[i];
}

/* The host's, as x86-64 and others have them. */
enum { LARGE_PAGE = 2 << 20 };

void *engine_place(size_t size, bool sparing)
{
	uint8_t *p = mmap(NULL, ENGINE_TABLES_BELOW + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	mprotect(p + ENGINE_TABLES, ENGINE_GUARD, PROT_NONE);
	if (!sparing)
		engine_touch(p + ENGINE_TABLES_BELOW, size & ~(size_t)4095);
	return p + ENGINE_TABLES_BELOW;
}

void engine_unplace(void *place, size_t size)
{
	munmap((uint8_t *)place - ENGINE_TABLES_BELOW, ENGINE_TABLES_BELOW + size);
}

void *engine_room(size_t size, bool sparing)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (size >= LARGE_PAGE && !sparing)
		madvise(p, size, MADV_HUGEPAGE);
	return p;
}

void engine_room_large(void *room, size_t size)
{
	if (size < LARGE_PAGE)
		return;
	madvise(room, size, MADV_HUGEPAGE);
#ifdef MADV_COLLAPSE
	madvise(room, size, MADV_COLLAPSE);
#endif
}

void engine_unroom(void *room, size_t size)
{
	if (room)
		munmap(room, size);
}

void engine_touch(void *at, size_t n)
{
#ifdef MADV_POPULATE_WRITE
	madvise(at, n, MADV_POPULATE_WRITE);
#endif
}

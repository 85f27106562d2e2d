/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine runs one processor's instructions until there is a reason to stop.
 * All engines share struct x86_cpu, so a processor may change its engine at
 * any instruction boundary.
 */
#ifndef ACCEL_ENGINE_ENGINE_H
#define ACCEL_ENGINE_ENGINE_H

#include "target/i386/cpu.h"

/* Of the translator; zeros are what is usual. */
struct engine_options {
	uint32_t cache_mib;   /* size of each processor's code cache; 0: ENGINE_CACHE_DEFAULT */
	uint32_t check;       /* each so many blocks one is run by the interpreter too; 0: never */
	bool perf_map;        /* names of translated blocks in /tmp/perf-PID.map */
	/*
	 * There may be very many of its like, most of them idle: memory is taken as it is needed, in small pages, until it is
	 * seen to work.
	 */
	bool sparing;
};
enum { ENGINE_CACHE_MIN = 4, ENGINE_CACHE_DEFAULT = 64, ENGINE_CACHE_MAX = 1024 };

/* One counter of an engine. */
struct engine_count {
	const char *name, *help;
	uint64_t value;
	bool largest;         /* of several processors the largest is meant, not the sum */
};

struct engine {
	const char *name;
	/* What this host lacks of what the engine needs; NULL: nothing.  NULL itself: it runs everywhere. */
	const char *(*lacks)(void);
	/* Caches of one processor in c->engine; @o may be NULL.  False: no memory. */
	bool (*attach)(struct x86_cpu *c, const struct engine_options *o);
	void (*detach)(struct x86_cpu *c);
	/*
	 * Runs until X86_RUN_*.  Looks at c->pending at each block; takes NMI,
	 * INIT and interrupts itself (ops->interrupt).  If c->activity is not
	 * X86_ACTIVE it returns X86_RUN_HALTED at once unless something pending
	 * wakes it.
	 */
	enum x86_run (*run)(struct x86_cpu *c);
	/* Executes exactly one instruction (events included). */
	enum x86_run (*step)(struct x86_cpu *c);
	/* Forgets all decoded code of this processor (not while it runs). */
	void (*forget)(struct x86_cpu *c);
	/*
	 * NULL if it counts nothing of its own.  Writes at most @max counters to @to; how many
	 * there are.  On the processor's thread, or while it does not run.
	 */
	size_t (*counts)(const struct x86_cpu *c, struct engine_count *to, size_t max);
	/* How often the interpreter executed each row of x86_rows[] for translated code; with counts. */
	const uint64_t *(*row_counts)(const struct x86_cpu *c);
};

extern const struct engine engine_interp, engine_jit;

/* Bytes for an engine's own tables, which end ENGINE_TABLES_BELOW - ENGINE_TABLES below the processor. */
enum { ENGINE_TABLES = (1 << 20) + (16 << 10), ENGINE_STACK = 128 << 10, ENGINE_GUARD = 4096 };
enum { ENGINE_TABLES_BELOW = ENGINE_TABLES + ENGINE_GUARD + ENGINE_STACK };
static inline void *engine_tables(struct x86_cpu *c) { return (uint8_t *)c - ENGINE_TABLES_BELOW; }

/*
 * Zeroed memory of @size bytes that begins with a struct x86_cpu, with a stack, a
 * guard page and engine_tables() below it: translated code has its stack pointer there, so
 * signals need the room.  NULL: no memory.  @size must be the same when freed.  @sparing: of struct engine_options.
 */
void *engine_place(size_t size, bool sparing);
void engine_unplace(void *place, size_t size);

/*
 * Zeroed memory for an engine's big tables: what is never touched costs nothing, and it
 * goes back to the host when freed, which malloc() does not promise.  From 2 MiB on the
 * host is asked for large pages: thousands of page faults cost more than what is in the
 * tables.  NULL: none.  @sparing: not before engine_room_large().
 */
void *engine_room(size_t size, bool sparing);
/* Large pages from now on, and what has been touched moves to some if the host can do that. */
void engine_room_large(void *room, size_t size);
void engine_unroom(void *room, size_t size);

/*
 * [at, at + n), whole pages of the host, will be used soon: brings them in together, which
 * costs a fraction of as many page faults.  Nothing depends on it.
 */
void engine_touch(void *at, size_t n);

/*
 * The components of @set, compacted as XSAVEC puts them (SDM volume 1, 13.4.3), whatever XCR0 and the mode are; and back.
 * False: it is no such image, and nothing is changed.  While the processor does not run.
 */
enum { X86_XSAVE_AREA = 832 };
void x86_xsave_image(const struct x86_cpu *c, uint64_t set, uint8_t a[X86_XSAVE_AREA]);
bool x86_xsave_take(struct x86_cpu *c, uint64_t set, const uint8_t a[X86_XSAVE_AREA]);

/* The fastest that this host can run; *lacks, if wanted: what it lacks for a faster one, else NULL. */
const struct engine *engine_default(const char **lacks);
/* By name; NULL if there is none.  engine_names: NULL-terminated. */
const struct engine *engine_find(const char *name);
extern const char *const engine_names[];

#endif

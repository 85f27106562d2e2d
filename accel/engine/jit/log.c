/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was translated into what, for people and for perf.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "trace/log.h"
#include "trans.h"

enum { LINE_BYTES = 24 };

static const char *verdict(const struct trans *t, const struct uop *u)
{
	if (t->b->code2)
		return "step: it lies in two pages";
	if (block_refuses(u))
		return "step: raises an exception";
	if (u->spare & UOP_NATIVE)
		return "native";
	return x86_rows[u->row].attrs & ROW_END ? "step: system instruction" : "step: not translated";
}

static void log_op(const struct trans *t, const struct variant *v)
{
	log_print(LOG_OP, "block 0x%016" PRIx64 " mmu %u held %x%s\n", t->lin, v->mmu, v->held, v->careful ? " careful" : "");
	for (unsigned n = 0; n < t->count; n++) {
		const struct uop *u = &t->b->uop[n];

		log_print(LOG_OP, "0x%016" PRIx64 ":  %-12s %s\n", t->lin + u->off, x86_rows[u->row].name, verdict(t, u));
	}
}

static void log_bytes(const struct jit *j, const char *what, uint32_t from, uint32_t to)
{
	char hex[LINE_BYTES * 3 + 1];

	while (from < to) {
		unsigned n = to - from < LINE_BYTES ? to - from : LINE_BYTES;

		for (unsigned i = 0; i < n; i++)
			snprintf(hex + i * 3, 4, "%02x ", j->write[from + i]);
		log_print(LOG_OUT_ASM, "%p:  %-20s %s\n", (const void *)(j->exec + from), what, hex);
		from += n;
		what = "";
	}
}

static void log_out_asm(const struct trans *t, const struct variant *v)
{
	char what[32];

	log_bytes(t->j, "entries", v->entry[ENTRY_CHECKED], t->host[0]);
	for (unsigned n = 0; n < t->count && t->host[n]; n++) {
		uint32_t end = n + 1 < t->count && t->host[n + 1] ? t->host[n + 1] : v->end;

		snprintf(what, sizeof what, "0x%016" PRIx64, t->lin + t->b->uop[n].off);
		log_bytes(t->j, what, t->host[n], end);
	}
}

void jit_log(const struct trans *t, const struct variant *v)
{
	const struct jit *j = t->j;

	if (log_on(LOG_OP))
		log_op(t, v);
	if (log_on(LOG_OUT_ASM))
		log_out_asm(t, v);
	/* One write() a line: other processors append to the same file. */
	if (j->perf_map >= 0)
		dprintf(j->perf_map, "%" PRIxPTR " %x guest_%s_%" PRIx64 "\n", (uintptr_t)(j->exec + v->entry[ENTRY_CHECKED]),
			v->end - v->entry[ENTRY_CHECKED], v->mmu == X86_MMU_USER ? "user" : "kernel", t->lin);
}

int jit_perf_map(void)
{
	char path[40];
	int fd;

	snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		fprintf(stderr, "perf-map: %s: %s; blocks will have no names\n", path, strerror(errno));
	return fd;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the translator has counted, for whoever asks.
 */
#include "jit.h"

size_t jit_counts(const struct x86_cpu *c, struct engine_count *to, size_t max)
{
	const struct jit *j = jit_of(c);
	const struct engine_count all[] = {
		{ "cache_size", "bytes of code cache", j->size, false },
		{ "cache_used", "bytes of code cache in use", j->used, false },
		{ "variants", "blocks in the code cache", j->variants, false },
		{ "longest_stall_us", "us in emptying the code cache or bringing it in, at most", j->in.longest_stall / 1000, true },
#define COUNT(name, help) { #name, help, j->count.name, false },
		JIT_COUNTS(COUNT)
#undef COUNT
	};
	size_t n = sizeof all / sizeof all[0];

	n = n < max ? n : max;
	memcpy(to, all, n * sizeof all[0]);
	return n;
}

const uint64_t *jit_row_counts(const struct x86_cpu *c) { return jit_of(c)->row_count; }

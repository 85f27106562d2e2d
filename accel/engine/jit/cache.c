/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The code cache: memory mapped twice, so that no mapping is writable and executable.
 *
 * It is anonymous shared memory, whose second mapping MREMAP makes of a length of 0, and no
 * memfd: perf looks names up in its map only for what is no file to it.
 */
#include <sys/mman.h>

#include "jit.h"

bool jit_cache_open(struct jit *j)
{
	j->exec = MAP_FAILED;
	j->write = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (j->write != MAP_FAILED)
		j->exec = mremap(j->write, 0, j->size, MREMAP_MAYMOVE);
	if (j->exec != MAP_FAILED && !mprotect(j->exec, j->size, PROT_READ | PROT_EXEC))
		return true;
	jit_cache_close(j);
	return false;
}

/*
 * Page by page it would be two page faults each, of this mapping and of that.  Steps are
 * small enough not to be felt.
 */
void jit_cache_bring(struct jit *j)
{
	enum { STEP = 512 << 10, SMALL_STEP = 64 << 10 };
	uint32_t step = j->sparing ? SMALL_STEP : STEP, n = j->size - j->touched < step ? j->size - j->touched : step;
	uint64_t from = stall_clock();

#ifdef MADV_POPULATE_WRITE
	madvise(j->write + j->touched, n, MADV_POPULATE_WRITE);
	madvise(j->exec + j->touched, n, MADV_POPULATE_READ);
#endif
	j->touched += n;
	stall_note(&j->in, stall_clock() - from);
}

void jit_cache_close(struct jit *j)
{
	if (j->write != MAP_FAILED)
		munmap(j->write, j->size);
	if (j->exec != MAP_FAILED)
		munmap(j->exec, j->size);
}

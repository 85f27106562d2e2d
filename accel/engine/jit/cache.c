/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The code cache: a memfd mapped twice, so that no mapping is writable and executable.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "jit.h"

bool jit_cache_open(struct jit *j)
{
	j->write = j->exec = MAP_FAILED;
	j->fd = memfd_create("translated-code", MFD_CLOEXEC);
	if (j->fd < 0)
		return false;
	if (!ftruncate(j->fd, j->size)) {
		j->write = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
		j->exec = mmap(NULL, j->size, PROT_READ | PROT_EXEC, MAP_SHARED, j->fd, 0);
	}
	if (j->write != MAP_FAILED && j->exec != MAP_FAILED)
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
	enum { STEP = 512 << 10 };
	uint32_t n = j->size - j->touched < STEP ? j->size - j->touched : STEP;
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
	close(j->fd);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory pools (7.1): the pages that somebody deposited for a partition, and what of them is
 * in use.  Pages that guests see (overlays, statistics, VP state) are pages of the pool;
 * everything else that the hypervisor keeps for the partition lies in the host's
 * memory and is charged by its size, so that a pool pays for what its partition costs.
 *
 * Locks: the partition's lock held in all but where a function says otherwise.
 */
#ifndef HVTLFS_POOL_H
#define HVTLFS_POOL_H

#include "accel/hvtlfs/hv.h"

/* A page of a pool, and where its depositor saw it (T7.3.2.c). */
struct pool_page {
	spn_t frame;
	gpn_t at;
};

struct pool {
	GArray *free, *used;         /* struct pool_page */
	uint64_t charged;            /* bytes of things in the host's memory */
};

void pool_init(struct pool *p);
void pool_fini(struct pool *p);
/* Pages that nobody uses; pages in use, those that the charges fill included (7.3.3). */
uint64_t pool_available(const struct pool *p);
uint64_t pool_in_use(const struct pool *p);
void pool_deposit(struct pool *p, struct pool_page page);
/* False: no page is available. */
bool pool_withdraw(struct pool *p, struct pool_page *page);
/* A page for something that guests see, its content whatever it was.  False: none available. */
bool pool_take(struct pool *p, spn_t *frame);
/* The same, for something that its depositor sees, too. */
bool pool_take_page(struct pool *p, struct pool_page *page);
void pool_give(struct pool *p, spn_t frame);
/* False: not enough available; nothing charged then (T7.1.1.b). */
bool pool_charge(struct pool *p, uint64_t bytes);
void pool_discharge(struct pool *p, uint64_t bytes);
/* All that is in use is not any more. */
void pool_release(struct pool *p);

#endif

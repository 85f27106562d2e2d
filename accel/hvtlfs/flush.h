/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VP's TLB is to forget because a guest asked for it by hypercall: small requests
 * that do not cost the VP its whole TLB.
 */
#ifndef HVTLFS_FLUSH_H
#define HVTLFS_FLUSH_H

#include "partition.h"
#include "vpset.h"

void flush_init(struct vp *vp);
void flush_fini(struct vp *vp);
/* Adds @n pages from @page on; too many of them become everything. */
void flush_add_pages(struct flush *f, uint64_t page, uint64_t n);
/*
 * Returns when the TLBs of all VPs of @who hold nothing that @f names, or will not before their
 * next instruction.  On the thread of @self, which may be one of them.  No lock held.
 */
void flush_run(struct partition *p, struct vp *self, const struct vp_set *who, const struct flush *f);
/*
 * 12.1.4: while its parent looks at addresses of @vp, flushes that others of its partition want of it are held back.
 * flush_allow() lets those go on.  Any thread, no lock held.
 */
void flush_inhibit(struct vp *vp);
void flush_allow(struct vp *vp);
/* True: @self, whose thread this is, has been suspended because of one of @who, and has to ask again when it goes on. */
bool flush_held_back(struct vp *self, const struct vp_set *who);
/* What the others asked of @vp; own thread. */
void flush_absorb(struct vp *vp);

#endif

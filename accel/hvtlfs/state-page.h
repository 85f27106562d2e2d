/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State pages of a VP: state-page.c. */
#ifndef HVTLFS_STATE_PAGE_H
#define HVTLFS_STATE_PAGE_H

#include "partition.h"

/*
 * The register page, if it is mapped.  All on the VP's thread, or with it borrowed.
 * The VP stands in an intercept: the page tells its registers, and may be written.
 */
void register_page_store(struct vp *vp);
/* Registers have been changed otherwise: the page follows, if it tells them. */
void register_page_changed(struct vp *vp);
/* Takes what the parent has changed in the page; a value that its register cannot have changes nothing. */
void register_page_load(struct vp *vp);
/* The same, and the VP is going to run: the page tells nothing. */
void register_page_leave(struct vp *vp);
/* All of @vp's are unmapped.  Its thread has ended; no lock of LOCK_MACHINE or above. */
void state_pages_fini(struct vp *vp);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gdb remote protocol on a character device: registers, memory,
 * breakpoints, single step; a thread per VP of every partition.
 *
 * All functions are for the main loop's thread.
 */
#ifndef GDB_PROTOCOL_H
#define GDB_PROTOCOL_H

#include <glib.h>
#include <stdbool.h>

#include "accel/hvtlfs/hv.h"
#include "backends/chardev.h"

struct gdbstub;

struct gdbstub_ops {
	void (*stop)(void *o);          /* no VP runs on return */
	void (*resume)(void *o);
	bool (*running)(void *o);
	char *(*monitor)(void *o, const char *command);  /* HMP; g_free() the answer */
	void (*kill)(void *o);
};

/* NULL with an error if @c has a front end already. */
struct gdbstub *gdbstub_new(struct chardev *c, struct hv *hv, const struct gdbstub_ops *ops, void *o, GError **error);
void gdbstub_free(struct gdbstub *g);
/*
 * The machine stopped by a breakpoint or step of @vp (NULL: by something else).
 * Tells gdb if it waits for that.
 */
void gdbstub_stopped(struct gdbstub *g, struct vp *vp);

#endif

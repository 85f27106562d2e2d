/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -gdb and -s: the gdb stub on a character device. */
#ifndef SYSTEM_GDBSTUB_H
#define SYSTEM_GDBSTUB_H

#include <glib.h>
#include <stdbool.h>

struct vmm;

/*
 * Listens on @chardev_spec ("tcp::1234", any form of -serial).  Sets
 * v->gdb and v->on_debug.  False with an error that names the spec.
 */
bool gdbstub_start(struct vmm *v, const char *chardev_spec, GError **error);
/* Ends it; only while v->gdb is set. */
void gdbstub_stop(struct vmm *v);

#endif

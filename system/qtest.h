/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's qtest protocol, and lines of our own that run as a VP of a partition. */
#ifndef SYSTEM_QTEST_H
#define SYSTEM_QTEST_H

#include <glib.h>

struct vmm;
struct qtest;
struct chardev;

/* @log may be NULL: no log; "none" too. */
struct qtest *qtest_new(struct vmm *v, struct chardev *c, const char *log, GError **error);
void qtest_free(struct qtest *q);

#endif

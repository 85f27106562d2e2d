/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port 0xe9 debug console, device "isa-debugcon": properties chardev, iobase, readback. */
#ifndef HW_CHAR_DEBUGCON_H
#define HW_CHAR_DEBUGCON_H

#include "backends/chardev.h"
#include "hw/core/machine.h"

/* Fails if @chardev (NULL: none) has a front end already. */
struct device *debugcon_new(struct machine *m, struct chardev *chardev, GError **error);

#endif

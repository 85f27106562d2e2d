/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 16550A serial port, device "isa-serial": properties chardev, index, iobase, irq. */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "backends/chardev.h"
#include "hw/core/machine.h"

/*
 * A port at the standard place of @index (0: COM1 at 0x3f8, IRQ 4; up to 3) with
 * @chardev (NULL: nothing is connected) behind it.  Fails if @chardev is taken.
 */
struct device *serial_new(struct machine *m, unsigned index, struct chardev *chardev, GError **error);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboard controller with an AT keyboard, device "i8042" (ports 0x60, 0x64, ISA IRQ 1),
 * and system control port A, device "port92".
 */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/core/machine.h"

/* One byte of scan code set 2 from the keyboard; dropped if its buffer is full.  Takes the machine lock. */
void i8042_key(struct device *d, uint8_t scan_code);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 8254 interval timer, device "isa-pit": ports 0x40..0x43 and 0x61.  Counter 0
 * pulls ISA IRQ 0; counters 1 and 2 are seen in port 0x61 only.
 */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/core/machine.h"

enum { PIT_HZ = 1193182 };

/* Counter 0's output goes to @out0 (copied) instead of the machine's ISA IRQ 0. */
void i8254_connect(struct device *d, const struct irq_line *out0);

#endif

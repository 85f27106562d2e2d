/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PC's pair of 8259A interrupt controllers, device "isa-i8259". */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "hw/core/machine.h"

/* The wire into IR0..IR15 (8..15: second chip).  Setting it needs the machine lock held. */
struct irq_line i8259_input(struct device *d, unsigned n);
/* Where INTR goes; @intr is copied.  Called with the machine lock held when INTR changes. */
void i8259_connect(struct device *d, const struct irq_line *intr);
/*
 * The processor's acknowledge cycle: the vector, also for a spurious interrupt (IR7
 * of the chip that lost its request).  Takes the machine lock.
 */
int i8259_acknowledge(struct device *d);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I/O APIC with 24 pins, device "ioapic", at 0xfec00000. */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/core/machine.h"

enum { IOAPIC_PINS = 24 };
#define IOAPIC_BASE UINT64_C(0xfec00000)

/* The wire into pin @n.  Setting it needs the machine lock held. */
struct irq_line ioapic_input(struct device *d, unsigned n);
/* Where messages go; called with the machine lock held. */
void ioapic_connect(struct device *d, void (*send)(void *o, uint64_t address, uint32_t data), void *o);
/* A local APIC ended a level-triggered interrupt.  Takes the machine lock. */
void ioapic_eoi(struct device *d, uint8_t vector);

#endif

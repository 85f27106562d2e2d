/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupt lines: a wire from a device to whoever listens. */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

struct irq_line {
	void (*set)(void *opaque, int n, int level);
	void *opaque;
	int n;
};

/* Locks: the machine's device lock held (level LOCK_DEVICE). */
static inline void irq_set(const struct irq_line *l, int level)
{
	if (l && l->set)
		l->set(l->opaque, l->n, level);
}
static inline void irq_raise(const struct irq_line *l) { irq_set(l, 1); }
static inline void irq_lower(const struct irq_line *l) { irq_set(l, 0); }
static inline void irq_pulse(const struct irq_line *l) { irq_raise(l); irq_lower(l); }

#endif

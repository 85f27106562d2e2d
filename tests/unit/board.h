/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine with a stepped clock and recorded wires, for tests of single devices. */
#ifndef TESTS_UNIT_BOARD_H
#define TESTS_UNIT_BOARD_H

#include "hw/core/machine.h"

struct board {
	struct machine *m;
	int level[ISA_IRQS];       /* of the ISA wires */
	unsigned rises[ISA_IRQS];
	unsigned resets, shutdowns, exits;
	int exit_code;
};

static inline void board_wire(void *o, int n, int level)
{
	struct board *b = o;

	if (level && !b->level[n])
		b->rises[n]++;
	b->level[n] = level;
}

static inline void board_reset_wanted(void *o)
{
	((struct board *)o)->resets++;
}

static inline void board_shutdown_wanted(void *o, const char *reason)
{
	((struct board *)o)->shutdowns++;
}

static inline void board_exit_wanted(void *o, int code)
{
	((struct board *)o)->exits++;
	((struct board *)o)->exit_code = code;
}

static inline struct board *board_new_with(enum clock_kind kind)
{
	struct board *b = g_new0(struct board, 1);

	b->m = machine_new("board", kind);
	for (int i = 0; i < ISA_IRQS; i++)
		b->m->isa_irq[i] = (struct irq_line){ board_wire, b, i };
	b->m->events = (struct machine_events){ board_reset_wanted, board_shutdown_wanted, board_exit_wanted, b };
	return b;
}

static inline struct board *board_new(void)
{
	return board_new_with(CLOCK_STEPPED);
}

static inline void board_free(struct board *b)
{
	machine_free(b->m);
	g_free(b);
}

static inline struct device *board_add(struct board *b, const char *type)
{
	GError *error = NULL;
	struct device *d = device_new(b->m, type, NULL, NULL, &error);

	g_assert_no_error(error);
	return d;
}

static inline uint8_t in8(struct board *b, uint16_t port)
{
	return machine_io_read(b->m, port, 1);
}

static inline void out8(struct board *b, uint16_t port, uint8_t value)
{
	machine_io_write(b->m, port, 1, value);
}

/* Lets @ns pass. */
static inline void pass(struct board *b, int64_t ns)
{
	clock_step_to(b->m->clock, clock_now(b->m->clock) + ns);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parent emulates for its child: a serial port, two interrupt controllers, a clock chip. */
#ifndef PARENT_DEVICES_H
#define PARENT_DEVICES_H

#include "lib/guest.h"

/* ---- two 8259s (pic.c) ---- */

struct pic {
	uint8_t irr, isr, imr, lines;    /* bit per input */
	uint8_t base;                    /* vector of input 0 */
	uint8_t expect;                  /* initialization word that comes next, 0 none */
	bool read_isr, has_icw4, auto_eoi, poll;
};

struct pics {
	struct pic chip[2];              /* master, slave at its input 2 */
};

void pic_reset(struct pics *p);
/* An input's level; edges are latched. */
void pic_set(struct pics *p, unsigned irq, bool level);
/* The vector that the processor would get now, -1 none. */
int pic_vector(const struct pics *p);
/* The processor has taken it. */
void pic_acknowledge(struct pics *p);
bool pic_owns(uint16_t port);
uint8_t pic_read(struct pics *p, uint16_t port);
void pic_write(struct pics *p, uint16_t port, uint8_t value);

/* ---- a 16550 at 0x3f8 (uart.c) ---- */

enum { UART_PORT = 0x3f8, UART_IRQ = 4, UART_INPUT = 64 };

struct uart {
	uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
	bool sent;                       /* the transmitter has become empty since IIR last told */
	uint8_t input[UART_INPUT];
	unsigned first, count;
	void (*put)(uint8_t c);          /* what the child sends */
};

void uart_reset(struct uart *u, void (*put)(uint8_t c));
/* False: no room; ask again later. */
bool uart_input(struct uart *u, uint8_t c);
bool uart_interrupts(const struct uart *u);
uint8_t uart_read(struct uart *u, unsigned reg);
void uart_write(struct uart *u, unsigned reg, uint8_t value);

/* ---- all ports of the child (ports.c) ---- */

struct ports {
	struct pics pics;
	struct uart uart;
	uint8_t cmos_index, elcr[2];     /* which inputs are levels: kept, of no effect */
	uint32_t pci_address;
	uint16_t pm1_enable, pm1_control;
	bool reset_asked;                /* by one of the ways of PCs */
	bool off;                        /* it has switched itself off */
	bool failed;                     /* and told that something was wrong */
};

void ports_reset(struct ports *p, void (*put)(uint8_t c));
uint32_t ports_read(struct ports *p, uint16_t port, unsigned size);
void ports_write(struct ports *p, uint16_t port, unsigned size, uint32_t value);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A 16550 whose transmitter is always ready and whose lines are always up. */
#include "devices.h"

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };
enum { IER_INPUT = 1, IER_SENT = 2, LCR_DLAB = 0x80, FCR_ENABLE = 1, FCR_CLEAR_INPUT = 2, MCR_LOOP = 0x10, MCR_OUT2 = 8 };
enum { IIR_NONE = 1, IIR_SENT = 2, IIR_INPUT = 4, IIR_FIFOS = 0xc0, LSR_INPUT = 1, LSR_EMPTY = 0x60, MSR_UP = 0xb0 };

void uart_reset(struct uart *u, void (*put)(uint8_t c))
{
	memset(u, 0, sizeof *u);
	u->dll = 1;
	u->put = put;
}

bool uart_input(struct uart *u, uint8_t c)
{
	if (u->count == UART_INPUT)
		return false;
	u->input[(u->first + u->count++) % UART_INPUT] = c;
	return true;
}

static uint8_t take_input(struct uart *u)
{
	uint8_t c = u->input[u->first];

	if (!u->count)
		return 0;
	u->first = (u->first + 1) % UART_INPUT;
	u->count--;
	return c;
}

static uint8_t cause(const struct uart *u)
{
	if (u->ier & IER_INPUT && u->count)
		return IIR_INPUT;
	if (u->ier & IER_SENT && u->sent)
		return IIR_SENT;
	return IIR_NONE;
}

bool uart_interrupts(const struct uart *u)
{
	return u->mcr & MCR_OUT2 && cause(u) != IIR_NONE;
}

/* In loop-back the modem lines that the child sets come back to it; drivers look for that. */
static uint8_t modem_lines(const struct uart *u)
{
	if (!(u->mcr & MCR_LOOP))
		return MSR_UP;
	return (u->mcr & 2) << 3 | (u->mcr & 1) << 5 | (u->mcr & 0xc) << 4;
}

uint8_t uart_read(struct uart *u, unsigned reg)
{
	uint8_t v;

	switch (reg) {
	case RBR_THR:
		return u->lcr & LCR_DLAB ? u->dll : take_input(u);
	case IER:
		return u->lcr & LCR_DLAB ? u->dlm : u->ier;
	case IIR_FCR:
		v = cause(u);
		if (v == IIR_SENT)
			u->sent = false;
		return v | (u->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
	case LCR: return u->lcr;
	case MCR: return u->mcr;
	case LSR: return LSR_EMPTY | (u->count ? LSR_INPUT : 0);
	case MSR: return modem_lines(u);
	default: return u->scr;
	}
}

static void send(struct uart *u, uint8_t c)
{
	if (u->mcr & MCR_LOOP)
		uart_input(u, c);
	else
		u->put(c);
	u->sent = true;
}

void uart_write(struct uart *u, unsigned reg, uint8_t value)
{
	switch (reg) {
	case RBR_THR:
		if (u->lcr & LCR_DLAB)
			u->dll = value;
		else
			send(u, value);
		break;
	case IER:
		if (u->lcr & LCR_DLAB) {
			u->dlm = value;
			break;
		}
		/* Asking for it while it is empty is told of at once. */
		if (value & ~u->ier & IER_SENT)
			u->sent = true;
		u->ier = value & 0xf;
		break;
	case IIR_FCR:
		if (value & FCR_CLEAR_INPUT)
			u->count = 0;
		u->fcr = value;
		break;
	case LCR: u->lcr = value; break;
	case MCR: u->mcr = value & 0x1f; break;
	case SCR: u->scr = value; break;
	}
}

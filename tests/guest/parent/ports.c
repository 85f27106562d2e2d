/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The child's I/O ports.  Where there is nothing, reads are all ones and writes are lost, as on a PC. */
#include "devices.h"
#include "load.h"

enum { KEYBOARD = 0x64, KEYBOARD_RESET = 0xfe, CMOS = 0x70, RESET_NOW = 4, FAST_RESET = 0x92, EXIT_PORT = 0xf4, ELCR = 0x4d0, PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc };
enum { SCI_ENABLED = 1, SLEEP_TYPE_SHIFT = 10, SLEEP_ENABLE = 1 << 13 };
/* Registers of the clock chip: a date that never changes; nobody asks twice. */
enum { CMOS_A = 10, CMOS_B = 11, CMOS_D = 13, CMOS_CENTURY = 50 };

void ports_reset(struct ports *p, void (*put)(uint8_t c))
{
	memset(p, 0, sizeof *p);
	pic_reset(&p->pics);
	uart_reset(&p->uart, put);
	/* The interrupt of ACPI, number 9, is a level. */
	p->elcr[1] = 2;
}

/* Binary-coded, 1 January 2026. */
static uint8_t cmos_read(uint8_t index)
{
	switch (index) {
	case 6: return 5;                /* day of the week */
	case 7: case 8: return 0x01;
	case 9: return 0x26;
	case CMOS_A: return 0x26;        /* no update under way */
	case CMOS_B: return 0x02;        /* 24 hours */
	case CMOS_D: return 0x80;        /* the battery is good */
	case CMOS_CENTURY: return 0x20;
	default: return 0;
	}
}

/* A bus with a host bridge, by which drivers know that there is one, and nothing else. */
static uint32_t pci_read(const struct ports *p)
{
	switch (p->pci_address & 0x00fffffc) {
	case 0x00: return 0x12378086;
	case 0x08: return 0x06000002;
	default: return p->pci_address & 0x00ffff00 ? 0xffffffff : 0;
	}
}

static uint8_t read_byte(struct ports *p, uint16_t port)
{
	if (pic_owns(port))
		return pic_read(&p->pics, port);
	if (port >= UART_PORT && port < UART_PORT + 8)
		return uart_read(&p->uart, port - UART_PORT);
	if (port == CMOS + 1)
		return cmos_read(p->cmos_index);
	if (port == ELCR || port == ELCR + 1)
		return p->elcr[port - ELCR];
	if (port >= PCI_DATA && port < PCI_DATA + 4)
		return pci_read(p) >> 8 * (port - PCI_DATA);
	return 0xff;
}

/* As isa-debug-exit: how this very program ends when it is the child. */
static void end_by_port(struct ports *p, uint8_t value)
{
	p->off = true;
	p->failed = value;
}

/* @alone: the access has no other bytes.  PCI's address register shares its second byte with the reset register. */
static void write_byte(struct ports *p, uint16_t port, uint8_t value, bool alone)
{
	if (pic_owns(port))
		pic_write(&p->pics, port, value);
	else if (port >= UART_PORT && port < UART_PORT + 8)
		uart_write(&p->uart, port - UART_PORT, value);
	else if (port == ELCR || port == ELCR + 1)
		p->elcr[port - ELCR] = value;
	else if (port == EXIT_PORT)
		end_by_port(p, value);
	else if (port == CMOS)
		p->cmos_index = value & 0x7f;
	else if ((port == KEYBOARD && value == KEYBOARD_RESET) || (port == RESET_CONTROL && alone && value & RESET_NOW) ||
		 (port == FAST_RESET && value & 1))
		p->reset_asked = true;
}

/* The serial port's line follows what has been done. */
static void update_lines(struct ports *p)
{
	pic_set(&p->pics, UART_IRQ, uart_interrupts(&p->uart));
}

/* Ports of more than a byte. */
static bool read_wide(struct ports *p, uint16_t port, unsigned size, uint32_t *v)
{
	if (port == PCI_ADDRESS && size == 4)
		*v = p->pci_address;
	else if (port == PM1_EVENT && size == 2)
		*v = 0;
	else if (port == PM1_EVENT + 2 && size == 2)
		*v = p->pm1_enable;
	else if (port == PM1_CONTROL && size == 2)
		*v = p->pm1_control | SCI_ENABLED;
	else
		return false;
	return true;
}

static bool write_wide(struct ports *p, uint16_t port, unsigned size, uint32_t value)
{
	if (port == PCI_ADDRESS && size == 4) {
		p->pci_address = value;
	} else if (port == PM1_EVENT + 2 && size == 2) {
		p->pm1_enable = value;
	} else if (port == PM1_CONTROL && size == 2) {
		p->pm1_control = value & ~SLEEP_ENABLE;
		p->off |= value & SLEEP_ENABLE && (value >> SLEEP_TYPE_SHIFT & 7) == SLEEP_OFF;
	} else {
		return false;
	}
	return true;
}

uint32_t ports_read(struct ports *p, uint16_t port, unsigned size)
{
	uint32_t v = 0;

	if (read_wide(p, port, size, &v))
		return v;
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)read_byte(p, port + i) << 8 * i;
	update_lines(p);
	return v;
}

void ports_write(struct ports *p, uint16_t port, unsigned size, uint32_t value)
{
	if (write_wide(p, port, size, value))
		return;
	for (unsigned i = 0; i < size; i++)
		write_byte(p, port + i, value >> 8 * i, size == 1);
	update_lines(p);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts a kernel into a child's memory: a Linux bzImage, or an ELF file with a PVH entry such as this program. */
#ifndef PARENT_LOAD_H
#define PARENT_LOAD_H

#include "lib/guest.h"

/* Ports of the child's machine that its tables tell of (ports.c). */
enum { PM1_EVENT = 0x600, PM1_CONTROL = 0x604, RESET_CONTROL = 0xcf9, RESET_VALUE = 6, SLEEP_OFF = 5 };
/* Writes its ACPI tables; where they begin. */
uint32_t acpi_write(uint8_t *memory);

/* What make-bundle wrote and the loader of this program passed on. */
struct bundle {
	const uint8_t *kernel, *module;
	size_t kernel_size, module_size;
	const char *cmdline;
};
/* False: it is none. */
bool bundle_parse(struct bundle *b, const void *at, size_t size);

/* How VP 0 begins: protected mode, flat segments, no paging. */
struct entry {
	uint32_t ip, bx, si;
};

/* @memory: @size bytes, what the child sees from 0 on, zeroed.  NULL if it could be done, else why not. */
const char *load(struct entry *e, uint8_t *memory, size_t size, const struct bundle *b);

#endif

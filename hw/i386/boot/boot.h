/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Direct boot: puts a kernel into guest memory as its boot protocol wants it, and
 * says with which registers the first processor starts.  Images are untrusted.
 *
 * Low memory that the loaders use:
 *   0x06000 GDT     0x07000 zero page, start info or multiboot info
 *   0x08000 setup data    0x09000..0x0efff page tables
 *   0x20000..0x8ffff command line and strings
 */
#ifndef HW_I386_BOOT_H
#define HW_I386_BOOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/core/machine.h"
#include "target/i386/cpu.h"

enum {
	BOOT_GDT = 0x6000, BOOT_INFO = 0x7000, BOOT_INFO_SIZE = 0x1000, BOOT_SETUP_DATA = 0x8000,
	BOOT_PAGE_TABLES = 0x9000, BOOT_STRINGS = 0x20000, BOOT_STRINGS_END = 0x90000,
	BOOT_KERNEL_LOWEST = 0x100000,
};

enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };
enum { E820_MAX = 16 };
struct e820_entry {
	uint64_t address, size;
	uint32_t type;
};

struct boot_entry {
	bool long_mode;              /* 64-bit with identity page tables; else protected, no paging */
	uint64_t rip;
	uint32_t eax, ebx, esi;
};

struct boot {
	/* in */
	const char *kernel, *initrd, *cmdline;  /* paths and text; kernel is not NULL */
	const struct guest_memory *memory;
	uint64_t low_end;            /* RAM from 1 MiB to here */
	struct e820_entry e820[E820_MAX];
	unsigned e820_count;
	uint64_t rsdp;               /* address, 0 none */
	bool long_mode;              /* the processor has it */
	/* out */
	struct boot_entry entry;
};

/* Loads @b->kernel, whatever kind it is.  The error names the file and what is wrong with it. */
bool boot_load(struct boot *b, GError **error);
/* Sets the processor, in reset state, up for @e. */
void boot_enter(const struct boot_entry *e, struct x86_cpu *c);

/* ---- between the loaders ---- */

struct image {
	const char *path;
	uint8_t *data;      /* of a file: not to be written */
	size_t size;
	GMappedFile *file;  /* that data is of; NULL: data was allocated */
};

bool image_read(struct image *i, const char *path, GError **error);
void image_free(struct image *i);
/* Little-endian fields; out of bounds reads give 0, so a check of the size can come first or later. */
uint64_t image_get(const struct image *i, uint64_t offset, unsigned n);
static inline bool image_has(const struct image *i, uint64_t offset, uint64_t n)
{
	return offset <= i->size && n <= i->size - offset;
}
/* "PATH: MESSAGE".  Always false. */
bool image_error(const char *path, GError **error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* boot_load() of a file that is read already. */
bool boot_load_image(struct boot *b, const struct image *i, GError **error);
bool linux_probe(const struct image *i);
bool linux_load(struct boot *b, const struct image *i, GError **error);
bool multiboot_probe(const struct image *i);
bool multiboot_load(struct boot *b, const struct image *i, GError **error);
bool elf_probe(const struct image *i);
bool pvh_load(struct boot *b, const struct image *i, GError **error);

struct elf {
	bool wide;
	uint64_t entry, phoff;
	unsigned phentsize, phnum;
};
struct elf_segment {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz, align;
};
bool elf_open(struct elf *e, const struct image *i, GError **error);
bool elf_segment(const struct elf *e, const struct image *i, unsigned n, struct elf_segment *s);
/* Copies the loadable segments to their physical addresses; first free address behind them in *@end. */
bool elf_load(const struct elf *e, const struct image *i, struct boot *b, uint64_t *end, GError **error);

/* Guest memory.  False with an error that says what did not fit. */
bool boot_write(struct boot *b, uint64_t at, const void *from, size_t n, GError **error);
bool boot_zero(struct boot *b, uint64_t at, uint64_t n, GError **error);
/* Command line at BOOT_STRINGS, at most @limit bytes without the zero. */
bool boot_write_cmdline(struct boot *b, const char *text, size_t limit, GError **error);
/*
 * Place of @size bytes of initrd, page aligned, as high as possible below @limit and
 * behind @kernel_end.  The error tells how much memory the guest needs.
 */
bool boot_place_initrd(struct boot *b, const char *path, uint64_t size, uint64_t kernel_end, uint64_t limit,
		       uint64_t *at, GError **error);
/* Kernel up to @end fits?  The error tells how much memory the guest needs. */
bool boot_check_memory(struct boot *b, uint64_t end, uint64_t initrd_size, GError **error);
/* GDT and page tables for b->entry. */
bool boot_prepare_entry(struct boot *b, GError **error);
void put_le(uint8_t *to, uint64_t v, unsigned n);

#endif

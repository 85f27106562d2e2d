/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ELF kernels with a PVH entry: Xen's note 18 names a 32-bit entry point; EBX points
 * to a start info structure, version 1 (Xen's public header arch-x86/hvm/start_info.h).
 */
#include "boot.h"

#include <elf.h>
#include <string.h>

enum { NOTE_PHYS32_ENTRY = 18, NOTE_HEADER = 12 };
enum { START_MAGIC = 0x336ec578, START_VERSION = 1 };
/* Offsets behind BOOT_INFO. */
enum { AT_MODULES = 0x100, AT_MEMMAP = 0x200, MODULE_SIZE = 32, MEMMAP_ENTRY = 24 };
/* Offsets in the start info. */
enum { SI_MAGIC = 0, SI_VERSION = 4, SI_FLAGS = 8, SI_MODULES = 12, SI_MODLIST = 16, SI_CMDLINE = 24, SI_RSDP = 32,
       SI_MEMMAP = 40, SI_MEMMAP_COUNT = 48 };

/* Searches one note segment. */
static bool find_note(const struct image *i, const struct elf_segment *s, uint64_t *entry)
{
	uint64_t at = s->offset, end = s->offset + s->filesz, align = s->align == 8 ? 8 : 4;

	while (at + NOTE_HEADER <= end) {
		uint64_t name = image_get(i, at, 4), desc = image_get(i, at + 4, 4);
		uint64_t desc_at = (at + NOTE_HEADER + name + align - 1) & ~(align - 1);

		if (desc_at + desc > end)
			return false;
		if (image_get(i, at + 8, 4) == NOTE_PHYS32_ENTRY && name == 4 && (desc == 4 || desc == 8) &&
		    !memcmp(i->data + at + NOTE_HEADER, "Xen", 4)) {
			*entry = image_get(i, desc_at, desc);
			return true;
		}
		at = (desc_at + desc + align - 1) & ~(align - 1);
	}
	return false;
}

static bool find_entry(const struct elf *e, const struct image *i, uint64_t *entry)
{
	struct elf_segment s;

	for (unsigned n = 0; n < e->phnum; n++) {
		if (elf_segment(e, i, n, &s) && s.type == PT_NOTE && find_note(i, &s, entry))
			return true;
	}
	return false;
}

static bool write_start_info(struct boot *b, uint64_t initrd, uint64_t initrd_size, GError **error)
{
	uint8_t page[BOOT_INFO_SIZE] = { 0 };

	put_le(page + SI_MAGIC, START_MAGIC, 4);
	put_le(page + SI_VERSION, START_VERSION, 4);
	put_le(page + SI_CMDLINE, BOOT_STRINGS, 8);
	put_le(page + SI_RSDP, b->rsdp, 8);
	if (initrd_size) {
		put_le(page + SI_MODULES, 1, 4);
		put_le(page + SI_MODLIST, BOOT_INFO + AT_MODULES, 8);
		put_le(page + AT_MODULES, initrd, 8);
		put_le(page + AT_MODULES + 8, initrd_size, 8);
	}
	put_le(page + SI_MEMMAP, BOOT_INFO + AT_MEMMAP, 8);
	put_le(page + SI_MEMMAP_COUNT, b->e820_count, 4);
	for (unsigned n = 0; n < b->e820_count; n++) {
		uint8_t *m = page + AT_MEMMAP + n * MEMMAP_ENTRY;

		put_le(m, b->e820[n].address, 8);
		put_le(m + 8, b->e820[n].size, 8);
		put_le(m + 16, b->e820[n].type, 4);
	}
	return boot_write(b, BOOT_INFO, page, sizeof page, error);
}

static bool load_initrd(struct boot *b, uint64_t end, uint64_t *at, uint64_t *size, GError **error)
{
	struct image rd;
	bool ok;

	if (!b->initrd)
		return true;
	if (!image_read(&rd, b->initrd, error))
		return false;
	*size = rd.size;
	ok = boot_place_initrd(b, rd.path, rd.size, end, b->low_end, at, error) &&
	     boot_write(b, *at, rd.data, rd.size, error);
	image_free(&rd);
	return ok;
}

bool pvh_load(struct boot *b, const struct image *i, GError **error)
{
	uint64_t entry, end, initrd = 0, size = 0;
	struct elf e;

	if (!elf_open(&e, i, error))
		return false;
	if (!find_entry(&e, i, &entry))
		return image_error(i->path, error, "ELF file has neither a PVH note nor a multiboot header: it cannot be "
				   "booted directly (for Linux use the bzImage, or build with CONFIG_PVH)");
	if (!elf_load(&e, i, b, &end, error))
		return false;
	if (entry < BOOT_KERNEL_LOWEST || entry >= end)
		return image_error(i->path, error, "PVH entry 0x%llx is outside of the kernel", (unsigned long long)entry);
	if (!load_initrd(b, end, &initrd, &size, error) ||
	    !boot_write_cmdline(b, b->cmdline ? b->cmdline : "", SIZE_MAX, error) ||
	    !write_start_info(b, initrd, size, error))
		return false;
	b->entry = (struct boot_entry){ .rip = entry, .ebx = BOOT_INFO };
	return true;
}

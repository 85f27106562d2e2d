/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linux bzImage: the boot protocol of Linux's Documentation/arch/x86/boot.rst, versions
 * 2.02 to 2.15.  Kernels with a 64-bit entry are entered there with identity page
 * tables; others at the 32-bit entry.  The real-mode part never runs.
 */
#include "boot.h"

#include <string.h>
#include <sys/random.h>

/* Offsets in the file's first sectors, and the same in the zero page. */
enum {
	ZP_EXT_MEM_K = 0x002, ZP_RSDP = 0x070, ZP_ALT_MEM_K = 0x1e0, ZP_E820_COUNT = 0x1e8, ZP_E820 = 0x2d0,
	HDR_START = 0x1f1, HDR_SETUP_SECTS = 0x1f1, HDR_SYSSIZE = 0x1f4, HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LENGTH = 0x201, HDR_MAGIC = 0x202, HDR_VERSION = 0x206, HDR_LOADER = 0x210,
	HDR_LOADFLAGS = 0x211, HDR_CODE32 = 0x214, HDR_RAMDISK = 0x218, HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMDLINE = 0x228, HDR_INITRD_MAX = 0x22c, HDR_ALIGNMENT = 0x230, HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236, HDR_CMDLINE_SIZE = 0x238, HDR_SETUP_DATA = 0x250, HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260, HDR_END_MAX = 0x290,
};
enum { BOOT_FLAG = 0xaa55, LOADED_HIGH = 1 << 0, XLF_KERNEL_64 = 1 << 0, LOADER_UNKNOWN = 0xff, SECTOR = 512 };
enum { V2_02 = 0x202, V2_03 = 0x203, V2_04 = 0x204, V2_05 = 0x205, V2_06 = 0x206, V2_09 = 0x209, V2_10 = 0x20a, V2_12 = 0x20c };
enum { SETUP_RNG_SEED = 9, SEED_SIZE = 32, SETUP_DATA_HEADER = 16 };
enum { ENTRY64 = 0x200, OLD_CMDLINE_SIZE = 255, OLD_INITRD_MAX = 0x37ffffff };
#define HDRS 0x53726448u   /* "HdrS" */

/* What the header says, checked. */
struct header {
	unsigned version;
	uint32_t setup_size;        /* bytes of the real-mode part */
	uint64_t load, end;         /* where the kernel is put; first byte it does not need */
	uint64_t initrd_limit;
	uint32_t cmdline_size;
	bool entry64;
};

bool linux_probe(const struct image *i)
{
	return image_get(i, HDR_MAGIC, 4) == HDRS;
}

static bool place(struct header *h, const struct image *i, uint64_t size, const struct boot *b, GError **error)
{
	uint64_t alignment = image_get(i, HDR_ALIGNMENT, 4), pref = image_get(i, HDR_PREF_ADDRESS, 8);
	uint64_t init = image_get(i, HDR_INIT_SIZE, 4);
	bool relocatable = h->version >= V2_05 && image_get(i, HDR_RELOCATABLE, 1);

	h->load = BOOT_KERNEL_LOWEST;
	if (h->version < V2_10) {
		/* It does not tell; unpacked kernels of that time were about three times larger. */
		h->end = h->load + 4 * size;
		return true;
	}
	if (pref < BOOT_KERNEL_LOWEST || pref >> 32)
		return image_error(i->path, error, "bad header: preferred address 0x%llx", (unsigned long long)pref);
	if (relocatable) {
		if (!alignment || (alignment & (alignment - 1)))
			return image_error(i->path, error, "bad header: alignment 0x%llx", (unsigned long long)alignment);
		h->load = (pref + alignment - 1) & ~(alignment - 1);
	}
	h->end = MAX(h->load, pref) + MAX(init, size);
	return true;
}

static bool parse(struct header *h, const struct image *i, const struct boot *b, GError **error)
{
	uint32_t sects = image_get(i, HDR_SETUP_SECTS, 1);
	uint64_t size, told;

	h->version = image_get(i, HDR_VERSION, 2);
	h->setup_size = ((sects ? sects : 4) + 1) * SECTOR;
	if (image_get(i, HDR_BOOT_FLAG, 2) != BOOT_FLAG)
		return image_error(i->path, error, "bad header: no boot flag 0xaa55");
	if (h->version < V2_02)
		return image_error(i->path, error, "boot protocol %u.%02u is too old, 2.02 is needed", h->version >> 8,
				   h->version & 0xff);
	if (!(image_get(i, HDR_LOADFLAGS, 1) & LOADED_HIGH))
		return image_error(i->path, error, "this is a zImage; only bzImage kernels can be loaded");
	if (i->size <= h->setup_size)
		return image_error(i->path, error, "file is cut off: %zu bytes, the real-mode part alone has %u", i->size,
				   h->setup_size);
	size = i->size - h->setup_size;
	told = h->version >= V2_04 ? image_get(i, HDR_SYSSIZE, 4) * 16 : 0;
	if (told > size + 15)
		return image_error(i->path, error, "file is cut off: the kernel has %llu bytes, %llu are there",
				   (unsigned long long)told, (unsigned long long)size);
	h->entry64 = b->long_mode && h->version >= V2_12 && (image_get(i, HDR_XLOADFLAGS, 2) & XLF_KERNEL_64);
	if (h->entry64 && size <= ENTRY64)
		return image_error(i->path, error, "file is cut off: there is nothing at the 64-bit entry");
	h->initrd_limit = (h->version >= V2_03 ? image_get(i, HDR_INITRD_MAX, 4) : OLD_INITRD_MAX) + 1;
	h->cmdline_size = h->version >= V2_06 ? image_get(i, HDR_CMDLINE_SIZE, 4) : OLD_CMDLINE_SIZE;
	return place(h, i, size, b, error);
}

static void fill_e820(uint8_t *page, const struct boot *b)
{
	uint64_t ext_k = (b->low_end - MIN(b->low_end, BOOT_KERNEL_LOWEST)) / 1024;

	for (unsigned n = 0; n < b->e820_count; n++) {
		uint8_t *e = page + ZP_E820 + n * 20;

		put_le(e, b->e820[n].address, 8);
		put_le(e + 8, b->e820[n].size, 8);
		put_le(e + 16, b->e820[n].type, 4);
	}
	page[ZP_E820_COUNT] = b->e820_count;
	put_le(page + ZP_EXT_MEM_K, MIN(ext_k, 0xffff), 2);
	put_le(page + ZP_ALT_MEM_K, MIN(ext_k, UINT32_MAX), 4);
}

/* Entropy for a guest that has no other source this early. */
static bool write_seed(struct boot *b, uint8_t *page, GError **error)
{
	uint8_t data[SETUP_DATA_HEADER + SEED_SIZE] = { 0 };

	put_le(data + 8, SETUP_RNG_SEED, 4);
	put_le(data + 12, SEED_SIZE, 4);
	if (getrandom(data + SETUP_DATA_HEADER, SEED_SIZE, 0) != SEED_SIZE)
		return true;
	put_le(page + HDR_SETUP_DATA, BOOT_SETUP_DATA, 8);
	return boot_write(b, BOOT_SETUP_DATA, data, sizeof data, error);
}

static bool write_zero_page(struct boot *b, const struct image *i, const struct header *h, uint64_t initrd,
			    uint64_t initrd_size, GError **error)
{
	uint8_t page[BOOT_INFO_SIZE] = { 0 };
	/* The header ends where its first jump goes to. */
	uint64_t end = MIN(HDR_MAGIC + image_get(i, HDR_JUMP_LENGTH, 1), HDR_END_MAX);

	end = MIN(end, i->size);
	memcpy(page + HDR_START, i->data + HDR_START, end - HDR_START);
	page[HDR_LOADER] = LOADER_UNKNOWN;
	put_le(page + HDR_CODE32, h->load, 4);
	put_le(page + HDR_CMDLINE, BOOT_STRINGS, 4);
	put_le(page + HDR_RAMDISK, initrd, 4);
	put_le(page + HDR_RAMDISK_SIZE, initrd_size, 4);
	put_le(page + ZP_RSDP, b->rsdp, 8);
	fill_e820(page, b);
	if (h->version >= V2_09 && !write_seed(b, page, error))
		return false;
	return boot_write(b, BOOT_INFO, page, sizeof page, error);
}

static bool load_initrd(struct boot *b, const struct header *h, const struct image *rd, uint64_t *at, GError **error)
{
	if (rd->size > UINT32_MAX)
		return image_error(rd->path, error, "an initrd must be smaller than 4 GiB");
	return boot_place_initrd(b, rd->path, rd->size, h->end, h->initrd_limit, at, error) &&
	       boot_write(b, *at, rd->data, rd->size, error);
}

bool linux_load(struct boot *b, const struct image *i, GError **error)
{
	struct image rd = { 0 };
	struct header h;
	uint64_t at = 0;
	bool ok;

	if (!parse(&h, i, b, error) || (b->initrd && !image_read(&rd, b->initrd, error)))
		return false;
	ok = boot_check_memory(b, h.end, rd.size, error) &&
	     boot_write(b, h.load, i->data + h.setup_size, i->size - h.setup_size, error) &&
	     (!rd.size || load_initrd(b, &h, &rd, &at, error)) &&
	     boot_write_cmdline(b, b->cmdline ? b->cmdline : "", h.cmdline_size, error) &&
	     write_zero_page(b, i, &h, at, rd.size, error);
	image_free(&rd);
	b->entry = (struct boot_entry){
		.long_mode = h.entry64, .rip = h.load + (h.entry64 ? ENTRY64 : 0), .esi = BOOT_INFO,
	};
	return ok;
}

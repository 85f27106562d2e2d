/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Multiboot 1 (specification 0.6.96): ELF images and those whose header carries load
 * addresses (the "a.out kludge").  Modules are the comma list of -initrd, each with
 * its own command line behind a space; ",," is a comma in a name.  Left out: video modes.
 */
#include "boot.h"

#include <string.h>

enum { SEARCH = 8192, HEADER_MAGIC = 0x1badb002, LOADER_MAGIC = 0x2badb002 };
enum { FLAG_ADDRESSES = 1 << 16, FLAGS_MUST = 0xffff, FLAGS_KNOWN = 0x0003, FLAG_VIDEO = 1 << 2 };
/* Offsets in the header. */
enum { H_FLAGS = 4, H_CHECKSUM = 8, H_HEADER = 12, H_LOAD = 16, H_LOAD_END = 20, H_BSS_END = 24, H_ENTRY = 28 };
/* Information structure: offsets and flags. */
enum { I_FLAGS = 0, I_MEM_LOWER = 4, I_MEM_UPPER = 8, I_CMDLINE = 16, I_MODS_COUNT = 20, I_MODS = 24,
       I_MMAP_LENGTH = 44, I_MMAP = 48, I_LOADER = 64 };
enum { IF_MEMORY = 1 << 0, IF_CMDLINE = 1 << 2, IF_MODS = 1 << 3, IF_MMAP = 1 << 6, IF_LOADER = 1 << 9 };
/* Offsets behind BOOT_INFO. */
enum { AT_LOADER = 0x80, AT_MMAP = 0x100, AT_MODS = 0x400, MMAP_ENTRY = 24, MOD_SIZE = 16,
       MODS_MAX = (BOOT_INFO_SIZE - AT_MODS) / MOD_SIZE };
enum { MODULE_STRINGS = (BOOT_STRINGS + BOOT_STRINGS_END) / 2, LOWER_KIB = 639, PAGE = 4096 };

static bool find_header(const struct image *i, uint64_t *at)
{
	for (*at = 0; *at + H_HEADER <= MIN(i->size, SEARCH); *at += 4) {
		if (image_get(i, *at, 4) == HEADER_MAGIC &&
		    !(uint32_t)(HEADER_MAGIC + image_get(i, *at + H_FLAGS, 4) + image_get(i, *at + H_CHECKSUM, 4)))
			return true;
	}
	return false;
}

bool multiboot_probe(const struct image *i)
{
	uint64_t at;

	return find_header(i, &at);
}

/* An image that tells its addresses in the header. */
static bool load_flat(struct boot *b, const struct image *i, uint64_t h, uint64_t *entry, uint64_t *end, GError **error)
{
	uint64_t header = image_get(i, h + H_HEADER, 4), load = image_get(i, h + H_LOAD, 4);
	uint64_t load_end = image_get(i, h + H_LOAD_END, 4), bss_end = image_get(i, h + H_BSS_END, 4);
	uint64_t offset, size;

	if (!image_has(i, h, H_ENTRY + 4))
		return image_error(i->path, error, "file is cut off in its multiboot header");
	*entry = image_get(i, h + H_ENTRY, 4);
	if (load > header || header - load > h)
		return image_error(i->path, error, "bad multiboot header: load address 0x%llx does not fit header address 0x%llx",
				   (unsigned long long)load, (unsigned long long)header);
	offset = h - (header - load);
	size = load_end ? load_end - load : i->size - offset;
	if (load_end && load_end < load)
		return image_error(i->path, error, "bad multiboot header: load end before load address");
	if (!image_has(i, offset, size))
		return image_error(i->path, error, "file is cut off: %llu bytes to load, %llu are there",
				   (unsigned long long)size, (unsigned long long)(i->size - offset));
	*end = MAX(load + size, bss_end);
	if (load < BOOT_KERNEL_LOWEST)
		return image_error(i->path, error, "multiboot image wants to be at 0x%llx, below 1 MiB", (unsigned long long)load);
	return boot_check_memory(b, *end, 0, error) && boot_write(b, load, i->data + offset, size, error) &&
	       boot_zero(b, load + size, *end - load - size, error);
}

static bool load_kernel(struct boot *b, const struct image *i, uint64_t *entry, uint64_t *end, GError **error)
{
	struct elf e;
	uint64_t h;
	uint32_t flags;

	if (!find_header(i, &h))
		return image_error(i->path, error, "no multiboot header");
	flags = image_get(i, h + H_FLAGS, 4);
	if (flags & FLAGS_MUST & ~(FLAGS_KNOWN | FLAG_VIDEO))
		return image_error(i->path, error, "multiboot header demands unknown features (flags 0x%x)", flags);
	if (flags & FLAG_VIDEO)
		return image_error(i->path, error, "multiboot header demands a video mode; there is no display");
	if (flags & FLAG_ADDRESSES) {
		if (!load_flat(b, i, h, entry, end, error))
			return false;
	} else {
		if (!elf_probe(i))
			return image_error(i->path, error, "multiboot image is no ELF file and tells no addresses");
		if (!elf_open(&e, i, error) || !elf_load(&e, i, b, end, error))
			return false;
		*entry = e.entry;
	}
	if (*entry < BOOT_KERNEL_LOWEST || *entry >= *end)
		return image_error(i->path, error, "entry 0x%llx is outside of the kernel", (unsigned long long)*entry);
	return true;
}

/* The next item of the list; NULL at its end.  *@list moves on. */
static char *next_module(const char **list)
{
	const char *p = *list;
	GString *item;

	if (!p)
		return NULL;
	item = g_string_new(NULL);
	while (*p && (*p != ',' || p[1] == ',')) {
		g_string_append_c(item, *p);
		p += *p == ',' ? 2 : 1;
	}
	*list = *p ? p + 1 : NULL;
	return g_string_free(item, FALSE);
}

struct modules {
	uint64_t free;       /* first free address */
	uint64_t strings;
	unsigned count;
};

static bool load_module(struct boot *b, struct modules *m, const char *item, uint8_t *page, GError **error)
{
	g_autofree char *path = g_strndup(item, strcspn(item, " "));
	uint8_t *entry = page + AT_MODS + m->count * MOD_SIZE;
	size_t text = strlen(item) + 1;
	struct image i;
	bool ok;

	if (m->count == MODS_MAX || m->strings + text > BOOT_STRINGS_END)
		return image_error(path, error, "more modules or longer module command lines than the loader has room for");
	if (!image_read(&i, path, error))
		return false;
	m->free = (m->free + PAGE - 1) / PAGE * PAGE;
	put_le(entry, m->free, 4);
	put_le(entry + 4, m->free + i.size, 4);
	put_le(entry + 8, m->strings, 4);
	ok = boot_check_memory(b, m->free, i.size, error) && boot_write(b, m->free, i.data, i.size, error) &&
	     boot_write(b, m->strings, item, text, error);
	m->free += i.size;
	m->strings += text;
	m->count++;
	image_free(&i);
	return ok;
}

static bool load_modules(struct boot *b, struct modules *m, uint8_t *page, GError **error)
{
	const char *list = b->initrd;
	char *item;

	while ((item = next_module(&list))) {
		bool ok = load_module(b, m, item, page, error);

		g_free(item);
		if (!ok)
			return false;
	}
	return true;
}

static void fill_info(const struct boot *b, const struct modules *m, uint8_t *page)
{
	uint32_t flags = IF_MEMORY | IF_CMDLINE | IF_MMAP | IF_LOADER | (m->count ? IF_MODS : 0);

	put_le(page + I_FLAGS, flags, 4);
	put_le(page + I_MEM_LOWER, LOWER_KIB, 4);
	put_le(page + I_MEM_UPPER, (b->low_end - BOOT_KERNEL_LOWEST) / 1024, 4);
	put_le(page + I_CMDLINE, BOOT_STRINGS, 4);
	put_le(page + I_MODS_COUNT, m->count, 4);
	put_le(page + I_MODS, BOOT_INFO + AT_MODS, 4);
	put_le(page + I_MMAP_LENGTH, b->e820_count * MMAP_ENTRY, 4);
	put_le(page + I_MMAP, BOOT_INFO + AT_MMAP, 4);
	put_le(page + I_LOADER, BOOT_INFO + AT_LOADER, 4);
	memcpy(page + AT_LOADER, "hvtlfs", sizeof "hvtlfs");
	for (unsigned n = 0; n < b->e820_count; n++) {
		uint8_t *e = page + AT_MMAP + n * MMAP_ENTRY;

		put_le(e, MMAP_ENTRY - 4, 4);
		put_le(e + 4, b->e820[n].address, 8);
		put_le(e + 12, b->e820[n].size, 8);
		put_le(e + 20, b->e820[n].type, 4);
	}
}

bool multiboot_load(struct boot *b, const struct image *i, GError **error)
{
	struct modules m = { .strings = MODULE_STRINGS };
	uint8_t page[BOOT_INFO_SIZE] = { 0 };
	g_autofree char *cmdline = NULL;
	uint64_t entry = 0, end = 0;

	if (!load_kernel(b, i, &entry, &end, error))
		return false;
	m.free = end;
	if (!load_modules(b, &m, page, error))
		return false;
	/* The first word is the kernel's name, as boot loaders have it. */
	cmdline = g_strdup_printf("%s %s", i->path, b->cmdline ? b->cmdline : "");
	if (!boot_write_cmdline(b, cmdline, SIZE_MAX, error))
		return false;
	fill_info(b, &m, page);
	b->entry = (struct boot_entry){ .rip = entry, .eax = LOADER_MAGIC, .ebx = BOOT_INFO };
	return boot_write(b, BOOT_INFO, page, sizeof page, error);
}

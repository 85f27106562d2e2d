/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linux's 32-bit boot protocol (Documentation/arch/x86/boot.rst) and the PVH entry: both begin in
 * protected mode without paging, so neither needs page tables.
 */
#include "load.h"

/* Where things go in the child. */
enum { INFO = 0x10000, CMDLINE = 0x20000, CMDLINE_MAX = 2048, LOW_END = 0x9f000, HIGH = 0x100000 };

/* ---- the bundle ---- */

struct bundle_header {
	char magic[8];
	uint64_t kernel, module, cmdline;    /* bytes of each, which follow in this order; the last ends with 0 */
};

bool bundle_parse(struct bundle *b, const void *at, size_t size)
{
	const struct bundle_header *h = at;
	const uint8_t *p = (const uint8_t *)(h + 1);

	if (size < sizeof *h || memcmp(h->magic, "hvbundle", 8) || h->kernel > size || h->module > size || !h->cmdline ||
	    h->cmdline > CMDLINE_MAX || sizeof *h + h->kernel + h->module + h->cmdline > size)
		return false;
	*b = (struct bundle){ p, p + h->kernel, h->kernel, h->module, (const char *)p + h->kernel + h->module };
	return b->cmdline[h->cmdline - 1] == 0;
}

/* ---- memory ---- */

static uint64_t get(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (; n--; v >>= 8)
		*p++ = v;
}

static bool fits(uint64_t at, uint64_t n, uint64_t size)
{
	return at >= HIGH && at < size && n <= size - at;
}

/* As high as it goes, above @from. */
static uint64_t place_module(uint8_t *memory, size_t size, uint64_t from, const struct bundle *b)
{
	uint64_t at = (size - b->module_size) & ~(uint64_t)(PAGE - 1);

	if (b->module_size > size || at < from)
		return 0;
	memcpy(memory + at, b->module, b->module_size);
	return at;
}

/* ---- Linux ---- */

enum { ACPI_RSDP = 0x070, E820_COUNT = 0x1e8, E820 = 0x2d0, HEADER = 0x1f1, JUMP = 0x201, MAGIC = 0x202, LOADER = 0x210, CODE32 = 0x214, RAMDISK = 0x218,
       RAMDISK_SIZE = 0x21c, CMDLINE_PTR = 0x228, ALIGNMENT = 0x230, PREF_ADDRESS = 0x258, INIT_SIZE = 0x260, SECTOR = 512 };
enum { LOADER_UNKNOWN = 0xff, E820_RAM = 1 };
#define HDRS 0x53726448u

static void add_ram(uint8_t *info, uint64_t at, uint64_t end)
{
	uint8_t *e = info + E820 + 20 * info[E820_COUNT]++;

	put(e, at, 8);
	put(e + 8, end - at, 8);
	put(e + 16, E820_RAM, 4);
}

static const char *load_linux(struct entry *e, uint8_t *memory, size_t size, const struct bundle *b)
{
	const uint8_t *k = b->kernel;
	uint64_t skip = ((k[HEADER] ? k[HEADER] : 4) + 1) * SECTOR;
	uint64_t align = get(k + ALIGNMENT, 4), at = get(k + PREF_ADDRESS, 8), need = get(k + INIT_SIZE, 4), module;
	uint8_t *info = memory + INFO;

	if (!align || skip >= b->kernel_size)
		return "the kernel is damaged";
	at = (at + align - 1) & ~(align - 1);
	if (b->kernel_size - skip > need)
		need = b->kernel_size - skip;
	if (!fits(at, need, size))
		return "the child has too little memory for the kernel";
	module = place_module(memory, size, at + need, b);
	if (b->module_size && !module)
		return "the child has too little memory for the initrd";
	memcpy(memory + at, k + skip, b->kernel_size - skip);
	memcpy(info + HEADER, k + HEADER, MAGIC + k[JUMP] - HEADER);
	info[LOADER] = LOADER_UNKNOWN;
	put(info + CODE32, at, 4);
	put(info + CMDLINE_PTR, CMDLINE, 4);
	put(info + RAMDISK, module, 4);
	put(info + RAMDISK_SIZE, b->module_size, 4);
	put(info + ACPI_RSDP, acpi_write(memory), 8);
	add_ram(info, 0, LOW_END);
	add_ram(info, HIGH, size);
	*e = (struct entry){ .ip = at, .si = INFO };
	return NULL;
}

/* ---- ELF with a PVH note ---- */

enum { EHDR_PHOFF = 32, EHDR_PHENTSIZE = 54, EHDR_PHNUM = 56, PT_LOAD = 1, PT_NOTE = 4, NOTE_PVH = 18 };
enum { START_MAGIC = 0x336ec578, START_MODULES = 12, START_MODLIST = 16, START_CMDLINE = 24, MODLIST = 0x100 };

/* The 32-bit entry that the note names, 0 none. */
static uint32_t pvh_entry(const uint8_t *note, uint64_t size)
{
	while (size >= 12) {
		uint64_t name = (get(note, 4) + 3) & ~3ull, desc = (get(note + 4, 4) + 3) & ~3ull;

		if (name > size - 12 || desc > size - 12 - name)
			return 0;
		if (get(note + 8, 4) == NOTE_PVH && desc >= 4 && !memcmp(note + 12, "Xen", 4))
			return get(note + 12 + name, 4);
		note += 12 + name + desc;
		size -= 12 + name + desc;
	}
	return 0;
}

static const char *load_elf(struct entry *e, uint8_t *memory, size_t size, const struct bundle *b)
{
	const uint8_t *k = b->kernel, *ph = k + get(k + EHDR_PHOFF, 8);
	uint64_t end = HIGH, module;
	uint8_t *info = memory + INFO;

	for (unsigned n = get(k + EHDR_PHNUM, 2); n--; ph += get(k + EHDR_PHENTSIZE, 2)) {
		uint64_t offset = get(ph + 8, 8), at = get(ph + 24, 8), in_file = get(ph + 32, 8), in_memory = get(ph + 40, 8);

		if (offset > b->kernel_size || in_file > b->kernel_size - offset)
			return "the program is damaged";
		if (get(ph, 4) == PT_NOTE)
			e->ip = pvh_entry(k + offset, in_file);
		if (get(ph, 4) != PT_LOAD)
			continue;
		if (!fits(at, in_memory, size) || in_file > in_memory)
			return "the child has too little memory for the program";
		memcpy(memory + at, k + offset, in_file);
		if (at + in_memory > end)
			end = at + in_memory;
	}
	module = place_module(memory, size, end, b);
	if (!e->ip)
		return "the program has no PVH entry";
	if (b->module_size && !module)
		return "the child has too little memory for the module";
	put(info, START_MAGIC, 4);
	put(info + START_MODULES, b->module_size != 0, 4);
	put(info + START_MODLIST, INFO + MODLIST, 8);
	put(info + START_CMDLINE, CMDLINE, 8);
	put(info + MODLIST, module, 8);
	put(info + MODLIST + 8, b->module_size, 8);
	e->bx = INFO;
	return NULL;
}

const char *load(struct entry *e, uint8_t *memory, size_t size, const struct bundle *b)
{
	*e = (struct entry){ 0 };
	memcpy(memory + CMDLINE, b->cmdline, strlen(b->cmdline) + 1);
	if (b->kernel_size > 2 * SECTOR && get(b->kernel + MAGIC, 4) == HDRS)
		return load_linux(e, memory, size, b);
	if (b->kernel_size > SECTOR && !memcmp(b->kernel, "\177ELF", 4))
		return load_elf(e, memory, size, b);
	return "the kernel is neither a bzImage nor an ELF program";
}

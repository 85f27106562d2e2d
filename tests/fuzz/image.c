/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel loaders on damaged images of each kind: nothing is read outside of the image or
 * written outside of what the guest has, and each refusal has one line that names the file.
 */
#include "../unit/images.h"
#include "fuzz.h"

enum { MEMORY = 64 * MIB, HOLE = 0xa0000, HOLE_END = 0xc0000 };

struct guest {
	uint8_t *ram;
	uint8_t *image[4];
	size_t size[4], header[4];   /* damage goes mostly into the header */
};

static bool in_ram(uint64_t gpa, size_t n)
{
	return gpa <= MEMORY && n <= MEMORY - gpa && (gpa >= HOLE_END || gpa + n <= HOLE);
}

static bool mem_read(void *o, uint64_t gpa, void *to, size_t n)
{
	if (!in_ram(gpa, n))
		return false;
	memcpy(to, ((struct guest *)o)->ram + gpa, n);
	return true;
}

static bool mem_write(void *o, uint64_t gpa, const void *from, size_t n)
{
	if (!in_ram(gpa, n))
		return false;
	memcpy(((struct guest *)o)->ram + gpa, from, n);
	return true;
}

static void add(struct guest *g, unsigned i, size_t size, size_t header)
{
	g->image[i] = g_malloc(size);
	g->size[i] = size;
	g->header[i] = header;
}

static void *open_guest(void)
{
	struct guest *g = g_new0(struct guest, 1);

	g->ram = g_malloc0(MEMORY);
	add(g, 0, IMAGE, 0x270);
	bz_image(g->image[0]);
	add(g, 1, ELF_SIZE, sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
	elf64(g->image[1], true);
	add(g, 2, MB_SIZE, MB_HEADER + 32);
	multiboot_flat(g->image[2], 0x10003);
	add(g, 3, ELF_SIZE, SEGMENT + 0x140);
	elf64(g->image[3], true);
	return g;
}

static void close_guest(void *o)
{
	struct guest *g = o;

	for (unsigned i = 0; i < G_N_ELEMENTS(g->image); i++)
		g_free(g->image[i]);
	g_free(g->ram);
	g_free(g);
}

static char *make_cmdline(struct fuzz *f)
{
	char *text = g_strnfill(fuzz_chance(f, 8) ? fuzz_below(f, 1 << 19) : fuzz_below(f, 100), 'x');

	for (char *p = text; *p; p++)
		*p = (char)(fuzz_next(f) | 1);
	return text;
}

static void check_refusal(GError *error)
{
	FUZZ_CHECK(error, "refused without an error");
	FUZZ_CHECK(g_str_has_prefix(error->message, "fuzz-image: "), "\"%s\" does not name the file", error->message);
	FUZZ_CHECK(!strchr(error->message, '\n'), "\"%s\" has several lines", error->message);
	g_error_free(error);
}

static void image_round(struct fuzz *f, void *o)
{
	struct guest *g = o;
	unsigned kind = (unsigned)fuzz_below(f, G_N_ELEMENTS(g->image));
	size_t n = fuzz_chance(f, 4) ? fuzz_below(f, g->size[kind] + 1) : g->size[kind];
	struct guest_memory memory = { mem_read, mem_write, g };
	struct image i = { .path = "fuzz-image", .data = g_memdup2(g->image[kind], n), .size = n };
	struct boot b = { .kernel = "fuzz-image", .memory = &memory, .low_end = MEMORY, .rsdp = 0xe0000 };
	g_autofree char *cmdline = make_cmdline(f);
	GError *error = NULL;

	b.cmdline = fuzz_chance(f, 4) ? NULL : cmdline;
	b.long_mode = !fuzz_chance(f, 4);
	b.e820[0] = (struct e820_entry){ 0, HOLE, E820_RAM };
	b.e820[1] = (struct e820_entry){ MIB, MEMORY - MIB, E820_RAM };
	b.e820_count = 2;
	fuzz_mutate(f, i.data, fuzz_chance(f, 8) ? n : MIN(n, g->header[kind]));
	if (!boot_load_image(&b, &i, &error))
		check_refusal(error);
	else
		FUZZ_CHECK(!error && (b.entry.long_mode || b.entry.rip <= UINT32_MAX), "entry 0x%" PRIx64, b.entry.rip);
	g_free(i.data);
}

static const struct fuzz_target target = { "image", open_guest, image_round, close_guest };

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, &target);
}

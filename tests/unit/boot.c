/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel loaders on images made here, whole and broken. */
#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>

#include "images.h"

enum { MEMORY = 128 * MIB };

/* ---- a guest that is nothing but memory ---- */

static uint8_t *ram;
static char *dir;

static bool mem_read(void *o, uint64_t gpa, void *to, size_t n)
{
	if (gpa > MEMORY || n > MEMORY - gpa)
		return false;
	memcpy(to, ram + gpa, n);
	return true;
}

static bool mem_write(void *o, uint64_t gpa, const void *from, size_t n)
{
	if (gpa > MEMORY || n > MEMORY - gpa || (gpa < 0xc0000 && gpa + n > 0xa0000))
		return false;
	memcpy(ram + gpa, from, n);
	return true;
}

static const struct guest_memory memory = { mem_read, mem_write, NULL };

static uint64_t le(uint64_t at, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, ram + at, n);
	return v;
}

static char *file(const char *name, const void *data, size_t n)
{
	char *path = g_build_filename(dir, name, NULL);

	FILE *f = fopen(path, "wb");   /* without the fsync of GLib's writer */

	g_assert_nonnull(f);
	g_assert_cmpuint(fwrite(data, 1, n, f), ==, n);
	fclose(f);
	return path;
}

static struct boot target(const char *kernel)
{
	struct boot b = { .kernel = kernel, .memory = &memory, .low_end = MEMORY, .rsdp = 0xe0000, .long_mode = true };

	b.e820[0] = (struct e820_entry){ 0, 0x9fc00, E820_RAM };
	b.e820[1] = (struct e820_entry){ MIB, MEMORY - MIB, E820_RAM };
	b.e820_count = 2;
	return b;
}

static void expect_error(struct boot *b, const char *part)
{
	GError *error = NULL;

	g_assert_false(boot_load(b, &error));
	g_assert_nonnull(error);
	if (!strstr(error->message, part) || !strstr(error->message, dir))
		g_error("expected \"%s\" and a path, got \"%s\"", part, error->message);
	g_assert_null(strchr(error->message, '\n'));
	g_error_free(error);
}

static void expect_success(struct boot *b)
{
	GError *error = NULL;

	boot_load(b, &error);
	g_assert_no_error(error);
}

/* ---- bzImage ---- */

/* Loads a bzImage with @n bytes at @at changed to @v. */
static void bz_refused(unsigned at, uint64_t v, unsigned n, const char *why)
{
	g_autofree uint8_t *k = g_malloc(IMAGE);
	g_autofree char *path = NULL;
	struct boot b;

	bz_image(k);
	put_le(k + at, v, n);
	path = file("bz", k, IMAGE);
	b = target(path);
	expect_error(&b, why);
}

static void bz_64(void)
{
	g_autofree uint8_t *k = g_malloc(IMAGE);
	g_autofree char *path = NULL, *rd = NULL;
	static const char initrd[10000] = "070701 an archive";
	struct boot b;
	uint64_t at;

	bz_image(k);
	path = file("bz", k, IMAGE);
	rd = file("rd", initrd, sizeof initrd);
	b = target(path);
	b.initrd = rd;
	b.cmdline = "console=ttyS0";
	memset(ram + BOOT_INFO, 0xcc, BOOT_INFO_SIZE);
	expect_success(&b);
	g_assert_true(b.entry.long_mode);
	g_assert_cmphex(b.entry.rip, ==, PREF + 0x200);
	g_assert_cmphex(b.entry.esi, ==, BOOT_INFO);
	g_assert_cmpmem(ram + PREF, KERNEL, k + SETUP, KERNEL);
	/* zero page */
	g_assert_cmpuint(ram[BOOT_INFO + 0x1ef], ==, 0);
	g_assert_cmphex(le(BOOT_INFO + 0x070, 8), ==, 0xe0000);
	g_assert_cmpuint(le(BOOT_INFO + 0x1e8, 1), ==, 2);
	g_assert_cmphex(le(BOOT_INFO + 0x2d0 + 20, 8), ==, MIB);
	g_assert_cmphex(le(BOOT_INFO + 0x2d0 + 28, 8), ==, MEMORY - MIB);
	g_assert_cmpuint(le(BOOT_INFO + 0x2d0 + 36, 4), ==, E820_RAM);
	g_assert_cmphex(le(BOOT_INFO + 0x210, 1), ==, 0xff);
	g_assert_cmphex(le(BOOT_INFO + 0x260, 4), ==, INIT);
	g_assert_cmpstr((char *)ram + le(BOOT_INFO + 0x228, 4), ==, "console=ttyS0");
	/* initrd: highest page that fits */
	at = le(BOOT_INFO + 0x218, 4);
	g_assert_cmphex(at, ==, (MEMORY - sizeof initrd) / 4096 * 4096);
	g_assert_cmpuint(le(BOOT_INFO + 0x21c, 4), ==, sizeof initrd);
	g_assert_cmpmem(ram + at, sizeof initrd, initrd, sizeof initrd);
	/* setup data: a seed */
	g_assert_cmphex(le(BOOT_INFO + 0x250, 8), ==, BOOT_SETUP_DATA);
	g_assert_cmpuint(le(BOOT_SETUP_DATA + 8, 4), ==, 9);
	g_assert_cmpuint(le(BOOT_SETUP_DATA + 12, 4), ==, 32);
	/* identity page tables: last 2 MiB of 4 GiB */
	g_assert_cmphex(le(BOOT_PAGE_TABLES, 8), ==, (BOOT_PAGE_TABLES + 0x1000) | 3);
	g_assert_cmphex(le(BOOT_PAGE_TABLES + 0x5000 + 511 * 8, 8), ==, 0xffe00083);
	g_assert_cmphex(le(BOOT_GDT + 0x10, 8), ==, UINT64_C(0x00af9b000000ffff));
	g_assert_cmphex(le(BOOT_GDT + 0x18, 8), ==, UINT64_C(0x00cf93000000ffff));
}

static void bz_32(void)
{
	g_autofree uint8_t *k = g_malloc(IMAGE);
	g_autofree char *path = NULL;
	struct boot b;

	bz_image(k);
	k[0x236] = 0;
	path = file("bz", k, IMAGE);
	b = target(path);
	expect_success(&b);
	g_assert_false(b.entry.long_mode);
	g_assert_cmphex(b.entry.rip, ==, PREF);
	g_assert_cmphex(le(BOOT_GDT + 0x10, 8), ==, UINT64_C(0x00cf9b000000ffff));
	/* a 64-bit kernel on a processor without long mode */
	k[0x236] = 1;
	g_free(path);
	path = file("bz", k, IMAGE);
	b = target(path);
	b.long_mode = false;
	expect_success(&b);
	g_assert_false(b.entry.long_mode);
	/* not relocatable: where it always was */
	k[0x234] = 0;
	g_free(path);
	path = file("bz", k, IMAGE);
	b = target(path);
	expect_success(&b);
	g_assert_cmphex(b.entry.rip, ==, 0x100200);
	/* protocol 2.02: no fields beyond the command line pointer */
	put_le(k + 0x206, 0x202, 2);
	g_free(path);
	path = file("bz", k, IMAGE);
	b = target(path);
	expect_success(&b);
	g_assert_cmphex(b.entry.rip, ==, 0x100000);
}

static void bz_bad_header(void)
{
	bz_refused(0x1fe, 0, 2, "no boot flag");
	bz_refused(0x206, 0x201, 2, "2.01 is too old");
	bz_refused(0x211, 0, 1, "zImage");
	bz_refused(0x1f1, 0xff, 1, "cut off");
	bz_refused(0x1f4, KERNEL / 16 + 1, 4, "cut off: the kernel has");
	bz_refused(0x230, 0x300000, 4, "alignment 0x300000");
	bz_refused(0x230, 0, 4, "alignment");
	bz_refused(0x258, UINT64_C(1) << 40, 8, "preferred address");
	bz_refused(0x258, 0x1000, 8, "preferred address");
	bz_refused(0x202, 0, 4, "not a kernel");
	bz_refused(0x260, UINT32_MAX, 4, "needs 4112 MiB");
	bz_refused(0x260, 113 * MIB, 4, "needs 129 MiB of memory below 3 GiB, the guest has 128 MiB");
}

static void bz_limits(void)
{
	g_autofree uint8_t *k = g_malloc(IMAGE), *big = g_malloc0(100 * MIB);
	g_autofree char *path = NULL, *rd = NULL, *text = g_strnfill(2048, 'x');
	struct boot b;

	bz_image(k);
	path = file("bz", k, IMAGE);
	b = target(path);
	b.cmdline = text;
	expect_error(&b, "2048 bytes, this kernel takes 2047");
	text[2047] = 0;
	expect_success(&b);
	rd = file("rd", big, 100 * MIB);
	b.initrd = rd;
	expect_error(&b, "kernel with initrd needs 140 MiB");
	g_free(rd);
	rd = file("rd", big, 88 * MIB);                  /* fits to the byte */
	b.initrd = rd;
	expect_success(&b);
	g_assert_cmphex(le(BOOT_INFO + 0x218, 4), ==, PREF + INIT);
	put_le(k + 0x22c, 64 * MIB - 1, 4);
	g_free(path);
	path = file("bz", k, IMAGE);
	b.kernel = path;
	expect_error(&b, "do not fit");
	g_free(rd);
	rd = g_build_filename(dir, "nothing-here", NULL);
	b.initrd = rd;
	expect_error(&b, "No such file");
	b.kernel = rd;
	expect_error(&b, "No such file");
	b.kernel = dir;
	expect_error(&b, "irectory");
}

/* ---- ELF ---- */

static void pvh(void)
{
	g_autofree uint8_t *k = g_malloc(ELF_SIZE);
	g_autofree char *path = NULL, *rd = NULL;
	struct boot b;

	elf64(k, true);
	path = file("elf", k, ELF_SIZE);
	rd = file("rd", "initrd", 6);
	b = target(path);
	b.initrd = rd;
	b.cmdline = "a=b";
	memset(ram + ELF_AT, 0xff, 0x10000);
	expect_success(&b);
	g_assert_false(b.entry.long_mode);
	g_assert_cmphex(b.entry.rip, ==, ELF_AT + 0x340);
	g_assert_cmphex(b.entry.ebx, ==, BOOT_INFO);
	g_assert_cmpmem(ram + ELF_AT, SEGMENT_SIZE, k + SEGMENT, SEGMENT_SIZE);
	g_assert_cmpuint(ram[ELF_AT + SEGMENT_SIZE + BSS - 1], ==, 0);
	g_assert_cmpuint(ram[ELF_AT + SEGMENT_SIZE + BSS], ==, 0xff);
	g_assert_cmphex(le(BOOT_INFO, 4), ==, 0x336ec578);
	g_assert_cmpuint(le(BOOT_INFO + 4, 4), ==, 1);
	g_assert_cmpuint(le(BOOT_INFO + 12, 4), ==, 1);
	g_assert_cmpmem(ram + le(le(BOOT_INFO + 16, 8), 8), 6, "initrd", 6);
	g_assert_cmpuint(le(le(BOOT_INFO + 16, 8) + 8, 8), ==, 6);
	g_assert_cmpstr((char *)ram + le(BOOT_INFO + 24, 8), ==, "a=b");
	g_assert_cmphex(le(BOOT_INFO + 32, 8), ==, 0xe0000);
	g_assert_cmpuint(le(BOOT_INFO + 48, 4), ==, 2);
	g_assert_cmphex(le(le(BOOT_INFO + 40, 8) + 24, 8), ==, MIB);
}

static void elf_refused(void (*change)(uint8_t *k), bool note, const char *why)
{
	g_autofree uint8_t *k = g_malloc(ELF_SIZE);
	g_autofree char *path = NULL;
	struct boot b;

	elf64(k, note);
	if (change)
		change(k);
	path = file("elf", k, ELF_SIZE);
	b = target(path);
	expect_error(&b, why);
}

#define PHDR(k, f) ((k) + sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, f))
static void low_segment(uint8_t *k) { put_le(PHDR(k, p_paddr), 0x7000, 8); }
static void high_segment(uint8_t *k) { put_le(PHDR(k, p_paddr), UINT64_MAX - 0x800, 8); }
static void huge_segment(uint8_t *k) { put_le(PHDR(k, p_memsz), MEMORY, 8); }
static void swapped_sizes(uint8_t *k) { put_le(PHDR(k, p_memsz), 1, 8); }
static void far_offset(uint8_t *k) { put_le(PHDR(k, p_offset), UINT64_MAX - 16, 8); }
static void many_headers(uint8_t *k) { put_le(k + offsetof(Elf64_Ehdr, e_phnum), 0xffff, 2); }
static void no_headers(uint8_t *k) { put_le(k + offsetof(Elf64_Ehdr, e_phentsize), 8, 2); }
static void arm(uint8_t *k) { put_le(k + offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, 2); }
static void object(uint8_t *k) { put_le(k + offsetof(Elf64_Ehdr, e_type), ET_REL, 2); }
static void big_endian(uint8_t *k) { k[EI_DATA] = ELFDATA2MSB; }
static void wild_entry(uint8_t *k) { put_le(k + SEGMENT + 0x128, 0x10, 8); }

static void elf_bad(void)
{
	elf_refused(NULL, false, "neither a PVH note nor a multiboot header");
	elf_refused(low_segment, true, "below 1 MiB");
	elf_refused(high_segment, true, "above 4 GiB");
	elf_refused(huge_segment, true, "needs 130 MiB");
	elf_refused(swapped_sizes, true, "more bytes in the file");
	elf_refused(far_offset, true, "cut off");
	elf_refused(many_headers, true, "cut off in its program headers");
	elf_refused(no_headers, true, "no program headers");
	elf_refused(arm, true, "another processor");
	elf_refused(object, true, "not an executable");
	elf_refused(big_endian, true, "little-endian");
	elf_refused(wild_entry, true, "outside of the kernel");
}

/* ---- multiboot ---- */

static void multiboot(void)
{
	g_autofree uint8_t *k = g_malloc(MB_SIZE);
	g_autofree char *path = NULL, *one = NULL, *two = NULL, *list = NULL, *expect = NULL;
	uint64_t mods, map;
	struct boot b;

	multiboot_flat(k, 0x10003);
	path = file("mb", k, MB_SIZE);
	one = file("one", "first module", 12);
	two = file("two,b", "second", 6);
	list = g_strdup_printf("%s x=1 y=2,%s/two,,b", one, dir);
	b = target(path);
	b.initrd = list;
	b.cmdline = "verbose";
	memset(ram + MB_AT, 0xff, 0x8000);
	expect_success(&b);
	g_assert_cmphex(b.entry.rip, ==, MB_AT + 0x80);
	g_assert_cmphex(b.entry.eax, ==, 0x2badb002);
	g_assert_cmphex(b.entry.ebx, ==, BOOT_INFO);
	g_assert_cmpmem(ram + MB_AT, 0x2000, k, 0x2000);
	g_assert_cmpuint(ram[MB_AT + 0x2000], ==, 0);
	g_assert_cmpuint(ram[MB_AT + 0x3fff], ==, 0);
	g_assert_cmphex(le(BOOT_INFO, 4), ==, 0x24d);
	g_assert_cmpuint(le(BOOT_INFO + 8, 4), ==, (MEMORY - MIB) / 1024);
	expect = g_strdup_printf("%s verbose", path);
	g_assert_cmpstr((char *)ram + le(BOOT_INFO + 16, 4), ==, expect);
	g_assert_cmpuint(le(BOOT_INFO + 20, 4), ==, 2);
	mods = le(BOOT_INFO + 24, 4);
	g_assert_cmphex(le(mods, 4), ==, MB_AT + 0x4000);
	g_assert_cmpmem(ram + le(mods, 4), le(mods + 4, 4) - le(mods, 4), "first module", 12);
	g_assert_true(g_str_has_suffix((char *)ram + le(mods + 8, 4), "one x=1 y=2"));
	g_assert_cmphex(le(mods + 16, 4) % 4096, ==, 0);
	g_assert_cmpmem(ram + le(mods + 16, 4), 6, "second", 6);
	map = le(BOOT_INFO + 48, 4);
	g_assert_cmpuint(le(BOOT_INFO + 44, 4), ==, 48);
	g_assert_cmpuint(le(map, 4), ==, 20);
	g_assert_cmphex(le(map + 24 + 4, 8), ==, MIB);
}

static void multiboot_elf(void)
{
	g_autofree uint8_t *k = g_malloc(ELF_SIZE);
	g_autofree char *path = NULL;
	struct boot b;

	elf64(k, false);
	put_le(k + 0x800, 0x1badb002, 4);
	put_le(k + 0x804, 0, 4);
	put_le(k + 0x808, -0x1badb002, 4);
	path = file("mbelf", k, ELF_SIZE);
	b = target(path);
	expect_success(&b);
	g_assert_cmphex(b.entry.rip, ==, ELF_AT);
	g_assert_cmphex(b.entry.eax, ==, 0x2badb002);
}

static void multiboot_refused(uint32_t flags, unsigned at, uint32_t v, const char *why)
{
	g_autofree uint8_t *k = g_malloc(MB_SIZE);
	g_autofree char *path = NULL;
	struct boot b;

	multiboot_flat(k, flags);
	if (at)
		put_le(k + MB_HEADER + at, v, 4);
	path = file("mb", k, MB_SIZE);
	b = target(path);
	expect_error(&b, why);
}

static void multiboot_bad(void)
{
	multiboot_refused(0x10008, 0, 0, "unknown features");
	multiboot_refused(0x10004, 0, 0, "video mode");
	multiboot_refused(0x00003, 0, 0, "no ELF file");
	multiboot_refused(0x10003, 8, 0, "not a kernel");               /* checksum */
	multiboot_refused(0x10003, 12, MB_AT - 4, "does not fit");
	multiboot_refused(0x10003, 16, 0, "does not fit");
	multiboot_refused(0x10003, 20, MB_AT - 4, "load end");
	multiboot_refused(0x10003, 20, MB_AT + MB_SIZE + 1, "cut off");
	multiboot_refused(0x10003, 24, UINT32_MAX, "needs 4096 MiB");
	multiboot_refused(0x10003, 28, 0x1000, "outside of the kernel");
}

/* ---- any bytes ---- */

static void load_any(const uint8_t *k, size_t n)
{
	/* A copy of its own size, so that a sanitizer sees each byte read too many. */
	g_autofree uint8_t *copy = g_memdup2(k, n);
	struct image i = { .path = "any", .data = copy, .size = n };
	struct boot b = target("any");
	GError *error = NULL;

	if (boot_load_image(&b, &i, &error))
		return;
	g_assert_nonnull(error);
	g_error_free(error);
}

static void broken(const uint8_t *k, size_t n, size_t header)
{
	g_autofree uint8_t *copy = g_malloc(n);

	for (size_t cut = 0; cut < header; cut += 1 + cut / 16)
		load_any(k, cut);
	for (unsigned round = 0; round < 1500; round++) {
		memcpy(copy, k, n);
		for (unsigned i = g_test_rand_int_range(1, 5); i; i--)
			copy[g_test_rand_int_range(0, (int)header)] = (uint8_t)g_test_rand_int();
		load_any(copy, n);
	}
}

static void any_bytes(void)
{
	g_autofree uint8_t *k = g_malloc(IMAGE);

	bz_image(k);
	broken(k, IMAGE / 8, 0x270);
	elf64(k, true);
	broken(k, ELF_SIZE, sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
	broken(k, ELF_SIZE, SEGMENT + 0x140);
	multiboot_flat(k, 0x10003);
	broken(k, MB_SIZE, MB_HEADER + 32);
}

static void enter(void)
{
	struct x86_cpu *c = g_aligned_alloc0(1, sizeof *c, 64);
	struct boot_entry e = { .long_mode = true, .rip = 0x1000200, .esi = BOOT_INFO };

	boot_enter(&e, c);
	g_assert_cmphex(c->rip, ==, 0x1000200);
	g_assert_cmphex(c->gpr[X86_RSI], ==, BOOT_INFO);
	g_assert_cmphex(c->cr3, ==, BOOT_PAGE_TABLES);
	g_assert_cmphex(c->efer, ==, EFER_LME | EFER_LMA);
	g_assert_cmphex(c->cr0, ==, CR0_PG | CR0_PE | CR0_ET);
	g_assert_cmphex(c->cr4, ==, CR4_PAE);
	g_assert_true(c->mode & X86_MODE_CS64);
	g_assert_cmphex(c->seg[X86_CS].sel, ==, 0x10);
	g_assert_cmphex(c->eflags, ==, 2);
	e = (struct boot_entry){ .rip = MIB, .ebx = BOOT_INFO, .eax = 1 };
	boot_enter(&e, c);
	g_assert_cmphex(c->cr0, ==, CR0_PE | CR0_ET);
	g_assert_cmphex(c->efer, ==, 0);
	g_assert_true((c->mode & (X86_MODE_CS64 | X86_MODE_CS32)) == X86_MODE_CS32);
	g_assert_true(c->mode & X86_MODE_FLAT);
	g_assert_cmphex(c->gpr[X86_RAX], ==, 1);
	g_aligned_free(c);
}

static void remove_files(void)
{
	const char *name;
	GDir *d = g_dir_open(dir, 0, NULL);

	while ((name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		g_unlink(path);
	}
	g_dir_close(d);
	g_rmdir(dir);
}

int main(int argc, char **argv)
{
	int result;

	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("hvtlfs-boot-XXXXXX", NULL);
	ram = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	g_assert_true(ram != MAP_FAILED);
	g_test_add_func("/boot/linux/64-bit", bz_64);
	g_test_add_func("/boot/linux/32-bit", bz_32);
	g_test_add_func("/boot/linux/bad-header", bz_bad_header);
	g_test_add_func("/boot/linux/limits", bz_limits);
	g_test_add_func("/boot/pvh", pvh);
	g_test_add_func("/boot/elf-bad", elf_bad);
	g_test_add_func("/boot/multiboot/flat", multiboot);
	g_test_add_func("/boot/multiboot/elf", multiboot_elf);
	g_test_add_func("/boot/multiboot/bad", multiboot_bad);
	g_test_add_func("/boot/any-bytes", any_bytes);
	g_test_add_func("/boot/enter", enter);
	result = g_test_run();
	remove_files();
	g_free(dir);
	munmap(ram, MEMORY);
	return result;
}

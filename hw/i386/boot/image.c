/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files, fields, guest memory: what all loaders share; and which loader it is. */
#include "boot.h"

#include <stdarg.h>
#include <string.h>

enum { PAGE = 4096 };
#define MIB (UINT64_C(1) << 20)

static GQuark boot_quark(void)
{
	return g_quark_from_static_string("hvtlfs-boot");
}

bool image_error(const char *path, GError **error, const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, boot_quark(), 0, "%s: %s", path, text);
	g_free(text);
	return false;
}

/* Files are mapped, so that no copy of them is made on the way; pipes and the like are read. */
static bool map_file(struct image *i, const char *path)
{
	i->file = g_mapped_file_new(path, FALSE, NULL);
	if (!i->file || !g_mapped_file_get_length(i->file)) {
		g_clear_pointer(&i->file, g_mapped_file_unref);
		return false;
	}
	i->data = (uint8_t *)g_mapped_file_get_contents(i->file);
	i->size = g_mapped_file_get_length(i->file);
	return true;
}

bool image_read(struct image *i, const char *path, GError **error)
{
	GError *e = NULL;
	char *data;

	*i = (struct image){ .path = path };
	if (map_file(i, path))
		return true;
	if (!g_file_get_contents(path, &data, &i->size, &e)) {
		/* GLib's sentence names the file already. */
		g_set_error(error, boot_quark(), 0, "cannot read %s: %s", path,
			    strrchr(e->message, ':') ? strrchr(e->message, ':') + 2 : e->message);
		g_error_free(e);
		return false;
	}
	i->data = (uint8_t *)data;
	return true;
}

void image_free(struct image *i)
{
	if (i->file)
		g_mapped_file_unref(i->file);
	else
		g_free(i->data);
	i->file = NULL;
	i->data = NULL;
}

uint64_t image_get(const struct image *i, uint64_t offset, unsigned n)
{
	uint64_t v = 0;

	if (!image_has(i, offset, n))
		return 0;
	for (unsigned k = 0; k < n; k++)
		v |= (uint64_t)i->data[offset + k] << k * 8;
	return v;
}

void put_le(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		to[k] = (uint8_t)(v >> k * 8);
}

bool boot_write(struct boot *b, uint64_t at, const void *from, size_t n, GError **error)
{
	if (!n || b->memory->write(b->memory->opaque, at, from, n))
		return true;
	return image_error(b->kernel, error, "no guest memory for %zu bytes at 0x%llx", n, (unsigned long long)at);
}

bool boot_zero(struct boot *b, uint64_t at, uint64_t n, GError **error)
{
	static const uint8_t zeros[64 * 1024];

	while (n) {
		size_t part = MIN(n, sizeof zeros);

		if (!boot_write(b, at, zeros, part, error))
			return false;
		at += part;
		n -= part;
	}
	return true;
}

bool boot_write_cmdline(struct boot *b, const char *text, size_t limit, GError **error)
{
	size_t n = strlen(text);

	limit = MIN(limit, (BOOT_STRINGS_END - BOOT_STRINGS) / 2 - 1);
	if (n > limit)
		return image_error(b->kernel, error, "the command line has %zu bytes, this kernel takes %zu", n, limit);
	return boot_write(b, BOOT_STRINGS, text, n + 1, error);
}

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

bool boot_check_memory(struct boot *b, uint64_t end, uint64_t initrd_size, GError **error)
{
	uint64_t need = end + round_up(initrd_size, PAGE);

	if (need <= b->low_end)
		return true;
	return image_error(b->kernel, error, "%s needs %llu MiB of memory below 3 GiB, the guest has %llu MiB",
			   initrd_size ? "kernel with initrd" : "kernel",
			   (unsigned long long)(round_up(need, MIB) / MIB), (unsigned long long)(b->low_end / MIB));
}

bool boot_place_initrd(struct boot *b, const char *path, uint64_t size, uint64_t kernel_end, uint64_t limit,
		       uint64_t *at, GError **error)
{
	uint64_t top = MIN(limit, b->low_end);

	if (!boot_check_memory(b, kernel_end, size, error))
		return false;
	if (top < size || (top - size) / PAGE * PAGE < kernel_end)
		return image_error(path, error, "%llu bytes do not fit between the kernel's end 0x%llx and 0x%llx, "
				   "the highest address this kernel takes", (unsigned long long)size,
				   (unsigned long long)kernel_end, (unsigned long long)top);
	*at = (top - size) / PAGE * PAGE;
	return true;
}

bool boot_load_image(struct boot *b, const struct image *i, GError **error)
{
	bool ok;

	if (linux_probe(i))
		ok = linux_load(b, i, error);
	else if (multiboot_probe(i))
		ok = multiboot_load(b, i, error);
	else if (elf_probe(i))
		ok = pvh_load(b, i, error);
	else
		ok = image_error(i->path, error, "not a kernel: it is no Linux bzImage, no multiboot image and no ELF file");
	return ok && boot_prepare_entry(b, error);
}

bool boot_load(struct boot *b, GError **error)
{
	struct image i;
	bool ok;

	if (!image_read(&i, b->kernel, error))
		return false;
	ok = boot_load_image(b, &i, error);
	image_free(&i);
	return ok;
}

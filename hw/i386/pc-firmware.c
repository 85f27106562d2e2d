/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw_cfg contents: sizes, memory map, ACPI tables with their loader script, and the
 * kernel for firmware that boots it by itself (OVMF).
 */
#include "pc-firmware.h"

#include <string.h>

#include "boot/boot.h"
#include "hw/i386/fw_cfg.h"
#include "ram.h"

static const char rsdp_file[] = "etc/acpi/rsdp", tables_file[] = "etc/acpi/tables", script_file[] = "etc/table-loader";

/* Table loader script: commands of 128 bytes, little-endian. */
enum { SCRIPT_ALLOCATE = 1, SCRIPT_POINTER = 2, SCRIPT_CHECKSUM = 3, SCRIPT_SIZE = 128 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2, RSDP_ALIGN = 16 };
enum { E820_ENTRY = 20, SETUP_DEFAULT_SECTS = 4, SECTOR = 512, HDR_SETUP_SECTS = 0x1f1 };

static void put_name(uint8_t *to, const char *name)
{
	memcpy(to, name, strlen(name));
}

static void script_allocate(GByteArray *s, const char *file, uint32_t align, uint8_t zone)
{
	uint8_t c[SCRIPT_SIZE] = { 0 };

	put_le(c, SCRIPT_ALLOCATE, 4);
	put_name(c + 4, file);
	put_le(c + 60, align, 4);
	c[64] = zone;
	g_byte_array_append(s, c, sizeof c);
}

static void script_pointer(GByteArray *s, const struct acpi_pointer *p)
{
	uint8_t c[SCRIPT_SIZE] = { 0 };

	put_le(c, SCRIPT_POINTER, 4);
	put_name(c + 4, p->in_rsdp ? rsdp_file : tables_file);
	put_name(c + 60, tables_file);
	put_le(c + 116, p->offset, 4);
	c[120] = p->size;
	g_byte_array_append(s, c, sizeof c);
}

static void script_checksum(GByteArray *s, const struct acpi_checksum *k)
{
	uint8_t c[SCRIPT_SIZE] = { 0 };

	put_le(c, SCRIPT_CHECKSUM, 4);
	put_name(c + 4, k->in_rsdp ? rsdp_file : tables_file);
	put_le(c + 60, k->offset, 4);
	put_le(c + 64, k->start, 4);
	put_le(c + 68, k->length, 4);
	g_byte_array_append(s, c, sizeof c);
}

static void describe_acpi(const struct firmware_config *c)
{
	const struct acpi_tables *t = c->acpi;
	GByteArray *s = g_byte_array_new();

	script_allocate(s, rsdp_file, RSDP_ALIGN, ZONE_FSEG);
	script_allocate(s, tables_file, ACPI_TABLES_ALIGN, ZONE_HIGH);
	for (guint i = 0; i < t->pointers->len; i++)
		script_pointer(s, &g_array_index(t->pointers, struct acpi_pointer, i));
	for (guint i = 0; i < t->checksums->len; i++)
		script_checksum(s, &g_array_index(t->checksums, struct acpi_checksum, i));
	fw_cfg_set_file(c->fw_cfg, rsdp_file, t->rsdp->data, t->rsdp->len);
	fw_cfg_set_file(c->fw_cfg, tables_file, t->tables->data, t->tables->len);
	fw_cfg_set_file(c->fw_cfg, script_file, s->data, s->len);
	g_byte_array_unref(s);
}

static void describe_memory(const struct firmware_config *c)
{
	uint8_t map[2 * E820_ENTRY] = { 0 };

	/* RAM as it stands; firmware itself takes out what it reserves. */
	put_le(map + 8, c->low_end, 8);
	put_le(map + 16, E820_RAM, 4);
	put_le(map + E820_ENTRY, PC_FOUR_GIB, 8);
	put_le(map + E820_ENTRY + 8, c->high_size, 8);
	put_le(map + E820_ENTRY + 16, E820_RAM, 4);
	fw_cfg_set_file(c->fw_cfg, "etc/e820", map, c->high_size ? sizeof map : E820_ENTRY);
	fw_cfg_set_number(c->fw_cfg, FW_CFG_RAM_SIZE, c->low_end + c->high_size, 8);
}

static void set_data(struct device *d, uint16_t size_key, uint16_t data_key, const void *data, size_t n)
{
	fw_cfg_set_number(d, size_key, n, 4);
	fw_cfg_set(d, data_key, data, n);
}

/* The real-mode part and the rest of a bzImage apart; other images whole. */
static void describe_kernel(struct device *d, const struct image *i)
{
	size_t setup = 0;

	if (linux_probe(i)) {
		unsigned sects = image_get(i, HDR_SETUP_SECTS, 1);

		setup = MIN(((sects ? sects : SETUP_DEFAULT_SECTS) + 1) * SECTOR, i->size);
	}
	set_data(d, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, i->data, setup);
	set_data(d, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, i->data + setup, i->size - setup);
}

static bool describe_boot(const struct firmware_config *c, GError **error)
{
	const char *cmdline = c->cmdline ? c->cmdline : "";
	struct image i;

	if (!c->kernel)
		return true;
	if (!image_read(&i, c->kernel, error))
		return false;
	describe_kernel(c->fw_cfg, &i);
	image_free(&i);
	set_data(c->fw_cfg, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, cmdline, strlen(cmdline) + 1);
	if (!c->initrd)
		return true;
	if (!image_read(&i, c->initrd, error))
		return false;
	set_data(c->fw_cfg, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, i.data, i.size);
	image_free(&i);
	return true;
}

bool firmware_describe(const struct firmware_config *c, GError **error)
{
	fw_cfg_set_number(c->fw_cfg, FW_CFG_NB_CPUS, c->processors, 2);
	fw_cfg_set_number(c->fw_cfg, FW_CFG_MAX_CPUS, c->max_processors, 2);
	fw_cfg_set_number(c->fw_cfg, FW_CFG_NOGRAPHIC, 1, 2);
	fw_cfg_set_number(c->fw_cfg, FW_CFG_IRQ0_OVERRIDE, 1, 1);
	describe_memory(c);
	describe_acpi(c);
	return describe_boot(c, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ACPI tables of the child's machine: one processor, two 8259s and no I/O APIC, power off and reset by
 * port.  A Linux that finds no table of processors sets no local timer up.
 */
#include "load.h"

enum { RSDP = 0xf0000, XSDT = 0xf0040, FADT = 0xf0100, MADT = 0xf0280, DSDT = 0xf0300, FACS = 0xf0340 };
enum { HEADER = 36, FADT_SIZE = 244, FACS_SIZE = 64, RSDP_SIZE = 36 };
enum { FADT_WBINVD = 1, FADT_PROC_C1 = 1 << 2, FADT_POWER_BUTTON = 1 << 4, FADT_SLEEP_BUTTON = 1 << 5, FADT_RESET_REG = 1 << 10 };
enum { BOOT_LEGACY = 1, BOOT_NO_VGA = 1 << 2, SPACE_IO = 1, MADT_8259 = 1, LAPIC_ENABLED = 1 };

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (; n--; v >>= 8)
		*p++ = v;
}

static void checksum(uint8_t *p, unsigned n, unsigned at)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += p[i];
	p[at] -= sum;
}

static uint8_t *begin(uint8_t *memory, unsigned at, const char *signature, unsigned size, uint8_t revision)
{
	uint8_t *p = memory + at;

	memcpy(p, signature, 4);
	put(p + 4, size, 4);
	p[8] = revision;
	memcpy(p + 10, "HVTLFSPARENT  ", 14);
	put(p + 24, 1, 4);
	memcpy(p + 28, "HVTL", 4);
	put(p + 32, 1, 4);
	return p;
}

static void write_fadt(uint8_t *memory)
{
	uint8_t *p = begin(memory, FADT, "FACP", FADT_SIZE, 3);

	put(p + 36, FACS, 4);
	put(p + 40, DSDT, 4);
	put(p + 46, 9, 2);                                   /* SCI_INT; no command port: it is in ACPI mode already */
	put(p + 56, PM1_EVENT, 4);
	put(p + 64, PM1_CONTROL, 4);
	p[88] = 4;
	p[89] = 2;
	put(p + 109, BOOT_LEGACY | BOOT_NO_VGA, 2);
	put(p + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET_REG, 4);
	p[116] = SPACE_IO;
	p[117] = 8;
	p[119] = 1;
	put(p + 120, RESET_CONTROL, 8);
	p[128] = RESET_VALUE;
	put(p + 132, FACS, 8);
	put(p + 140, DSDT, 8);
	p[148] = SPACE_IO;                                   /* X_PM1a_EVT_BLK */
	p[149] = 32;
	put(p + 152, PM1_EVENT, 8);
	p[172] = SPACE_IO;                                   /* X_PM1a_CNT_BLK */
	p[173] = 16;
	put(p + 176, PM1_CONTROL, 8);
	checksum(p, FADT_SIZE, 9);
}

static void write_madt(uint8_t *memory)
{
	static const uint8_t entries[] = {
		0, 8, 0, 0, LAPIC_ENABLED, 0, 0, 0,          /* processor 0, APIC 0 */
		4, 6, 0xff, 0, 0, 1,                         /* NMI at LINT1 of all */
	};
	unsigned size = HEADER + 8 + sizeof entries;
	uint8_t *p = begin(memory, MADT, "APIC", size, 3);

	put(p + HEADER, 0xfee00000, 4);
	put(p + HEADER + 4, MADT_8259, 4);
	memcpy(p + HEADER + 8, entries, sizeof entries);
	checksum(p, size, 9);
}

static void write_dsdt(uint8_t *memory)
{
	/* Name (\_S5, Package () { SLEEP_OFF, SLEEP_OFF, 0, 0 }) */
	static const uint8_t aml[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x08, 0x04, 0x0a, SLEEP_OFF, 0x0a, SLEEP_OFF, 0x00, 0x00 };
	uint8_t *p = begin(memory, DSDT, "DSDT", HEADER + sizeof aml, 2);

	memcpy(p + HEADER, aml, sizeof aml);
	checksum(p, HEADER + sizeof aml, 9);
}

uint32_t acpi_write(uint8_t *memory)
{
	uint8_t *p = begin(memory, XSDT, "XSDT", HEADER + 16, 1), *rsdp = memory + RSDP;

	put(p + HEADER, FADT, 8);
	put(p + HEADER + 8, MADT, 8);
	checksum(p, HEADER + 16, 9);
	write_fadt(memory);
	write_madt(memory);
	write_dsdt(memory);
	memcpy(memory + FACS, "FACS", 4);
	put(memory + FACS + 4, FACS_SIZE, 4);
	memory[FACS + 32] = 2;
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "HVTLFS", 6);
	rsdp[15] = 2;
	put(rsdp + 20, RSDP_SIZE, 4);
	put(rsdp + 24, XSDT, 8);
	checksum(rsdp, 20, 8);
	checksum(rsdp, RSDP_SIZE, 32);
	return RSDP;
}

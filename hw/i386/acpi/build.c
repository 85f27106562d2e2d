/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ACPI 6.0 tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT (compiled from dsdt.asl), an
 * SSDT with the processors, MADT, WAET.  No HPET: there is none.
 */
#include "build.h"

#include <assert.h>
#include <string.h>

#include "hw/acpi/pm.h"
#include "hw/pci/host.h"
#include "hw/timer/mc146818.h"

#include "dsdt.hex"

enum { HEADER = 36, HEADER_LENGTH = 4, HEADER_CHECKSUM = 9, XAPIC_IDS = 255 };
enum { FADT_SIZE = 268, FADT_REVISION = 5, FACS_SIZE = 64 };
/* FADT flags */
enum { FADT_WBINVD = 1 << 0, FADT_PROC_C1 = 1 << 2, FADT_NO_SLEEP_BUTTON = 1 << 5, FADT_NO_FIX_RTC = 1 << 6,
       FADT_TMR_VAL_EXT = 1 << 8, FADT_RESET_REG_SUP = 1 << 10 };
/* FADT boot architecture flags: ISA devices, 8042, no VGA */
enum { BOOT_LEGACY = 1 << 0, BOOT_8042 = 1 << 1, BOOT_NO_VGA = 1 << 2 };
enum { MADT_PCAT_COMPAT = 1 };
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4, MADT_X2APIC = 9, MADT_X2APIC_NMI = 10 };
enum { ENABLED = 1, ACTIVE_HIGH_LEVEL = 0xd, ALL_PROCESSORS8 = 0xff, LINT1 = 1 };
enum { SPACE_IO = 1 };
enum { WAET_RTC_GOOD = 1 << 0, WAET_TIMER_GOOD = 1 << 1 };

/* ---- bytes ---- */

static void put(GByteArray *b, uint64_t v, unsigned n)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < n; i++)
		bytes[i] = (uint8_t)(v >> i * 8);
	g_byte_array_append(b, bytes, n);
}

static void poke(GByteArray *b, uint32_t at, uint64_t v, unsigned n)
{
	assert(at + n <= b->len);
	for (unsigned i = 0; i < n; i++)
		b->data[at + i] = (uint8_t)(v >> i * 8);
}

static uint64_t peek(const GByteArray *b, uint32_t at, unsigned n)
{
	uint64_t v = 0;

	assert(at + n <= b->len);
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)b->data[at + i] << i * 8;
	return v;
}

static void put_text(GByteArray *b, const char *text, unsigned n)
{
	g_byte_array_append(b, (const uint8_t *)text, n);
}

static void put_zeros(GByteArray *b, unsigned n)
{
	while (n--)
		put(b, 0, 1);
}

static void align(GByteArray *b, unsigned to)
{
	put_zeros(b, (to - b->len % to) % to);
}

/* A generic address in I/O space. */
static void put_port(GByteArray *b, uint16_t port, unsigned bytes, unsigned access)
{
	put(b, SPACE_IO, 1);
	put(b, bytes * 8, 1);
	put(b, 0, 1);
	put(b, access, 1);
	put(b, port, 8);
}

/* ---- pointers and checksums ---- */

static void put_pointer(struct acpi_tables *t, GByteArray *b, uint32_t target, unsigned size)
{
	struct acpi_pointer p = { .in_rsdp = b == t->rsdp, .offset = b->len, .size = size };

	g_array_append_val(t->pointers, p);
	put(b, target, size);
}

static void add_checksum(struct acpi_tables *t, GByteArray *b, uint32_t at, uint32_t start, uint32_t length)
{
	struct acpi_checksum c = { .in_rsdp = b == t->rsdp, .offset = at, .start = start, .length = length };

	g_array_append_val(t->checksums, c);
}

static uint32_t table_begin(struct acpi_tables *t, const char *signature, uint8_t revision)
{
	GByteArray *b = t->tables;
	uint32_t start;

	align(b, 16);
	start = b->len;
	put_text(b, signature, 4);
	put(b, 0, 4);
	put(b, revision, 1);
	put(b, 0, 1);
	put_text(b, "HVTLFS", 6);
	put_text(b, "PC\0\0\0\0\0\0", 8);
	put(b, 1, 4);
	put_text(b, "HVTL", 4);
	put(b, 1, 4);
	return start;
}

static void table_end(struct acpi_tables *t, uint32_t start)
{
	uint32_t length = t->tables->len - start;

	poke(t->tables, start + HEADER_LENGTH, length, 4);
	add_checksum(t, t->tables, start + HEADER_CHECKSUM, start, length);
}

/* ---- tables ---- */

static uint32_t build_dsdt(struct acpi_tables *t)
{
	uint32_t start;

	align(t->tables, 16);
	start = t->tables->len;
	/* iasl made length and checksum. */
	g_byte_array_append(t->tables, dsdt_aml_code, sizeof dsdt_aml_code);
	return start;
}

static uint32_t build_facs(struct acpi_tables *t)
{
	GByteArray *b = t->tables;
	uint32_t start;

	align(b, 64);
	start = b->len;
	put_text(b, "FACS", 4);
	put(b, FACS_SIZE, 4);
	put_zeros(b, 24);
	put(b, 2, 1);            /* version */
	put_zeros(b, FACS_SIZE - 33);
	return start;
}

static void fadt_blocks(GByteArray *b)
{
	put(b, ACPI_PM_BASE + ACPI_PM1_EVT, 4);
	put(b, 0, 4);
	put(b, ACPI_PM_BASE + ACPI_PM1_CNT, 4);
	put(b, 0, 4);
	put(b, 0, 4);            /* PM2 control: none */
	put(b, ACPI_PM_BASE + ACPI_PM_TMR, 4);
	put(b, ACPI_PM_BASE + ACPI_GPE0, 4);
	put(b, 0, 4);
	put(b, ACPI_PM1_EVT_LEN, 1);
	put(b, ACPI_PM1_CNT_LEN, 1);
	put(b, 0, 1);
	put(b, ACPI_PM_TMR_LEN, 1);
	put(b, ACPI_GPE0_LEN, 1);
	put(b, 0, 1);            /* GPE1 length */
	put(b, 0, 1);            /* GPE1 base */
	put(b, 0, 1);            /* CST_CNT */
	put(b, 0xffff, 2);       /* C2 and C3: latencies that mean "none" */
	put(b, 0xffff, 2);
}

static void fadt_extended_blocks(GByteArray *b)
{
	put_port(b, ACPI_PM_BASE + ACPI_PM1_EVT, ACPI_PM1_EVT_LEN, 2);
	put_zeros(b, 12);
	put_port(b, ACPI_PM_BASE + ACPI_PM1_CNT, ACPI_PM1_CNT_LEN, 2);
	put_zeros(b, 12);
	put_zeros(b, 12);
	put_port(b, ACPI_PM_BASE + ACPI_PM_TMR, ACPI_PM_TMR_LEN, 3);
	put_port(b, ACPI_PM_BASE + ACPI_GPE0, ACPI_GPE0_LEN, 1);
	put_zeros(b, 12);
	put_zeros(b, 24);        /* sleep control and status: not hardware-reduced */
}

static uint32_t build_fadt(struct acpi_tables *t, uint32_t facs, uint32_t dsdt)
{
	GByteArray *b = t->tables;
	uint32_t start = table_begin(t, "FACP", FADT_REVISION);

	put_pointer(t, b, facs, 4);
	put_pointer(t, b, dsdt, 4);
	put(b, 0, 1);
	put(b, 1, 1);            /* preferred profile: desktop */
	put(b, ACPI_PM_SCI, 2);
	put_zeros(b, 4 + 4);     /* no SMI command: ACPI mode is always on */
	fadt_blocks(b);
	put_zeros(b, 2 + 2 + 1 + 1);  /* WBINVD works: no flush sizes; no duty cycle */
	put(b, 0, 1);            /* day alarm */
	put(b, 0, 1);            /* month alarm */
	put(b, CMOS_CENTURY, 1);
	put(b, BOOT_LEGACY | BOOT_8042 | BOOT_NO_VGA, 2);
	put(b, 0, 1);
	put(b, FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIX_RTC | FADT_TMR_VAL_EXT |
	       FADT_RESET_REG_SUP, 4);
	put_port(b, RESET_CONTROL, 1, 1);
	put(b, RESET_CONTROL_VALUE, 1);
	put_zeros(b, 2 + 1);
	/* The 64-bit FACS address must be 0 where the 32-bit one is used. */
	put(b, 0, 8);
	put_pointer(t, b, dsdt, 8);
	fadt_extended_blocks(b);
	assert(b->len - start == FADT_SIZE);
	table_end(t, start);
	return start;
}

static void madt_processor(GByteArray *b, uint32_t uid, uint32_t apic_id)
{
	if (apic_id < XAPIC_IDS) {
		put(b, MADT_LAPIC, 1);
		put(b, 8, 1);
		put(b, uid, 1);
		put(b, apic_id, 1);
		put(b, ENABLED, 4);
		return;
	}
	put(b, MADT_X2APIC, 1);
	put(b, 16, 1);
	put(b, 0, 2);
	put(b, apic_id, 4);
	put(b, ENABLED, 4);
	put(b, uid, 4);
}

static void madt_override(GByteArray *b, uint8_t irq, uint32_t pin, uint16_t flags)
{
	put(b, MADT_OVERRIDE, 1);
	put(b, 10, 1);
	put(b, 0, 1);
	put(b, irq, 1);
	put(b, pin, 4);
	put(b, flags, 2);
}

static void madt_nmi(GByteArray *b, bool wide)
{
	put(b, wide ? MADT_X2APIC_NMI : MADT_LAPIC_NMI, 1);
	put(b, wide ? 12 : 6, 1);
	if (!wide)
		put(b, ALL_PROCESSORS8, 1);
	put(b, 0, 2);
	if (wide)
		put(b, UINT32_MAX, 4);
	put(b, LINT1, 1);
	if (wide)
		put_zeros(b, 3);
}

static uint32_t build_madt(struct acpi_tables *t, const struct acpi_config *c)
{
	GByteArray *b = t->tables;
	uint32_t start = table_begin(t, "APIC", 3);
	bool wide = false;

	put(b, c->lapic_base, 4);
	put(b, MADT_PCAT_COMPAT, 4);
	for (uint32_t i = 0; i < c->processors; i++) {
		madt_processor(b, i, c->apic_id[i]);
		wide |= c->apic_id[i] >= XAPIC_IDS;
	}
	put(b, MADT_IOAPIC, 1);
	put(b, 12, 1);
	put(b, 0, 2);
	put(b, c->ioapic_base, 4);
	put(b, 0, 4);
	madt_override(b, 0, 2, 0);
	madt_override(b, ACPI_PM_SCI, ACPI_PM_SCI, ACTIVE_HIGH_LEVEL);
	madt_nmi(b, false);
	if (wide)
		madt_nmi(b, true);
	table_end(t, start);
	return start;
}

/* Lengths below 4096, told in two bytes that count themselves. */
static void aml_length(GByteArray *b, uint32_t at)
{
	uint32_t length = b->len - at;

	assert(length < 4096);
	poke(b, at, 0x40 | (length & 0xf), 1);
	poke(b, at + 1, length >> 4, 1);
}

/* Device (Cnnn) { Name (_HID, "ACPI0007") Name (_UID, n) } */
static void aml_processor(GByteArray *b, unsigned n)
{
	char name[5];
	uint32_t at;

	g_snprintf(name, sizeof name, "C%03X", n & 0xfff);
	put_text(b, "\x5b\x82", 2);
	at = b->len;
	put(b, 0, 2);
	put_text(b, name, 4);
	put_text(b, "\x08_HID\x0d" "ACPI0007", 15);   /* with its zero */
	put_text(b, "\x08_UID\x0b", 6);
	put(b, n, 2);
	aml_length(b, at);
}

static uint32_t build_ssdt(struct acpi_tables *t, const struct acpi_config *c)
{
	GByteArray *b = t->tables;
	uint32_t start = table_begin(t, "SSDT", 2), at;

	/* Scope (\_SB), one for each processor so that no length outgrows its two bytes. */
	for (uint32_t i = 0; i < c->processors; i++) {
		put(b, 0x10, 1);
		at = b->len;
		put(b, 0, 2);
		put_text(b, "\\_SB_", 5);
		aml_processor(b, i);
		aml_length(b, at);
	}
	table_end(t, start);
	return start;
}

/* Windows: our RTC needs no double read, our PM timer no triple read. */
static uint32_t build_waet(struct acpi_tables *t)
{
	uint32_t start = table_begin(t, "WAET", 1);

	put(t->tables, WAET_RTC_GOOD | WAET_TIMER_GOOD, 4);
	table_end(t, start);
	return start;
}

static uint32_t build_root(struct acpi_tables *t, const char *signature, const uint32_t *list, unsigned n, unsigned size)
{
	uint32_t start = table_begin(t, signature, 1);

	for (unsigned i = 0; i < n; i++)
		put_pointer(t, t->tables, list[i], size);
	table_end(t, start);
	return start;
}

static void build_rsdp(struct acpi_tables *t, uint32_t rsdt, uint32_t xsdt)
{
	GByteArray *b = t->rsdp;

	put_text(b, "RSD PTR ", 8);
	put(b, 0, 1);
	put_text(b, "HVTLFS", 6);
	put(b, 2, 1);
	put_pointer(t, b, rsdt, 4);
	put(b, ACPI_RSDP_SIZE, 4);
	put_pointer(t, b, xsdt, 8);
	put(b, 0, 1);
	put_zeros(b, 3);
	assert(b->len == ACPI_RSDP_SIZE);
	add_checksum(t, b, 8, 0, 20);
	add_checksum(t, b, 32, 0, ACPI_RSDP_SIZE);
}

struct acpi_tables *acpi_build(const struct acpi_config *config)
{
	struct acpi_tables *t = g_new0(struct acpi_tables, 1);
	uint32_t facs, dsdt, list[4], rsdt, xsdt;

	t->tables = g_byte_array_new();
	t->rsdp = g_byte_array_new();
	t->pointers = g_array_new(FALSE, TRUE, sizeof(struct acpi_pointer));
	t->checksums = g_array_new(FALSE, TRUE, sizeof(struct acpi_checksum));
	facs = build_facs(t);
	dsdt = build_dsdt(t);
	list[0] = build_fadt(t, facs, dsdt);
	list[1] = build_madt(t, config);
	list[2] = build_ssdt(t, config);
	list[3] = build_waet(t);
	rsdt = build_root(t, "RSDT", list, G_N_ELEMENTS(list), 4);
	xsdt = build_root(t, "XSDT", list, G_N_ELEMENTS(list), 8);
	build_rsdp(t, rsdt, xsdt);
	return t;
}

void acpi_free(struct acpi_tables *t)
{
	if (!t)
		return;
	g_byte_array_unref(t->tables);
	g_byte_array_unref(t->rsdp);
	g_array_unref(t->pointers);
	g_array_unref(t->checksums);
	g_free(t);
}

void acpi_place(struct acpi_tables *t, uint64_t base)
{
	assert(base % ACPI_TABLES_ALIGN == 0);
	for (guint i = 0; i < t->pointers->len; i++) {
		const struct acpi_pointer *p = &g_array_index(t->pointers, struct acpi_pointer, i);
		GByteArray *b = p->in_rsdp ? t->rsdp : t->tables;

		poke(b, p->offset, peek(b, p->offset, p->size) + base, p->size);
	}
	for (guint i = 0; i < t->checksums->len; i++) {
		const struct acpi_checksum *c = &g_array_index(t->checksums, struct acpi_checksum, i);
		GByteArray *b = c->in_rsdp ? t->rsdp : t->tables;
		uint8_t sum = 0;

		b->data[c->offset] = 0;
		for (uint32_t k = 0; k < c->length; k++)
			sum += b->data[c->start + k];
		b->data[c->offset] = (uint8_t)-sum;
	}
}

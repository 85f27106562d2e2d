/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ACPI tables, read back as a guest would. */
#include <glib.h>
#include <string.h>

#include "../../hw/i386/acpi/build.h"

enum { BASE = 0xe0040, HEADER = 36 };

static struct acpi_tables *t;

static uint64_t le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static void check_sum(const uint8_t *p, unsigned n)
{
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	g_assert_cmpuint(sum, ==, 0);
}

/* A whole table at a guest address, inside of what was built. */
static const uint8_t *table(uint64_t at)
{
	const uint8_t *p;

	g_assert_cmphex(at, >=, BASE);
	g_assert_cmphex(at + HEADER, <=, BASE + t->tables->len);
	p = t->tables->data + (at - BASE);
	g_assert_cmphex(at + le(p + 4, 4), <=, BASE + t->tables->len);
	return p;
}

static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = table(le(t->rsdp->data + 24, 8)), *rsdt = table(le(t->rsdp->data + 16, 4)), *found = NULL;
	unsigned n = (le(xsdt + 4, 4) - HEADER) / 8;

	g_assert_cmpmem(xsdt, 4, "XSDT", 4);
	g_assert_cmpmem(rsdt, 4, "RSDT", 4);
	check_sum(xsdt, le(xsdt + 4, 4));
	check_sum(rsdt, le(rsdt + 4, 4));
	g_assert_cmpuint((le(rsdt + 4, 4) - HEADER) / 4, ==, n);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = table(le(xsdt + HEADER + i * 8, 8));

		g_assert_cmphex(le(rsdt + HEADER + i * 4, 4), ==, le(xsdt + HEADER + i * 8, 8));
		check_sum(p, le(p + 4, 4));
		if (!memcmp(p, signature, 4))
			found = p;
	}
	return found;
}

static void build(uint32_t n, uint32_t first_id)
{
	uint32_t id[300];
	struct acpi_config c = { .apic_id = id, .processors = n, .ioapic_base = 0xfec00000, .lapic_base = 0xfee00000 };

	for (uint32_t i = 0; i < n; i++)
		id[i] = first_id + i;
	t = acpi_build(&c);
	acpi_place(t, BASE);
}

static void roots(void)
{
	build(2, 0);
	g_assert_cmpmem(t->rsdp->data, 8, "RSD PTR ", 8);
	g_assert_cmpuint(t->rsdp->len, ==, 36);
	g_assert_cmpuint(t->rsdp->data[15], ==, 2);
	check_sum(t->rsdp->data, 20);
	check_sum(t->rsdp->data, 36);
	g_assert_nonnull(find("FACP"));
	g_assert_nonnull(find("APIC"));
	g_assert_nonnull(find("SSDT"));
	g_assert_nonnull(find("WAET"));
	g_assert_null(find("HPET"));
	acpi_free(t);
}

static void fadt(void)
{
	const uint8_t *f, *dsdt, *facs;

	build(1, 0);
	f = find("FACP");
	g_assert_cmpuint(le(f + 4, 4), ==, 268);
	dsdt = table(le(f + 40, 4));
	g_assert_cmphex(le(f + 140, 8), ==, le(f + 40, 4));
	g_assert_cmpmem(dsdt, 4, "DSDT", 4);
	check_sum(dsdt, le(dsdt + 4, 4));
	facs = table(le(f + 36, 4));
	g_assert_cmpmem(facs, 4, "FACS", 4);
	g_assert_cmphex(le(f + 36, 4) % 64, ==, 0);
	g_assert_cmpuint(le(f + 46, 2), ==, 9);          /* SCI */
	g_assert_cmphex(le(f + 48, 4), ==, 0);           /* no SMI command */
	g_assert_cmphex(le(f + 56, 4), ==, 0x600);       /* PM1a events */
	g_assert_cmphex(le(f + 64, 4), ==, 0x604);       /* PM1a control */
	g_assert_cmphex(le(f + 76, 4), ==, 0x608);       /* timer */
	g_assert_cmphex(le(f + 80, 4), ==, 0x620);       /* GPE0 */
	g_assert_cmpuint(f[88], ==, 4);
	g_assert_cmpuint(f[91], ==, 4);
	g_assert_cmpuint(f[92], ==, 16);
	g_assert_cmphex(f[108], ==, 0x32);               /* century */
	g_assert_cmphex(le(f + 109, 2), ==, 0x7);
	g_assert_cmphex(le(f + 112, 4) & (1 << 4), ==, 0);      /* power button is fixed hardware */
	g_assert_cmphex(le(f + 112, 4) & (1 << 10), ==, 1 << 10);
	g_assert_cmpuint(f[116], ==, 1);                 /* reset register: I/O space */
	g_assert_cmphex(le(f + 120, 8), ==, 0xcf9);
	g_assert_cmphex(f[128], ==, 0x0f);
	g_assert_cmphex(le(f + 148 + 4, 8), ==, 0x600);
	g_assert_cmphex(le(f + 172 + 4, 8), ==, 0x604);
	g_assert_cmphex(le(f + 208 + 4, 8), ==, 0x608);
	acpi_free(t);
}

struct madt {
	unsigned lapics, x2apics, ioapics, overrides, nmis;
	uint64_t ids;
};

static struct madt read_madt(void)
{
	const uint8_t *m = find("APIC"), *e = m + 44, *end = m + le(m + 4, 4);
	struct madt r = { 0 };

	g_assert_cmphex(le(m + 36, 4), ==, 0xfee00000);
	g_assert_cmphex(le(m + 40, 4), ==, 1);
	for (; e < end; e += e[1]) {
		g_assert_cmpuint(e[1], >=, 2);
		switch (e[0]) {
		case 0:
			g_assert_cmpuint(e[1], ==, 8);
			g_assert_cmpuint(e[2], ==, r.lapics + r.x2apics);
			r.ids += e[3];
			r.lapics++;
			break;
		case 9:
			g_assert_cmpuint(e[1], ==, 16);
			g_assert_cmpuint(le(e + 12, 4), ==, r.lapics + r.x2apics);
			g_assert_cmpuint(le(e + 4, 4), >=, 255);
			r.ids += le(e + 4, 4);
			r.x2apics++;
			break;
		case 1:
			g_assert_cmphex(le(e + 4, 4), ==, 0xfec00000);
			r.ioapics++;
			break;
		case 2:
			if (e[3] == 0)
				g_assert_cmpuint(le(e + 4, 4), ==, 2);
			else
				g_assert_cmphex(le(e + 8, 2), ==, 0xd);
			r.overrides++;
			break;
		case 4:
			g_assert_cmpuint(e[5], ==, 1);
			r.nmis++;
			break;
		case 10:
			g_assert_cmpuint(e[1], ==, 12);
			g_assert_cmpuint(e[8], ==, 1);
			r.nmis++;
			break;
		default:
			g_assert_not_reached();
		}
	}
	g_assert_true(e == end);
	return r;
}

static void madt(void)
{
	struct madt r;

	for (unsigned n = 1; n <= 64; n++) {
		build(n, 0);
		r = read_madt();
		g_assert_cmpuint(r.lapics, ==, n);
		g_assert_cmpuint(r.x2apics, ==, 0);
		g_assert_cmpuint(r.ids, ==, n * (n - 1) / 2);
		g_assert_cmpuint(r.ioapics, ==, 1);
		g_assert_cmpuint(r.overrides, ==, 2);
		g_assert_cmpuint(r.nmis, ==, 1);
		acpi_free(t);
	}
	build(4, 253);
	r = read_madt();
	g_assert_cmpuint(r.lapics, ==, 2);
	g_assert_cmpuint(r.x2apics, ==, 2);
	g_assert_cmpuint(r.nmis, ==, 2);
	acpi_free(t);
}

/* Every processor device is there once, and all lengths nest. */
static void ssdt(void)
{
	for (unsigned n = 1; n <= 64; n += 9) {
		const uint8_t *s, *p, *end;
		unsigned seen = 0;

		build(n, 0);
		s = find("SSDT");
		for (p = s + HEADER, end = s + le(s + 4, 4); p < end; seen++) {
			unsigned scope, device;
			char name[5];

			g_assert_cmphex(p[0], ==, 0x10);
			scope = (p[1] & 0xf) | p[2] << 4;
			g_assert_cmpmem(p + 3, 5, "\\_SB_", 5);
			g_assert_cmphex(le(p + 8, 2), ==, 0x825b);
			device = (p[10] & 0xf) | p[11] << 4;
			g_assert_cmpuint(device + 9, ==, scope);
			g_snprintf(name, sizeof name, "C%03X", seen);
			g_assert_cmpmem(p + 12, 4, name, 4);
			g_assert_cmpuint(le(p + 1 + scope - 2, 2), ==, seen);   /* _UID is last */
			p += 1 + scope;
		}
		g_assert_true(p == end);
		g_assert_cmpuint(seen, ==, n);
		acpi_free(t);
	}
}

/* The lists say all that placing did: done by hand, they give the same bytes. */
static void relocation_lists(void)
{
	uint32_t id = 0;
	struct acpi_config c = { .apic_id = &id, .processors = 1, .ioapic_base = 0xfec00000, .lapic_base = 0xfee00000 };
	struct acpi_tables *raw = acpi_build(&c);
	unsigned in_rsdp = 0, wide = 0;

	for (guint i = 0; i < raw->pointers->len; i++) {
		const struct acpi_pointer *p = &g_array_index(raw->pointers, struct acpi_pointer, i);

		in_rsdp += p->in_rsdp;
		wide += p->size == 8;
		g_assert_cmphex(le((p->in_rsdp ? raw->rsdp : raw->tables)->data + p->offset, p->size), <, raw->tables->len);
	}
	g_assert_cmpuint(in_rsdp, ==, 2);
	g_assert_cmpuint(wide, ==, 1 + 1 + 4);           /* XSDT address, X_DSDT, XSDT entries */
	for (guint i = 0; i < raw->checksums->len; i++) {
		const struct acpi_checksum *k = &g_array_index(raw->checksums, struct acpi_checksum, i);

		g_assert_cmpuint(k->offset, >=, k->start);
		g_assert_cmpuint(k->offset, <, k->start + k->length);
		g_assert_cmpuint(k->start + k->length, <=, (k->in_rsdp ? raw->rsdp : raw->tables)->len);
	}
	acpi_free(raw);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/acpi/roots", roots);
	g_test_add_func("/acpi/fadt", fadt);
	g_test_add_func("/acpi/madt", madt);
	g_test_add_func("/acpi/ssdt", ssdt);
	g_test_add_func("/acpi/lists", relocation_lists);
	return g_test_run();
}

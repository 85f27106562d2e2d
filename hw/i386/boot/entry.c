/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first processor at a kernel's entry: flat segments, and identity page tables for 64-bit entries. */
#include "boot.h"

enum { SEL_CODE = 0x10, SEL_DATA = 0x18, SEL_TSS = 0x20, GDT_ENTRIES = 5, TSS_LIMIT = 0x67 };
enum { ATTR_CODE = SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED | SEG_G,
       ATTR_DATA = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | SEG_G | SEG_DB,
       ATTR_TSS32_BUSY = SEG_P | 0xb };
enum { PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_LARGE = 1 << 7, TABLE = 4096, ENTRIES = 512, IDENTITY_GIB = 4 };

/* Descriptor with base 0. */
static uint64_t descriptor(uint32_t attr, uint32_t limit)
{
	uint32_t raw = attr & SEG_G ? limit >> 12 : limit;

	return (raw & 0xffff) | (uint64_t)(attr & 0xf0ff) << 40 | (uint64_t)(raw & 0xf0000) << 32;
}

static uint32_t code_attr(const struct boot_entry *e)
{
	return ATTR_CODE | (e->long_mode ? SEG_L : SEG_DB);
}

static bool write_gdt(struct boot *b, GError **error)
{
	uint8_t gdt[GDT_ENTRIES * 8] = { 0 };

	put_le(gdt + SEL_CODE, descriptor(code_attr(&b->entry), UINT32_MAX), 8);
	put_le(gdt + SEL_DATA, descriptor(ATTR_DATA, UINT32_MAX), 8);
	put_le(gdt + SEL_TSS, descriptor(ATTR_TSS32_BUSY, TSS_LIMIT), 8);
	return boot_write(b, BOOT_GDT, gdt, sizeof gdt, error);
}

/* The first 4 GiB in pages of 2 MiB: PML4, one directory pointer table, a directory for each GiB. */
static bool write_page_tables(struct boot *b, GError **error)
{
	enum { TABLES = 2 + IDENTITY_GIB };
	g_autofree uint8_t *t = g_malloc0(TABLES * TABLE);

	put_le(t, (BOOT_PAGE_TABLES + TABLE) | PTE_P | PTE_W, 8);
	for (unsigned g = 0; g < IDENTITY_GIB; g++)
		put_le(t + TABLE + g * 8, (uint64_t)(BOOT_PAGE_TABLES + (2 + g) * TABLE) | PTE_P | PTE_W, 8);
	for (unsigned n = 0; n < IDENTITY_GIB * ENTRIES; n++)
		put_le(t + 2 * TABLE + n * 8, (uint64_t)n << 21 | PTE_P | PTE_W | PTE_LARGE, 8);
	return boot_write(b, BOOT_PAGE_TABLES, t, TABLES * TABLE, error);
}

bool boot_prepare_entry(struct boot *b, GError **error)
{
	return write_gdt(b, error) && (!b->entry.long_mode || write_page_tables(b, error));
}

void boot_enter(const struct boot_entry *e, struct x86_cpu *c)
{
	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		c->seg[s] = (struct x86_seg){ .limit = UINT32_MAX, .attr = s == X86_CS ? code_attr(e) : ATTR_DATA,
					      .sel = s == X86_CS ? SEL_CODE : SEL_DATA };
	c->tr = (struct x86_seg){ .limit = TSS_LIMIT, .attr = ATTR_TSS32_BUSY, .sel = SEL_TSS };
	c->gdt = (struct x86_table){ .base = BOOT_GDT, .limit = GDT_ENTRIES * 8 - 1 };
	c->idt = (struct x86_table){ 0 };
	c->cr0 = CR0_PE | CR0_ET;
	c->cr4 = 0;
	c->efer = 0;
	if (e->long_mode) {
		c->cr3 = BOOT_PAGE_TABLES;
		c->cr4 = CR4_PAE;
		c->efer = EFER_LME | EFER_LMA;
		c->cr0 |= CR0_PG;
	}
	c->eflags = 1 << 1;
	c->gpr[X86_RAX] = e->eax;
	c->gpr[X86_RBX] = e->ebx;
	c->gpr[X86_RSI] = e->esi;
	c->gpr[X86_RDX] = c->gpr[X86_RBP] = c->gpr[X86_RDI] = 0;
	c->rip = e->rip;
	x86_mode_update(c);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The local APIC as a component of a partition that is made of nothing but what it asks for. */
#include <stdlib.h>
#include <string.h>

#include "hv/vp.h"
#include "hw/intc/apic.h"

enum { VPS = 4, BASE = 0xfee00000 };
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100,
       TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR = 0x300, ICR2 = 0x310, LVT_TIMER = 0x320, LVT_LINT0 = 0x350,
       LVT_LINT1 = 0x360, LVT_ERROR = 0x370, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0 };
enum { MASKED = 1 << 16, NONE = -1 };

/* ---- the world around it ---- */

struct vp {
	struct x86_cpu cpu;
	struct partition *p;
	uint32_t index, pended;
	int sipi, ended, ends;
	uint32_t assist;             /* the page's first word */
	bool assists;
	uint64_t counted[VP_COUNT_COUNT];
	void *state;
};

struct partition {
	struct vp vp[VPS];
	uint64_t tsc;
	int pic_vector, eoi_vector, eois;
	/* The last register that the parent was offered, and how many; it takes ICRs. */
	uint32_t written;
	uint64_t value;
	unsigned writes;
	bool takes;
};

void *vp_component_state(struct vp *vp, const struct vp_component *k) { return vp->state; }
uint32_t vp_index(const struct vp *vp) { return vp->index; }
struct partition *vp_partition(struct vp *vp) { return vp->p; }
struct x86_cpu *vp_cpu(struct vp *vp) { return &vp->cpu; }
void vp_pend(struct vp *vp, uint32_t bits) { vp->pended |= bits; }
void vp_sipi(struct vp *vp, uint8_t vector) { vp->sipi = vector; }
void vp_deadline_changed(struct vp *vp) { }
uint32_t partition_vp_limit(const struct partition *p) { return VPS; }
struct vp *partition_vp(const struct partition *p, uint32_t i) { return i < VPS ? (struct vp *)&p->vp[i] : NULL; }
struct vp *partition_next_vp(const struct partition *p, const struct vp *after) { return partition_vp(p, after ? after->index + 1 : 0); }
struct hv *partition_hv(struct partition *p) { return NULL; }
uint64_t hv_tsc_hz(struct hv *hv) { return UINT64_C(2000000000); }
uint64_t partition_tsc(struct partition *p) { return p->tsc; }
int partition_pic_acknowledge(struct partition *p) { return p->pic_vector; }
void vp_level_ended(struct vp *vp, uint8_t vector) { vp->p->eoi_vector = vector; vp->p->eois++; }

bool vp_apic_written(struct vp *vp, uint32_t offset, uint64_t value)
{
	vp->p->written = offset;
	vp->p->value = value;
	vp->p->writes++;
	return vp->p->takes;
}

uint32_t *vp_eoi_assist(struct vp *vp) { return vp->assists ? &vp->assist : NULL; }
void vp_count(struct vp *vp, enum vp_count n) { vp->counted[n]++; }
void vp_count_shared(struct vp *vp, enum vp_count n) { vp->counted[n]++; }
void vp_interrupt_ended(struct vp *vp, uint8_t vector) { vp->ended = vector; vp->ends++; }

static const struct vp_component *const k = &apic_component;

static struct partition *world(void)
{
	struct partition *p = aligned_alloc(64, (sizeof *p + 63) / 64 * 64);

	memset(p, 0, sizeof *p);
	for (uint32_t i = 0; i < VPS; i++) {
		struct vp *vp = &p->vp[i];

		*vp = (struct vp){ .p = p, .index = i, .sipi = NONE, .state = g_malloc0(k->size) };
		vp->cpu.apic_id = i;
		g_assert_true(k->init(vp, vp->state));
	}
	for (uint32_t i = 0; i < VPS; i++)
		k->reset(&p->vp[i], p->vp[i].state, X86_RESET_POWER_ON);
	return p;
}

static void end(struct partition *p)
{
	for (uint32_t i = 0; i < VPS; i++)
		g_free(p->vp[i].state);
	free(p);
}

static uint32_t rd(struct vp *vp, unsigned reg)
{
	uint64_t v = 0;

	g_assert_true(k->mmio_read(vp, vp->state, (gpa_t){ BASE + reg }, 4, &v));
	return (uint32_t)v;
}

static void wr(struct vp *vp, unsigned reg, uint32_t v)
{
	g_assert_true(k->mmio_write(vp, vp->state, (gpa_t){ BASE + reg }, 4, v));
}

static const struct msr_row *row(uint32_t msr)
{
	for (const struct msr_row *r = k->msrs; r->name; r++) {
		if (msr >= r->first && msr <= r->last)
			return r;
	}
	g_assert_not_reached();
}

static enum x86_result wrmsr(struct vp *vp, uint32_t msr, uint64_t v) { return row(msr)->write(vp, msr, v); }

static enum x86_result rdmsr(struct vp *vp, uint32_t msr, uint64_t *v) { return row(msr)->read(vp, msr, v); }

static int take(struct vp *vp) { return k->interrupt(vp, vp->state); }

static void enable_all(struct partition *p)
{
	for (unsigned i = 0; i < VPS; i++)
		wr(&p->vp[i], SVR, 0x1ff);
}

static uint32_t pended(struct vp *vp)
{
	uint32_t was = vp->pended;

	vp->pended = 0;
	return was;
}

/* ---- tests ---- */

static void reset_values(void)
{
	struct partition *p = world();
	uint64_t base;

	g_assert_cmphex(rd(&p->vp[2], ID), ==, 2 << 24);
	g_assert_cmphex(rd(&p->vp[1], VERSION), ==, 0x00050015);
	g_assert_cmphex(rd(&p->vp[1], SVR), ==, 0xff);
	g_assert_cmphex(rd(&p->vp[1], DFR), ==, UINT32_MAX);
	g_assert_cmphex(rd(&p->vp[1], LVT_TIMER), ==, MASKED);
	g_assert_cmphex(rd(&p->vp[1], LVT_LINT0), ==, MASKED);
	g_assert_cmphex(rd(&p->vp[0], LVT_LINT0), ==, 0x700);
	rdmsr(&p->vp[0], 0x1b, &base);
	g_assert_cmphex(base, ==, 0xfee00900);
	rdmsr(&p->vp[1], 0x1b, &base);
	g_assert_cmphex(base, ==, 0xfee00800);
	end(p);
}

static void priorities(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	k->msi(p, 0xfee00000, 0x41);
	k->msi(p, 0xfee00000, 0x55);
	k->msi(p, 0xfee00000, 0x58);
	g_assert_cmphex(pended(vp) & X86_PEND_INTR, ==, X86_PEND_INTR);
	g_assert_cmphex(rd(vp, IRR + 0x20), ==, 1u << 21 | 1u << 24 | 1u << 1);
	g_assert_cmpint(take(vp), ==, 0x58);
	g_assert_cmpint(take(vp), ==, NONE);            /* same class waits */
	g_assert_cmphex(rd(vp, PPR), ==, 0x50);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 1u << 24);
	pended(vp);
	wr(vp, EOI, 0);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);  /* looked at again */
	g_assert_cmpint(take(vp), ==, 0x55);
	wr(vp, TPR, 0x40);
	wr(vp, EOI, 0);
	g_assert_cmpint(take(vp), ==, NONE);             /* TPR holds 0x41 */
	g_assert_false(k->interrupt_pending(vp, vp->state));
	k->tpr_write(vp, vp->state, 3);
	g_assert_cmpuint(k->tpr_read(vp, vp->state), ==, 3);
	g_assert_cmphex(rd(vp, TPR), ==, 0x30);
	g_assert_true(k->interrupt_pending(vp, vp->state));
	g_assert_cmpint(take(vp), ==, 0x41);
	g_assert_cmpint(p->eois, ==, 0);                 /* edges need no broadcast */
	end(p);
}

static void level_eoi(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[1];

	enable_all(p);
	k->msi(p, 0xfee01000, 0xc061);
	g_assert_cmphex(rd(vp, TMR + 0x30), ==, 1 << 1);
	g_assert_cmpint(take(vp), ==, 0x61);
	wr(vp, EOI, 0);
	g_assert_cmpint(p->eois, ==, 1);
	g_assert_cmpint(p->eoi_vector, ==, 0x61);
	k->msi(p, 0xfee01000, 0x61);
	g_assert_cmphex(rd(vp, TMR + 0x30), ==, 0);
	end(p);
}

/* What vp_raise() does: never level, ended as soon as taken if so asked. */
static void raised(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	k->raise(vp, vp->state, 0x52, RAISE_AUTO_EOI);
	g_assert_cmphex(pended(vp) & X86_PEND_INTR, ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, 0x52);
	g_assert_cmpint(vp->ended, ==, 0x52);
	g_assert_cmpint(vp->ends, ==, 1);
	/* Nothing is in service: one of lower priority comes through, and is in service. */
	k->raise(vp, vp->state, 0x42, 0);
	g_assert_cmpint(take(vp), ==, 0x42);
	g_assert_cmpint(vp->ends, ==, 1);
	k->raise(vp, vp->state, 0x43, 0);
	g_assert_cmpint(take(vp), ==, -1);
	wr(vp, EOI, 0);
	g_assert_cmpint(vp->ended, ==, 0x42);
	g_assert_cmpint(vp->ends, ==, 2);
	/* The last request says how it ends. */
	k->raise(vp, vp->state, 0x52, RAISE_AUTO_EOI);
	k->raise(vp, vp->state, 0x52, 0);
	g_assert_cmpint(take(vp), ==, 0x52);
	g_assert_cmpint(vp->ends, ==, 2);
	g_assert_cmpint(p->eois, ==, 0);
	end(p);
}

static void software_disabled(void)
{
	struct partition *p = world();

	k->msi(p, 0xfee01000, 0x61);
	wr(&p->vp[1], SVR, 0x1ff);
	g_assert_cmpint(take(&p->vp[1]), ==, NONE);
	k->msi(p, 0xfee01000, 0x400);                    /* NMI gets through all the same */
	wr(&p->vp[2], SVR, 0xff);
	k->msi(p, 0xfee02000, 0x400);
	g_assert_cmphex(pended(&p->vp[2]), ==, X86_PEND_NMI);
	wr(&p->vp[2], LVT_ERROR, 0xfe);
	g_assert_cmphex(rd(&p->vp[2], LVT_ERROR), ==, 0xfe | MASKED);
	end(p);
}

static void logical_destinations(void)
{
	struct partition *p = world();

	enable_all(p);
	for (unsigned i = 0; i < VPS; i++)
		wr(&p->vp[i], LDR, 1u << (24 + i));
	k->msi(p, 0xfee00000 | 0xa << 12 | 4, 0x70);     /* flat: VPs 1 and 3 */
	for (unsigned i = 0; i < VPS; i++)
		g_assert_cmpint(take(&p->vp[i]), ==, i & 1 ? 0x70 : NONE);
	for (unsigned i = 0; i < VPS; i++) {
		wr(&p->vp[i], EOI, 0);
		wr(&p->vp[i], DFR, 0x0fffffff);
		wr(&p->vp[i], LDR, (i / 2) << 28 | (1u << i % 2) << 24);
	}
	k->msi(p, 0xfee00000 | 0x13 << 12 | 4, 0x71);    /* cluster 1, both members */
	for (unsigned i = 0; i < VPS; i++)
		g_assert_cmpint(take(&p->vp[i]), ==, i >= 2 ? 0x71 : NONE);
	k->msi(p, 0xfee00000 | 0xff << 12, 0x90);        /* physical broadcast */
	for (unsigned i = 0; i < VPS; i++)
		g_assert_cmpint(take(&p->vp[i]), ==, 0x90);
	end(p);
}

static void lowest_priority(void)
{
	struct partition *p = world();
	unsigned got = 0;

	enable_all(p);
	for (unsigned i = 0; i < VPS; i++) {
		wr(&p->vp[i], LDR, 1u << (24 + i));
		wr(&p->vp[i], TPR, i == 2 ? 0x10 : 0x20);
	}
	k->msi(p, 0xfee00000 | 0xf << 12 | 4, 0x170);
	g_assert_cmpint(take(&p->vp[2]), ==, 0x70);
	for (unsigned i = 0; i < VPS; i++)
		got += k->interrupt_pending(&p->vp[i], p->vp[i].state);
	g_assert_cmpuint(got, ==, 0);
	end(p);
}

static void ipis(void)
{
	struct partition *p = world();

	enable_all(p);
	wr(&p->vp[0], ICR2, 3u << 24);
	wr(&p->vp[0], ICR, 0x4000 | 0x80);
	g_assert_cmpint(take(&p->vp[3]), ==, 0x80);
	wr(&p->vp[0], ICR, 1 << 18 | 0x4000 | 0x81);     /* self */
	g_assert_cmpint(take(&p->vp[0]), ==, 0x81);
	wr(&p->vp[1], ICR, 3 << 18 | 0x4000 | 0x92);     /* all but self */
	for (unsigned i = 0; i < VPS; i++)
		g_assert_cmpint(take(&p->vp[i]), ==, i == 1 ? NONE : 0x92);
	wr(&p->vp[1], ICR, 2 << 18 | 0x4000 | 0xa3);     /* all */
	for (unsigned i = 0; i < VPS; i++)
		g_assert_cmpint(take(&p->vp[i]), ==, 0xa3);
	g_assert_cmphex(rd(&p->vp[0], ICR) & 1 << 12, ==, 0);
	end(p);
}

static void start_up(void)
{
	struct partition *p = world();

	pended(&p->vp[1]);
	pended(&p->vp[0]);
	wr(&p->vp[0], ICR2, 1u << 24);
	wr(&p->vp[0], ICR, 0xc500);
	g_assert_cmphex(pended(&p->vp[1]), ==, X86_PEND_INIT);
	wr(&p->vp[0], ICR, 0x8500);                      /* level de-assert: nothing */
	g_assert_cmphex(pended(&p->vp[1]), ==, 0);
	wr(&p->vp[0], ICR, 0x0600 | 0x9a);
	g_assert_cmpint(p->vp[1].sipi, ==, 0x9a);
	g_assert_cmpint(p->vp[2].sipi, ==, NONE);
	wr(&p->vp[0], ICR, 3 << 18 | 0x0600 | 0x08);
	g_assert_cmpint(p->vp[3].sipi, ==, 0x08);
	g_assert_cmpint(p->vp[0].sipi, ==, NONE);
	end(p);
}

static void errors(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	wr(vp, LVT_ERROR, 0xfe);
	wr(vp, ICR, 1 << 18 | 0x05);
	g_assert_cmpint(take(vp), ==, 0xfe);
	g_assert_cmphex(rd(vp, ESR), ==, 0);             /* visible after a write only */
	wr(vp, ESR, 0);
	g_assert_cmphex(rd(vp, ESR), ==, 1 << 5);
	rd(vp, 0x3f0);
	wr(vp, 0x20, 7);
	wr(vp, ESR, 0);
	g_assert_cmphex(rd(vp, ESR), ==, 1 << 7);
	k->msi(p, 0xfee00000, 0x0f);
	wr(vp, ESR, 0);
	g_assert_cmphex(rd(vp, ESR), ==, 1 << 6);
	wr(vp, ESR, 0);
	g_assert_cmphex(rd(vp, ESR), ==, 0);
	end(p);
}

static void extint(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	p->pic_vector = 0x30;
	k->extint(p, true);
	g_assert_true(k->interrupt_pending(vp, vp->state));   /* virtual wire from reset on */
	g_assert_false(k->interrupt_pending(&p->vp[1], p->vp[1].state));
	g_assert_cmpint(take(vp), ==, 0x30);
	k->extint(p, false);
	g_assert_false(k->interrupt_pending(vp, vp->state));
	enable_all(p);
	wr(vp, LVT_LINT0, MASKED | 0x700);
	k->extint(p, true);
	g_assert_false(k->interrupt_pending(vp, vp->state));
	pended(vp);
	wr(vp, LVT_LINT0, 0x700);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, 0x30);
	k->extint(p, false);
	k->msi(p, 0xfee01000, 0x700);                    /* I/O APIC pin in ExtINT mode */
	g_assert_cmpint(take(&p->vp[1]), ==, 0x30);
	g_assert_cmpint(take(&p->vp[1]), ==, NONE);
	end(p);
}

static void nmi_line(void)
{
	struct partition *p = world();

	pended(&p->vp[0]);
	k->nmi(p);
	g_assert_cmphex(pended(&p->vp[0]), ==, X86_PEND_NMI);
	enable_all(p);
	k->nmi(p);
	g_assert_cmphex(pended(&p->vp[0]), ==, 0);       /* LINT1 is masked */
	wr(&p->vp[3], LVT_LINT1, 0x400);
	k->nmi(p);
	g_assert_cmphex(pended(&p->vp[3]), ==, X86_PEND_NMI);
	end(p);
}

static void base_transitions(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[3];
	uint64_t v;

	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00400), ==, X86_FAULT_GP);          /* x2APIC but off */
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00801), ==, X86_FAULT_GP);          /* reserved bit */
	g_assert_cmpint(wrmsr(vp, 0x1b, UINT64_C(1) << 60), ==, X86_FAULT_GP);
	g_assert_cmpint(rdmsr(vp, 0x802, &v), ==, X86_FAULT_GP);
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00c00), ==, X86_OK);
	g_assert_false(k->mmio_read(vp, vp->state, (gpa_t){ BASE + ID }, 4, &v));
	g_assert_cmpint(rdmsr(vp, 0x802, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, 3);
	g_assert_cmpint(rdmsr(vp, 0x80d, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, 1 << 3);
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00800), ==, X86_FAULT_GP);          /* back to xAPIC */
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00000), ==, X86_OK);
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfee00c00), ==, X86_FAULT_GP);          /* off to x2APIC */
	g_assert_cmpint(wrmsr(vp, 0x1b, 0xfed00800), ==, X86_OK);                /* moves */
	g_assert_false(k->mmio_read(vp, vp->state, (gpa_t){ BASE + ID }, 4, &v));
	g_assert_true(k->mmio_read(vp, vp->state, (gpa_t){ 0xfed00000 + ID }, 4, &v));
	end(p);
}

static void x2apic(void)
{
	struct partition *p = world();
	uint64_t v;

	for (unsigned i = 0; i < VPS; i++) {
		g_assert_cmpint(wrmsr(&p->vp[i], 0x1b, 0xfee00c00 | (i ? 0 : 0x100)), ==, X86_OK);
		g_assert_cmpint(wrmsr(&p->vp[i], 0x80f, 0x1ff), ==, X86_OK);
	}
	g_assert_cmpint(wrmsr(&p->vp[0], 0x830, UINT64_C(2) << 32 | 0x4050), ==, X86_OK);
	g_assert_cmpint(take(&p->vp[2]), ==, 0x50);
	g_assert_cmpint(rdmsr(&p->vp[0], 0x830, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, UINT64_C(2) << 32 | 0x4050);
	g_assert_cmpint(wrmsr(&p->vp[0], 0x830, UINT64_C(6) << 32 | 0x4851), ==, X86_OK);   /* cluster 0, VPs 1, 2 */
	g_assert_cmpint(take(&p->vp[1]), ==, 0x51);
	g_assert_cmpint(take(&p->vp[2]), ==, NONE);      /* class of 0x50 in service */
	g_assert_cmpint(take(&p->vp[3]), ==, NONE);
	g_assert_cmpint(wrmsr(&p->vp[0], 0x830, UINT64_C(0xff) << 32 | 0x4052), ==, X86_OK); /* no broadcast here */
	g_assert_cmpint(take(&p->vp[3]), ==, NONE);
	g_assert_cmpint(wrmsr(&p->vp[0], 0x830, UINT64_C(0xffffffff) << 32 | 0x4063), ==, X86_OK);
	g_assert_cmpint(take(&p->vp[3]), ==, 0x63);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x83f, 0x99), ==, X86_OK);
	g_assert_cmpint(take(&p->vp[3]), ==, 0x99);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x80b, 1), ==, X86_FAULT_GP);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x80b, 0), ==, X86_OK);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x831, 0), ==, X86_FAULT_GP);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x80d, 0), ==, X86_FAULT_GP);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x808, 0x100), ==, X86_FAULT_GP);
	g_assert_cmpint(wrmsr(&p->vp[3], 0x832, 1 << 20), ==, X86_FAULT_GP);
	g_assert_cmpint(rdmsr(&p->vp[3], 0x80e, &v), ==, X86_FAULT_GP);
	g_assert_cmpint(rdmsr(&p->vp[3], 0x83f, &v), ==, X86_FAULT_GP);
	/* INIT keeps the mode. */
	k->reset(&p->vp[3], p->vp[3].state, X86_RESET_INIT);
	g_assert_cmpint(rdmsr(&p->vp[3], 0x80f, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, 0xff);
	end(p);
}

static int64_t deadline(struct vp *vp) { return k->next_deadline(vp, vp->state); }

static int64_t now(void) { return g_get_monotonic_time() * 1000; }

static void timer_one_shot(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];
	int64_t before, at;

	enable_all(p);
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	wr(vp, DIVIDE, 0x3);                             /* by 16 */
	wr(vp, LVT_TIMER, 0xef);
	before = now();
	wr(vp, INITIAL, 100000000);
	at = deadline(vp);
	g_assert_cmpint(at, >=, before + INT64_C(1600000000));
	g_assert_cmpint(at, <=, now() + INT64_C(1600001000));
	g_assert_cmpuint(rd(vp, CURRENT), <=, 100000000);
	g_assert_cmpuint(rd(vp, CURRENT), >, 50000000);
	k->expire(vp, vp->state, at - 1);
	g_assert_cmpint(take(vp), ==, NONE);
	k->expire(vp, vp->state, at);
	g_assert_cmpint(take(vp), ==, 0xef);
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	g_assert_cmpuint(rd(vp, CURRENT), ==, 0);
	wr(vp, INITIAL, 5);
	wr(vp, INITIAL, 0);
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	end(p);
}

static void timer_periodic(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];
	int64_t at;

	enable_all(p);
	wr(vp, DIVIDE, 0xb);
	wr(vp, LVT_TIMER, 0x200ef);
	wr(vp, INITIAL, 1000000);
	at = deadline(vp);
	k->expire(vp, vp->state, at + 3500000);          /* late by three and a half */
	g_assert_cmpint(deadline(vp), ==, at + 4000000);
	g_assert_cmpint(take(vp), ==, 0xef);
	wr(vp, EOI, 0);
	g_assert_cmpint(take(vp), ==, NONE);
	wr(vp, LVT_TIMER, MASKED | 0x200ef);
	k->expire(vp, vp->state, at + 4000000);
	g_assert_cmpint(take(vp), ==, NONE);
	g_assert_cmpint(deadline(vp), ==, at + 5000000); /* masked, but it counts */
	end(p);
}

static void timer_deadline(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];
	int64_t before;
	uint64_t v;

	enable_all(p);
	p->tsc = 1000;
	g_assert_cmpint(wrmsr(vp, 0x6e0, 5000), ==, X86_OK);       /* not in that mode: ignored */
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	wr(vp, LVT_TIMER, 0x400ec);
	before = now();
	g_assert_cmpint(wrmsr(vp, 0x6e0, UINT64_C(2000001000)), ==, X86_OK);   /* one second */
	g_assert_cmpint(deadline(vp), >=, before + 1000000000);
	g_assert_cmpint(deadline(vp), <=, now() + 1000001000);
	rdmsr(vp, 0x6e0, &v);
	g_assert_cmpuint(v, ==, UINT64_C(2000001000));
	wr(vp, INITIAL, 77);                                       /* ignored in this mode */
	g_assert_cmpuint(rd(vp, INITIAL), ==, 0);
	k->expire(vp, vp->state, deadline(vp));
	g_assert_cmpint(take(vp), ==, 0xec);
	rdmsr(vp, 0x6e0, &v);
	g_assert_cmpuint(v, ==, 0);
	wrmsr(vp, 0x6e0, 10);                                      /* passed already */
	g_assert_cmpint(deadline(vp), <=, now() + 1000);
	wr(vp, LVT_TIMER, 0xec);
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	end(p);
}

static void timer_suspend(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];
	int64_t at;
	uint32_t left;

	enable_all(p);
	wr(vp, DIVIDE, 0xb);
	wr(vp, LVT_TIMER, 0xef);
	wr(vp, INITIAL, 1000000000);
	at = deadline(vp);
	k->suspend(vp, vp->state);
	g_assert_cmpint(deadline(vp), ==, INT64_MAX);
	left = rd(vp, CURRENT);
	g_usleep(20000);
	g_assert_cmpuint(rd(vp, CURRENT), ==, left);
	k->expire(vp, vp->state, INT64_MAX - 1);
	g_assert_cmpint(take(vp), ==, NONE);
	k->resume(vp, vp->state);
	g_assert_cmpint(deadline(vp), >=, at + 20000000);
	end(p);
}

/* ---- the hypervisor's MSRs, the VP assist page ---- */

enum { EOI_MSR = 0x40000070, ICR_MSR, TPR_MSR };

static void synthetic_msrs(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];
	uint64_t v;

	enable_all(p);
	g_assert_null(row(EOI_MSR)->read);                       /* T13.2.3.1.b */
	g_assert_cmphex(row(TPR_MSR)->reserved, ==, ~UINT64_C(0xff));   /* T13.2.3.3.d */
	for (uint32_t msr = EOI_MSR; msr <= TPR_MSR; msr++)
		g_assert_cmphex(row(msr)->privilege, ==, 1 << 4);       /* T13.2.3.a */
	/* T13.2.3.2.b: to the destination in the same write; T13.2.3.2.a, T13.2.3.c */
	g_assert_cmpint(wrmsr(vp, ICR_MSR, UINT64_C(2) << 56 | 0x4051), ==, X86_OK);
	g_assert_cmpint(take(&p->vp[1]), ==, NONE);
	g_assert_cmpint(take(&p->vp[2]), ==, 0x51);
	g_assert_cmpint(rdmsr(vp, ICR_MSR, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, UINT64_C(2) << 56 | 0x4051);
	g_assert_cmphex(rd(vp, ICR2), ==, 2 << 24);
	g_assert_cmphex(rd(vp, ICR), ==, 0x4051);
	wrmsr(vp, ICR_MSR, UINT64_C(0x01ffffff) << 32 | 0x4052);
	g_assert_cmphex(rd(vp, ICR2), ==, 1 << 24);
	g_assert_cmpint(take(&p->vp[1]), ==, 0x52);
	/* T13.2.3.1.a, T13.2.3.1.c */
	g_assert_cmpint(wrmsr(&p->vp[2], EOI_MSR, UINT64_MAX), ==, X86_OK);
	g_assert_cmphex(rd(&p->vp[2], ISR + 0x20), ==, 0);
	g_assert_cmpint(p->vp[2].ended, ==, 0x51);
	g_assert_cmpuint(p->vp[2].counted[COUNT_EOI_MSRS], ==, 1);
	/* T13.2.3.3.a, T13.2.3.3.b, T13.2.3.3.c */
	g_assert_cmpint(wrmsr(vp, TPR_MSR, 0x6f), ==, X86_OK);
	g_assert_cmphex(rd(vp, TPR), ==, 0x6f);
	g_assert_cmphex(k->tpr_read(vp, vp->state), ==, 6);
	k->msi(p, 0xfee00000, 0x62);
	g_assert_cmpint(take(vp), ==, NONE);
	pended(vp);
	wrmsr(vp, TPR_MSR, 0x50);
	g_assert_cmphex(pended(vp) & X86_PEND_INTR, ==, X86_PEND_INTR);
	g_assert_cmpint(rdmsr(vp, TPR_MSR, &v), ==, X86_OK);
	g_assert_cmphex(v, ==, 0x50);
	g_assert_cmpint(take(vp), ==, 0x62);
	end(p);
}

static void assist_offered(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	vp->assists = true;
	/* T13.3.4.1.d, T13.3.4.1.g */
	k->msi(p, 0xfee00000, 0x51);
	g_assert_cmpint(take(vp), ==, 0x51);
	g_assert_cmphex(vp->assist, ==, 1);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 1 << 17);
	vp->assist = 0;
	k->msi(p, 0xfee00000, 0x41);                     /* would wait for 0x51 */
	g_assert_true(k->interrupt_pending(vp, vp->state));
	g_assert_cmpint(vp->ended, ==, 0x51);
	g_assert_cmpint(take(vp), ==, 0x41);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 1 << 1);
	g_assert_cmpuint(vp->counted[COUNT_EOIS_AVOIDED], ==, 1);
	/* T13.3.4.1.i: an EOI with the bit still set ends it, once. */
	g_assert_cmphex(vp->assist, ==, 1);
	wr(vp, EOI, 0);
	g_assert_cmphex(vp->assist, ==, 0);
	g_assert_cmpint(vp->ends, ==, 2);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 0);
	g_assert_cmpint(vp->ends, ==, 2);
	/* T13.3.4.1.e, T13.3.4.1.l: level-triggered. */
	vp->assist = 1;
	k->msi(p, 0xfee00000, 0xc061);
	g_assert_cmpint(take(vp), ==, 0x61);
	g_assert_cmphex(vp->assist, ==, 0);
	wr(vp, EOI, 0);
	g_assert_cmpint(p->eoi_vector, ==, 0x61);
	/* T13.3.4.1.e: one of lower priority waits. */
	k->msi(p, 0xfee00000, 0x51);
	k->msi(p, 0xfee00000, 0x41);
	g_assert_cmpint(take(vp), ==, 0x51);
	g_assert_cmphex(vp->assist, ==, 0);
	wr(vp, EOI, 0);
	g_assert_cmpint(take(vp), ==, 0x41);
	g_assert_cmphex(vp->assist, ==, 1);
	/* The guest does not look there any more: T13.3.4.1.j. */
	vp->assists = false;
	wr(vp, EOI, 0);
	vp->assist = 0;
	k->msi(p, 0xfee00000, 0x41);
	g_assert_cmpint(take(vp), ==, 0x41);
	g_assert_cmphex(vp->assist, ==, 0);
	end(p);
}

static void assist_withdrawn(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	vp->assists = true;
	/* T13.3.4.1.f */
	k->msi(p, 0xfee00000, 0x51);
	g_assert_cmpint(take(vp), ==, 0x51);
	k->msi(p, 0xfee00000, 0x41);
	g_assert_cmphex(pended(vp) & X86_PEND_INTR, ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, NONE);
	g_assert_cmphex(vp->assist, ==, 0);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 1 << 17);
	wr(vp, EOI, 0);
	g_assert_cmphex(pended(vp) & X86_PEND_INTR, ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, 0x41);
	/* T13.3.4.1.h: nested, the inner one alone can be skipped. */
	g_assert_cmphex(vp->assist, ==, 1);
	k->msi(p, 0xfee00000, 0x71);
	g_assert_cmpint(take(vp), ==, 0x71);
	g_assert_cmphex(vp->assist, ==, 1);
	vp->assist = 0;
	wr(vp, EOI, 0);
	g_assert_cmpint(vp->ended, ==, 0x41);
	g_assert_cmpint(vp->ends, ==, 3);
	g_assert_cmphex(rd(vp, ISR + 0x20), ==, 0);
	g_assert_cmphex(rd(vp, ISR + 0x30), ==, 0);
	/* Automatically ended ones offer nothing. */
	k->raise(vp, vp->state, 0x81, RAISE_AUTO_EOI);
	g_assert_cmpint(take(vp), ==, 0x81);
	g_assert_cmphex(vp->assist, ==, 0);
	/* INIT takes the offer back. */
	k->msi(p, 0xfee00000, 0x51);
	g_assert_cmpint(take(vp), ==, 0x51);
	g_assert_cmphex(vp->assist, ==, 1);
	k->reset(vp, vp->state, X86_RESET_INIT);
	g_assert_cmphex(vp->assist, ==, 0);
	end(p);
}

static void check_written(struct partition *p, unsigned reg, uint32_t value)
{
	unsigned before = p->writes;

	wr(&p->vp[0], reg, value);
	g_assert_cmpuint(p->writes, ==, before + 1);
	g_assert_cmphex(p->written, ==, reg);
	g_assert_cmphex((uint32_t)p->value, ==, value);
}

/* What a parent may want to hear of: not the hot ones. */
static void writes_told(void)
{
	static const unsigned told[] = { SVR, LDR, DFR, LVT_LINT0, LVT_LINT1 };
	static const unsigned untold[] = { TPR, EOI, LVT_TIMER, LVT_ERROR, ESR };
	struct partition *p = world();

	enable_all(p);
	for (unsigned i = 0; i < G_N_ELEMENTS(told); i++)
		check_written(p, told[i], 0x1ff);
	p->writes = 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(untold); i++)
		wr(&p->vp[0], untold[i], 0);
	/* A fixed interrupt to VP 1. */
	wr(&p->vp[0], ICR2, 1 << 24);
	wr(&p->vp[0], ICR, 0x4055);
	g_assert_cmpuint(p->writes, ==, 0);
	pended(&p->vp[1]);
	/* INIT, SIPI: sent, unless the parent takes them. */
	check_written(p, ICR, 0x4500);
	g_assert_cmphex(pended(&p->vp[1]), ==, X86_PEND_INIT);
	p->takes = true;
	check_written(p, ICR, 0x4500);
	g_assert_cmphex(pended(&p->vp[1]), ==, 0);
	check_written(p, ICR, 0x4612);
	g_assert_cmphex(p->value >> 56, ==, 1);
	g_assert_cmpint(p->vp[1].sipi, ==, NONE);
	end(p);
}

static void notified(void)
{
	struct partition *p = world();
	struct vp *vp = &p->vp[0];

	enable_all(p);
	k->msi(p, 0xfee00000, 0x51);
	pended(vp);
	k->notify(vp, vp->state, HV_NOTIFY_INTERRUPT);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);
	/* Before what waits in the APIC, which is looked at again; once. */
	g_assert_cmpint(take(vp), ==, X86_INTERRUPT_STOP);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, 0x51);
	wr(vp, EOI, 0);
	/* Above a priority; a sleeper is not woken for it. */
	wr(vp, TPR, 0x60);
	k->notify(vp, vp->state, HV_NOTIFY_INTERRUPT | 6 << HV_NOTIFY_PRIORITY_SHIFT);
	g_assert_cmpint(take(vp), ==, NONE);
	pended(vp);
	wr(vp, TPR, 0x50);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);
	g_assert_false(k->requested(vp, vp->state));
	/* The processor forgets with INIT that it was asked. */
	k->reset(vp, vp->state, X86_RESET_INIT);
	g_assert_cmphex(pended(vp), ==, X86_PEND_INTR);
	g_assert_cmpint(take(vp), ==, X86_INTERRUPT_STOP);
	/* Taken back. */
	k->notify(vp, vp->state, HV_NOTIFY_INTERRUPT);
	k->notify(vp, vp->state, 0);
	g_assert_cmpint(take(vp), ==, NONE);
	end(p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/apic/reset", reset_values);
	g_test_add_func("/apic/priorities", priorities);
	g_test_add_func("/apic/level-eoi", level_eoi);
	g_test_add_func("/apic/raised", raised);
	g_test_add_func("/apic/software-disabled", software_disabled);
	g_test_add_func("/apic/logical", logical_destinations);
	g_test_add_func("/apic/lowest-priority", lowest_priority);
	g_test_add_func("/apic/ipi", ipis);
	g_test_add_func("/apic/start-up", start_up);
	g_test_add_func("/apic/errors", errors);
	g_test_add_func("/apic/extint", extint);
	g_test_add_func("/apic/nmi", nmi_line);
	g_test_add_func("/apic/base", base_transitions);
	g_test_add_func("/apic/x2apic", x2apic);
	g_test_add_func("/apic/synthetic-msrs", synthetic_msrs);
	g_test_add_func("/apic/assist/offered", assist_offered);
	g_test_add_func("/apic/assist/withdrawn", assist_withdrawn);
	g_test_add_func("/apic/written", writes_told);
	g_test_add_func("/apic/notified", notified);
	g_test_add_func("/apic/timer/one-shot", timer_one_shot);
	g_test_add_func("/apic/timer/periodic", timer_periodic);
	g_test_add_func("/apic/timer/tsc-deadline", timer_deadline);
	g_test_add_func("/apic/timer/suspend", timer_suspend);
	return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SynIC, rule by rule: a real partition whose VPs stand still, its MSRs written as if
 * by RDMSR and WRMSR, its pages read as the guest would, interrupts taken from its APIC.
 */
#include "hw/hyperv/port.h"
#include "hw/hyperv/synic.h"

#include <inttypes.h>
#include <string.h>

#include "accel/hvtlfs/count.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "sync/futex.h"

#define MIB (UINT64_C(1) << 20)
enum { VPS = 2, SIMP = 0x10000, SIEFP = 0x11000, IN = 0x21000, VECTOR = 0x60, SINT = 2, NONE = -1 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	struct vp *vp, *other;
	struct synic_buffer own[16];
	uint32_t ports;          /* made so far */
};

static const struct vp_component *const components[] = { &apic_component, &synic_component, &port_component, NULL };

static void wr(struct vp *vp, uint32_t msr, uint64_t v)
{
	if (!vp_wrmsr(vp, msr, v))
		g_error("WRMSR %#x = %#" PRIx64 " faults", msr, v);
}

static uint64_t rd(struct vp *vp, uint32_t msr)
{
	uint64_t v = 0;

	if (!vp_rdmsr(vp, msr, &v))
		g_error("RDMSR %#x faults", msr);
	return v;
}

static void apic_on(struct vp *vp)
{
	wr(vp, 0x1b, 0xfee00c00 | (vp_index(vp) ? 0 : 0x100));
	wr(vp, 0x80f, 0x1ff);
}

static void open_features(struct world *w, const struct hv_features *features)
{
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("qemu64", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 4 * MIB, .engine = "interp" }, components, &error);
	g_assert_no_error(error);
	w->p = partition_new(w->hv, &(struct partition_config){ .name = "synic", .vps = VPS, .model = w->model,
		.features = features }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->p, gpa(0), MIB, &error));
	w->vp = partition_vp(w->p, 0);
	w->other = partition_vp(w->p, 1);
	apic_on(w->vp);
	apic_on(w->other);
}

static void open_world(struct world *w)
{
	open_features(w, NULL);
}

/* Both pages, SINT2 with a vector, all enabled. */
static void synic_on(struct vp *vp)
{
	wr(vp, HV_X64_MSR_SIMP, (SIMP + vp_index(vp) * 0x2000) | 1);
	wr(vp, HV_X64_MSR_SIEFP, (SIEFP + vp_index(vp) * 0x2000) | 1);
	wr(vp, HV_X64_MSR_SINT0 + SINT, VECTOR);
	wr(vp, HV_X64_MSR_SCONTROL, 1);
}

static void open_on(struct world *w)
{
	open_world(w);
	synic_on(w->vp);
}

static void close_world(struct world *w)
{
	hv_free(w->hv);
	partition_unref(w->p);
	x86_model_free(w->model);
}

static struct hv_message slot(struct world *w, unsigned sint)
{
	struct hv_message m;

	g_assert_true(partition_read(w->p, gpa(SIMP + sint * sizeof m), &m, sizeof m));
	return m;
}

static void empty(struct world *w, unsigned sint)
{
	g_assert_true(partition_write(w->p, gpa(SIMP + sint * sizeof(struct hv_message)), &(uint32_t){ 0 }, 4));
}

static uint8_t flag_byte(struct world *w, unsigned at)
{
	uint8_t v;

	g_assert_true(partition_read(w->p, gpa(SIEFP + at), &v, 1));
	return v;
}

static void take_task(struct vp *vp, void *o)
{
	*(int *)o = apic_component.interrupt(vp, vp_component_state(vp, &apic_component));
}

/* The vector that the processor would take now. */
static int take(struct vp *vp)
{
	int v;

	vp_call(vp, take_task, &v);
	return v;
}

static void eoi(struct vp *vp) { wr(vp, 0x80b, 0); }

static bool in_service(struct vp *vp, uint8_t v) { return rd(vp, 0x810 + v / 32) >> v % 32 & 1; }

static hv_status post(struct world *w, unsigned sint, uint64_t first)
{
	struct hv_message m = { .type = 0x77, .payload_size = 16, .sender = 9, .payload = { first, first + 1, 0xdead } };

	return synic_post(w->vp, sint, w->own, G_N_ELEMENTS(w->own), &m);
}

static void test_reset_values(void)
{
	struct world w;
	uint64_t v;

	open_world(&w);
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SCONTROL), ==, 0);          /* T14.6.1.a */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SVERSION), ==, 1);          /* T14.6.2.a */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIEFP), ==, 0);             /* T14.6.3.a */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIMP), ==, 0);              /* T14.6.4.a */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_EOM), ==, 0);               /* T14.6.6.g */
	for (unsigned i = 0; i < HV_SINT_COUNT; i++)                    /* T14.8.1.a */
		g_assert_cmphex(rd(w.vp, HV_X64_MSR_SINT0 + i), ==, 0x10000);   /* T14.6.5.a */
	g_assert_false(vp_rdmsr(w.vp, HV_X64_MSR_SINT0 + 16, &v));
	g_assert_false(vp_rdmsr(w.vp, HV_X64_MSR_SINT0 - 1, &v));
	g_assert_false(vp_wrmsr(w.vp, HV_X64_MSR_SVERSION, 1));         /* T14.6.2.b */
	close_world(&w);
}

static void test_privilege(void)
{
	struct hv_features f;
	struct world w;
	uint64_t v;

	hv_features_init(&f);
	f.privileges &= ~HV_ACCESS_SYNIC;
	open_features(&w, &f);
	g_assert_false(vp_rdmsr(w.vp, HV_X64_MSR_SCONTROL, &v));        /* T14.6.b */
	g_assert_false(vp_wrmsr(w.vp, HV_X64_MSR_EOM, 0));
	g_assert_false(vp_rdmsr(w.vp, HV_X64_MSR_SINT15, &v));
	close_world(&w);
}

static void test_registers(void)
{
	struct world w;
	uint64_t far_out = UINT64_C(0xfffffffffffff000);

	open_world(&w);
	wr(w.vp, HV_X64_MSR_SCONTROL, 0xf0f0f0f0f0f0f0f0);              /* T14.6.1.f */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SCONTROL), ==, 0xf0f0f0f0f0f0f0f0);
	g_assert_cmphex(rd(w.other, HV_X64_MSR_SCONTROL), ==, 0);       /* T14.6.a */
	wr(w.vp, HV_X64_MSR_SIMP, SIMP | 0xabf);                        /* T14.6.4.d */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIMP), ==, SIMP | 0xabf);
	wr(w.vp, HV_X64_MSR_SIEFP, SIEFP | 0x543);                      /* T14.6.3.d */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIEFP), ==, SIEFP | 0x543);
	wr(w.vp, HV_X64_MSR_SIMP, far_out | 1);                         /* T14.6.4.c */
	wr(w.vp, HV_X64_MSR_SIEFP, far_out | 1);                        /* T14.6.3.c */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIEFP), ==, far_out | 1);
	for (unsigned v = 0; v < 256; v++)
		g_assert_true(vp_wrmsr(w.vp, HV_X64_MSR_SINT0 + 3, v) == (v >= 16));   /* T14.6.5.b, T14.6.5.c */
	g_assert_false(vp_wrmsr(w.vp, HV_X64_MSR_SINT0 + 3, 15 | HV_SINT_POLLING));
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SINT0 + 3), ==, 255);       /* as it was */
	wr(w.vp, HV_X64_MSR_SINT0 + 3, 0x10000);                        /* superseded for a masked one: O26 */
	wr(w.vp, HV_X64_MSR_SINT0 + 3, 0xfffffffffff5ff20);             /* T14.6.5.h */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SINT0 + 3), ==, 0xfffffffffff5ff20);
	g_assert_cmphex(rd(w.other, HV_X64_MSR_SINT0 + 3), ==, 0x10000);
	close_world(&w);
}

static void test_pages(void)
{
	struct world w;
	uint32_t v;

	open_world(&w);
	g_assert_true(partition_write(w.p, gpa(SIMP), "abcd", 4));
	g_assert_true(partition_write(w.p, gpa(SIEFP), "efgh", 4));
	synic_on(w.vp);                                                 /* T14.6.3.b, T14.6.4.b */
	g_assert_cmphex(slot(&w, 0).type, ==, 0);                       /* T14.7.d */
	g_assert_cmphex(flag_byte(&w, 0), ==, 0);
	g_assert_true(partition_write(w.p, gpa(SIMP), &(uint32_t){ 7 }, 4));   /* T14.7.c */
	g_assert_cmphex(slot(&w, 0).type, ==, 7);
	wr(w.vp, HV_X64_MSR_SIMP, 0);                                   /* T14.7.a */
	g_assert_true(partition_read(w.p, gpa(SIMP), &v, 4));
	g_assert_cmpmem(&v, 4, "abcd", 4);
	wr(w.vp, HV_X64_MSR_SIMP, SIMP | 1);                            /* O32: content survives */
	g_assert_cmphex(slot(&w, 0).type, ==, 7);
	partition_reset(w.p);                                           /* T14.7.e */
	wr(w.vp, HV_X64_MSR_SIMP, SIMP | 1);
	g_assert_cmphex(slot(&w, 0).type, ==, 0);
	close_world(&w);
}

static void test_message(void)
{
	struct world w;
	struct hv_message m;

	open_on(&w);
	g_assert_true(partition_write(w.p, gpa(SIMP + SINT * 256 + 32), &(uint32_t){ 0x1234 }, 4));
	g_assert_cmpint(post(&w, SINT, 5), ==, HV_STATUS_SUCCESS);
	m = slot(&w, SINT);                                             /* T14.2.4.k, T14.2.4.b, T14.2.4.c */
	g_assert_cmphex(m.type, ==, 0x77);
	g_assert_cmphex(m.payload_size, ==, 16);
	g_assert_cmphex(m.flags, ==, 0);                                /* T14.8.3.d */
	g_assert_cmphex(m.sender, ==, 9);
	g_assert_cmphex(m.payload[0], ==, 5);
	g_assert_cmphex(m.payload[1], ==, 6);
	g_assert_cmphex(m.payload[2], ==, 0x1234);                      /* T14.2.4.l: only what belongs to it */
	g_assert_cmpint(take(w.vp), ==, VECTOR);                        /* T14.1.a, T14.2.4.m */
	g_assert_true(in_service(w.vp, VECTOR));
	eoi(w.vp);
	g_assert_cmpint(take(w.vp), ==, NONE);
	for (unsigned i = 0; i < G_N_ELEMENTS(w.own); i++)              /* T14.6.6.c */
		g_assert_false(w.own[i].taken);
	close_world(&w);
}

/* Three behind each other, in order; the pending flag; EOM and end of interrupt as triggers. */
static void test_queue(void)
{
	struct world w;

	open_on(&w);
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmpint(post(&w, SINT, i), ==, HV_STATUS_SUCCESS);   /* T14.2.3.a */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 0);              /* T14.2.4.q, T14.2.4.s */
	g_assert_cmphex(slot(&w, SINT).flags, ==, HV_MESSAGE_FLAG_PENDING);   /* T14.8.3.b */
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	wr(w.vp, HV_X64_MSR_EOM, 0);                                    /* slot not empty: nothing */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 0);
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);                                    /* T14.2.4.v, T14.6.6.b */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 1);              /* T14.2.3.f */
	g_assert_cmphex(slot(&w, SINT).flags, ==, HV_MESSAGE_FLAG_PENDING);   /* T14.8.3.a */
	empty(&w, SINT);
	eoi(w.vp);                                                      /* T14.2.4.u, T14.2.5.a */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 2);
	g_assert_cmphex(slot(&w, SINT).flags, ==, 0);                   /* T14.8.3.c */
	g_assert_cmpint(take(w.vp), ==, VECTOR);                        /* T14.2.4.w, T14.6.6.d */
	eoi(w.vp);
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);                                    /* T14.6.6.f */
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);
	g_assert_cmpint(take(w.vp), ==, NONE);
	close_world(&w);
}

/* All SINTs have queues of their own. */
static void test_queues_are_independent(void)
{
	struct world w;

	open_on(&w);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)           /* T14.2.2.b: none is busy */
		g_assert_cmpint(post(&w, sint, sint), ==, HV_STATUS_SUCCESS);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++) {         /* T14.2.2.a */
		g_assert_cmphex(slot(&w, sint).payload[0], ==, sint);
		g_assert_cmphex(slot(&w, sint).flags, ==, 0);
	}
	close_world(&w);
}

static void test_buffers(void)
{
	struct world w;

	open_on(&w);
	for (unsigned i = 0; i < 17; i++)                               /* one is in the slot */
		g_assert_cmpint(post(&w, SINT, i), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(post(&w, SINT, 17), ==, HV_STATUS_INSUFFICIENT_BUFFERS);
	for (unsigned i = 0; i < 17; i++) {
		g_assert_cmphex(slot(&w, SINT).payload[0], ==, i);      /* T14.2.3.f */
		empty(&w, SINT);
		wr(w.vp, HV_X64_MSR_EOM, 0);
	}
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);
	close_world(&w);
}

static void test_masked(void)
{
	struct world w;

	open_on(&w);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(post(&w, SINT, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0x77);                 /* T14.2.4.n: there all the same */
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR);
	g_assert_cmpint(take(w.vp), ==, NONE);                          /* and the interrupt is lost */
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);                                    /* T14.6.6.e */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 1);
	g_assert_cmpint(take(w.vp), ==, NONE);                          /* T14.6.5.d */
	close_world(&w);
}

static void test_apic_disabled(void)
{
	struct world w;

	open_on(&w);
	wr(w.vp, 0x80f, 0xff);
	g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0x77);                 /* T14.2.4.o */
	wr(w.vp, 0x80f, 0x1ff);
	g_assert_cmpint(take(w.vp), ==, NONE);
	close_world(&w);
}

static void test_polling(void)
{
	struct world w;

	open_on(&w);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_POLLING);
	g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0x77);
	g_assert_cmpint(synic_signal(w.vp, SINT, 0, NULL), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(flag_byte(&w, SINT * 256), ==, 1);
	g_assert_cmpint(take(w.vp), ==, NONE);
	close_world(&w);
}

static void test_disabled(void)
{
	struct world w;

	open_on(&w);
	wr(w.vp, HV_X64_MSR_SCONTROL, 0);
	g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_INVALID_SYNIC_STATE);   /* T14.2.4.g, T14.2.4.i, T14.6.1.c */
	g_assert_cmpint(synic_signal(w.vp, SINT, 0, NULL), ==, HV_STATUS_INVALID_SYNIC_STATE);   /* T14.3.1.b, T14.6.1.d */
	wr(w.vp, HV_X64_MSR_SCONTROL, 1);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);                    /* nothing was queued */
	g_assert_cmphex(flag_byte(&w, SINT * 256), ==, 0);
	wr(w.vp, HV_X64_MSR_SIMP, SIMP);
	g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_INVALID_SYNIC_STATE);   /* T14.2.4.h */
	wr(w.vp, HV_X64_MSR_SIEFP, SIEFP);
	g_assert_cmpint(synic_signal(w.vp, SINT, 0, NULL), ==, HV_STATUS_INVALID_SYNIC_STATE);   /* T14.3.1.c */
	synic_on(w.vp);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);
	g_assert_cmpint(post(&w, SINT, 1), ==, HV_STATUS_SUCCESS);      /* T14.6.1.e */
	g_assert_cmpint(synic_signal(w.vp, SINT, 0, NULL), ==, HV_STATUS_SUCCESS);
	close_world(&w);
}

/* What is queued stays queued while controller or page are off. */
static void test_disabled_later(void)
{
	static const uint32_t msr[] = { HV_X64_MSR_SIMP, HV_X64_MSR_SCONTROL };

	for (unsigned i = 0; i < G_N_ELEMENTS(msr); i++) {
		struct world w;
		uint64_t on;

		open_on(&w);
		on = rd(w.vp, msr[i]);
		g_assert_cmpint(post(&w, SINT, 0), ==, HV_STATUS_SUCCESS);
		g_assert_cmpint(post(&w, SINT, 1), ==, HV_STATUS_SUCCESS);
		g_assert_cmpint(take(w.vp), ==, VECTOR);
		empty(&w, SINT);
		wr(w.vp, msr[i], on & ~UINT64_C(1));                    /* T14.2.3.b, T14.2.3.c */
		eoi(w.vp);
		wr(w.vp, HV_X64_MSR_EOM, 0);
		g_assert_cmpint(take(w.vp), ==, NONE);                  /* T14.2.4.p */
		g_assert_true(w.own[0].taken);
		wr(w.vp, msr[i], on);                                   /* O28 */
		g_assert_cmphex(slot(&w, SINT).payload[0], ==, 1);
		g_assert_cmpint(take(w.vp), ==, VECTOR);
		close_world(&w);
	}
}

static void test_reset(void)
{
	struct world w;

	open_on(&w);
	for (unsigned i = 0; i < 4; i++)
		post(&w, SINT, i);
	synic_signal(w.vp, SINT, 9, NULL);
	partition_reset(w.p);
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SCONTROL), ==, 0);          /* T14.6.1.b */
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIEFP), ==, 0);
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SIMP), ==, 0);
	g_assert_cmphex(rd(w.vp, HV_X64_MSR_SINT0 + SINT), ==, 0x10000);
	for (unsigned i = 0; i < G_N_ELEMENTS(w.own); i++)              /* O24 */
		g_assert_false(w.own[i].taken);
	apic_on(w.vp);
	synic_on(w.vp);
	wr(w.vp, HV_X64_MSR_EOM, 0);
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);                    /* T14.2.2.c, T14.7.e */
	g_assert_cmphex(flag_byte(&w, SINT * 256 + 1), ==, 0);
	close_world(&w);
}

static void test_auto_eoi(void)
{
	struct world w;

	open_on(&w);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_AUTO_EOI);
	post(&w, SINT, 0);
	post(&w, SINT, 1);
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	g_assert_false(in_service(w.vp, VECTOR));                       /* T14.6.5.e */
	empty(&w, SINT);
	/* Off again: this one was over when it was taken (T14.6.5.g); the next is not. */
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR);
	wr(w.vp, HV_X64_MSR_EOM, 0);
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_AUTO_EOI);   /* T14.6.5.f */
	g_assert_true(in_service(w.vp, VECTOR));
	eoi(w.vp);
	g_assert_false(in_service(w.vp, VECTOR));
	close_world(&w);
}

/* An interrupt of higher priority comes first; TPR holds it back. */
static void test_priority(void)
{
	struct world w;

	open_on(&w);
	post(&w, SINT, 0);
	wr(w.vp, 0x808, VECTOR);                                        /* TPR */
	g_assert_cmpint(take(w.vp), ==, NONE);                          /* T14.2.4.r, T14.3.1.h */
	wr(w.vp, 0x808, 0);
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	close_world(&w);
}

static void test_forget(void)
{
	struct synic_buffer others[1] = { { NULL } };
	struct hv_message m = { .type = 1, .payload_size = 8, .payload = { 55 } };
	struct world w;

	open_on(&w);
	post(&w, SINT, 0);
	post(&w, SINT, 1);
	g_assert_cmpint(synic_post(w.vp, SINT, others, 1, &m), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(synic_post(w.vp, SINT, others, 1, &m), ==, HV_STATUS_INSUFFICIENT_BUFFERS);   /* T14.2.4.a */
	post(&w, SINT, 2);
	synic_forget(w.p, w.own, G_N_ELEMENTS(w.own));                  /* T14.2.3.e */
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 0);              /* T14.9.2.c: what is in the slot stays */
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 55);
	g_assert_cmphex(slot(&w, SINT).flags, ==, 0);
	close_world(&w);
}

static void test_timer(void)
{
	struct hv_timer_message m = { .timer = 3, .expiration = 12345 }, got;
	struct world w;

	open_world(&w);
	g_assert_cmpint(synic_timer_message(w.vp, 3, SINT, &m), ==, HV_STATUS_INVALID_SYNIC_STATE);
	synic_on(w.vp);
	for (unsigned i = 0; i < 17; i++)                               /* T14.2.1.d: buffers of its own */
		post(&w, SINT, i);
	g_assert_cmpint(synic_timer_message(w.vp, 3, SINT, &m), ==, HV_STATUS_SUCCESS);
	g_assert_true(synic_timer_waits(w.vp, 3));
	g_assert_cmpint(synic_timer_message(w.vp, 3, SINT, &m), ==, HV_STATUS_INSUFFICIENT_BUFFERS);
	g_assert_false(synic_timer_waits(w.vp, 2));
	m.timer = 2;
	g_assert_cmpint(synic_timer_message(w.vp, 2, SINT + 1, &m), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(slot(&w, SINT + 1).type, ==, 0x80000010);       /* T14.2.4.e */
	for (unsigned i = 0; i < 17; i++) {
		empty(&w, SINT);
		wr(w.vp, HV_X64_MSR_EOM, 0);
	}
	g_assert_false(synic_timer_waits(w.vp, 3));
	g_assert_cmphex(slot(&w, SINT).type, ==, 0x80000010);
	g_assert_cmphex(slot(&w, SINT).sender, ==, 0);                  /* T14.8.4.d */
	g_assert_cmphex(slot(&w, SINT).payload_size, ==, 24);
	memcpy(&got, slot(&w, SINT).payload, sizeof got);
	g_assert_cmpuint(got.timer, ==, 3);                             /* T16.4.1.a */
	g_assert_cmpuint(got.expiration, ==, 12345);                    /* T16.4.1.b */
	g_assert_cmpuint(got.delivery, ==, partition_reference_time(w.p));   /* T16.4.1.c: it stands still */
	close_world(&w);
}

/* ---- event flags ---- */

static void test_flags(void)
{
	struct world w;

	open_on(&w);
	for (unsigned i = 0; i < HV_EVENT_FLAGS; i += 31) {             /* T14.8.5.a */
		g_assert_cmpint(synic_signal(w.vp, SINT, i, NULL), ==, HV_STATUS_SUCCESS);
		g_assert_cmphex(flag_byte(&w, SINT * 256 + i / 8) >> i % 8 & 1, ==, 1);
		g_assert_cmpint(take(w.vp), ==, VECTOR);                /* T14.3.1.e, T14.1.a */
		eoi(w.vp);
	}
	g_assert_cmphex(flag_byte(&w, (SINT + 1) * 256), ==, 0);
	g_assert_cmphex(flag_byte(&w, SINT * 256 - 1), ==, 0);
	g_assert_cmpint(synic_signal(w.vp, SINT, 31, NULL), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(take(w.vp), ==, NONE);                          /* T14.3.1.f */
	g_assert_true(partition_write(w.p, gpa(SIEFP + SINT * 256 + 3), "", 1));
	g_assert_cmpint(synic_signal(w.vp, SINT, 31, NULL), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(take(w.vp), ==, VECTOR);                        /* T14.3.2.a */
	eoi(w.vp);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	g_assert_cmpint(synic_signal(w.vp, SINT, 33, NULL), ==, HV_STATUS_INVALID_SYNIC_STATE);   /* T14.3.1.g */
	g_assert_cmphex(flag_byte(&w, SINT * 256 + 4) & 2, ==, 0);      /* O29 */
	close_world(&w);
}

/* ---- ports ---- */

static uint64_t call(struct world *w, uint16_t code, const void *in, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(IN), in, n));
	return vp_hypercall(w->vp, code, IN, 0);
}

static hv_status post_call(struct world *w, uint32_t connection, uint32_t type, uint32_t size)
{
	struct hv_in_post_message in = { .connection_id = connection, .message_type = type, .payload_size = size };

	memset(in.payload, 0xab, sizeof in.payload);
	return (hv_status)call(w, HV_CALL_POST_MESSAGE, &in, sizeof in);
}

static hv_status signal_call(struct world *w, uint32_t connection, uint16_t flag)
{
	struct hv_in_signal_event in = { .connection_id = connection, .flag = flag };

	return (hv_status)call(w, HV_CALL_SIGNAL_EVENT, &in, sizeof in);
}

static struct port *new_port(struct world *w, enum hv_port_type type, uint32_t vp)
{
	struct port *port = NULL;
	const struct port_config c = { .type = type, .id = 0x1234 + w->ports++, .partition = w->p, .vp = vp, .sint = SINT,
		.base_flag = 100, .flag_count = 10 };

	g_assert_cmpint(port_new(&c, &port), ==, HV_STATUS_SUCCESS);
	return port;
}

static void test_post(void)
{
	struct world w;
	struct port *port, *event, *spare;
	struct hv_message m;

	open_on(&w);
	port = new_port(&w, HV_PORT_MESSAGE, 0);
	event = new_port(&w, HV_PORT_EVENT, 0);
	spare = new_port(&w, HV_PORT_EVENT, 0);
	g_assert_cmpint(port_connect(w.p, 0x00ffffff, port), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 8, event), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 8, spare), ==, HV_STATUS_INVALID_CONNECTION_ID);          /* T14.8.8.a */
	/* A device may give a number to a message port and an event port. */
	g_assert_cmpint(port_connect(w.p, 0x00ffffff, spare), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_disconnect(w.p, 0x00ffffff, spare), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_disconnect(w.p, 0x00ffffff, spare), ==, HV_STATUS_INVALID_CONNECTION_ID);
	g_assert_cmpint(port_connect(w.p, 9, port), ==, HV_STATUS_INVALID_PORT_ID);                 /* T14.9.3.l */
	g_assert_cmpint(port_connect(w.p, 0x01000000, port), ==, HV_STATUS_INVALID_CONNECTION_ID);  /* T14.8.8.b */
	g_assert_cmpint(post_call(&w, 7, 1, 8), ==, HV_STATUS_INVALID_CONNECTION_ID);   /* T14.9.7.e, T14.4.a */
	g_assert_cmpint(post_call(&w, 0x01ffffff, 1, 8), ==, HV_STATUS_INVALID_CONNECTION_ID);
	g_assert_cmpint(post_call(&w, 8, 1, 8), ==, HV_STATUS_INVALID_PORT_ID);         /* T14.9.7.g, T14.8.6.c */
	g_assert_cmpint(post_call(&w, 0x00ffffff, 0x80000000, 8), ==, HV_STATUS_INVALID_PARAMETER); /* T14.9.7.h, T14.8.2.a */
	g_assert_cmpint(post_call(&w, 0x00ffffff, 0, 8), ==, HV_STATUS_INVALID_PARAMETER);   /* T14.9.7.i, T14.8.2.b */
	g_assert_cmpint(post_call(&w, 0x00ffffff, 1, 241), ==, HV_STATUS_INVALID_PARAMETER);  /* T14.9.7.k, T14.8.4.e */
	g_assert_cmpint(post_call(&w, 0x00ffffff, 1, UINT32_MAX), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmpuint(port_post_count(port), ==, 0);                                 /* T14.8.7.b */
	g_assert_cmphex(slot(&w, SINT).type, ==, 0);
	g_assert_cmpint(post_call(&w, 0x00ffffff, 0x7fffffff, 240), ==, HV_STATUS_SUCCESS);   /* T14.9.7.j, T14.9.7.k */
	m = slot(&w, SINT);                                                             /* T14.9.7.a, T14.2.4.f */
	g_assert_cmphex(m.type, ==, 0x7fffffff);                                        /* T14.9.7.c */
	g_assert_cmphex(m.sender, ==, 0x1234);                                          /* T14.8.4.b */
	g_assert_cmphex(m.payload_size, ==, 240);
	g_assert_cmphex(m.payload[29], ==, 0xabababababababab);
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	g_assert_cmpuint(port_post_count(port), ==, 1);                                 /* T14.8.7.a */
	/* Only what belongs to the message. */
	g_assert_true(partition_write(w.p, gpa(SIMP + SINT * 256), &(struct hv_message){ 0 }, 256));
	g_assert_cmpint(post_call(&w, 0x00ffffff, 1, 3), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(slot(&w, SINT).payload[0], ==, 0xababab);                       /* T14.9.7.b */
	g_assert_cmphex(slot(&w, SINT).payload_size, ==, 3);
	empty(&w, SINT);
	g_assert_cmpint(post_call(&w, 0x00ffffff, 1, 0), ==, HV_STATUS_SUCCESS);        /* O35 */
	port_delete(port);
	port_delete(event);
	port_delete(spare);
	close_world(&w);
}

static void test_post_quota(void)
{
	struct world w;
	struct port *port, *other;

	open_on(&w);
	port = new_port(&w, HV_PORT_MESSAGE, 0);
	other = new_port(&w, HV_PORT_MESSAGE, 0);
	g_assert_cmpint(port_connect(w.p, 1, port), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 2, other), ==, HV_STATUS_SUCCESS);
	for (unsigned i = 0; i <= HV_PORT_BUFFERS; i++)
		g_assert_cmpint(post_call(&w, 1, 1 + i, 8), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_INSUFFICIENT_BUFFERS);    /* T14.9.7.l, T14.9.1.a */
	g_assert_cmpint(post_call(&w, 2, 99, 8), ==, HV_STATUS_SUCCESS);                /* T14.2.1.a */
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_SUCCESS);
	/* Disconnected: what is queued arrives (T14.2.3.d, T14.9.6.b); deleted: it does not. */
	g_assert_cmpint(port_disconnect(w.p, 2, NULL), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_disconnect(w.p, 2, NULL), ==, HV_STATUS_INVALID_CONNECTION_ID);
	g_assert_cmpint(post_call(&w, 2, 1, 8), ==, HV_STATUS_INVALID_CONNECTION_ID);   /* T14.9.6.a */
	port_delete(port);                                                              /* T14.9.2.b */
	g_assert_cmphex(slot(&w, SINT).type, ==, 2);                                    /* T14.9.2.c */
	empty(&w, SINT);
	wr(w.vp, HV_X64_MSR_EOM, 0);
	g_assert_cmphex(slot(&w, SINT).type, ==, 99);
	g_assert_cmphex(slot(&w, SINT).flags, ==, 0);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_INVALID_PORT_ID);         /* T14.9.7.f, T14.4.g */
	g_assert_cmpint(port_disconnect(w.p, 1, NULL), ==, HV_STATUS_SUCCESS);                /* T14.9.6.h */
	port_delete(other);
	close_world(&w);
}

static void test_post_states(void)
{
	struct world w;
	struct port *port, *any;

	open_on(&w);
	port = new_port(&w, HV_PORT_MESSAGE, 0);
	any = new_port(&w, HV_PORT_MESSAGE, HV_ANY_VP);
	g_assert_cmpint(port_connect(w.p, 1, port), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 2, any), ==, HV_STATUS_SUCCESS);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, 0x10000);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_SUCCESS);                 /* T14.9.7.r */
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmpint(post_call(&w, 2, 1, 8), ==, HV_STATUS_SUCCESS);         /* T14.9.7.p: VP 1 is off */
	wr(w.vp, HV_X64_MSR_SCONTROL, 0);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_INVALID_SYNIC_STATE);     /* T14.9.7.n */
	g_assert_cmpint(post_call(&w, 2, 1, 8), ==, HV_STATUS_INVALID_SYNIC_STATE);
	synic_on(w.other);
	g_assert_cmpint(post_call(&w, 2, 1, 8), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(take(w.other), ==, VECTOR);
	wr(w.vp, HV_X64_MSR_SCONTROL, 1);
	wr(w.vp, HV_X64_MSR_SIMP, 0);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_INVALID_SYNIC_STATE);     /* T14.9.7.o */
	port_delete(port);
	port_delete(any);
	close_world(&w);
}

static void test_signal(void)
{
	struct world w;
	struct port *port, *message, *any;
	struct hv_in_signal_event in = { .connection_id = 1, .flag = 1, .reserved = 1 };

	open_on(&w);
	port = new_port(&w, HV_PORT_EVENT, 0);
	any = new_port(&w, HV_PORT_EVENT, HV_ANY_VP);
	message = new_port(&w, HV_PORT_MESSAGE, 0);
	g_assert_cmpint(port_connect(w.p, 1, port), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 2, message), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(port_connect(w.p, 3, any), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(signal_call(&w, 9, 0), ==, HV_STATUS_INVALID_CONNECTION_ID);    /* T14.9.8.d */
	g_assert_cmpint(signal_call(&w, 2, 0), ==, HV_STATUS_INVALID_PORT_ID);          /* T14.9.8.g */
	g_assert_cmpint(signal_call(&w, 1, 10), ==, HV_STATUS_INVALID_PARAMETER);       /* T14.9.8.h, T14.4.e */
	g_assert_cmpint(signal_call(&w, 1, UINT16_MAX), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmpint((hv_status)call(&w, HV_CALL_SIGNAL_EVENT, &in, 8), ==, HV_STATUS_INVALID_PARAMETER);   /* O36 */
	g_assert_cmpint(take(w.vp), ==, NONE);
	g_assert_cmpint(signal_call(&w, 1, 0), ==, HV_STATUS_SUCCESS);                  /* T14.9.8.b */
	g_assert_cmphex(flag_byte(&w, SINT * 256 + 12), ==, 0x10);                      /* T14.9.8.a: flag 100 */
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	eoi(w.vp);
	/* In registers: connection in 31:0, flag in 47:32 (T14.9.8.n, T25.e). */
	g_assert_cmphex(vp_hypercall(w.vp, HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 1 | UINT64_C(9) << 32, 0), ==, 0);
	g_assert_cmphex(flag_byte(&w, SINT * 256 + 13), ==, 0x20);
	g_assert_cmpint(take(w.vp), ==, VECTOR);
	eoi(w.vp);
	for (unsigned i = 0; i < 40; i++)                                               /* T14.3.3.a */
		g_assert_cmpint(signal_call(&w, 1, 0), ==, HV_STATUS_SUCCESS);
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	g_assert_cmpint(signal_call(&w, 1, 1), ==, HV_STATUS_INVALID_SYNIC_STATE);      /* T14.9.8.l */
	wr(w.vp, HV_X64_MSR_SINT0 + SINT, VECTOR);
	wr(w.vp, HV_X64_MSR_SIEFP, 0);
	g_assert_cmpint(signal_call(&w, 1, 1), ==, HV_STATUS_INVALID_SYNIC_STATE);      /* T14.9.8.k, T14.3.1.d */
	g_assert_cmpint(signal_call(&w, 3, 1), ==, HV_STATUS_INVALID_SYNIC_STATE);      /* T14.9.8.m: none can */
	synic_on(w.other);
	g_assert_cmpint(signal_call(&w, 3, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmpint(take(w.other), ==, VECTOR);
	wr(w.vp, HV_X64_MSR_SIEFP, SIEFP | 1);
	wr(w.vp, HV_X64_MSR_SCONTROL, 0);
	g_assert_cmpint(signal_call(&w, 1, 1), ==, HV_STATUS_INVALID_SYNIC_STATE);      /* T14.9.8.j */
	port_delete(port);
	g_assert_cmpint(signal_call(&w, 1, 1), ==, HV_STATUS_INVALID_PORT_ID);          /* T14.9.8.e, T14.9.2.e */
	port_delete(message);
	port_delete(any);
	close_world(&w);
}

static void test_port_rules(void)
{
	static const struct { hv_status status; struct port_config config; } wrong[] = {
		{ HV_STATUS_INVALID_PARAMETER, { .type = 4, .sint = SINT } },                           /* T14.9.1.n */
		{ HV_STATUS_INVALID_PORT_ID, { .type = 1, .sint = SINT, .id = 0x1000000 } },            /* T14.9.1.j, T14.8.6.b */
		{ HV_STATUS_INVALID_VP_INDEX, { .type = 1, .sint = SINT, .vp = VPS } },                 /* T14.9.1.k */
		{ HV_STATUS_INVALID_PARAMETER, { .type = 1, .sint = 16 } },                             /* T14.9.1.m */
		{ HV_STATUS_INVALID_PARAMETER, { .type = 1, .sint = 0 } },                              /* T14.9.1.l */
		{ HV_STATUS_INVALID_PARAMETER, { .type = 2, .sint = SINT, .flag_count = 0 } },          /* T14.9.1.p */
		{ HV_STATUS_INVALID_PARAMETER, { .type = 2, .sint = SINT, .base_flag = 2047, .flag_count = 1 } },   /* .o */
		{ HV_STATUS_INVALID_PARAMETER, { .type = 2, .sint = SINT, .base_flag = 65535, .flag_count = 65535 } },
		{ HV_STATUS_SUCCESS, { .type = 2, .sint = SINT, .base_flag = 2046, .flag_count = 1 } },
	};
	struct port *port = NULL;
	struct world w;

	open_on(&w);
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct port_config c = wrong[i].config;

		g_assert_null(port);
		c.partition = w.p;
		g_assert_cmpint(port_new(&c, &port), ==, wrong[i].status);
	}
	port_delete(port);
	close_world(&w);
}

static void test_call_privileges(void)
{
	struct hv_features f;
	struct world w;

	hv_features_init(&f);
	f.privileges &= ~(HV_POST_MESSAGES | HV_SIGNAL_EVENTS);
	open_features(&w, &f);
	g_assert_cmpint(post_call(&w, 1, 1, 8), ==, HV_STATUS_ACCESS_DENIED);           /* T14.9.7.d */
	g_assert_cmpint(signal_call(&w, 1, 1), ==, HV_STATUS_ACCESS_DENIED);            /* T14.9.8.c */
	close_world(&w);
}

/* ---- ports by number, monitor pages ---- */

enum { MONITOR = 0x30000, MONITOR_SENDER = 0x32000, EVENT = 0x50 };

static hv_status make(struct world *w, uint32_t id, struct hv_port_info info) { return port_create(w->p, id, &info); }

static hv_status connect_id(struct world *w, uint32_t connection, uint32_t id, struct hv_connection_info info)
{
	return port_connect_id(w->p, connection, id, &info);
}

static void open_monitor(struct world *w)
{
	open_on(w);
	g_assert_cmpint(make(w, 1, (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = MONITOR }), ==, 0);
	g_assert_cmpint(connect_id(w, 1, 1, (struct hv_connection_info){ .type = HV_PORT_MONITOR, .monitor = MONITOR_SENDER }), ==, 0);
	g_assert_cmpint(make(w, 2, (struct hv_port_info){ .type = HV_PORT_EVENT, .sint = SINT, .base_flag = EVENT, .flag_count = 3 }),
			==, 0);
	g_assert_cmpint(connect_id(w, EVENT, 2, (struct hv_connection_info){ .type = HV_PORT_EVENT }), ==, 0);
}

static void poke(struct world *w, size_t at, const void *from, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(MONITOR_SENDER + at), from, n));
}

static uint32_t peek(struct world *w, size_t at)
{
	uint32_t v;

	g_assert_true(partition_read(w->p, gpa(MONITOR + at), &v, sizeof v));
	return v;
}

#define GROUP(g) offsetof(struct hv_monitor_page, group[g])
#define PARAMETER(g, t) (offsetof(struct hv_monitor_page, parameter) + ((g) * HV_MONITOR_TRIGGERS + (t)) * 8)

/* As the VP's thread would. */
static void look(struct world *w, int64_t now) { port_component.expire(w->vp, NULL, now); }

static void test_monitor(void)
{
	struct hv_monitor_parameter good = { .connection_id = EVENT, .flag = 2 }, bad = { .connection_id = 0x777 };
	int64_t now = 1, next;
	struct world w;

	open_monitor(&w);
	g_assert_cmphex(peek(&w, 0), ==, HV_MONITOR_DISABLED);          /* T14.8.10.e: the VPs stand still */
	poke(&w, PARAMETER(3, 31), &good, sizeof good);
	poke(&w, PARAMETER(3, 30), &bad, sizeof bad);
	poke(&w, GROUP(3), &(uint32_t){ 3u << 30 }, 4);
	look(&w, now);
	g_assert_cmpint(take(w.vp), ==, NONE);                          /* T14.8.10.a */
	poke(&w, 0, &(uint32_t){ 1 << 3 }, 4);
	look(&w, now);                                                  /* not due again */
	g_assert_cmpint(take(w.vp), ==, NONE);
	next = port_component.next_deadline(w.vp, NULL);
	g_assert_cmpint(next, >, now);
	g_assert_cmpint(port_component.next_deadline(w.other, NULL), ==, INT64_MAX);
	look(&w, next);
	g_assert_cmpint(take(w.vp), ==, VECTOR);                        /* T14.5.b, T14.8.9.2.a */
	g_assert_cmphex(flag_byte(&w, SINT * 256 + (EVENT + 2) / 8), ==, 1 << 2);
	g_assert_cmphex(peek(&w, GROUP(3)), ==, 0);                     /* T14.8.9.2.b: the bad one is gone as well */
	g_assert_cmpuint(vp_counted(w.vp, COUNT_MONITORED), ==, 1);
	close_world(&w);
}

/* T14.8.10.d: how often, by the lowest latency of the group and within bounds. */
static void test_monitor_rate(void)
{
	static const struct { uint16_t latency[2]; int64_t apart; } want[] = {
		{ { 0, 0 }, 10000000 }, { { 20000, 5000 }, 500000 }, { { 0, 30000 }, 3000000 }, { { 1, 9 }, 100000 },
		{ { 65535, 65535 }, 5000000 },
	};
	struct world w;
	int64_t now = 0;

	open_monitor(&w);
	poke(&w, 0, &(uint32_t){ 0xf }, 4);
	for (unsigned i = 0; i < G_N_ELEMENTS(want); i++) {
		for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++)
			poke(&w, offsetof(struct hv_monitor_page, latency) + 64 * g, want[i].latency, 4);
		now += 20000000;
		look(&w, now);
		g_assert_cmpint(port_component.next_deadline(w.vp, NULL) - now, ==, want[i].apart);   /* T14.5.2.a */
	}
	poke(&w, 0, &(uint32_t){ 0 }, 4);
	now += 20000000;
	look(&w, now);
	g_assert_cmpint(port_component.next_deadline(w.vp, NULL) - now, ==, 10000000);   /* T14.8.10.c */
	close_world(&w);
}

static void test_monitor_life(void)
{
	uint64_t before;
	struct world w;

	open_monitor(&w);
	poke(&w, 8, "abcd", 4);
	partition_reset(w.p);
	g_assert_cmphex(peek(&w, 8), ==, 0);
	g_assert_cmphex(peek(&w, 0), ==, HV_MONITOR_DISABLED);
	g_assert_cmpint(port_remove(w.p, 1), ==, 0);
	/* The same before it is connected. */
	g_assert_cmpint(make(&w, 1, (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = MONITOR }), ==, 0);
	g_assert_true(partition_write(w.p, gpa(MONITOR), "efgh", 4));
	partition_reset(w.p);
	g_assert_cmphex(peek(&w, 0), ==, 0);
	g_assert_cmpint(port_remove(w.p, 1), ==, 0);
	g_assert_true(partition_write(w.p, gpa(MONITOR), "efgh", 4));
	before = hv_memory_free(w.hv);
	for (unsigned i = 0; i < 10000; i++) {                          /* the frame is used again, or there were none left */
		g_assert_cmpint(make(&w, 1, (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = MONITOR }), ==, 0);
		g_assert_cmphex(peek(&w, 0), ==, 0);
		g_assert_cmpint(port_remove(w.p, 1), ==, 0);
	}
	g_assert_cmpuint(hv_memory_free(w.hv), ==, before);
	g_assert_cmpint(port_disconnect(w.p, 1, NULL), ==, 0);
	g_assert_cmpint(make(&w, 1, (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = MONITOR }), ==, 0);
	/* What is left over goes with the partition. */
	close_world(&w);
}

/* A maker's late port_delete() does not take another port of the same number along. */
static void test_numbers(void)
{
	struct port *port;
	struct world w;

	open_on(&w);
	port = new_port(&w, HV_PORT_MESSAGE, 0);
	g_assert_cmpint(make(&w, 0x1234, (struct hv_port_info){ .type = 1, .sint = SINT }), ==, HV_STATUS_INVALID_PORT_ID);
	g_assert_cmpint(port_remove(w.p, 0x1234), ==, 0);
	g_assert_cmpint(make(&w, 0x1234, (struct hv_port_info){ .type = 1, .sint = SINT }), ==, 0);
	port_delete(port);
	g_assert_cmpint(port_remove(w.p, 0x1234), ==, 0);
	g_assert_cmpint(port_remove(w.p, 0x1234), ==, HV_STATUS_INVALID_PORT_ID);
	close_world(&w);
}

/* A device's end. */
struct device_end {
	struct hv_message last;
	unsigned flag, gone;
	hv_status answer;
};

static hv_status device_message(void *o, const struct hv_message *m)
{
	struct device_end *d = o;

	d->last = *m;
	return d->answer;
}

static hv_status device_event(void *o, unsigned flag)
{
	((struct device_end *)o)->flag = flag;
	return HV_STATUS_SUCCESS;
}

static void device_gone(void *o) { ((struct device_end *)o)->gone++; }

static void test_device_ports(void)
{
	static const struct port_ops ops = { device_message, device_event, device_gone };
	struct device_end d = { .flag = 77 };
	struct port *message, *event;
	struct world w;

	open_world(&w);
	g_assert_cmpint(port_new(&(struct port_config){ .type = HV_PORT_MESSAGE, .ops = &ops, .opaque = &d }, &message), ==, 0);
	g_assert_cmpint(port_new(&(struct port_config){ .type = HV_PORT_EVENT, .ops = &ops, .opaque = &d, .flag_count = 4 },
				 &event), ==, 0);
	g_assert_cmpint(port_connect(w.p, 4, message), ==, 0);
	g_assert_cmpint(port_connect(w.p, 5, event), ==, 0);
	g_assert_cmpint(post_call(&w, 4, 1, 5), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(d.last.payload[0], ==, 0xababababab);
	g_assert_cmphex(d.last.payload_size, ==, 5);
	d.answer = HV_STATUS_INSUFFICIENT_BUFFERS;
	g_assert_cmpint(post_call(&w, 4, 1, 5), ==, HV_STATUS_INSUFFICIENT_BUFFERS);
	g_assert_cmpuint(port_post_count(message), ==, 1);
	g_assert_cmpint(signal_call(&w, 5, 4), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmpint(signal_call(&w, 5, 3), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(d.flag, ==, 3);
	port_delete(message);
	g_assert_cmpint(post_call(&w, 4, 1, 5), ==, HV_STATUS_INVALID_PORT_ID);
	g_assert_cmpuint(d.gone, ==, 0);
	g_assert_cmpint(port_disconnect(w.p, 4, NULL), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(d.gone, ==, 1);
	port_delete(event);
	close_world(&w);                                                /* takes the other connection along */
	g_assert_cmpuint(d.gone, ==, 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/synic/reset-values", test_reset_values);
	g_test_add_func("/synic/privilege", test_privilege);
	g_test_add_func("/synic/registers", test_registers);
	g_test_add_func("/synic/pages", test_pages);
	g_test_add_func("/synic/message", test_message);
	g_test_add_func("/synic/queue", test_queue);
	g_test_add_func("/synic/queues", test_queues_are_independent);
	g_test_add_func("/synic/buffers", test_buffers);
	g_test_add_func("/synic/masked", test_masked);
	g_test_add_func("/synic/apic-disabled", test_apic_disabled);
	g_test_add_func("/synic/polling", test_polling);
	g_test_add_func("/synic/disabled", test_disabled);
	g_test_add_func("/synic/disabled-later", test_disabled_later);
	g_test_add_func("/synic/reset", test_reset);
	g_test_add_func("/synic/auto-eoi", test_auto_eoi);
	g_test_add_func("/synic/priority", test_priority);
	g_test_add_func("/synic/forget", test_forget);
	g_test_add_func("/synic/timer", test_timer);
	g_test_add_func("/synic/flags", test_flags);
	g_test_add_func("/port/post", test_post);
	g_test_add_func("/port/quota", test_post_quota);
	g_test_add_func("/port/post-states", test_post_states);
	g_test_add_func("/port/signal", test_signal);
	g_test_add_func("/port/rules", test_port_rules);
	g_test_add_func("/port/privileges", test_call_privileges);
	g_test_add_func("/port/devices", test_device_ports);
	g_test_add_func("/port/numbers", test_numbers);
	g_test_add_func("/monitor/signal", test_monitor);
	g_test_add_func("/monitor/rate", test_monitor_rate);
	g_test_add_func("/monitor/life", test_monitor_life);
	return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SynIC, rule by rule: a real partition whose VPs stand still, its MSRs written as if
 * by RDMSR and WRMSR, its pages read as the guest would, interrupts taken from its APIC.
 */
#include "hw/hyperv/synic.h"

#include <inttypes.h>
#include <string.h>

#include "hv/msr.h"
#include "hv/partition.h"
#include "sync/futex.h"

#define MIB (UINT64_C(1) << 20)
enum { VPS = 2, SIMP = 0x10000, SIEFP = 0x11000, VECTOR = 0x60, SINT = 2, NONE = -1 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	struct vp *vp, *other;
	struct synic_buffer own[16];
};

static const struct vp_component *const components[] = { &apic_component, &synic_component, NULL };

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

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/synic/reset-values", test_reset_values);
	g_test_add_func("/synic/privilege", test_privilege);
	g_test_add_func("/synic/registers", test_registers);
	g_test_add_func("/synic/pages", test_pages);
	g_test_add_func("/synic/message", test_message);
	g_test_add_func("/synic/queue", test_queue);
	return g_test_run();
}

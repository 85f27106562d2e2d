/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HvGetVpState, HvSetVpState: pages that the caller may not touch, state of a VP that runs, parts of it, what came
 * too late for the guest; and whatever a host may put there.
 */
#include "family.h"

#include "hv/msr.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "hv/vp.h"
#include "sync/futex.h"

enum { PAGE = 0x30, CHILD_SIMP = 0x8000, SINT = 2, XSAVE_HEADER = 512, XMM = 160 };

static const struct vp_component *const components[] = { &apic_component, &synic_component, &stimer_component, NULL };

static const struct { uint32_t type; unsigned bytes; } kinds[] = {
	{ HV_VP_STATE_APIC, sizeof(struct hv_apic_state) }, { HV_VP_STATE_XSAVE, 832 }, { HV_VP_STATE_MESSAGE_PAGE, HV_PAGE_SIZE },
	{ HV_VP_STATE_EVENT_PAGE, HV_PAGE_SIZE }, { HV_VP_STATE_TIMERS, HV_VP_STATE_BYTES },
};

struct state_input {
	struct hv_in_vp_state fixed;
	uint64_t words[HV_VP_STATE_BYTES / 8];
};

static void open_world(struct world *w)
{
	family_open(w, components, HV_CREATE_EXO | HV_CREATE_LAPIC);
}

/* State of @type, in or out of the parent's page PAGE, or that of the call. */
static hv_status state_call(struct world *w, uint16_t code, uint32_t type, uint64_t xsave, uint64_t page)
{
	struct state_input in = { .fixed = { .partition_id = partition_id(w->child), .type = type, .xsave_components = xsave } };
	uint64_t words = type & HV_VP_STATE_IN_PAGES ? 1 : code == HV_CALL_GET_VP_STATE ? 0 : G_N_ELEMENTS(in.words);

	in.words[0] = page;
	if (!(type & HV_VP_STATE_IN_PAGES))
		g_assert_true(partition_read(w->p, gpa(page << 12), in.words, sizeof in.words));
	return call(w, code | words << HV_CALL_VARIABLE_SHIFT, &in, sizeof in.fixed + words * 8);
}

static hv_status get(struct world *w, uint32_t type, uint64_t xsave, void *to, size_t n)
{
	hv_status s = state_call(w, HV_CALL_GET_VP_STATE, type, xsave, PAGE);

	g_assert_true(partition_read(w->p, gpa(type & HV_VP_STATE_IN_PAGES ? PAGE << 12 : OUT), to, n));
	return s;
}

static hv_status set(struct world *w, uint32_t type, uint64_t xsave, const void *from, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(PAGE << 12), from, n));
	return state_call(w, HV_CALL_SET_VP_STATE, type, xsave, PAGE);
}

/* ---- the caller's pages ---- */

static void give_right(struct world *w, uint32_t rights)
{
	struct gpa_target t;

	g_assert_true(gpa_map_lookup(&w->p->map, (gpn_t){ PAGE }, &t));
	gpa_map_protect(&w->p->map, (gpn_t){ PAGE }, t.frame, rights);
}

static void forbidden_pages(void)
{
	struct hv_apic_state apic;
	struct world w;
	uint64_t word = 0;

	open_world(&w);
	g_assert_cmphex(get(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
	apic.svr = 0x155;
	g_assert_cmphex(set(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
	/* Read-only: nothing comes there, but what is there can be set. */
	apic.svr = 0x166;
	g_assert_true(partition_write(w.p, gpa(PAGE << 12), &apic, sizeof apic));
	give_right(&w, X86_PAGE_READ);
	g_assert_cmphex(state_call(&w, HV_CALL_GET_VP_STATE, HV_VP_STATE_APIC, 0, PAGE), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(state_call(&w, HV_CALL_SET_VP_STATE, HV_VP_STATE_APIC, 0, PAGE), ==, HV_STATUS_SUCCESS);
	/* Without any right: neither. */
	give_right(&w, 0);
	g_assert_cmphex(state_call(&w, HV_CALL_GET_VP_STATE, HV_VP_STATE_APIC, 0, PAGE), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(state_call(&w, HV_CALL_SET_VP_STATE, HV_VP_STATE_APIC, 0, PAGE), ==, HV_STATUS_INVALID_PARAMETER);
	give_right(&w, X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC);
	g_assert_cmphex(get(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(apic.svr, ==, 0x166);
	/* The rest of the page is the hypervisor's, too: nothing of its own stays behind there. */
	g_assert_true(partition_write(w.p, gpa((PAGE << 12) + 0xff8), &(uint64_t){ 5 }, 8));
	g_assert_cmphex(get(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
	g_assert_true(partition_read(w.p, gpa((PAGE << 12) + 0xff8), &word, sizeof word));
	g_assert_cmphex(word, ==, 0);
	close_world(&w);
}

/* ---- a VP that runs ---- */

static void of_a_running_vp(void)
{
	struct hv_apic_state apic;
	uint64_t before, behind;
	struct world w;

	open_world(&w);
	/* l: inc dword [0x4000]; jmp l */
	place(&w, (const uint8_t[]){ 0x66, 0xff, 0x06, 0x00, 0x40, 0xeb, 0xf9 }, 7);
	resume(&w);
	for (unsigned i = 0; i < 50; i++) {
		g_assert_cmphex(get(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
		apic.ldr = i << 24;
		g_assert_cmphex(set(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
		g_assert_cmphex(get(&w, HV_VP_STATE_APIC, 0, &apic, sizeof apic), ==, HV_STATUS_SUCCESS);
		g_assert_cmphex(apic.ldr, ==, i << 24);
	}
	/* It has not been stopped by that. */
	g_assert_true(partition_read(w.p, gpa(SHARED * 0x1000 + 0x4000), &before, sizeof before));
	do
		g_assert_true(partition_read(w.p, gpa(SHARED * 0x1000 + 0x4000), &behind, sizeof behind));
	while (behind == before);
	close_world(&w);
}

/* ---- parts ---- */

static void vectors_by_component(void)
{
	_Alignas(8) uint8_t image[832];
	struct world w;

	open_world(&w);
	vp_cpu(w.vp)->ymm[3].q[0] = 0x1111;
	vp_cpu(w.vp)->ymm[3].q[2] = 0x2222;
	/* Of SSE only: AVX is not in the image, and stays when it is set. */
	g_assert_cmphex(get(&w, HV_VP_STATE_XSAVE, 3, image, sizeof image), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(image[XSAVE_HEADER] & 4, ==, 0);
	g_assert_cmphex(image[XMM + 3 * 16], ==, 0x11);
	image[XMM + 3 * 16] = 0x77;
	g_assert_cmphex(set(&w, HV_VP_STATE_XSAVE, 3, image, sizeof image), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(vp_cpu(w.vp)->ymm[3].q[0], ==, 0x1177);
	g_assert_cmphex(vp_cpu(w.vp)->ymm[3].q[2], ==, 0x2222);
	close_world(&w);
}

/* ---- what came too late ---- */

static void late_timer(void)
{
	struct hv_timers_state all = { .timer[1] = {
		.config = HV_TIMER_ENABLE | SINT << HV_TIMER_SINT_SHIFT, .count = 5000, .flags = HV_TIMER_UNDELIVERED, .undelivered_expiration = 1234 } };
	struct hv_message_page page;
	const struct hv_message *slot = &page.slot[SINT];
	struct world w;

	open_world(&w);
	wr(w.vp, HV_X64_MSR_SIMP, CHILD_SIMP | HV_MSR_PAGE_ENABLE);
	wr(w.vp, HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	g_assert_cmphex(set(&w, HV_VP_STATE_TIMERS, 0, &all, sizeof all), ==, HV_STATUS_SUCCESS);
	place(&w, "\xf4\xeb\xfd", 3);                      /* l: hlt; jmp l */
	resume(&w);
	do
		g_assert_cmphex(get(&w, HV_VP_STATE_MESSAGE_PAGE, 0, &page, sizeof page), ==, HV_STATUS_SUCCESS);
	while (slot->type == HV_MESSAGE_NONE);
	g_assert_cmphex(slot->type, ==, (uint32_t)HV_MESSAGE_TIMER_EXPIRED);
	g_assert_cmpuint(((const struct hv_timer_message *)slot->payload)->timer, ==, 1);
	g_assert_cmpuint(((const struct hv_timer_message *)slot->payload)->expiration, ==, 1234);
	/* Once. */
	g_assert_cmphex(get(&w, HV_VP_STATE_TIMERS, 0, &all, sizeof all), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(all.timer[1].config & HV_TIMER_ENABLE, ==, 0);
	close_world(&w);
}

/* ---- anything ---- */

static void garbage(GRand *r, uint8_t *page, size_t n)
{
	for (size_t i = 0; i < n; i++)
		page[i] = (uint8_t)(g_rand_int_range(r, 0, 3) ? 0 : g_rand_int(r));
}

/* It is taken or refused, and the VP can be run and stopped; what can be set once is what can be set again. */
static void whatever(void)
{
	static uint8_t page[HV_PAGE_SIZE];
	GRand *r = g_rand_new_with_seed(7);
	struct world w;

	open_world(&w);
	place(&w, "\xfb\xf4\xeb\xfd", 4);                  /* sti; l: hlt; jmp l */
	for (unsigned round = 0; round < 300; round++) {
		unsigned i = round % G_N_ELEMENTS(kinds);
		hv_status s;

		/* As it is, with something else here and there; or nothing of it. */
		g_assert_cmphex(get(&w, kinds[i].type, 7, page, kinds[i].bytes), ==, HV_STATUS_SUCCESS);
		if (g_rand_boolean(r))
			garbage(r, page, kinds[i].bytes);
		else
			garbage(r, page + g_rand_int_range(r, 0, (gint32)kinds[i].bytes - 8), 8);
		s = set(&w, kinds[i].type, 7, page, kinds[i].bytes);
		g_assert_true(s == HV_STATUS_SUCCESS || s == HV_STATUS_INVALID_PARAMETER);
		g_assert_cmphex(get(&w, kinds[i].type, 7, page, kinds[i].bytes), ==, HV_STATUS_SUCCESS);
		g_assert_cmphex(set(&w, kinds[i].type, 7, page, kinds[i].bytes), ==, HV_STATUS_SUCCESS);
		vp_continue(w.vp, SUSPEND_EXPLICIT | SUSPEND_INTERCEPT);
		g_usleep(200);
		vp_suspend(w.vp, SUSPEND_EXPLICIT);
		vp_wait_parked(w.vp);
	}
	g_rand_free(r);
	close_world(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vp-state/forbidden", forbidden_pages);
	g_test_add_func("/vp-state/running", of_a_running_vp);
	g_test_add_func("/vp-state/components", vectors_by_component);
	g_test_add_func("/vp-state/late", late_timer);
	g_test_add_func("/vp-state/whatever", whatever);
	return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hv.h"

#include <string.h>

#include "accel/hvtlfs/component.h"
#include "call.h"
#include "fuzz.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hw/hyperv/port.h"
#include "machine.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"

/*
 * RAM of the wild partition: what is below PLACED holds parameters, and only the output
 * of a hypercall may change it; from PLACED on MSRs place their pages.
 */
enum { PAGES = 64, PLACED = 48, VPS = 3, ACTS = 60, CODE = 0x1000 };
/* Among them: where receiver and sender see a monitor page. */
enum { MONITOR_RECEIVER = (PAGES - 2) * 4096, MONITOR_SENDER = (PAGES - 1) * 4096 };

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *wild, *quiet;
	unsigned weights[ACT_COUNT], weight;
	uint8_t before[PLACED][HV_PAGE_SIZE], after[HV_PAGE_SIZE];
	uint8_t quiet_memory[PAGES][HV_PAGE_SIZE];
	bool running;
	bool placed_low;       /* a page that changes by itself may be over RAM that is watched */
	bool lost[PLACED];     /* the guest has given the page away, or its rights to it */
};

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

/* ---- set-up ---- */

/* sti; hlt; jmp: in real mode, with an IDT of IRETs at 0. */
static void prepare(struct partition *p)
{
	static const uint8_t code[] = { 0xfb, 0xf4, 0xeb, 0xfc, 0xcf };
	uint16_t ivt[512];

	for (unsigned i = 0; i < 512; i += 2) {
		ivt[i] = CODE + 4;
		ivt[i + 1] = 0;
	}
	FUZZ_CHECK(partition_write(p, gpa(0), ivt, sizeof ivt), "no RAM");
	FUZZ_CHECK(partition_write(p, gpa(CODE), code, sizeof code), "no RAM");
}

static void point(struct vp *vp, void *o)
{
	struct x86_cpu *c = vp_cpu(vp);

	(void)o;
	c->activity = X86_ACTIVE;
	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		x86_set_seg_real(c, s, 0);
	x86_mode_update(c);
	c->rip = CODE;
	c->gpr[X86_RSP] = 0x3000 + vp_index(vp) * 0x400;
}

struct partition *hv_fuzz_partition(struct hv *hv, const struct x86_model *model, const char *name, unsigned vps,
				    const struct hv_features *features)
{
	GError *error = NULL;
	struct partition *p = partition_new(hv, &(struct partition_config){ .name = name, .vps = vps, .model = model,
					    .features = features }, &error);

	FUZZ_CHECK(p, "%s", error->message);
	return p;
}

void hv_fuzz_add_ram(struct partition *p, uint64_t page, uint64_t pages)
{
	GError *error = NULL;

	FUZZ_CHECK(partition_add_ram(p, gpa(page * HV_PAGE_SIZE), pages * HV_PAGE_SIZE, &error), "%s", error->message);
}

void hv_fuzz_close(struct hv *hv, struct partition *first, struct partition *second, struct x86_model *model)
{
	hv_free(hv);
	partition_unref(first);
	partition_unref(second);
	x86_model_free(model);
}

static struct partition *partition_of(struct world *w, const char *name)
{
	struct hv_features features;
	GError *error = NULL;
	struct partition *p;

	hv_features_init(&features);
	hv_cpu_option(&features, "hv-passthrough", "on", &error);
	features.privileges |= HV_ACCESS_PARTITION_ID | HV_POST_MESSAGES | HV_SIGNAL_EVENTS;
	p = hv_fuzz_partition(w->hv, w->model, name, VPS, &features);
	hv_fuzz_add_ram(p, 0, PAGES);
	return p;
}

/* Connections of numbers that a guest often names: messages to one VP, to any, events, a monitor page. */
static void make_ports(struct partition *p)
{
	static const struct hv_port_info ports[] = {
		{ .type = HV_PORT_MESSAGE, .sint = 1, .vp = 1 },
		{ .type = HV_PORT_MESSAGE, .sint = 2, .vp = HV_ANY_VP },
		{ .type = HV_PORT_EVENT, .sint = 3, .vp = HV_ANY_VP, .base_flag = 5, .flag_count = 4 },
		{ .type = HV_PORT_MONITOR, .monitor = MONITOR_RECEIVER },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
		const struct hv_connection_info c = { .type = ports[i].type,
			.monitor = ports[i].type == HV_PORT_MONITOR ? MONITOR_SENDER : 0 };

		FUZZ_CHECK(port_create(p, i, &ports[i]) == HV_STATUS_SUCCESS, "port %u", i);
		FUZZ_CHECK(port_connect_id(p, i, i, &c) == HV_STATUS_SUCCESS, "connection %u", i);
	}
}

static void *world_open(void)
{
	struct world *w = g_new0(struct world, 1);
	GError *error = NULL;
	struct fuzz f = { 1 };

	w->model = x86_model_parse("max", NULL, NULL, &error);
	FUZZ_CHECK(w->model, "%s", error->message);
	w->hv = hv_new(&(struct hv_config){ .memory = 16 << 20, .engine = "interp" }, &error);
	FUZZ_CHECK(w->hv, "%s", error->message);
	w->wild = partition_of(w, "wild");
	w->quiet = partition_of(w, "quiet");
	make_ports(w->wild);
	fuzz_bytes(&f, w->quiet_memory, sizeof w->quiet_memory);
	FUZZ_CHECK(partition_write(w->quiet, gpa(0), w->quiet_memory, sizeof w->quiet_memory), "no RAM");
	return w;
}

static void world_close(void *o)
{
	struct world *w = o;

	hv_fuzz_close(w->hv, w->wild, w->quiet, w->model);
	g_free(w);
}

/* ---- numbers that mean something ---- */

static uint64_t any_gpa(struct fuzz *f)
{
	uint64_t page = fuzz_below(f, PAGES + 4);

	switch (fuzz_below(f, 8)) {
	case 0: return fuzz_number(f);
	case 1: return page * HV_PAGE_SIZE + fuzz_below(f, HV_PAGE_SIZE);
	case 2: return page * HV_PAGE_SIZE + HV_PAGE_SIZE - 8 * fuzz_below(f, 40);
	default: return page * HV_PAGE_SIZE + 8 * fuzz_below(f, 64);
	}
}

static uint64_t any_value(struct fuzz *f)
{
	switch (fuzz_below(f, 6)) {
	case 0: return fuzz_below(f, VPS + 1);
	case 1: return any_gpa(f);
	case 2: return (UINT64_C(1) << fuzz_below(f, VPS + 2)) - 1;
	case 3: return fuzz_below(f, 2);
	default: return fuzz_number(f);
	}
}

static struct vp *any_vp(struct fuzz *f, struct world *w)
{
	return partition_vp(w->wild, (uint32_t)fuzz_below(f, VPS));
}

/* ---- hypercalls ---- */

static uint64_t any_control(struct fuzz *f, const struct world *w)
{
	const struct hv_call *row = &w->hv->calls[fuzz_below(f, w->hv->call_count)];
	uint64_t control = fuzz_chance(f, 16) ? fuzz_below(f, 0x10000) : row->code;

	if (fuzz_chance(f, 3))
		control |= HV_CALL_FAST;
	if (row->flags & CALL_REP ? !fuzz_chance(f, 8) : fuzz_chance(f, 8))
		control |= fuzz_below(f, fuzz_chance(f, 4) ? 4096 : 20) << HV_CALL_REPS_SHIFT;
	if (fuzz_chance(f, 6))
		control |= fuzz_below(f, fuzz_chance(f, 4) ? 4096 : 8) << HV_CALL_START_SHIFT;
	if (row->flags & CALL_VARIABLE ? !fuzz_chance(f, 4) : fuzz_chance(f, 16))
		control |= fuzz_below(f, fuzz_chance(f, 4) ? 1024 : 5) << HV_CALL_VARIABLE_SHIFT;
	if (fuzz_chance(f, 40))
		control |= UINT64_C(1) << fuzz_below(f, 64);
	return control;
}

static void fill_input(struct fuzz *f, struct world *w, uint64_t at)
{
	uint64_t words[40];

	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++)
		words[i] = any_value(f);
	/* Beyond RAM it is not written, which is a case as well. */
	partition_write(w->wild, gpa(at), words, fuzz_below(f, 4) ? sizeof words : 8 * fuzz_below(f, 40));
}

static void set_xmm(struct vp *vp, void *o)
{
	for (unsigned i = 0; i < 6; i++)
		for (unsigned k = 0; k < 2; k++)
			vp_cpu(vp)->ymm[i].q[k] = any_value(o);
}

static bool known_status(uint16_t s)
{
	static const uint16_t known[] = {
#define X(name, number) number,
		HV_STATUS_LIST(X)
#undef X
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
		if (known[i] == s)
			return true;
	return false;
}

void hv_fuzz_check_result(uint64_t control, uint64_t result)
{
	if (result == UINT64_MAX)
		return;                /* it faults */
	FUZZ_CHECK(known_status(hv_result_status(result)), "control %#" PRIx64 " result %#" PRIx64, control, result);
	FUZZ_CHECK(!(result & ~(UINT64_C(0xffff) | HV_CALL_REPS_MASK << HV_CALL_REPS_SHIFT)), "result %#" PRIx64, result);
	FUZZ_CHECK(hv_result_reps(result) <= hv_call_reps(control), "control %#" PRIx64 " result %#" PRIx64, control, result);
	FUZZ_CHECK(hv_result_status(result) != HV_STATUS_SUCCESS || hv_result_reps(result) == hv_call_reps(control),
		   "control %#" PRIx64 " result %#" PRIx64, control, result);
}

static uint32_t output_size(const struct world *w, uint64_t control)
{
	for (unsigned i = 0; i < w->hv->call_count; i++) {
		const struct hv_call *row = &w->hv->calls[i];

		if (row->code == hv_call_code(control))
			return control & HV_CALL_FAST ? 0 : row->out + row->out_elem * hv_call_reps(control);
	}
	return 0;
}

static void watch_memory(struct world *w)
{
	for (unsigned page = 0; page < PLACED; page++)
		w->lost[page] = !partition_read(w->wild, gpa((uint64_t)page * HV_PAGE_SIZE), w->before[page], HV_PAGE_SIZE);
}

/* The calls by which a partition's own page becomes unreadable, or readable again. */
static bool moves_pages(uint64_t control)
{
	switch (hv_call_code(control)) {
	case HV_CALL_DEPOSIT_MEMORY: case HV_CALL_WITHDRAW_MEMORY: case HV_CALL_MAP_GPA_PAGES: case HV_CALL_UNMAP_GPA_PAGES:
	case HV_CALL_MODIFY_SPARSE_GPA_PAGES: case HV_CALL_MAP_SPARSE_GPA_PAGES:
		return true;
	}
	return false;
}

/* A statistics page is where the call says, and filled from then on; state of a VP goes to pages that the call names. */
static bool writes_where_it_likes(uint64_t control)
{
	switch (hv_call_code(control)) {
	case HV_CALL_MAP_STATS_PAGE: case HV_CALL_MAP_STATS_PAGE_2: case HV_CALL_UNMAP_STATS_PAGE: case HV_CALL_GET_VP_STATE:
		return true;
	}
	return false;
}

/* Nothing but [out, out + size) has changed in the watched pages. */
static void check_memory(struct world *w, uint64_t out, uint32_t size, uint64_t control)
{
	for (unsigned page = 0; page < PLACED; page++) {
		uint64_t at = (uint64_t)page * HV_PAGE_SIZE;

		bool there = partition_read(w->wild, gpa(at), w->after, HV_PAGE_SIZE);

		if (there == w->lost[page])
			FUZZ_CHECK(moves_pages(control), "control %#" PRIx64 ": page %u is %s", control, page, there ? "back" : "gone");
		if (!there || w->lost[page] || !memcmp(w->before[page], w->after, HV_PAGE_SIZE))
			continue;
		for (unsigned i = 0; i < HV_PAGE_SIZE; i++)
			FUZZ_CHECK(w->before[page][i] == w->after[i] || (at + i >= out && at + i < out + size),
				   "control %#" PRIx64 " wrote at %#" PRIx64 ", output is %#" PRIx64 ", %u bytes", control, at + i, out, size);
	}
}

static void hypercall(struct fuzz *f, struct world *w)
{
	uint64_t control = any_control(f, w), in = any_gpa(f), out = any_gpa(f), result;
	struct vp *vp = any_vp(f, w);
	bool watch = !w->running && !w->placed_low;

	fill_input(f, w, in);
	vp_call(vp, set_xmm, f);
	if (watch)
		watch_memory(w);
	result = vp_hypercall(vp, control, control & HV_CALL_FAST && fuzz_chance(f, 2) ? any_value(f) : in,
			      control & HV_CALL_FAST && fuzz_chance(f, 2) ? any_value(f) : out);
	hv_fuzz_check_result(control, result);
	if (writes_where_it_likes(control)) {
		if (result == HV_STATUS_SUCCESS && hv_call_code(control) != HV_CALL_GET_VP_STATE)
			w->placed_low = true;
		return;
	}
	if (watch)
		check_memory(w, out, output_size(w, control), control);
}

/* ---- MSRs, leaves ---- */

static uint32_t any_msr(struct fuzz *f)
{
	static const uint32_t bases[] = { 0x40000000, 0x40000010, 0x40000020, 0x40000070, 0x40000080, 0x40000090, 0x400000b0,
					  0x400000e0, 0x400000f0, 0x40000100, 0x40000110, 0x800, 0x1b, 0x6e0 };

	if (fuzz_chance(f, 20))
		return (uint32_t)fuzz_number(f);
	return bases[fuzz_below(f, G_N_ELEMENTS(bases))] + (uint32_t)fuzz_below(f, 16);
}

/* Those that place pages. */
static bool places(uint32_t msr)
{
	return msr == HV_X64_MSR_HYPERCALL || msr == HV_X64_MSR_REFERENCE_TSC || msr == HV_X64_MSR_VP_ASSIST_PAGE ||
	       msr == HV_X64_MSR_SIEFP || msr == HV_X64_MSR_SIMP ||
	       (msr >= HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE && msr <= HV_X64_MSR_STATS_VP_INTERNAL_PAGE);
}

static void msr(struct fuzz *f, struct world *w)
{
	struct vp *vp = any_vp(f, w);
	uint32_t number = any_msr(f);
	uint64_t value = any_value(f), got;

	if (fuzz_chance(f, 3)) {
		vp_rdmsr(vp, number, &got);
		return;
	}
	if (places(number)) {
		value = (PLACED + fuzz_below(f, PAGES - PLACED + 4)) << HV_MSR_PAGE_SHIFT | fuzz_below(f, 2);
		if (fuzz_chance(f, 40)) {
			value = any_gpa(f) | 1;
			w->placed_low = true;
		}
	}
	if (number == HV_X64_MSR_GUEST_OS_ID && !fuzz_chance(f, 4))
		value = 1;
	if (vp_wrmsr(vp, number, value) && number == 0x1b)
		w->placed_low = true;  /* the APIC's page may be anywhere now */
}

static void cpuid(struct fuzz *f, struct world *w)
{
	uint32_t regs[4], leaf = 0x40000000 + (uint32_t)fuzz_below(f, 0x90);

	if (fuzz_chance(f, 4))
		leaf = (uint32_t)fuzz_number(f);
	vp_cpuid(any_vp(f, w), leaf, (uint32_t)fuzz_below(f, 4), regs);
}

/* ---- what guests do to memory that the hypervisor reads ---- */

static void memory(struct fuzz *f, struct world *w)
{
	uint64_t at = PLACED * HV_PAGE_SIZE + 8 * fuzz_below(f, (PAGES - PLACED) * HV_PAGE_SIZE / 8), v = any_value(f);

	/* State and triggers of the monitor page. */
	if (fuzz_chance(f, 4))
		at = MONITOR_SENDER + 8 * fuzz_below(f, 6);
	/* The type of a message, or any byte of it. */
	else if (fuzz_chance(f, 2))
		at &= ~UINT64_C(255);
	if (fuzz_chance(f, 2))
		v = 0;
	partition_write(w->wild, gpa(at), &v, 1u << fuzz_below(f, 4));
}

static void interrupt(struct fuzz *f, struct world *w)
{
	switch (fuzz_below(f, 4)) {
	case 0:
		partition_msi(w->wild, 0xfee00000 | fuzz_below(f, VPS) << 12, (uint32_t)fuzz_below(f, 0x10000));
		break;
	case 1:
		partition_nmi(w->wild);
		break;
	default:
		vp_raise(any_vp(f, w), (uint8_t)fuzz_below(f, 256), (unsigned)fuzz_below(f, 2));
	}
}

static void run(struct fuzz *f, struct world *w)
{
	(void)f;
	if (w->running)
		partition_suspend(w->wild);
	else
		partition_resume(w->wild);
	w->running = !w->running;
}

/* ---- a round ---- */

static void (*const acts[ACT_COUNT])(struct fuzz *f, struct world *w) = {
	[ACT_HYPERCALL] = hypercall, [ACT_MSR] = msr, [ACT_CPUID] = cpuid, [ACT_MEMORY] = memory, [ACT_INTERRUPT] = interrupt,
	[ACT_RUN] = run,
};

static enum hv_act choose(struct fuzz *f, const struct world *w)
{
	uint64_t n = fuzz_below(f, w->weight);
	unsigned a = 0;

	while (n >= w->weights[a])
		n -= w->weights[a++];
	return a;
}

static void check_quiet(struct world *w)
{
	uint64_t v;

	for (unsigned page = 0; page < PAGES; page++) {
		FUZZ_CHECK(partition_read(w->quiet, gpa((uint64_t)page * HV_PAGE_SIZE), w->after, HV_PAGE_SIZE), "page %u is gone", page);
		FUZZ_CHECK(!memcmp(w->after, w->quiet_memory[page], HV_PAGE_SIZE), "page %u of another partition has changed", page);
	}
	FUZZ_CHECK(vp_rdmsr(partition_vp(w->quiet, 0), HV_X64_MSR_GUEST_OS_ID, &v) && v == 0, "another partition's OS id is %#" PRIx64, v);
}

static void world_round(struct fuzz *f, void *o)
{
	static uint8_t zeros[HV_PAGE_SIZE];
	struct world *w = o;

	partition_reset(w->wild);
	for (unsigned page = 0; page < PAGES; page++)
		partition_write(w->wild, gpa((uint64_t)page * HV_PAGE_SIZE), zeros, sizeof zeros);
	prepare(w->wild);
	for (unsigned i = 0; i < VPS; i++)
		vp_call(partition_vp(w->wild, i), point, NULL);
	partition_start(w->wild);
	w->running = true;
	w->placed_low = false;
	for (unsigned i = 0; i < ACTS; i++)
		acts[choose(f, w)](f, w);
	partition_suspend(w->wild);
	check_quiet(w);
}

/* open() is told nothing, so the weights wait here for it. */
static const unsigned *program_weights;

static void *open_weighted(void)
{
	struct world *w = world_open();

	for (unsigned i = 0; i < ACT_COUNT; i++)
		w->weight += w->weights[i] = program_weights[i];
	return w;
}

int hv_fuzz_main(int argc, char **argv, const char *name, const unsigned weights[ACT_COUNT])
{
	const struct fuzz_target target = { name, open_weighted, world_round, world_close };

	program_weights = weights;
	return fuzz_main(argc, argv, &target);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic timers, row by row, in a VP whose reference time the test moves. */
#include <stdlib.h>
#include <string.h>

#include "accel/hvtlfs/component.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "hw/hyperv/synic.h"
#include "sync/futex.h"

enum { CONFIG = HV_X64_MSR_STIMER0_CONFIG, COUNT = HV_X64_MSR_STIMER0_COUNT, MS = 10000 };
enum { DIRECT = HV_TIMER_DIRECT | 0xed << HV_TIMER_VECTOR_SHIFT, ENABLE = HV_TIMER_ENABLE, AUTO = HV_TIMER_AUTO_ENABLE,
       PERIODIC = HV_TIMER_PERIODIC, LAZY = HV_TIMER_LAZY, LINUX = ENABLE | AUTO | DIRECT };

/* ---- the world around it ---- */

struct partition {
	uint64_t now;
	struct hv_features features;
};

struct vp {
	struct partition p;
	void *state;
	unsigned raised[256], changes;
	bool untaken;            /* the guest has interrupts off */
	uint64_t counted[VP_COUNT_COUNT];
	hv_status status;        /* what a message meets */
	unsigned messages, sint;
	struct hv_timer_message last;
};

void *vp_component_state(struct vp *vp, const struct vp_component *k) { return vp->state; }
uint32_t vp_index(const struct vp *vp) { return 0; }
struct partition *vp_partition(struct vp *vp) { return &vp->p; }
const char *partition_name(const struct partition *p) { return "p"; }
const struct hv_features *partition_features(const struct partition *p) { return &p->features; }
uint64_t partition_reference_time(struct partition *p) { return p->now; }
void vp_raise(struct vp *vp, uint8_t vector, unsigned flags) { g_assert_cmpuint(flags, ==, 0); vp->raised[vector]++; }
bool synic_timer_waits(struct vp *vp, unsigned timer) { return vp->status == HV_STATUS_INSUFFICIENT_BUFFERS; }
bool vp_raised(struct vp *vp, uint8_t vector) { return vector == 0xed && vp->untaken; }
void vp_deadline_changed(struct vp *vp) { vp->changes++; }
void vp_count(struct vp *vp, enum vp_count n) { vp->counted[n]++; }

hv_status synic_timer_message(struct vp *vp, unsigned timer, unsigned sint, const struct hv_timer_message *m)
{
	g_assert_cmpuint(timer, ==, m->timer);
	vp->sint = sint;
	vp->last = *m;
	vp->messages += vp->status == HV_STATUS_SUCCESS;
	return vp->status;
}

static const struct vp_component *const k = &stimer_component;

static struct vp *world(void)
{
	struct vp *vp = g_new0(struct vp, 1);

	vp->p.now = 1000 * MS;
	vp->p.features.facilities = HV_FEATURE_DIRECT_TIMERS;
	vp->state = g_malloc0(k->size);
	g_assert_true(k->init(vp, vp->state));
	k->reset(vp, vp->state, X86_RESET_POWER_ON);
	return vp;
}

static void end(struct vp *vp)
{
	g_free(vp->state);
	g_free(vp);
}

static const struct msr_row *row(uint32_t msr)
{
	for (const struct msr_row *r = k->msrs; r->name; r++)
		if (msr >= r->first && msr <= r->last)
			return r;
	return NULL;
}

/* As the core does it. */
static enum x86_result try(struct vp *vp, uint32_t msr, uint64_t v)
{
	return row(msr)->reserved & v ? X86_FAULT_GP : row(msr)->write(vp, msr, v);
}

static void wr(struct vp *vp, uint32_t msr, uint64_t v)
{
	unsigned changes = vp->changes;

	g_assert_cmpint(try(vp, msr, v), ==, X86_OK);
	g_assert_cmpuint(vp->changes, >, changes);
}

static uint64_t rd(struct vp *vp, uint32_t msr)
{
	uint64_t v = 0;

	g_assert_cmpint(row(msr)->read(vp, msr, &v), ==, X86_OK);
	return v;
}

static bool armed(struct vp *vp) { return k->next_deadline(vp, vp->state) != INT64_MAX; }

/*
 * Reference time until the core is to call, 0: now.  The deadline is told in host time, which goes on
 * while we ask: this is the least that it can be, and the next the most.
 */
static uint64_t left(struct vp *vp)
{
	int64_t at = k->next_deadline(vp, vp->state), now = monotonic_ns();

	g_assert_cmpint(at, !=, INT64_MAX);
	return at > now ? (uint64_t)(at - now) / 100 : 0;
}

static uint64_t left_at_most(struct vp *vp)
{
	int64_t now = monotonic_ns(), at = k->next_deadline(vp, vp->state);

	g_assert_cmpint(at, !=, INT64_MAX);
	g_assert_cmpint(at, >=, now);
	return (uint64_t)(at - now) / 100;
}

/* What the core does at @to: asks, and calls only if the deadline has come. */
static unsigned at(struct vp *vp, uint64_t to)
{
	unsigned before = vp->raised[0xed];

	vp->p.now = to;
	if (armed(vp) && k->next_deadline(vp, vp->state) <= monotonic_ns())
		k->expire(vp, vp->state, monotonic_ns());
	return vp->raised[0xed] - before;
}

/* ---- tests ---- */

static void registers(void)
{
	struct vp *vp = world();

	/* T15.1.1.a, T15.3.a, T15.3.1.a: four pairs, 0 at first; T15.3.b: all need the privilege. */
	for (uint32_t msr = CONFIG; msr < CONFIG + 8; msr++) {
		g_assert_cmphex(rd(vp, msr), ==, 0);
		g_assert_cmphex(row(msr)->privilege, ==, 1 << 3);
		g_assert_cmpint(row(msr)->scope, ==, MSR_VP);
	}
	g_assert_null(row(CONFIG - 1));
	g_assert_null(row(CONFIG + 8));
	/* T15.3.1.j */
	wr(vp, CONFIG + 2, PERIODIC | LAZY | AUTO | DIRECT | 5 << 16);
	wr(vp, COUNT + 2, UINT64_MAX);
	g_assert_cmphex(rd(vp, CONFIG + 2), ==, ENABLE | PERIODIC | LAZY | AUTO | DIRECT | 5 << 16);
	g_assert_cmphex(rd(vp, COUNT + 2), ==, UINT64_MAX);
	g_assert_cmphex(rd(vp, CONFIG), ==, 0);
	g_assert_cmphex(rd(vp, CONFIG + 4), ==, 0);
	/* Reserved bits */
	for (unsigned bit = 0; bit < 64; bit++)
		g_assert_cmpint(try(vp, CONFIG + 6, UINT64_C(1) << bit), ==,
				bit >= 20 || (bit >= 13 && bit <= 15) ? X86_FAULT_GP : X86_OK);
	vp->p.features.facilities = 0;
	g_assert_cmpint(try(vp, CONFIG, HV_TIMER_DIRECT), ==, X86_FAULT_GP);
	g_assert_cmpint(try(vp, CONFIG, 1 << 4), ==, X86_FAULT_GP);
	g_assert_cmpint(try(vp, CONFIG, ENABLE | 2 << 16), ==, X86_OK);
	end(vp);
}

/* As Linux does it. */
static void one_shot(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now + 10 * MS;

	wr(vp, CONFIG, LINUX);
	g_assert_false(armed(vp));                       /* enabled with count 0 does not fire */
	g_assert_cmphex(rd(vp, CONFIG), ==, LINUX);
	wr(vp, COUNT, t);
	g_assert_cmpuint(left(vp), <=, 10 * MS);
	g_assert_cmpuint(left_at_most(vp), >, 9 * MS);
	g_assert_cmpuint(at(vp, t - 1), ==, 0);          /* T15.1.3.b */
	g_assert_cmpuint(left(vp), <=, 1);
	g_assert_cmpuint(at(vp, t), ==, 1);              /* T15.3.2.b */
	g_assert_cmphex(rd(vp, CONFIG), ==, AUTO | DIRECT); /* T15.3.1.e */
	g_assert_cmpuint(rd(vp, COUNT), ==, t);
	g_assert_false(armed(vp));
	g_assert_cmpuint(at(vp, t + MS), ==, 0);
	/* T15.3.1.c: the next count enables again; again while armed: re-arms */
	wr(vp, COUNT, t + 20 * MS);
	wr(vp, COUNT, t + 10 * MS);
	g_assert_cmphex(rd(vp, CONFIG), ==, LINUX);
	g_assert_cmpuint(at(vp, t + 10 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 20 * MS), ==, 0);
	/* T15.3.1.g */
	wr(vp, COUNT, 5);
	g_assert_cmpuint(left(vp), ==, 0);
	g_assert_cmpuint(at(vp, vp->p.now), ==, 1);
	/* T15.3.2.a */
	wr(vp, COUNT, vp->p.now + MS);
	wr(vp, COUNT, 0);
	g_assert_false(armed(vp));
	g_assert_cmphex(rd(vp, CONFIG), ==, AUTO | DIRECT);
	wr(vp, CONFIG, 0);
	g_assert_cmpuint(vp->counted[COUNT_TIMERS_EXPIRED], ==, 3);
	end(vp);
}

static void no_auto_enable(void)
{
	struct vp *vp = world();

	/* T15.3.1.d */
	wr(vp, CONFIG, DIRECT);
	wr(vp, COUNT, vp->p.now + MS);
	g_assert_false(armed(vp));
	g_assert_cmphex(rd(vp, CONFIG), ==, DIRECT);
	wr(vp, CONFIG, DIRECT | ENABLE);
	g_assert_cmpuint(left(vp), <=, MS);
	/* A count of 0 stops whatever auto-enable says (T15.3.2.a); disabling stops. */
	wr(vp, COUNT, 0);
	g_assert_cmphex(rd(vp, CONFIG), ==, DIRECT);
	wr(vp, COUNT, vp->p.now + MS);
	wr(vp, CONFIG, DIRECT | ENABLE);
	wr(vp, CONFIG, DIRECT);
	g_assert_false(armed(vp));
	/* T15.3.1.g, by enabling */
	wr(vp, COUNT, 1);
	wr(vp, CONFIG, DIRECT | ENABLE);
	g_assert_cmpuint(at(vp, vp->p.now), ==, 1);
	end(vp);
}

static void far_away(void)
{
	struct vp *vp = world();

	/* T15.3.2.d: nothing wraps */
	wr(vp, CONFIG, LINUX);
	wr(vp, COUNT, UINT64_MAX - 1);
	g_assert_cmpuint(at(vp, vp->p.now), ==, 0);
	wr(vp, CONFIG, LINUX | PERIODIC);
	g_assert_cmpuint(at(vp, vp->p.now + MS), ==, 0);
	wr(vp, COUNT, UINT64_MAX);
	g_assert_cmpuint(at(vp, vp->p.now + MS), ==, 0);
	g_assert_false(armed(vp));
	end(vp);
}

static void periodic(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;

	wr(vp, CONFIG, DIRECT | PERIODIC);
	wr(vp, COUNT, 4 * MS);
	wr(vp, CONFIG, DIRECT | PERIODIC | ENABLE);
	g_assert_cmpuint(at(vp, t + 4 * MS - 1), ==, 0);
	g_assert_cmpuint(at(vp, t + 4 * MS), ==, 1);     /* T15.3.2.c */
	g_assert_cmphex(rd(vp, CONFIG), ==, DIRECT | PERIODIC | ENABLE);   /* T15.3.1.f */
	/* T15.1.4.a: a late signal does not move those behind it */
	g_assert_cmpuint(at(vp, t + 9 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 12 * MS - 1), ==, 0);
	g_assert_cmpuint(at(vp, t + 12 * MS), ==, 1);
	/* T15.1.4.c: due at 16, 20, 24, 28; noticed at 29, then at half the distance until caught up */
	g_assert_cmpuint(at(vp, t + 29 * MS), ==, 1);
	g_assert_cmpuint(left(vp), <=, 2 * MS);
	g_assert_cmpuint(at(vp, t + 31 * MS - 1), ==, 0);
	g_assert_cmpuint(at(vp, t + 31 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 33 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 35 * MS), ==, 1);    /* 28; 32 is missed as well */
	g_assert_cmpuint(at(vp, t + 37 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 39 * MS), ==, 1);    /* 36 */
	g_assert_cmpuint(at(vp, t + 40 * MS - 1), ==, 0);
	g_assert_cmpuint(at(vp, t + 40 * MS), ==, 1);    /* in step again, none lost */
	g_assert_cmpuint(vp->raised[0xed], ==, 10);
	/* Stopped by software only. */
	wr(vp, CONFIG, DIRECT | PERIODIC);
	g_assert_false(armed(vp));
	end(vp);
}

/* T15.1.4.d: what a long time away has missed is not made up for one by one. */
static void dropped(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;
	unsigned n;

	wr(vp, CONFIG, LINUX | PERIODIC);
	wr(vp, COUNT, MS);
	t += 1000000 * (uint64_t)MS;
	g_assert_cmpuint(at(vp, t), ==, 1);
	/* 200 periods of 1 ms, at half the distance, while others become due. */
	for (n = 0; left(vp) <= MS / 2 && n < 1000; n++)
		g_assert_cmpuint(at(vp, vp->p.now + MS / 2), ==, 1);
	g_assert_cmpuint(n, >, 380);
	g_assert_cmpuint(n, <, 420);
	end(vp);
}

/* Ticks do not get lost in an interrupt that waits; a lazy timer's may. */
static void untaken(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;
	unsigned n = 0;

	wr(vp, CONFIG, LINUX | PERIODIC);
	wr(vp, COUNT, 4 * MS);
	g_assert_cmpuint(at(vp, t + 4 * MS), ==, 1);
	vp->untaken = true;
	for (unsigned i = 5; i <= 18; i++)
		n += at(vp, t + i * MS);
	g_assert_cmpuint(n, ==, 0);
	vp->untaken = false;
	for (unsigned i = 19; i <= 40; i++)
		n += at(vp, t + i * MS);
	g_assert_cmpuint(n, ==, 9);                      /* of 8, 12, 16 ... 40 */
	vp->untaken = true;
	wr(vp, CONFIG, ENABLE | DIRECT | PERIODIC | LAZY);
	g_assert_cmpuint(at(vp, t + 44 * MS), ==, 1);
	end(vp);
}

static void lazy(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;

	wr(vp, CONFIG, DIRECT | PERIODIC | LAZY | AUTO);
	wr(vp, COUNT, 4 * MS);
	g_assert_cmpuint(at(vp, t + 4 * MS), ==, 1);
	/* T15.1.4.e: late, but signalled; then a full period from the schedule */
	g_assert_cmpuint(at(vp, t + 9 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 12 * MS - 1), ==, 0);
	/* The next one is near: skipped; no period is shortened. */
	g_assert_cmpuint(at(vp, t + 16 * MS - MS / 2), ==, 0);
	g_assert_cmpuint(vp->counted[COUNT_TIMERS_SKIPPED], ==, 1);
	g_assert_cmpuint(at(vp, t + 16 * MS), ==, 1);
	/* Missed ones are never made up for. */
	g_assert_cmpuint(at(vp, t + 401 * MS), ==, 1);
	g_assert_cmpuint(at(vp, t + 404 * MS - 1), ==, 0);
	g_assert_cmpuint(at(vp, t + 404 * MS), ==, 1);
	end(vp);
}

/* A period that no machine could serve slows the guest's timer, not the machine. */
static void shortest(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;
	unsigned n = 0;

	wr(vp, CONFIG, LINUX | PERIODIC);
	wr(vp, COUNT, 1);
	for (unsigned i = 1; i <= MS; i++)
		n += at(vp, t + i);
	g_assert_cmpuint(n, >, 2);
	g_assert_cmpuint(n, <=, 21);
	end(vp);
}

static void message_mode(void)
{
	struct vp *vp = world();

	/* T15.3.1.h */
	wr(vp, CONFIG, AUTO | 2 << 16);
	wr(vp, COUNT, vp->p.now + MS);
	g_assert_cmphex(rd(vp, CONFIG), ==, ENABLE | AUTO | 2 << 16);
	wr(vp, CONFIG, ENABLE | AUTO);
	g_assert_cmphex(rd(vp, CONFIG), ==, AUTO);
	g_assert_false(armed(vp));
	wr(vp, COUNT, vp->p.now + MS);
	g_assert_cmphex(rd(vp, CONFIG), ==, AUTO);
	end(vp);
}

static void messages(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;

	/* T15.1.3.a, T16.4.1.a, T16.4.1.b */
	wr(vp, CONFIG + 4, AUTO | 7 << 16);
	wr(vp, COUNT + 4, t + MS);
	at(vp, t + 2 * MS);
	g_assert_cmpuint(vp->messages, ==, 1);
	g_assert_cmpuint(vp->sint, ==, 7);
	g_assert_cmpuint(vp->last.timer, ==, 2);
	g_assert_cmpuint(vp->last.expiration, ==, t + MS);
	g_assert_cmphex(rd(vp, CONFIG + 4), ==, AUTO | 7 << 16);
	/* The last message waits: a one-shot timer waits as well, and remembers when it was due. */
	vp->status = HV_STATUS_INSUFFICIENT_BUFFERS;
	wr(vp, COUNT + 4, t + 3 * MS);
	at(vp, t + 3 * MS);
	g_assert_cmphex(rd(vp, CONFIG + 4), ==, ENABLE | AUTO | 7 << 16);
	g_assert_cmpuint(left(vp), <=, MS);
	vp->status = HV_STATUS_SUCCESS;
	at(vp, t + 4 * MS);
	g_assert_cmpuint(vp->messages, ==, 2);
	g_assert_cmpuint(vp->last.expiration, ==, t + 3 * MS);
	g_assert_false(armed(vp));
	/* So does a periodic one; a lazy one drops that tick. */
	wr(vp, CONFIG + 4, AUTO | PERIODIC | 7 << 16);
	wr(vp, COUNT + 4, MS);
	vp->status = HV_STATUS_INSUFFICIENT_BUFFERS;
	at(vp, t + 5 * MS);
	g_assert_cmpuint(left(vp), <=, MS / 2);
	vp->status = HV_STATUS_SUCCESS;
	at(vp, t + 5 * MS + MS / 2);
	g_assert_cmpuint(vp->messages, ==, 3);
	g_assert_cmpuint(vp->last.expiration, ==, t + 5 * MS);
	at(vp, t + 6 * MS);
	g_assert_cmpuint(vp->messages, ==, 4);
	g_assert_cmpuint(vp->counted[COUNT_TIMERS_SKIPPED], ==, 0);
	vp->status = HV_STATUS_INSUFFICIENT_BUFFERS;
	wr(vp, CONFIG + 4, ENABLE | PERIODIC | LAZY | 7 << 16);
	at(vp, t + 7 * MS);
	g_assert_cmpuint(vp->counted[COUNT_TIMERS_SKIPPED], ==, 1);
	/* SynIC disabled: expired, and nobody told */
	vp->status = HV_STATUS_INVALID_SYNIC_STATE;
	wr(vp, CONFIG + 4, 0);
	wr(vp, CONFIG + 4, AUTO | 7 << 16);
	wr(vp, COUNT + 4, t);
	at(vp, t + 7 * MS);
	g_assert_cmphex(rd(vp, CONFIG + 4), ==, AUTO | 7 << 16);
	end(vp);
}

static void several(void)
{
	struct vp *vp = world();
	uint64_t t = vp->p.now;

	for (uint32_t n = 0; n < 4; n++) {
		wr(vp, CONFIG + 2 * n, AUTO | HV_TIMER_DIRECT | (0x40 + n) << HV_TIMER_VECTOR_SHIFT);
		wr(vp, COUNT + 2 * n, t + (4 - n) * MS);
	}
	g_assert_cmpuint(left(vp), <=, MS);
	at(vp, t + 2 * MS);
	for (uint32_t n = 0; n < 4; n++)
		g_assert_cmpuint(vp->raised[0x40 + n], ==, n >= 2);
	/* T15.3.1.b, and by INIT */
	for (int how = X86_RESET_POWER_ON; how <= X86_RESET_INIT; how++) {
		wr(vp, CONFIG, LINUX);
		wr(vp, COUNT, t + 100 * MS);
		k->reset(vp, vp->state, how);
		g_assert_false(armed(vp));
		for (uint32_t msr = CONFIG; msr < CONFIG + 8; msr++)
			g_assert_cmphex(rd(vp, msr), ==, 0);
	}
	end(vp);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stimer/registers", registers);
	g_test_add_func("/stimer/one-shot", one_shot);
	g_test_add_func("/stimer/no-auto-enable", no_auto_enable);
	g_test_add_func("/stimer/far-away", far_away);
	g_test_add_func("/stimer/periodic", periodic);
	g_test_add_func("/stimer/dropped", dropped);
	g_test_add_func("/stimer/untaken", untaken);
	g_test_add_func("/stimer/lazy", lazy);
	g_test_add_func("/stimer/shortest", shortest);
	g_test_add_func("/stimer/message-mode", message_mode);
	g_test_add_func("/stimer/messages", messages);
	g_test_add_func("/stimer/several", several);
	return g_test_run();
}

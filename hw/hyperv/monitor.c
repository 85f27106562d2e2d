/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One monitor page: where it is seen, what it asks for, when it is to be looked at.
 *
 * Guests write to it whenever they like, so each word is read once.  What the
 * specification leaves open (O33): a trigger's pending bit is cleared when it is taken, Armed and
 * the reserved areas are the guests' own; latency 0 means that nobody has a wish; the page lives as
 * long as its port.
 */
#include "monitor.h"

#include <stdatomic.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"

/* Distance of two looks at a group: the least and the most, and that of one that nobody has enabled or given a latency. */
#define SHORTEST_NS INT64_C(100000)
#define LONGEST_NS INT64_C(5000000)
#define IDLE_NS INT64_C(10000000)
#define LATENCY_NS 100

struct monitor {
	struct msr_page *receiver, *sender;   /* set once: one frame */
	int64_t due[HV_MONITOR_GROUPS];
};

static struct hv_monitor_page *page_of(const struct monitor *m)
{
	return msr_page_host(m->receiver);
}

struct monitor *monitor_new(struct partition *p)
{
	struct msr_page *page = msr_page_new(p, X86_PAGE_READ | X86_PAGE_WRITE);
	struct monitor *m;

	if (!page)
		return NULL;
	m = g_new0(struct monitor, 1);
	m->receiver = page;
	m->sender = MUTANT(monitor_two_pages) ? msr_page_new(p, X86_PAGE_READ | X86_PAGE_WRITE) : msr_page_alias(page, p);   /* T14.5.4.c */
	return m;
}

void monitor_free(struct monitor *m)
{
	msr_page_free(m->sender);
	msr_page_free(m->receiver);
	g_free(m);
}

static void place(struct msr_page *page, struct vp *vp, uint64_t gpa)
{
	msr_page_place(vp, page, gpa == MONITOR_NOWHERE ? 0 : gpa | HV_MSR_PAGE_ENABLE);
}

void monitor_place_receiver(struct monitor *m, struct vp *vp, uint64_t gpa)
{
	place(m->receiver, vp, gpa);                       /* T14.9.1.x */
}

void monitor_place_sender(struct monitor *m, struct vp *vp, uint64_t gpa)
{
	place(m->sender, vp, gpa);                         /* T14.9.3.t */
}

void monitor_clear(struct monitor *m)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)page_of(m);

	for (unsigned i = 0; i < sizeof(struct hv_monitor_page) / 8; i++)
		atomic_store_explicit(&word[i], 0, memory_order_relaxed);
}

void monitor_tell(struct monitor *m, bool looking)
{
	if (looking)
		__atomic_fetch_and(&page_of(m)->state, ~HV_MONITOR_DISABLED, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&page_of(m)->state, HV_MONITOR_DISABLED, __ATOMIC_SEQ_CST);
}

/* T14.8.10.d: the lowest that one of its triggers has. */
static int64_t interval(const uint16_t latency[HV_MONITOR_TRIGGERS])
{
	unsigned lowest = 0;

	for (unsigned t = 0; t < HV_MONITOR_TRIGGERS; t++) {
		unsigned v = __atomic_load_n(&latency[t], __ATOMIC_RELAXED);

		if (v && (!lowest || v < lowest))
			lowest = v;
	}
	return lowest ? CLAMP((int64_t)lowest * LATENCY_NS, SHORTEST_NS, LONGEST_NS) : IDLE_NS;   /* T14.5.2.a */
}

static unsigned take_group(struct hv_monitor_page *page, unsigned g, struct monitor_signal *signal)
{
	uint32_t pending = __atomic_exchange_n(&page->group[g].pending, 0, __ATOMIC_SEQ_CST);
	unsigned n = 0;

	if (MUTANT(monitor_trigger_0))
		pending &= UINT32_MAX - 1;
	for (; pending; pending &= pending - 1) {
		const struct hv_monitor_parameter *p = &page->parameter[g][__builtin_ctz(pending)];

		/* T14.5.3.a, T14.8.9.2.a */
		signal[n].connection = __atomic_load_n(&p->connection_id, __ATOMIC_RELAXED);
		signal[n++].flag = __atomic_load_n(&p->flag, __ATOMIC_RELAXED);
	}
	return n;
}

unsigned monitor_take(struct monitor *m, int64_t now, struct monitor_signal signal[MONITOR_SIGNALS])
{
	struct hv_monitor_page *page = page_of(m);
	uint32_t state = __atomic_load_n(&page->state, __ATOMIC_SEQ_CST);
	unsigned n = 0;

	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
		bool enabled = state >> g & 1 || MUTANT(monitor_group_disabled);   /* T14.8.10.a, T14.8.10.b */

		if (m->due[g] > now)
			continue;
		m->due[g] = now == INT64_MAX ? 0 : now + (enabled ? interval(page->latency[g]) : IDLE_NS);
		if (enabled)
			n += take_group(page, g, signal + n);
	}
	return n;
}

int64_t monitor_due(const struct monitor *m)
{
	int64_t due = m->due[0];

	for (unsigned g = 1; g < HV_MONITOR_GROUPS; g++)
		due = MIN(due, m->due[g]);
	return due;
}

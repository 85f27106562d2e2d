/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Local APIC.  Intel SDM volume 3, chapter "Advanced Programmable Interrupt
 * Controller".  Left out on purpose: SMI (there is no SMM), CMCI, suppression of
 * EOI broadcasts, arbitration registers of the 82489 bus.
 *
 * Threads.  Registers are changed by the VP's own thread.  What other threads
 * need to deliver a message is atomic: IRR and TMR (they write), mode, id and
 * filters (they read).  So an IPI is an atomic OR and vp_pend(), without a lock.
 * A message that races with a change of a filter takes the old or the new one,
 * as on the bus.
 *
 * EOIs that the guest need not make (13.3.4.1).  On taking an interrupt its VP sets a bit in a
 * page of the guest if nothing else waits; the guest clears it in place of an EOI, and the
 * interrupt is retired when next somebody asks for priorities: retire().  If something comes
 * to wait meanwhile, its message makes the engine ask for an interrupt as soon as IF allows
 * one: with the bit gone the interrupt has ended and the next is taken; with the bit still
 * set it is withdrawn, so that the EOI comes here.
 */
#include "hw/intc/apic.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "hv/intercept.h"
#include "hv/interrupt.h"
#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hv/vp.h"
#include "target/i386/mem.h"
#include "trace/log.h"

/* Register numbers: MMIO offset / 16, and MSR - 0x800. */
enum {
	REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a,
	REG_EOI = 0x0b, REG_RRD = 0x0c, REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f,
	REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30,
	REG_ICR2 = 0x31, REG_LVT = 0x32, REG_LVT_LAST = 0x37, REG_INITIAL = 0x38,
	REG_CURRENT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f, REG_COUNT = 0x40,
};
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

enum {
	MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_LAST = 0x83f,
};
enum { BASE_BSP = 1 << 8, BASE_EXTD = 1 << 10, BASE_EN = 1 << 11, BASE_FLAGS = 0xfff };
enum { SVR_ENABLE = 1 << 8, SVR_WRITABLE = 0x3ff, SVR_RESET = 0xff };
enum { LVT_VECTOR = 0xff, LVT_MODE = 7 << 8, LVT_MODE_SHIFT = 8, LVT_LEVEL = 1 << 15, LVT_MASKED = 1 << 16,
       LVT_PERIODIC = 1 << 17, LVT_DEADLINE = 2 << 17, LVT_TIMER_MODE = 3 << 17 };
enum { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_SIPI, MODE_EXTINT };
enum { ICR_LOGICAL = 1 << 11, ICR_BUSY = 1 << 12, ICR_ASSERT = 1 << 14, ICR_LEVEL = 1 << 15,
       ICR_SHORT_SHIFT = 18, ICR_WRITABLE = 0xccfff & ~ICR_BUSY };
enum { SHORT_NONE, SHORT_SELF, SHORT_ALL, SHORT_OTHERS };
enum { ESR_REDIRECT = 1 << 4, ESR_SEND_VECTOR = 1 << 5, ESR_RECEIVE_VECTOR = 1 << 6, ESR_REGISTER = 1 << 7 };
enum { VERSION = 0x15 | (LVT_COUNT - 1) << 16 };
enum { BROADCAST8 = 0xff };
#define BROADCAST32 UINT32_MAX

static const uint32_t lvt_writable[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff, [LVT_ERROR] = 0x100ff,
};

struct apic {
	struct vp *vp;                   /* set once */
	/* Read by other threads, written by the VP's own. */
	_Atomic uint32_t id;             /* the initial one, until the guest writes another (xAPIC) */
	_Atomic uint32_t base_flags;     /* low bits of IA32_APIC_BASE */
	_Atomic uint32_t svr, ldr, dfr, tpr;
	_Atomic uint32_t lvt[LVT_COUNT];
	_Atomic uint32_t isr[8];
	/* Written by any thread. */
	_Atomic uint32_t irr[8], tmr[8];
	_Atomic uint32_t auto_eoi[8];    /* of those in IRR: ended when taken */
	_Atomic uint8_t level_vector;    /* of the last level-triggered message, which its sender may take back; 0: none */
	_Atomic uint32_t esr_new;        /* errors since the last write of ESR */
	_Atomic uint32_t extint;         /* EXTINT_* */
	_Atomic uint8_t notify_above;    /* with EXTINT_NOTIFY: the TPR below which, 0: any */
	/* The VP's thread only. */
	uint32_t esr, initial, divide;
	uint64_t icr;
	_Atomic bool offered;            /* assist is not NULL: who requests an interrupt has it looked at */
	_Atomic bool look;               /* that has happened */
	/* Where the highest interrupt in service was told to need no EOI; NULL: it was not. */
	uint32_t *assist;
	uint64_t tsc_deadline;
	int64_t deadline;                /* host ns, INT64_MAX: not running */
	int64_t frozen;                  /* ns left, while suspended; INT64_MAX: not running */
	bool suspended;
};
/*
 * LINE: level of the 8259's output.  MESSAGE: an ExtINT message (edge) waits to be taken.  ASSERTED: by the parent, until it is taken.
 * NOTIFY: the parent wants to hear when it could be.
 */
enum { EXTINT_LINE = 1, EXTINT_MESSAGE = 2, EXTINT_ASSERTED = 4, EXTINT_NOTIFY = 8 };

struct message {
	uint32_t dest;
	uint8_t vector, mode;
	bool logical, level, wide;       /* wide: 32-bit destination of an x2APIC */
};

static const struct vp_component *const self = &apic_component;

static struct apic *apic_of(struct vp *vp)
{
	return vp_component_state(vp, self);
}

static bool hw_enabled(struct apic *a)
{
	return a->base_flags & BASE_EN;
}

static bool is_x2(struct apic *a)
{
	return a->base_flags & BASE_EXTD;
}

static bool sw_enabled(struct apic *a)
{
	return hw_enabled(a) && (a->svr & SVR_ENABLE);
}

/* ---- 256-bit registers ---- */

static int highest(const _Atomic uint32_t *set)
{
	for (int i = 7; i >= 0; i--) {
		uint32_t v = atomic_load_explicit(&set[i], memory_order_relaxed);

		if (v)
			return i * 32 + 31 - __builtin_clz(v);
	}
	return -1;
}

static void bit_set(_Atomic uint32_t *set, uint8_t n)
{
	atomic_fetch_or(&set[n / 32], 1u << (n % 32));
}

/* Was it set? */
static bool bit_clear(_Atomic uint32_t *set, uint8_t n)
{
	return atomic_fetch_and(&set[n / 32], ~(1u << (n % 32))) >> (n % 32) & 1;
}

static bool bit_test(const _Atomic uint32_t *set, uint8_t n)
{
	return set[n / 32] >> (n % 32) & 1;
}

/* ---- priorities and delivery to the processor ---- */

static uint8_t ppr(struct apic *a)
{
	int in_service = highest(a->isr);
	uint8_t tpr = a->tpr, isv = in_service < 0 ? 0 : in_service & 0xf0;

	return (tpr & 0xf0) >= isv ? tpr : isv;
}

/* Vector that beats the priority of what runs, or -1. */
static int deliverable(struct apic *a)
{
	int v = sw_enabled(a) ? highest(a->irr) : -1;

	return v >= 0 && (v & 0xf0) > (ppr(a) & 0xf0) ? v : -1;
}

/* Is the processor open to the 8259?  A disabled APIC is a wire from INTR to the first processor. */
static bool extint_open(struct apic *a)
{
	uint32_t lint0 = a->lvt[LVT_LINT0];

	if (!hw_enabled(a))
		return vp_index(a->vp) == 0;
	return !(lint0 & LVT_MASKED) && (lint0 & LVT_MODE) == MODE_EXTINT << LVT_MODE_SHIFT;
}

static bool extint_pending(struct apic *a)
{
	uint32_t e = a->extint;

	return (e & (EXTINT_MESSAGE | EXTINT_ASSERTED)) || ((e & EXTINT_LINE) && extint_open(a));
}

/* Would the parent's interrupt controller be heard, who waits for that? */
static bool notify_due(struct apic *a)
{
	return a->extint & EXTINT_NOTIFY && (!a->notify_above || a->tpr < a->notify_above);
}

/* The guest's word without and with the bit: only this VP's own thread and its guest write there. */
static void assist_put(uint32_t *word, bool set)
{
	uint32_t v = x86_host_ld32(word);

	x86_host_st32(word, set ? v | HV_ASSIST_NO_EOI_REQUIRED : v & ~(uint32_t)HV_ASSIST_NO_EOI_REQUIRED);
}

/* The EOI must come here. */
static void assist_withdraw(struct apic *a)
{
	if (a->assist)
		assist_put(a->assist, false);
	a->assist = NULL;
	atomic_store(&a->offered, false);
}

static void in_service_end(struct apic *a, uint8_t vector)
{
	bit_clear(a->isr, vector);
	if (bit_test(a->tmr, vector))
		vp_level_ended(a->vp, vector);
	vp_interrupt_ended(a->vp, vector);
}

/* T13.3.4.1.g: if the guest has taken the bit away, the interrupt has ended. */
static void retire(struct apic *a)
{
	int v;

	if (!a->assist || x86_host_ld32(a->assist) & HV_ASSIST_NO_EOI_REQUIRED)
		return;
	a->assist = NULL;
	atomic_store(&a->offered, false);
	v = highest(a->isr);
	if (v < 0)
		return;
	vp_count(a->vp, COUNT_EOIS_AVOIDED);
	in_service_end(a, (uint8_t)v);
}

/*
 * T13.3.4.1.f: what is requested behind the offer needs the EOI, whatever RFLAGS.IF is.  Who requests it
 * sees `offered`, or its request is seen here.
 */
static void assist_look(struct apic *a)
{
	retire(a);
	if (a->assist && highest(a->irr) >= 0 && !MUTANT(assist_stays))
		assist_withdraw(a);
}

/* @vector begins to be served; T13.3.4.1.d, T13.3.4.1.e, T13.3.4.1.l. */
static void assist_offer(struct apic *a, uint8_t vector)
{
	uint32_t *word = vp_eoi_assist(a->vp);
	bool alone = highest(a->irr) < 0 && !bit_test(a->tmr, vector);

	/* T13.3.4.1.h: what it interrupts needs its EOI. */
	assist_withdraw(a);
	if (!word)
		return;
	assist_put(word, alone);
	a->assist = alone ? word : NULL;
	atomic_store(&a->offered, alone);
	assist_look(a);
}

static bool apic_pending(struct vp *vp, void *state)
{
	struct apic *a = state;

	retire(a);
	return (a->extint && (extint_pending(a) || notify_due(a))) || deliverable(a) >= 0;
}

static bool apic_requested(struct vp *vp, void *state)
{
	struct apic *a = state;

	return extint_pending(a) || (sw_enabled(a) && highest(a->irr) >= 0);
}

/* The priority may have fallen or a filter opened: have the engine look again. */
static void refresh(struct apic *a)
{
	if (apic_pending(a->vp, a))
		vp_pend(a->vp, X86_PEND_INTR);
}

static int take_extint(struct apic *a)
{
	atomic_fetch_and(&a->extint, ~(uint32_t)(EXTINT_MESSAGE | EXTINT_ASSERTED));
	return partition_pic_acknowledge(vp_partition(a->vp));
}

/* What comes past the APIC's own registers; -1: nothing. */
static int take_from_outside(struct apic *a)
{
	int v = -1;

	if (notify_due(a) && !MUTANT(notify_never)) {
		atomic_fetch_and(&a->extint, ~(uint32_t)EXTINT_NOTIFY);
		v = X86_INTERRUPT_STOP;
	} else if (extint_pending(a)) {
		v = take_extint(a);
	}
	if (v != -1)
		refresh(a);
	return v;
}

static int apic_interrupt(struct vp *vp, void *state)
{
	struct apic *a = state;
	int v;

	retire(a);
	if (a->extint) {
		v = take_from_outside(a);
		if (v != -1)
			return v;
	}
	/* Its sender may take it back at the same time. */
	do {
		v = deliverable(a);
		if (v < 0) {
			if (highest(a->irr) >= 0)
				assist_withdraw(a);        /* T13.3.4.1.f */
			return -1;
		}
	} while (!bit_clear(a->irr, (uint8_t)v));
	if (bit_test(a->auto_eoi, v)) {
		vp_interrupt_ended(vp, v);
		return v;
	}
	bit_set(a->isr, v);
	assist_offer(a, (uint8_t)v);
	return v;
}

static void set_to(_Atomic uint32_t *set, uint8_t n, bool to)
{
	if (to)
		bit_set(set, n);
	else if (bit_test(set, n))
		bit_clear(set, n);
}

static void accept_as(struct apic *a, uint8_t vector, bool level, bool auto_eoi)
{
	if (!sw_enabled(a))
		return;
	if (vector < 16) {
		atomic_fetch_or(&a->esr_new, ESR_RECEIVE_VECTOR);
		return;
	}
	vp_count_shared(a->vp, COUNT_VIRTUAL_INTERRUPTS);
	set_to(a->tmr, vector, level);
	set_to(a->auto_eoi, vector, auto_eoi);
	if (level)
		a->level_vector = vector;
	bit_set(a->irr, vector);
	vp_pend(a->vp, X86_PEND_INTR);
	if (atomic_load(&a->offered)) {
		atomic_store(&a->look, true);
		vp_deadline_changed(a->vp);
	}
}

static void accept(struct apic *a, uint8_t vector, bool level)
{
	accept_as(a, vector, level, false);
}

static void apic_raise(struct vp *vp, void *state, uint8_t vector, unsigned flags)
{
	accept_as(state, vector, false, flags & RAISE_AUTO_EOI);
}

static bool apic_raised(struct vp *vp, void *state, uint8_t vector)
{
	struct apic *a = state;

	return bit_test(a->irr, vector);
}

/* A message that reached this APIC. */
static void receive(struct apic *a, const struct message *m)
{
	switch (m->mode) {
	case MODE_FIXED:
	case MODE_LOWEST:
		accept(a, m->vector, m->level);
		break;
	case MODE_NMI:
		vp_pend(a->vp, X86_PEND_NMI);
		break;
	case MODE_INIT:
		vp_pend(a->vp, X86_PEND_INIT);
		break;
	case MODE_SIPI:
		vp_sipi(a->vp, m->vector);
		break;
	case MODE_EXTINT:
		atomic_fetch_or(&a->extint, EXTINT_MESSAGE);
		vp_pend(a->vp, X86_PEND_INTR);
		break;
	default:
		log_print(LOG_GUEST_ERRORS, "apic %u: message of kind %u dropped\n", a->id, m->mode);
	}
}

/* ---- destinations ---- */

static bool match_logical(struct apic *a, const struct message *m)
{
	uint32_t ldr = a->ldr, dest = m->dest;

	if (is_x2(a))
		return (m->wide && dest == BROADCAST32) ||
		       (dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff));
	ldr >>= 24;
	if (dest > 0xff)
		return dest == BROADCAST32;
	if (dest == BROADCAST8)
		return true;
	if (a->dfr >> 28 == 0xf)
		return ldr & dest;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

static bool match_physical(struct apic *a, const struct message *m)
{
	if (m->dest == a->id || m->dest == BROADCAST32)
		return true;
	return m->dest == BROADCAST8 && !m->wide;
}

static bool match(struct apic *a, const struct message *m)
{
	if (!hw_enabled(a))
		return false;
	return m->logical ? match_logical(a, m) : match_physical(a, m);
}

/*
 * Lowest priority of those that match; ties go round by vector, so that devices with
 * different vectors spread over the processors.
 */
static bool deliver_lowest(struct partition *p, const struct message *m)
{
	uint32_t n = partition_vp_limit(p);
	struct apic *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		struct vp *vp = partition_vp(p, (i + m->vector) % n);
		struct apic *a = vp ? apic_of(vp) : NULL;

		if (a && sw_enabled(a) && match(a, m) && (!best || ppr(a) < ppr(best)))
			best = a;
	}
	if (best)
		receive(best, m);
	return best;
}

/* False: there is none that it is for. */
static bool deliver(struct partition *p, const struct message *m)
{
	struct vp *same;
	bool any = false;

	if (log_on(LOG_IRQ))
		log_print(LOG_IRQ, "apic: message mode %u vector 0x%02x to %s 0x%x\n", m->mode, m->vector,
			  m->logical ? "logical" : "physical", m->dest);
	if (m->mode == MODE_LOWEST && !MUTANT(apic_lowest_all))
		return deliver_lowest(p, m);
	/* APIC ids are VP indexes as a rule: one look instead of a walk. */
	same = m->logical ? NULL : partition_vp(p, m->dest);
	if (same && apic_of(same)->id == m->dest) {
		if (hw_enabled(apic_of(same)))
			receive(apic_of(same), m);
		return true;
	}
	PARTITION_FOREACH_VP(vp, p) {
		struct apic *a = apic_of(vp);

		if (!match(a, m))
			continue;
		receive(a, m);
		any = true;
	}
	return any;
}

/*
 * T13.3.2.g: the last level-triggered interrupt of those that match goes, if it has not been taken; one that became
 * an edge meanwhile stays.  False: none matches.
 */
static bool withdraw(struct partition *p, const struct message *m)
{
	bool any = false;

	PARTITION_FOREACH_VP(vp, p) {
		struct apic *a = apic_of(vp);
		uint8_t vector;

		if (!match(a, m))
			continue;
		any = true;
		vector = atomic_exchange(&a->level_vector, 0);
		if (vector && bit_test(a->tmr, vector) && !MUTANT(assert_no_withdrawal))
			bit_clear(a->irr, vector);
	}
	return any;
}

static struct message message_of(const struct interrupt_request *r)
{
	return (struct message){ .dest = r->destination, .vector = r->vector, .mode = r->mode, .logical = r->logical,
				 .level = r->level, .wide = r->destination > 0xff };
}

static bool apic_send_request(struct partition *p, const struct interrupt_request *r)
{
	const struct message m = message_of(r);
	bool any = r->level && withdraw(p, &m);            /* T13.5.1.g */

	return r->withdraw ? any : deliver(p, &m);
}

/* Of several for which it is, all must have it; of those that it goes to together, one. */
static bool apic_sent(struct partition *p, const struct interrupt_request *r)
{
	const struct message m = message_of(r);
	bool any = false, all = true;

	if (m.mode > MODE_LOWEST)
		return false;
	PARTITION_FOREACH_VP(vp, p) {
		bool waits = bit_test(apic_of(vp)->irr, m.vector);

		if (!match(apic_of(vp), &m))
			continue;
		any |= waits;
		all &= waits;
	}
	return any && (all || m.mode == MODE_FIXED);
}

static void apic_ext_int(struct vp *vp, void *state, bool waits)
{
	struct apic *a = state;

	if (!waits) {
		atomic_fetch_and(&a->extint, ~(uint32_t)EXTINT_ASSERTED);
		return;
	}
	atomic_fetch_or(&a->extint, EXTINT_ASSERTED);
	vp_pend(vp, X86_PEND_INTR);
}

static void apic_notify(struct vp *vp, void *state, uint64_t wanted)
{
	struct apic *a = state;

	a->notify_above = (uint8_t)((wanted & HV_NOTIFY_PRIORITY) >> HV_NOTIFY_PRIORITY_SHIFT << 4);
	if (!(wanted & HV_NOTIFY_INTERRUPT)) {
		atomic_fetch_and(&a->extint, ~(uint32_t)EXTINT_NOTIFY);
		return;
	}
	atomic_fetch_or(&a->extint, EXTINT_NOTIFY);
	vp_pend(vp, X86_PEND_INTR);
}

static void apic_msi(struct partition *p, uint64_t address, uint32_t data)
{
	struct message m = {
		.dest = address >> 12 & 0xff, .logical = address >> 2 & 1,
		.vector = data & 0xff, .mode = data >> 8 & 7, .level = data >> 15 & 1,
	};

	deliver(p, &m);
}

/* ---- own errors, IPIs ---- */

static void error(struct apic *a, uint32_t bit)
{
	uint32_t lvt = a->lvt[LVT_ERROR];

	if (!(atomic_fetch_or(&a->esr_new, bit) & bit) && !(lvt & LVT_MASKED))
		accept(a, lvt & LVT_VECTOR, false);
}

static void send_others(struct apic *a, const struct message *m)
{
	struct partition *p = vp_partition(a->vp);

	PARTITION_FOREACH_VP(vp, p) {
		struct apic *b = apic_of(vp);

		if (b != a && hw_enabled(b))
			receive(b, m);
	}
}

/* Does the ICR's message of this other mode reach the bus? */
static bool sends(struct apic *a, uint8_t mode)
{
	uint32_t low = (uint32_t)a->icr;

	if (vp_apic_written(a->vp, HV_APIC_ICR, a->icr))
		return false;
	/* INIT level de-assert only set arbitration ids of the old bus. */
	if (mode == MODE_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
		return false;
	return mode == MODE_NMI || mode == MODE_INIT || mode == MODE_SIPI;
}

static void send_ipi(struct apic *a)
{
	uint32_t low = (uint32_t)a->icr;
	struct message m = {
		.dest = is_x2(a) ? a->icr >> 32 : a->icr >> 56, .wide = is_x2(a),
		.logical = low & ICR_LOGICAL, .vector = low & 0xff, .mode = low >> 8 & 7,
	};
	unsigned shorthand = low >> ICR_SHORT_SHIFT & 3;

	vp_count(a->vp, COUNT_IPIS);
	if (shorthand == SHORT_SELF)
		vp_count(a->vp, COUNT_SELF_IPIS);
	if (m.mode > MODE_LOWEST) {
		if (!sends(a, m.mode))
			return;
	} else if (m.vector < 16) {
		error(a, ESR_SEND_VECTOR);
		return;
	}
	if (shorthand == SHORT_NONE) {
		deliver(vp_partition(a->vp), &m);
		return;
	}
	if (shorthand != SHORT_OTHERS && m.mode <= MODE_LOWEST)
		receive(a, &m);
	else if (shorthand == SHORT_SELF)
		return;     /* NMI, INIT and SIPI to oneself are not allowed */
	else if (shorthand == SHORT_ALL && m.mode == MODE_NMI)
		receive(a, &m);
	if (shorthand != SHORT_SELF)
		send_others(a, &m);
}

static void end_of_interrupt(struct apic *a)
{
	int v;

	vp_count(a->vp, COUNT_EOIS);
	retire(a);
	assist_withdraw(a);                                /* T13.3.4.1.i */
	v = highest(a->isr);
	if (v < 0)
		return;
	in_service_end(a, (uint8_t)v);
	refresh(a);
}

static void set_tpr(struct apic *a, uint8_t tpr)
{
	vp_count(a->vp, COUNT_TPRS);
	a->tpr = tpr;
	refresh(a);
}

/* ---- timer ---- */

static int64_t host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static unsigned divide_shift(struct apic *a)
{
	unsigned n = (a->divide & 3) | (a->divide >> 1 & 4);

	return (n + 1) & 7;     /* 0: by 2 ... 6: by 128, 7: by 1 */
}

static bool deadline_mode(struct apic *a)
{
	return (a->lvt[LVT_TIMER] & LVT_TIMER_MODE) == LVT_DEADLINE;
}

static int64_t period(struct apic *a)
{
	return (int64_t)a->initial << divide_shift(a);
}

/* Nanoseconds until expiry, INT64_MAX if stopped. */
static int64_t time_left(struct apic *a)
{
	if (a->suspended)
		return a->frozen;
	return a->deadline == INT64_MAX ? INT64_MAX : MAX(a->deadline - host_now(), 0);
}

static void timer_set(struct apic *a, int64_t left)
{
	if (a->suspended)
		a->frozen = left;
	else
		a->deadline = left == INT64_MAX ? INT64_MAX : host_now() + left;
	vp_deadline_changed(a->vp);
}

/* Host nanoseconds until the guest's TSC reaches the deadline. */
static int64_t deadline_left(struct apic *a)
{
	struct partition *p = vp_partition(a->vp);
	uint64_t now = partition_tsc(p) + vp_cpu(a->vp)->tsc_adjust;
	uint64_t hz = hv_tsc_hz(partition_hv(p));
	unsigned __int128 ns;

	if (a->tsc_deadline <= now)
		return 0;
	/* Rounded up: never early by the guest's own clock. */
	ns = ((unsigned __int128)(a->tsc_deadline - now) * 1000000000 + hz - 1) / hz;
	return ns > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)ns;
}

static void timer_restart(struct apic *a)
{
	if (deadline_mode(a))
		timer_set(a, a->tsc_deadline ? deadline_left(a) : INT64_MAX);
	else
		timer_set(a, a->initial ? period(a) : INT64_MAX);
}

static uint32_t timer_count(struct apic *a)
{
	int64_t left = time_left(a);

	if (deadline_mode(a) || left == INT64_MAX)
		return 0;
	return (uint32_t)MIN(left >> divide_shift(a), UINT32_MAX);
}

static void timer_set_divide(struct apic *a, uint32_t v)
{
	int64_t left = time_left(a);
	unsigned before = divide_shift(a);

	a->divide = v & 0xb;
	if (!deadline_mode(a) && left != INT64_MAX && before != divide_shift(a))
		timer_set(a, left >> before << divide_shift(a));
}

static void timer_lvt(struct apic *a, uint32_t v)
{
	bool was = deadline_mode(a);

	a->lvt[LVT_TIMER] = v;
	if (was == deadline_mode(a))
		return;
	/* Going to or from deadline mode disarms. */
	a->tsc_deadline = 0;
	a->initial = 0;
	timer_set(a, INT64_MAX);
}

static int64_t apic_next_deadline(struct vp *vp, void *state)
{
	struct apic *a = state;

	if (atomic_load(&a->look))
		return 0;
	return a->suspended ? INT64_MAX : a->deadline;
}

static void apic_expire(struct vp *vp, void *state, int64_t now)
{
	struct apic *a = state;
	uint32_t lvt = a->lvt[LVT_TIMER];

	/* accept_as() asks by way of the deadline: it is the VP's thread, between two instructions. */
	if (atomic_exchange(&a->look, false))
		assist_look(a);
	if (a->suspended || now < a->deadline)
		return;
	if ((lvt & LVT_TIMER_MODE) == LVT_PERIODIC && a->initial) {
		/* Ticks that were missed are lost, as with any interrupt that is not taken in time. */
		a->deadline += ((now - a->deadline) / period(a) + 1) * period(a);
	} else {
		a->deadline = INT64_MAX;
		a->tsc_deadline = 0;
	}
	if (!(lvt & LVT_MASKED))
		accept(a, lvt & LVT_VECTOR, false);
}

static void apic_suspend(struct vp *vp, void *state)
{
	struct apic *a = state;

	if (a->suspended)
		return;
	a->frozen = time_left(a);
	a->suspended = true;
}

static void apic_resume(struct vp *vp, void *state)
{
	struct apic *a = state;
	int64_t left = a->frozen;

	if (!a->suspended)
		return;
	a->suspended = false;
	/* The guest's TSC may or may not have stood still: ask it again. */
	if (left != INT64_MAX && deadline_mode(a))
		left = deadline_left(a);
	timer_set(a, left);
}

/* ---- registers ---- */

static uint32_t id_register(struct apic *a)
{
	return is_x2(a) ? a->id : a->id << 24;
}

static uint32_t x2_ldr(struct apic *a)
{
	return a->id >> 4 << 16 | 1u << (a->id & 0xf);
}

/* False: no such register. */
static bool reg_read(struct apic *a, unsigned reg, uint64_t *v)
{
	retire(a);
	switch (reg) {
	case REG_ID: *v = id_register(a); break;
	case REG_VERSION: *v = VERSION; break;
	case REG_TPR: *v = a->tpr; break;
	case REG_APR: *v = 0; break;
	case REG_PPR: *v = ppr(a); break;
	case REG_RRD: *v = 0; break;
	case REG_LDR: *v = a->ldr; break;
	case REG_DFR: *v = a->dfr; break;
	case REG_SVR: *v = a->svr; break;
	case REG_ISR ... REG_ISR + 7: *v = a->isr[reg - REG_ISR]; break;
	case REG_TMR ... REG_TMR + 7: *v = a->tmr[reg - REG_TMR]; break;
	case REG_IRR ... REG_IRR + 7: *v = a->irr[reg - REG_IRR]; break;
	case REG_ESR: *v = a->esr; break;
	case REG_ICR: *v = is_x2(a) ? a->icr : (uint32_t)a->icr; break;
	case REG_ICR2: *v = a->icr >> 32; break;
	case REG_LVT ... REG_LVT_LAST: *v = a->lvt[reg - REG_LVT]; break;
	case REG_INITIAL: *v = a->initial; break;
	case REG_CURRENT: *v = timer_count(a); break;
	case REG_DIVIDE: *v = a->divide; break;
	default: return false;
	}
	return true;
}

static void write_lvt(struct apic *a, unsigned n, uint32_t v)
{
	v &= lvt_writable[n];
	if (!(a->svr & SVR_ENABLE))
		v |= LVT_MASKED;
	if (n == LVT_TIMER) {
		timer_lvt(a, v);
		return;
	}
	a->lvt[n] = v;
	if (n == LVT_LINT0)
		refresh(a);
}

static void write_svr(struct apic *a, uint32_t v)
{
	a->svr = v & SVR_WRITABLE;
	if (!(v & SVR_ENABLE)) {
		for (unsigned i = 0; i < LVT_COUNT; i++)
			a->lvt[i] |= LVT_MASKED;
	}
	refresh(a);
}

static void write_initial(struct apic *a, uint32_t v)
{
	if (deadline_mode(a))
		return;
	a->initial = v;
	timer_restart(a);
}

static void write_icr(struct apic *a, uint64_t v)
{
	a->icr = (v & ~(uint64_t)UINT32_MAX) | (v & ICR_WRITABLE);
	send_ipi(a);
}

/* False: no such register, or it cannot be written. */
static bool reg_write(struct apic *a, unsigned reg, uint64_t v)
{
	switch (reg) {
	case REG_ID:
		/* T10.1.6.d; an x2APIC's is fixed. */
		if (is_x2(a) || MUTANT(apic_id_fixed))
			return false;
		a->id = (uint32_t)v >> 24;
		break;
	case REG_TPR: set_tpr(a, v & 0xff); break;
	case REG_EOI: end_of_interrupt(a); break;
	case REG_LDR:
		a->ldr = v & 0xff000000;
		vp_apic_written(a->vp, HV_APIC_LDR, v);
		break;
	case REG_DFR:
		a->dfr = v | 0x0fffffff;
		vp_apic_written(a->vp, HV_APIC_DFR, v);
		break;
	case REG_SVR:
		write_svr(a, v);
		vp_apic_written(a->vp, HV_APIC_SVR, v);
		break;
	case REG_ESR: a->esr = atomic_exchange(&a->esr_new, 0); break;
	case REG_ICR: write_icr(a, is_x2(a) ? v : (a->icr & ~(uint64_t)UINT32_MAX) | (uint32_t)v); break;
	case REG_ICR2: a->icr = (uint32_t)a->icr | (v & 0xff000000) << 32; break;
	case REG_LVT + LVT_LINT0:
	case REG_LVT + LVT_LINT1:
		write_lvt(a, reg - REG_LVT, v);
		vp_apic_written(a->vp, reg << 4, v);
		break;
	case REG_LVT ... REG_LVT + LVT_PERF:
	case REG_LVT + LVT_ERROR:
		write_lvt(a, reg - REG_LVT, v);
		break;
	case REG_INITIAL: write_initial(a, v); break;
	case REG_DIVIDE: timer_set_divide(a, v); break;
	default: return false;
	}
	return true;
}

/* ---- xAPIC page ---- */

static bool in_page(struct apic *a, gpa_t gpa)
{
	uint64_t base = vp_cpu(a->vp)->apic_base & ~(uint64_t)BASE_FLAGS;

	return hw_enabled(a) && !is_x2(a) && gpa.v - base < HV_PAGE_SIZE;
}

static bool apic_mmio_has(struct vp *vp, void *state, gpa_t gpa, enum x86_access a)
{
	return in_page(state, gpa);
}

static bool apic_mmio_read(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t *value)
{
	struct apic *a = state;
	unsigned offset = gpa.v & 0xfff;
	uint64_t v = 0;

	if (!in_page(a, gpa))
		return false;
	vp_count(vp, COUNT_APIC_PAGE);
	if (offset >> 4 >= REG_COUNT || !reg_read(a, offset >> 4, &v)) {
		/* Write-only EOI reads as zero; the rest is an error that the guest can see. */
		if (offset >> 4 != REG_EOI)
			error(a, ESR_REGISTER);
	}
	/* Only the first four bytes of each sixteen exist; narrow reads see their part. */
	*value = (offset & 0xf) < 4 ? (uint32_t)v >> (offset & 3) * 8 : 0;
	if (size < 4)
		*value &= (1u << size * 8) - 1;
	return true;
}

static bool apic_mmio_write(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t value)
{
	struct apic *a = state;
	unsigned offset = gpa.v & 0xfff;

	if (!in_page(a, gpa))
		return false;
	vp_count(vp, COUNT_APIC_PAGE);
	if ((offset & 0xf) || size < 4) {
		log_print(LOG_GUEST_ERRORS, "apic %u: write of %u bytes at 0x%x ignored\n", a->id, size, offset);
		return true;
	}
	if (offset >> 4 >= REG_COUNT || !reg_write(a, offset >> 4, (uint32_t)value))
		error(a, ESR_REGISTER);
	return true;
}

/* ---- MSRs ---- */

static enum x86_result x2_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	struct apic *a = apic_of(vp);
	unsigned reg = msr - MSR_X2APIC;

	if (!is_x2(a) || reg == REG_ICR2 || reg == REG_DFR || reg == REG_APR || reg == REG_RRD ||
	    reg == REG_EOI || !reg_read(a, reg, value))
		return X86_FAULT_GP;
	return X86_OK;
}

/* Bits that x2APIC registers have; all others must be written as zero. */
static uint64_t x2_writable(unsigned reg)
{
	switch (reg) {
	case REG_TPR: case REG_SELF_IPI: return 0xff;
	case REG_SVR: return SVR_WRITABLE;
	case REG_ICR: return ~(uint64_t)UINT32_MAX | ICR_WRITABLE;
	/* Read-only bits of an LVT may be written back. */
	case REG_LVT ... REG_LVT_LAST: return lvt_writable[reg - REG_LVT] | 0x1000 | 0x4000;
	case REG_INITIAL: return UINT32_MAX;
	case REG_DIVIDE: return 0xb;
	default: return 0;   /* EOI and ESR take only zero */
	}
}

static enum x86_result x2_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct apic *a = apic_of(vp);
	unsigned reg = msr - MSR_X2APIC;

	if (!is_x2(a) || (value & ~x2_writable(reg)))
		return X86_FAULT_GP;
	if (reg == REG_SELF_IPI) {
		vp_count(vp, COUNT_IPIS);
		vp_count(vp, COUNT_SELF_IPIS);
		if (value < 16)
			error(a, ESR_SEND_VECTOR);
		else
			accept(a, value, false);
		return X86_OK;
	}
	if (reg == REG_LDR || reg == REG_DFR || reg == REG_ICR2 || !reg_write(a, reg, value))
		return X86_FAULT_GP;
	return X86_OK;
}

static enum x86_result base_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = vp_cpu(vp)->apic_base;
	return X86_OK;
}

static void reset_registers(struct apic *a)
{
	a->svr = SVR_RESET;
	a->dfr = UINT32_MAX;
	a->ldr = 0;
	a->tpr = 0;
	for (unsigned i = 0; i < LVT_COUNT; i++)
		a->lvt[i] = LVT_MASKED;
	for (unsigned i = 0; i < 8; i++)
		a->isr[i] = a->irr[i] = a->tmr[i] = a->auto_eoi[i] = 0;
	a->level_vector = 0;
	assist_withdraw(a);
	a->esr_new = 0;
	atomic_fetch_and(&a->extint, ~(uint32_t)EXTINT_MESSAGE);
	a->esr = a->initial = a->divide = 0;
	a->icr = 0;
	a->tsc_deadline = 0;
	timer_set(a, INT64_MAX);
}

static void set_base(struct apic *a, uint64_t base)
{
	vp_cpu(a->vp)->apic_base = base;
	a->base_flags = base & BASE_FLAGS;
}

static enum x86_result base_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct apic *a = apic_of(vp);
	struct x86_cpu *c = vp_cpu(vp);
	uint32_t from = a->base_flags & (BASE_EN | BASE_EXTD), to = value & (BASE_EN | BASE_EXTD);
	unsigned phys_bits = c->model ? c->model->phys_bits : 46;

	if (value >> phys_bits || (value & BASE_FLAGS & ~(BASE_BSP | BASE_EXTD | BASE_EN)))
		return X86_FAULT_GP;
	if (to == BASE_EXTD || ((to & BASE_EXTD) && c->model && !x86_has(c, F_X2APIC)))
		return X86_FAULT_GP;
	/* x2APIC is entered from xAPIC, and left only by switching off. */
	if (from != to && ((from & BASE_EXTD && to == BASE_EN) || (from == 0 && (to & BASE_EXTD))))
		return X86_FAULT_GP;
	set_base(a, value);
	if (to & BASE_EXTD)
		a->id = c->apic_id;
	if (!to && from)
		reset_registers(a);
	if ((to & BASE_EXTD) && !(from & BASE_EXTD)) {
		a->ldr = x2_ldr(a);
		a->icr = 0;
	}
	refresh(a);
	return X86_OK;
}

static enum x86_result deadline_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	struct apic *a = apic_of(vp);

	*value = deadline_mode(a) ? a->tsc_deadline : 0;
	return X86_OK;
}

static enum x86_result deadline_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct apic *a = apic_of(vp);

	if (!deadline_mode(a))
		return X86_OK;
	a->tsc_deadline = value;
	timer_restart(a);
	return X86_OK;
}

/* ---- as a whole (HvGetVpState) ---- */

static void put_words(_Atomic uint32_t *to, const uint32_t *from, uint32_t first)
{
	for (unsigned i = 0; i < 8; i++)
		atomic_store(&to[i], i ? from[i] : from[i] & first);
}

static void get_words(uint32_t *to, const _Atomic uint32_t *from)
{
	for (unsigned i = 0; i < 8; i++)
		to[i] = atomic_load(&from[i]);
}

static uint32_t reg_value(struct apic *a, unsigned reg)
{
	uint64_t v = 0;

	reg_read(a, reg, &v);
	return (uint32_t)v;
}

static void state_get(struct apic *a, struct hv_apic_state *s)
{
	*s = (struct hv_apic_state){
		.id = id_register(a), .version = VERSION, .ldr = is_x2(a) ? x2_ldr(a) : a->ldr, .dfr = a->dfr, .svr = a->svr,
		.esr = a->esr, .icr_high = (uint32_t)(a->icr >> 32), .icr_low = (uint32_t)a->icr, .error_status = a->esr,
		.initial = a->initial, .current = reg_value(a, REG_CURRENT), .divide = a->divide,
	};
	retire(a);
	get_words(s->isr, a->isr);
	get_words(s->tmr, a->tmr);
	get_words(s->irr, a->irr);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		s->lvt[i] = a->lvt[i];
}

/* What is fixed is not looked at; vectors below 16 there are none of. */
static void state_set(struct apic *a, const struct hv_apic_state *s)
{
	enum { FROM_16 = 0xffff0000 };

	retire(a);
	if (!is_x2(a)) {
		a->id = s->id >> 24;
		a->ldr = s->ldr & 0xff000000;
		a->dfr = s->dfr | 0x0fffffff;
	}
	write_svr(a, s->svr & SVR_WRITABLE);
	put_words(a->isr, s->isr, FROM_16);
	put_words(a->tmr, s->tmr, FROM_16);
	put_words(a->irr, s->irr, FROM_16);
	a->esr = s->esr;
	a->icr = (uint64_t)s->icr_high << 32 | (s->icr_low & ICR_WRITABLE);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		write_lvt(a, i, s->lvt[i] & lvt_writable[i]);
	timer_set_divide(a, s->divide);
	write_initial(a, s->initial);
	/* It goes on where it was; one that had expired for good does not again. */
	if (!deadline_mode(a) && (s->current || !(s->lvt[LVT_TIMER] & LVT_PERIODIC)) && !MUTANT(vp_state_timer_anew))
		timer_set(a, s->current ? (int64_t)s->current << divide_shift(a) : INT64_MAX);
	refresh(a);
}

static hv_status apic_state(struct vp *vp, void *state, uint32_t type, bool set, void *page)
{
	if (type != HV_VP_STATE_APIC)
		return HV_STATUS_INVALID_PARAMETER;
	if (set)
		state_set(state, page);
	else
		state_get(state, page);
	return HV_STATUS_SUCCESS;
}

/* ---- the hypervisor's own names for three registers (13.2.3): the same state, T13.2.3.c ---- */

static enum x86_result synthetic_eoi_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	/* T13.2.3.1.a, T13.2.3.1.c */
	vp_count(vp, COUNT_EOI_MSRS);
	end_of_interrupt(apic_of(vp));
	return X86_OK;
}

static enum x86_result synthetic_icr_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = apic_of(vp)->icr;                         /* T13.2.3.2.a */
	return X86_OK;
}

static enum x86_result synthetic_icr_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct apic *a = apic_of(vp);

	/* T13.2.3.2.b; the high half is what the mode's own register can hold. */
	write_icr(a, is_x2(a) ? value : value & 0xff000000ffffffff);
	return X86_OK;
}

static enum x86_result synthetic_tpr_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = apic_of(vp)->tpr;                         /* T13.2.3.3.a */
	return X86_OK;
}

static enum x86_result synthetic_tpr_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	set_tpr(apic_of(vp), value & 0xff);                /* T13.2.3.3.b */
	return X86_OK;
}

static const struct msr_row apic_msrs[] = {
	{ MSR_APIC_BASE, MSR_APIC_BASE, "IA32_APIC_BASE", .scope = MSR_VP, .read = base_read, .write = base_write },
	{ MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, "IA32_TSC_DEADLINE", .scope = MSR_VP,
	  .read = deadline_read, .write = deadline_write },
	{ MSR_X2APIC, MSR_X2APIC_LAST, "IA32_X2APIC", .scope = MSR_VP, .read = x2_read, .write = x2_write },
	/* T13.2.3.a, T13.2.3.1.b */
	{ HV_X64_MSR_EOI, HV_X64_MSR_EOI, "HV_X64_MSR_EOI", HV_ACCESS_APIC, MSR_VP, .write = synthetic_eoi_write },
	{ HV_X64_MSR_ICR, HV_X64_MSR_ICR, "HV_X64_MSR_ICR", HV_ACCESS_APIC, MSR_VP, .read = synthetic_icr_read,
	  .write = synthetic_icr_write },
	/* T13.2.3.3.d */
	{ HV_X64_MSR_TPR, HV_X64_MSR_TPR, "HV_X64_MSR_TPR", HV_ACCESS_APIC, MSR_VP, HV_MSR_TPR_RESERVED,
	  synthetic_tpr_read, synthetic_tpr_write },
	{ 0 }
};

/* ---- component ---- */

static uint64_t apic_tpr_read(struct vp *vp, void *state)
{
	struct apic *a = state;

	return a->tpr >> 4;
}

static void apic_tpr_write(struct vp *vp, void *state, uint64_t tpr)
{
	set_tpr(state, (tpr & 0xf) << 4);
}

static void lint_edge(struct apic *a, unsigned lint)
{
	uint32_t lvt = a->lvt[lint];
	struct message m = { .vector = lvt & LVT_VECTOR, .mode = lvt >> LVT_MODE_SHIFT & 7,
			     .level = lint == LVT_LINT0 && (lvt & LVT_LEVEL) };

	if (lvt & LVT_MASKED)
		return;
	/* The 8259's line is looked at through extint_open(); here are the other uses of the pin. */
	if (m.mode == MODE_FIXED || m.mode == MODE_NMI || m.mode == MODE_INIT)
		receive(a, &m);
}

static void apic_extint(struct partition *p, bool level)
{
	PARTITION_FOREACH_VP(vp, p) {
		struct apic *a = apic_of(vp);

		if (!level) {
			atomic_fetch_and(&a->extint, ~(uint32_t)EXTINT_LINE);
			continue;
		}
		if (atomic_fetch_or(&a->extint, EXTINT_LINE) & EXTINT_LINE)
			continue;
		if (extint_open(a))
			vp_pend(a->vp, X86_PEND_INTR);
		else if (hw_enabled(a))
			lint_edge(a, LVT_LINT0);
	}
}

static void apic_nmi(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p) {
		struct apic *a = apic_of(vp);

		/* Before the guest set its APIC up the pin is the first processor's NMI pin. */
		if (sw_enabled(a))
			lint_edge(a, LVT_LINT1);
		else if (vp_index(vp) == 0)
			vp_pend(vp, X86_PEND_NMI);
	}
}

static void apic_reset(struct vp *vp, void *state, enum x86_reset how)
{
	struct apic *a = state;
	uint64_t base = APIC_DEFAULT_BASE | BASE_EN | (vp_index(vp) == 0 ? BASE_BSP : 0);

	/*
	 * INIT leaves the APIC's id alone (others may be reading it), and
	 * IA32_APIC_BASE, with it x2APIC mode.
	 */
	if (how == X86_RESET_POWER_ON) {
		a->id = vp_cpu(vp)->apic_id;
		a->extint &= EXTINT_LINE;
		set_base(a, base);
	}
	reset_registers(a);
	if (is_x2(a))
		a->ldr = x2_ldr(a);
	/* The processor has forgotten that it was asked to look. */
	if (how == X86_RESET_INIT && a->extint)
		vp_pend(vp, X86_PEND_INTR);
	/* Virtual wire, as firmware leaves it: the 8259 reaches the first processor. */
	if (how == X86_RESET_POWER_ON && vp_index(vp) == 0)
		a->lvt[LVT_LINT0] = MODE_EXTINT << LVT_MODE_SHIFT;
}

static bool apic_init(struct vp *vp, void *state)
{
	struct apic *a = state;

	a->vp = vp;
	a->deadline = a->frozen = INT64_MAX;
	a->id = vp_cpu(vp)->apic_id;
	return true;
}

const struct vp_component apic_component = {
	.name = "apic", .size = sizeof(struct apic),
	.init = apic_init, .reset = apic_reset, .msrs = apic_msrs,
	.state = apic_state, .interrupt = apic_interrupt, .interrupt_pending = apic_pending, .requested = apic_requested,
	.tpr_read = apic_tpr_read, .tpr_write = apic_tpr_write,
	.notify = apic_notify, .raise = apic_raise, .raised = apic_raised, .msi = apic_msi, .extint = apic_extint, .nmi = apic_nmi,
	.send = apic_send_request, .sent = apic_sent, .ext_int = apic_ext_int,
	.mmio_read = apic_mmio_read, .mmio_write = apic_mmio_write, .mmio_has = apic_mmio_has,
	.next_deadline = apic_next_deadline, .expire = apic_expire,
	.suspend = apic_suspend, .resume = apic_resume,
};

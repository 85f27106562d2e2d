/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic interrupt controller, one per VP (chapter 14).
 *
 * Threads.  The VP's thread writes the registers, which are atomic; anybody posts and
 * signals.  Queues and the two pages' content are under the SynIC's lock, but the guest reads
 * and writes the pages at the same time.  The one race that matters: the guest empties a slot
 * and looks at its pending flag, we set the flag and look at the slot.  Both do it in
 * that order, so either the guest sees the flag and writes EOM, or we see the empty slot.
 *
 * A message that finds its slot occupied is tried again at EOM, at each end of an
 * interrupt, when another is queued, when page or controller are enabled, and by the clock,
 * for guests that do nothing of this (T14.2.4.x).
 */
#include "hw/hyperv/synic.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/vp.h"
#include "sync/futex.h"
#include "sync/lock.h"
#include "target/i386/mem.h"
#include "trace/log.h"

/* First look at a slot that stays occupied, and the last of its doublings. */
#define RETRY_NS INT64_C(1000000)
#define RETRY_LAST_NS INT64_C(64000000)

/* Level-triggered interrupts of a VP whose ends its parent has not seen: as many as an I/O APIC has pins.  Further ones wait in the VP. */
enum { EOI_BUFFERS = 24 };

struct queue {
	struct synic_buffer *first, *last;
};

struct synic {
	/* Set once. */
	struct vp *vp;
	struct msr_page *messages, *flags;    /* NULL: the VP is gone; lock */
	struct msr_page *ring;                /* NULL besides: the partition made no ports when the VP came */
	/* Written by the VP's thread. */
	_Atomic uint64_t control, sint[HV_SINT_COUNT];

	struct lock lock;                     /* LOCK_APIC; all that follows */
	struct queue queue[HV_SINT_COUNT];
	_Atomic uint32_t waiting;             /* bit per SINT with a queue or in `notify`; read without the lock */
	uint32_t notify;                      /* bit per SINT: the parent wants to hear when a message could go there */
	_Atomic int64_t retry_at;             /* INT64_MAX: nothing waits; read without the lock */
	int64_t retry_after;
	uint8_t ring_next[HV_SINT_COUNT];     /* survives what the guest does to its page */
	struct synic_buffer timer[HV_TIMER_COUNT];

	struct synic_buffer intercept;        /* T14.2.1.e: in a queue of the parent's */
	struct synic_buffer signal;           /* the same, that it can run: dispatch.c */
	struct synic_buffer eoi[EOI_BUFFERS]; /* likewise; one a vector */
	struct partition *parent;             /* who has been told something; the VP's thread */
	_Atomic int64_t eoi_at;               /* when the VP asks again for one of them; INT64_MAX: it need not */
};

/* Of a partition: what it is to be told while none of its VPs can take it. */
struct tellings {
	struct lock lock;                     /* LOCK_TELL: also of what is told, wherever it waits, to stay there */
	struct queue queue;
	_Atomic bool any;                     /* read without the lock */
};

static const struct vp_component *const self = &synic_component;

static struct synic *synic_of(struct vp *vp)
{
	return vp_component_state(vp, self);
}

static struct tellings *tellings_of(struct partition *p)
{
	return partition_component_state(p, self);
}

/* ---- for people ---- */

static void log_message(const struct synic *s, unsigned sint, const struct hv_message *m, const char *what)
{
	if (log_on(LOG_SYNIC))
		log_print(LOG_SYNIC, "%s/%u: SINT%u: %s (%#x) from %#" PRIx64 ", %u bytes, %s\n",
			  partition_name(vp_partition(s->vp)), vp_index(s->vp), sint, hv_message_name(m->type), m->type,
			  m->sender, m->payload_size, what);
}

/* ---- interrupts ---- */

static void sint_raise(struct synic *s, unsigned sint)
{
	uint64_t v = atomic_load(&s->sint[sint]);

	if (v & (HV_SINT_MASKED | HV_SINT_POLLING) && !MUTANT(sint_mask_ignored))
		return;                                    /* T14.2.4.n, T14.6.5.d: lost */
	vp_raise(s->vp, v & HV_SINT_VECTOR, v & HV_SINT_AUTO_EOI && !MUTANT(sint_no_auto_eoi) ? RAISE_AUTO_EOI : 0);
	vp_count_shared(s->vp, COUNT_SYNTHETIC_INTERRUPTS);   /* behind the APIC's own: T33.4.f */
}

/* ---- queues; lock held throughout ---- */

static bool receptive(const struct synic *s, const struct msr_page *page)
{
	return page && (atomic_load(&s->control) & HV_SCONTROL_ENABLE || MUTANT(synic_always_on)) &&
	       (msr_page_enabled(page) || MUTANT(synic_page_always_on));
}

static struct hv_message *slot_of(const struct synic *s, unsigned sint)
{
	return &((struct hv_message_page *)msr_page_host(s->messages))->slot[sint];
}

static bool slot_empty(const struct hv_message *slot)
{
	uint32_t type = __atomic_load_n(&slot->type, __ATOMIC_SEQ_CST);

	return (MUTANT(message_type_byte) ? type & 0xff : type) == HV_MESSAGE_NONE;   /* T14.2.4.j */
}

static void chain_add(struct queue *q, struct synic_buffer *b)
{
	b->next = NULL;
	if (q->last)
		q->last->next = b;
	else
		q->first = b;
	q->last = b;
}

static struct synic_buffer *chain_take(struct queue *q)
{
	struct synic_buffer *b = q->first;

	q->first = b->next;
	if (!q->first)
		q->last = NULL;
	return b;
}

static void queue_append(struct synic *s, unsigned sint, struct synic_buffer *b)
{
	chain_add(&s->queue[sint], b);
	atomic_fetch_or(&s->waiting, 1u << sint);
}

static bool more_waits(const struct synic *s, unsigned sint)
{
	return s->queue[sint].first || s->notify >> sint & 1;
}

/* Something may wait no more. */
static void waiting_look(struct synic *s, unsigned sint)
{
	if (!more_waits(s, sint))
		atomic_fetch_and(&s->waiting, ~(1u << sint));
}

static struct synic_buffer *queue_pop(struct synic *s, unsigned sint)
{
	struct synic_buffer *b = chain_take(&s->queue[sint]);

	waiting_look(s, sint);
	return b;
}

static void retry_arm(struct synic *s)
{
	if (!atomic_load(&s->waiting) || atomic_load(&s->retry_at) != INT64_MAX)
		return;
	atomic_store(&s->retry_at, MUTANT(message_no_retry) ? INT64_MAX : monotonic_ns() + s->retry_after);
	vp_deadline_changed(s->vp);
}

static void retry_calm(struct synic *s)
{
	atomic_store(&s->retry_at, INT64_MAX);
	s->retry_after = RETRY_NS;
}

/* The payload first and the type last: a guest that polls sees all of it or nothing. */
static void slot_fill(struct hv_message *slot, const struct hv_message *m)
{
	unsigned size = MUTANT(message_whole) ? HV_MESSAGE_PAYLOAD : m->payload_size;

	for (unsigned i = 0; i < (size + 7u) / 8; i++)                 /* T14.2.4.l */
		x86_host_st64(&slot->payload[i], m->payload[i]);
	x86_host_st64(&slot->sender, m->sender);
	x86_host_st16(&slot->reserved, 0);
	x86_host_st8(&slot->flags, m->flags);
	x86_host_st8(&slot->payload_size, m->payload_size);
	x86_host_st32(&slot->type, m->type);
}

/* Takes @m to its empty slot. */
static void hand_over(struct synic *s, unsigned sint, struct hv_message *slot, const struct hv_message *m)
{
	slot_fill(slot, m);
	vp_count_shared(s->vp, COUNT_MESSAGES_DELIVERED);
	log_message(s, sint, m, "delivered");
	if (!MUTANT(message_silent))
		sint_raise(s, sint);                                          /* T14.2.4.m */
}

static void deliver(struct synic *s, unsigned sint, struct hv_message *slot)
{
	struct synic_buffer *b = queue_pop(s, sint);
	struct hv_message *m = &b->message;

	if (m->type == (uint32_t)HV_MESSAGE_TIMER_EXPIRED)
		((struct hv_timer_message *)m->payload)->delivery =
			partition_reference_time(vp_partition(s->vp));        /* T16.4.1.c */
	m->flags = more_waits(s, sint) && !MUTANT(message_pending_late) ? HV_MESSAGE_FLAG_PENDING : 0;   /* T14.8.3.a */
	hand_over(s, sint, slot, m);
	retry_calm(s);
	atomic_store(&b->taken, MUTANT(message_keeps_buffer));                /* T14.6.6.c */
}

/* Nothing waits any more but the parent, who may have a message. */
static void tell_deliverable(struct synic *s, unsigned sint)
{
	s->notify &= ~(1u << sint);
	waiting_look(s, sint);
	retry_calm(s);
	vp_sint_deliverable(s->vp, sint);
}

/* Delivers the first of the queue if it can be, or tells that one could be. */
static void scan_queue(struct synic *s, unsigned sint)
{
	struct hv_message *slot = slot_of(s, sint);

	if (!slot_empty(slot) && !MUTANT(message_pending_never))
		__atomic_fetch_or(&slot->flags, HV_MESSAGE_FLAG_PENDING, __ATOMIC_SEQ_CST);   /* T14.8.3.b */
	if (!slot_empty(slot) && !MUTANT(message_overwrites) && !(MUTANT(notify_queued) && !s->queue[sint].first))
		return;
	if (s->queue[sint].first)
		deliver(s, sint, slot);
	else
		tell_deliverable(s, sint);
}

static void scan(struct synic *s)
{
	uint32_t waiting = atomic_load(&s->waiting);

	lock_assert_held(&s->lock);
	if (!receptive(s, s->messages))
		return;                                    /* T14.2.4.p */
	for (; waiting; waiting &= waiting - 1)
		scan_queue(s, (unsigned)__builtin_ctz(waiting));
	retry_arm(s);
}

/* For triggers on hot paths: most of the time nothing waits. */
static void scan_if_waiting(struct synic *s)
{
	if (!atomic_load(&s->waiting))
		return;
	lock_acquire(&s->lock);
	scan(s);
	lock_release(&s->lock);
}

static void queue_filter(struct synic *s, unsigned sint, const struct synic_buffer *own, unsigned count)
{
	struct synic_buffer *b = s->queue[sint].first;

	s->queue[sint] = (struct queue){ NULL, NULL };
	waiting_look(s, sint);
	while (b) {
		struct synic_buffer *next = b->next;

		if (b >= own && b < own + count)
			atomic_store(&b->taken, false);
		else
			queue_append(s, sint, b);
		b = next;
	}
}

/* ---- messages ---- */

static struct synic_buffer *buffer_take(struct synic_buffer *own, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		bool is = false;

		if (atomic_compare_exchange_strong(&own[i].taken, &is, true))
			return &own[i];
	}
	return NULL;
}

hv_status synic_post(struct vp *vp, unsigned sint, struct synic_buffer *own, unsigned count,
		     const struct hv_message *m)
{
	struct synic *s = synic_of(vp);
	struct synic_buffer *b;

	assert(sint < HV_SINT_COUNT && m->payload_size <= HV_MESSAGE_PAYLOAD && m->type != HV_MESSAGE_NONE);
	b = buffer_take(own, count);
	if (!b)
		return HV_STATUS_INSUFFICIENT_BUFFERS;     /* T14.9.7.l */
	b->message = *m;
	lock_acquire(&s->lock);
	if (!receptive(s, s->messages)) {                  /* T14.2.4.g, T14.2.4.h, T14.6.1.c */
		lock_release(&s->lock);
		atomic_store(&b->taken, false);
		return HV_STATUS_INVALID_SYNIC_STATE;
	}
	queue_append(s, sint, b);
	vp_count_shared(vp, COUNT_MESSAGES_QUEUED);
	log_message(s, sint, m, "queued");
	if (!MUTANT(message_waits_for_eom))
		scan(s);                                   /* T14.2.4.t */
	lock_release(&s->lock);
	return HV_STATUS_SUCCESS;
}

hv_status synic_post_direct(struct vp *vp, unsigned sint, const struct hv_message *m)
{
	struct synic *s = synic_of(vp);
	hv_status status = HV_STATUS_INVALID_SYNIC_STATE;
	struct hv_message now = *m;

	assert(sint < HV_SINT_COUNT && m->payload_size <= HV_MESSAGE_PAYLOAD && m->type != HV_MESSAGE_NONE);
	now.flags = 0;
	lock_acquire(&s->lock);
	if (receptive(s, s->messages)) {
		/* Who waits comes first. */
		scan(s);
		status = HV_STATUS_OBJECT_IN_USE;
		if ((!s->queue[sint].first && slot_empty(slot_of(s, sint))) || MUTANT(direct_overwrites)) {
			hand_over(s, sint, slot_of(s, sint), &now);
			status = HV_STATUS_SUCCESS;
		}
	}
	lock_release(&s->lock);
	return status;
}

void synic_forget(struct partition *p, struct synic_buffer *own, unsigned count)
{
	PARTITION_FOREACH_VP(vp, p) {
		struct synic *s = synic_of(vp);

		lock_acquire(&s->lock);
		for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
			queue_filter(s, sint, own, count); /* T14.2.3.e */
		lock_release(&s->lock);
	}
}

hv_status synic_timer_message(struct vp *vp, unsigned timer, unsigned sint, const struct hv_timer_message *m)
{
	struct hv_message message = { .type = (uint32_t)HV_MESSAGE_TIMER_EXPIRED, .payload_size = sizeof *m };

	assert(timer < HV_TIMER_COUNT);
	memcpy(message.payload, m, sizeof *m);
	return synic_post(vp, sint, &synic_of(vp)->timer[timer], 1, &message);
}

bool synic_timer_waits(struct vp *vp, unsigned timer)
{
	return atomic_load(&synic_of(vp)->timer[timer].taken);
}

/* ---- messages from the hypervisor ---- */

/* Locks: LOCK_TELL held.  Takes @b out of the queue that it waits in. */
static void told_withdraw(struct tellings *t, struct synic_buffer *b)
{
	struct queue all = t->queue;

	if (!atomic_load(&b->taken))
		return;
	if (b->at) {
		struct synic *s = synic_of(b->at);

		lock_acquire(&s->lock);
		queue_filter(s, 0, b, 1);
		lock_release(&s->lock);
		return;
	}
	t->queue = (struct queue){ NULL, NULL };
	while (all.first) {
		struct synic_buffer *w = chain_take(&all);

		if (w != b)
			chain_add(&t->queue, w);
	}
	atomic_store(&b->taken, false);
}

/* Locks: LOCK_TELL held.  False: @vp cannot take it. */
static bool told_offer(struct vp *vp, struct synic_buffer *b, bool masked)
{
	struct synic *s = synic_of(vp);
	bool can;

	lock_acquire(&s->lock);
	can = receptive(s, s->messages) && (masked || !(atomic_load(&s->sint[0]) & HV_SINT_MASKED));
	if (can) {
		b->at = vp;
		queue_append(s, MUTANT(intercept_sint), b);
		vp_count_shared(vp, COUNT_MESSAGES_QUEUED);
		log_message(s, 0, &b->message, "queued");
		scan(s);
	}
	lock_release(&s->lock);
	return can;
}

/*
 * Locks: LOCK_TELL held.  T14.2.6.b: always the first VP that can take it, so that messages arrive in the order in
 * which they were sent (T9.1.h).  One that looks at its page without an interrupt is better than none.
 */
static bool told_place(struct partition *p, struct synic_buffer *b)
{
	for (int masked = 0; masked < 2; masked++)
		PARTITION_FOREACH_VP(vp, p)
			if (told_offer(vp, b, masked))
				return true;
	return false;
}

/* Locks: LOCK_TELL held. */
static void told_place_all(struct partition *p, struct tellings *t)
{
	while (t->queue.first) {
		struct synic_buffer *b = chain_take(&t->queue);

		if (told_place(p, b))
			continue;
		if (MUTANT(intercept_lost)) {
			atomic_store(&b->taken, false);
			continue;
		}
		b->next = t->queue.first;
		t->queue.first = b;
		t->queue.last = t->queue.last ? t->queue.last : b;
		break;
	}
	atomic_store(&t->any, t->queue.first != NULL);
}

void synic_tell(struct partition *p, struct synic_buffer *own, const struct hv_message *m)
{
	struct tellings *t = tellings_of(p);

	lock_acquire(&t->lock);
	if (MUTANT(intercept_keeps_first) && atomic_load(&own->taken)) {
		lock_release(&t->lock);
		return;
	}
	told_withdraw(t, own);                             /* T14.2.6.c */
	own->message = *m;
	own->told = true;
	own->at = NULL;
	atomic_store(&own->taken, true);
	chain_add(&t->queue, own);
	/* Before the look at the VPs: one that becomes able meanwhile sees it. */
	atomic_store(&t->any, true);
	told_place_all(p, t);
	lock_release(&t->lock);
}

void synic_untell(struct partition *p, struct synic_buffer *own)
{
	struct tellings *t = tellings_of(p);

	lock_acquire(&t->lock);
	told_withdraw(t, own);
	lock_release(&t->lock);
}

/* @vp's SynIC has changed: perhaps it can take what no other could. */
static void told_retry(struct vp *vp)
{
	struct tellings *t = tellings_of(vp_partition(vp));

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&t->any))
		return;
	lock_acquire(&t->lock);
	told_place_all(vp_partition(vp), t);
	lock_release(&t->lock);
}

/* @s can take nothing any more: what waits there from the hypervisor goes to another. */
static void told_leave(struct synic *s)
{
	struct partition *p = vp_partition(s->vp);
	struct tellings *t = tellings_of(p);
	struct queue all;

	if (!(atomic_load(&s->waiting) & 1))
		return;
	lock_acquire(&t->lock);
	lock_acquire(&s->lock);
	all = s->queue[0];
	s->queue[0] = (struct queue){ NULL, NULL };
	waiting_look(s, 0);
	while (all.first) {
		struct synic_buffer *b = chain_take(&all);

		if (b->told) {
			b->at = NULL;
			chain_add(&t->queue, b);
		} else {
			queue_append(s, 0, b);
		}
	}
	lock_release(&s->lock);
	told_place_all(p, t);
	lock_release(&t->lock);
}

/* Behind each write that decides whether @s takes messages. */
static void told_follow(struct synic *s)
{
	if (receptive(s, s->messages))
		told_retry(s->vp);
	else
		told_leave(s);
}

/* The one that an end of the same vector waits in, or a free one; NULL: there is none. */
static struct synic_buffer *eoi_buffer(struct synic *s, const struct hv_message *m)
{
	struct synic_buffer *b = NULL;

	for (unsigned i = 0; i < EOI_BUFFERS; i++) {
		if (!atomic_load(&s->eoi[i].taken))
			b = b ? b : &s->eoi[i];
		else if (s->eoi[i].message.payload[0] == m->payload[0])
			return &s->eoi[i];
	}
	return b || !MUTANT(eoi_lost) ? b : &s->eoi[0];
}

/* The parent has more to take than there are buffers. */
static void eoi_later(struct synic *s)
{
	atomic_store(&s->eoi_at, monotonic_ns() + RETRY_NS);
	vp_deadline_changed(s->vp);
}

static bool synic_tell_parent(struct vp *vp, void *state, struct partition *parent, const struct hv_message *m)
{
	struct synic *s = state;
	struct synic_buffer *b = &s->intercept;

	s->parent = parent;
	if (m->type == (uint32_t)HV_MESSAGE_APIC_EOI)
		b = eoi_buffer(s, m);
	else if (m->type == (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL)
		b = &s->signal;
	if (!b) {
		eoi_later(s);
		return false;
	}
	/* Only this thread tells with it, so it does not become taken meanwhile. */
	if (b == &s->signal && atomic_load(&b->taken) && !MUTANT(dispatch_counts_all))
		return false;
	synic_tell(parent, b, m);
	return true;
}

/* ---- event flags ---- */

/* Was it clear? */
static bool flag_set(struct synic *s, unsigned sint, unsigned flag)
{
	struct hv_event_flags_page *page = msr_page_host(s->flags);
	uint32_t bit = 1u << (flag + MUTANT(event_next_flag)) % 32;                    /* T14.8.5.a */
	uint32_t was = __atomic_fetch_or(&page->flags[sint][flag / 32], bit, __ATOMIC_SEQ_CST);   /* T14.3.1.a */

	if (was & bit && !MUTANT(event_again))
		return false;                              /* T14.3.1.f */
	vp_count_shared(s->vp, COUNT_EVENTS);
	sint_raise(s, sint);                               /* T14.3.1.e */
	return true;
}

hv_status synic_signal(struct vp *vp, unsigned sint, unsigned flag, bool *newly)
{
	bool was_clear = false;
	struct synic *s = synic_of(vp);
	hv_status status = HV_STATUS_INVALID_SYNIC_STATE;

	assert(sint < HV_SINT_COUNT && flag < HV_EVENT_FLAGS);
	lock_acquire(&s->lock);
	/* T14.3.1.b, T14.3.1.c, T14.3.1.g, T14.6.1.d */
	if (receptive(s, s->flags) && (!(atomic_load(&s->sint[sint]) & HV_SINT_MASKED) || MUTANT(event_masked))) {
		was_clear = flag_set(s, sint, flag);
		status = HV_STATUS_SUCCESS;
	}
	lock_release(&s->lock);
	if (newly)
		*newly = was_clear || MUTANT(direct_always_new);
	if (log_on(LOG_SYNIC))
		log_print(LOG_SYNIC, "%s/%u: SINT%u: event flag %u%s\n", partition_name(vp_partition(vp)), vp_index(vp),
			  sint, flag, status == HV_STATUS_SUCCESS ? "" : " refused");
	return status;
}

enum ring_result synic_ring(struct vp *vp, unsigned sint, uint32_t port)
{
	struct synic *s = synic_of(vp);
	enum ring_result result = RING_OFF;
	struct hv_event_ring *ring;
	uint32_t *place;

	assert(sint < HV_SINT_COUNT && port);
	lock_acquire(&s->lock);
	if (receptive(s, s->ring)) {
		ring = (struct hv_event_ring *)msr_page_host(s->ring) + sint;
		place = &ring->port[s->ring_next[sint]];
		result = RING_FULL;
		if (__atomic_load_n(place, __ATOMIC_SEQ_CST)) {
			__atomic_store_n(&ring->ring_full, 1, __ATOMIC_SEQ_CST);
		} else {
			__atomic_store_n(place, port, __ATOMIC_SEQ_CST);
			s->ring_next[sint] = (uint8_t)((s->ring_next[sint] + 1) % HV_RING_PLACES);
			result = RING_IN;
			if (!__atomic_load_n(&ring->signal_masked, __ATOMIC_SEQ_CST)) {
				if (atomic_load(&s->sint[sint]) & HV_SINT_AS_INTERCEPT)
					result = RING_TELL;
				else
					sint_raise(s, sint);
			}
		}
	}
	lock_release(&s->lock);
	return result;
}

hv_status synic_interrupt(struct vp *vp, unsigned sint)
{
	struct synic *s = synic_of(vp);

	assert(sint < HV_SINT_COUNT);
	if (!(atomic_load(&s->control) & HV_SCONTROL_ENABLE) || (atomic_load(&s->sint[sint]) & HV_SINT_MASKED))
		return HV_STATUS_INVALID_SYNIC_STATE;
	sint_raise(s, sint);
	return HV_STATUS_SUCCESS;
}

/* ---- registers ---- */

static enum x86_result control_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = atomic_load(&synic_of(vp)->control);
	return X86_OK;
}

static enum x86_result control_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct synic *s = synic_of(vp);

	atomic_store(&s->control, value);                  /* T14.6.1.f */
	scan_if_waiting(s);
	told_follow(s);
	return X86_OK;
}

static enum x86_result version_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = HV_SYNIC_VERSION + MUTANT(synic_version);                         /* T14.6.2.a */
	return X86_OK;
}

static struct msr_page *page_of(struct vp *vp, uint32_t msr)
{
	struct synic *s = synic_of(vp);

	return msr == HV_X64_MSR_SIMP ? s->messages : msr == HV_X64_MSR_SIRBP ? s->ring : s->flags;
}

static enum x86_result page_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	if (!page_of(vp, msr))
		return X86_FAULT_GP;
	*value = msr_page_value(page_of(vp, msr));
	return X86_OK;
}

static enum x86_result page_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	if (!page_of(vp, msr))
		return X86_FAULT_GP;
	/* Others write there while the guest clears flags and slots. */
	if (value & HV_MSR_PAGE_ENABLE)
		vp_not_alone(vp);
	msr_page_place(vp, page_of(vp, msr), value);       /* T14.6.3.b, T14.6.4.b */
	scan_if_waiting(synic_of(vp));
	told_follow(synic_of(vp));
	return X86_OK;
}

static enum x86_result eom_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = 0;                                        /* T14.6.6.g */
	return X86_OK;
}

static enum x86_result eom_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	vp_count(vp, COUNT_EOMS);
	if (!MUTANT(eom_does_nothing))
		scan_if_waiting(synic_of(vp));             /* T14.6.6.a */
	return X86_OK;
}

static enum x86_result sint_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = atomic_load(&synic_of(vp)->sint[msr - HV_X64_MSR_SINT0]);
	if (MUTANT(sint_masked_anyway))
		*value &= ~HV_SINT_MASKED;
	return X86_OK;
}

static enum x86_result sint_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	/* T14.6.5.c; masked, any vector: nested hypervisors write the reset value back (O26). */
	if ((value & HV_SINT_VECTOR) < HV_SINT_FIRST_VECTOR && !(value & HV_SINT_MASKED) && !MUTANT(sint_any_vector))
		return X86_FAULT_GP;
	atomic_store(&synic_of(vp)->sint[msr - HV_X64_MSR_SINT0], value);
	if (msr == HV_X64_MSR_SINT0)
		told_retry(vp);
	if (log_on(LOG_SYNIC))
		log_print(LOG_SYNIC, "%s/%u: SINT%u: vector 0x%02x%s%s%s\n", partition_name(vp_partition(vp)),
			  vp_index(vp), msr - HV_X64_MSR_SINT0, (unsigned)(value & HV_SINT_VECTOR),
			  value & HV_SINT_MASKED ? " masked" : "", value & HV_SINT_AUTO_EOI ? " auto-EOI" : "",
			  value & HV_SINT_POLLING ? " polling" : "");
	return X86_OK;
}

#define ONE(msr) .first = msr, .last = msr, .name = #msr

static const struct msr_row synic_msrs[] = {
	{ ONE(HV_X64_MSR_SCONTROL), HV_ACCESS_SYNIC, MSR_VP, 0, control_read, control_write },
	{ ONE(HV_X64_MSR_SVERSION), HV_ACCESS_SYNIC, MSR_VP, 0, version_read, NULL },         /* T14.6.2.b */
	{ ONE(HV_X64_MSR_SIEFP), HV_ACCESS_SYNIC, MSR_VP, 0, page_read, page_write },
	{ ONE(HV_X64_MSR_SIMP), HV_ACCESS_SYNIC, MSR_VP, 0, page_read, page_write },
	{ ONE(HV_X64_MSR_SIRBP), HV_CREATE_PORT, MSR_VP, 0, page_read, page_write },
	{ ONE(HV_X64_MSR_EOM), HV_ACCESS_SYNIC, MSR_VP, 0, eom_read, eom_write },
	{ HV_X64_MSR_SINT0, HV_X64_MSR_SINT15, "HV_X64_MSR_SINTx", HV_ACCESS_SYNIC, MSR_VP, 0, sint_read, sint_write },
	{ .name = NULL },
};

/* ---- component ---- */

static void synic_ended(struct vp *vp, void *state, uint8_t vector)
{
	if (!MUTANT(eoi_does_nothing))
		scan_if_waiting(state);                    /* T14.2.4.u */
}

static int64_t synic_next_deadline(struct vp *vp, void *state)
{
	struct synic *s = state;

	return MIN(atomic_load(&s->retry_at), atomic_load(&s->eoi_at));
}

static void synic_expire(struct vp *vp, void *state, int64_t now)
{
	struct synic *s = state;

	if (now >= atomic_load(&s->eoi_at)) {
		atomic_store(&s->eoi_at, INT64_MAX);
		/* At the boundary it tells what is due. */
		vp_pend(vp, X86_PEND_STOP);
	}
	lock_acquire(&s->lock);
	if (now >= atomic_load(&s->retry_at)) {
		vp_count_shared(vp, COUNT_MESSAGE_RETRIES);
		/* Rarer and rarer: a guest that never empties the slot shall not keep the host awake. */
		atomic_store(&s->retry_at, INT64_MAX);
		s->retry_after = MIN(2 * s->retry_after, RETRY_LAST_NS);
		scan(s);
	}
	lock_release(&s->lock);
}

static void drop_all(struct synic *s)
{
	s->notify = 0;
	atomic_store(&s->waiting, 0);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		while (s->queue[sint].first)
			atomic_store(&queue_pop(s, sint)->taken, false);      /* O24 */
	retry_calm(s);
}

/* INIT leaves it alone, as it does the processor's own MSRs. */
static void synic_reset(struct vp *vp, void *state, enum x86_reset how)
{
	struct synic *s = state;

	if (how != X86_RESET_POWER_ON)
		return;
	atomic_store(&s->control, 0);                      /* T14.6.1.a, T14.6.1.b */
	told_leave(s);
	lock_acquire(&s->lock);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		atomic_store(&s->sint[sint], HV_SINT_RESET);   /* T14.6.5.a, O25 */
	if (!MUTANT(queue_survives_reset))
		drop_all(s);                               /* T14.2.2.c */
	lock_release(&s->lock);
	msr_page_reset(s->messages);                       /* T14.6.3.a, T14.6.4.a, T14.7.d, T14.7.e */
	msr_page_reset(s->flags);
	if (s->ring) {
		msr_page_reset(s->ring);
		memset(s->ring_next, 0, sizeof s->ring_next);
	}
}

static bool synic_init(struct vp *vp, void *state)
{
	const bool makes_ports = partition_features(vp_partition(vp))->privileges & HV_CREATE_PORT;
	struct synic *s = state;

	s->vp = vp;
	lock_init(&s->lock, LOCK_APIC, "SynIC");
	atomic_init(&s->retry_at, INT64_MAX);
	atomic_init(&s->eoi_at, INT64_MAX);
	s->messages = msr_page_new(vp_partition(vp), X86_PAGE_READ | X86_PAGE_WRITE);
	s->flags = msr_page_new(vp_partition(vp), X86_PAGE_READ | X86_PAGE_WRITE);
	if (makes_ports)
		s->ring = msr_page_new(vp_partition(vp), X86_PAGE_READ | X86_PAGE_WRITE);
	if (s->messages && s->flags && (s->ring || !makes_ports))
		return true;
	msr_page_free(s->ring);
	msr_page_free(s->messages);
	msr_page_free(s->flags);
	lock_destroy(&s->lock);
	return false;
}

static void synic_fini(struct vp *vp, void *state)
{
	struct synic *s = state;
	struct msr_page *messages = s->messages, *flags = s->flags, *ring = s->ring;

	if (s->parent && !MUTANT(intercept_outlives)) {
		synic_untell(s->parent, &s->intercept);
		synic_untell(s->parent, &s->signal);
		for (unsigned i = 0; i < EOI_BUFFERS; i++)
			synic_untell(s->parent, &s->eoi[i]);
	}
	atomic_store(&s->control, 0);
	told_leave(s);
	/* The struct stays, and with it its lock, for devices that still signal. */
	lock_acquire(&s->lock);
	drop_all(s);
	s->messages = s->flags = s->ring = NULL;
	lock_release(&s->lock);
	msr_page_free(ring);
	msr_page_free(messages);
	msr_page_free(flags);
}

static void synic_partition_init(struct partition *p, void *state)
{
	struct tellings *t = state;

	lock_init(&t->lock, LOCK_TELL, "messages of the hypervisor");
}

static void synic_partition_fini(struct partition *p, void *state)
{
	struct tellings *t = state;

	lock_destroy(&t->lock);
}

static void synic_show(struct vp *vp, void *state, vp_show_fn put, void *o)
{
	struct synic *s = state;

	put(o, "control", atomic_load(&s->control));
	put(o, "message-page", msr_page_value(s->messages));
	put(o, "flags-page", msr_page_value(s->flags));
	put(o, "waiting", atomic_load(&s->waiting));
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++) {
		uint64_t v = atomic_load(&s->sint[sint]);
		char name[16];

		g_snprintf(name, sizeof name, "sint%u", sint);
		if (v != HV_SINT_RESET)
			put(o, name, v);
	}
}

/* HvGetVpState: the pages that the guest sees, or would. */
static hv_status synic_state(struct vp *vp, void *state, uint32_t type, bool set, void *page)
{
	const struct synic *s = state;
	void *own;

	(void)vp;
	if (type != HV_VP_STATE_MESSAGE_PAGE && type != HV_VP_STATE_EVENT_PAGE)
		return HV_STATUS_INVALID_PARAMETER;
	own = msr_page_host(type == HV_VP_STATE_MESSAGE_PAGE ? s->messages : s->flags);
	if (set)
		x86_host_move(own, page, HV_PAGE_SIZE);
	else
		x86_host_move(page, own, HV_PAGE_SIZE);
	return HV_STATUS_SUCCESS;
}

static void synic_notify(struct vp *vp, void *state, uint64_t wanted)
{
	struct synic *s = state;

	(void)vp;
	lock_acquire(&s->lock);
	s->notify = (uint32_t)(wanted >> HV_NOTIFY_SINT_SHIFT);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		waiting_look(s, sint);
	atomic_fetch_or(&s->waiting, s->notify);
	scan(s);
	lock_release(&s->lock);
}

const struct vp_component synic_component = {
	.name = "synic", .size = sizeof(struct synic),
	.partition_size = sizeof(struct tellings), .partition_init = synic_partition_init, .partition_fini = synic_partition_fini,
	.init = synic_init, .fini = synic_fini, .reset = synic_reset, .msrs = synic_msrs,
	.tell_parent = synic_tell_parent, .notify = synic_notify, .ended = synic_ended, .next_deadline = synic_next_deadline, .expire = synic_expire, .state = synic_state, .show = synic_show,
};

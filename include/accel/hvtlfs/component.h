/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VP components: local APIC, and later SynIC, timers, ports.  The core does
 * not know them by name.  A component contributes rows to the tables of MSRs, calls and properties,
 * per-VP state with reset, and the verbs below.  One line in
 * accel/hvtlfs/components.c registers it.
 */
#ifndef ACCEL_HVTLFS_COMPONENT_H
#define ACCEL_HVTLFS_COMPONENT_H

#include "accel/hvtlfs/call.h"
#include "accel/hvtlfs/count.h"
#include "accel/hvtlfs/hv.h"

struct hv_message;

enum msr_scope { MSR_VP, MSR_PARTITION };

/* One row per MSR (or run of MSRs) outside the processor's own. */
struct msr_row {
	uint32_t first, last;
	const char *name;
	uint64_t privilege;       /* partition privilege needed, 0 none */
	enum msr_scope scope;
	uint64_t reserved;        /* bits that must be zero in a write (#GP) */
	/* NULL: not readable / writable (#GP).  On the VP's thread or with it stopped. */
	enum x86_result (*read)(struct vp *vp, uint32_t msr, uint64_t *value);
	enum x86_result (*write)(struct vp *vp, uint32_t msr, uint64_t value);
};

/* An interrupt by address rather than by line (13.5.1). */
struct interrupt_request {
	uint32_t destination;     /* an APIC id, or a logical destination as messages have it */
	uint8_t mode, vector;     /* delivery mode: HV_INTERRUPT_FIXED and on (hv/interrupt.h) */
	/* @level: takes the place of the last such one that waits where it goes; @withdraw as well: of which nothing else remains. */
	bool logical, level, withdraw;
};

/* One row per partition property (5.2.2). */
struct property {
	uint32_t code;
	uint8_t when;             /* CALL_IN_*: states in which it can be set; 0: read-only */
	uint64_t (*get)(struct partition *p);
	/* Another VP's thread than @p's as a rule, @p's call_lock held.  NULL: read-only. */
	hv_status (*set)(struct partition *p, uint64_t value);
};

struct vp_component {
	const char *name;
	size_t size;                        /* per-VP state, zeroed at creation */
	bool (*init)(struct vp *vp, void *state);
	void (*reset)(struct vp *vp, void *state, enum x86_reset how);
	void (*fini)(struct vp *vp, void *state);
	/* The same once per partition: before its VPs' init, VPs parked, after their fini. */
	size_t partition_size;
	void (*partition_init)(struct partition *p, void *state);
	void (*partition_reset)(struct partition *p, void *state);
	void (*partition_fini)(struct partition *p, void *state);
	/* What it has to tell people of the partition.  Any thread; the partition has been initialized. */
	void (*partition_look)(struct partition *p, void *state, struct partition_look *look);
	const struct msr_row *msrs;         /* ends with name NULL */
	const struct hv_call *calls;        /* ends with name NULL */
	const struct property *properties;  /* ends with get NULL */
	/* Interrupt controller verbs; one component of the list has them. */
	int (*interrupt)(struct vp *vp, void *state);         /* take the highest: vector or -1 */
	bool (*interrupt_pending)(struct vp *vp, void *state);/* would interrupt() give one now? */
	bool (*requested)(struct vp *vp, void *state);        /* does any interrupt wait, also of too low a priority? */
	uint64_t (*tpr_read)(struct vp *vp, void *state);
	void (*tpr_write)(struct vp *vp, void *state, uint64_t tpr);
	void (*msi)(struct partition *p, uint64_t address, uint32_t data);
	void (*extint)(struct partition *p, bool level);
	void (*nmi)(struct partition *p);
	/* As an APIC message of delivery mode @mode; false: it matches no VP. */
	bool (*send)(struct partition *p, const struct interrupt_request *r);
	/* Would one more be lost behind an earlier one that has not been taken yet? */
	bool (*sent)(struct partition *p, const struct interrupt_request *r);
	/* The vector that partition_pic_acknowledge() gives waits for this VP, whatever its APIC's registers say; or not any more. */
	void (*ext_int)(struct vp *vp, void *state, bool waits);
	void (*raise)(struct vp *vp, void *state, uint8_t vector, unsigned flags);   /* vp_raise() */
	bool (*raised)(struct vp *vp, void *state, uint8_t vector);   /* vp_raised() */
	/* An interrupt of @vector ended, by an EOI or, automatically, when it was taken.  The VP's thread. */
	void (*ended)(struct vp *vp, void *state, uint8_t vector);
	/*
	 * What the VP's parent wants to be told of from now on (HV_NOTIFY_*), nothing else.  The interrupt controller then gives
	 * X86_INTERRUPT_STOP for an interrupt, once, when one could be taken; the SynIC calls vp_sint_deliverable(), once for
	 * each SINT.  The VP's thread, or it stands.
	 */
	void (*notify)(struct vp *vp, void *state, uint64_t wanted);
	/* Device memory window of the component (xAPIC page); false: not here. */
	bool (*mmio_read)(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t *value);
	bool (*mmio_write)(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t value);
	bool (*mmio_has)(struct vp *vp, void *state, gpa_t gpa, enum x86_access a);   /* may one of the two answer? */
	/*
	 * A message from the hypervisor to @parent on behalf of @vp, whose last one it replaces if that has
	 * not arrived; HV_MESSAGE_APIC_EOI replaces only one of the same vector.  False: it has not been sent, as an earlier
	 * HV_MESSAGE_SCHEDULER_SIGNAL will say the same, or the VP shall come again with its HV_MESSAGE_APIC_EOI and does, soon.
	 * On @vp's thread, no lock held.  One component of the list has it.
	 */
	bool (*tell_parent)(struct vp *vp, void *state, struct partition *parent, const struct hv_message *m);
	/* Host time (CLOCK_MONOTONIC ns) at which `expire` wants to be called; INT64_MAX none. */
	int64_t (*next_deadline)(struct vp *vp, void *state);
	void (*expire)(struct vp *vp, void *state, int64_t now);
	/*
	 * VP stops or goes on (partition suspend, resume): keep timers in step.  In
	 * pairs, on the VP's thread; a new VP is suspended first.
	 */
	void (*suspend)(struct vp *vp, void *state);
	void (*resume)(struct vp *vp, void *state);
	/*
	 * HvGetVpState, HvSetVpState: fills @page or takes what is in it, as @type (HV_VP_STATE_*) has it.
	 * HV_STATUS_INVALID_PARAMETER: not its type, or it cannot be.  The VP's thread, or it stands.
	 */
	hv_status (*state)(struct vp *vp, void *state, uint32_t type, bool set, void *page);
	/* For vp_show(): @put each value worth seeing under its name, "a/b" for one of a group.  The VP's thread. */
	void (*show)(struct vp *vp, void *state, vp_show_fn put, void *o);
};

/* All components, in order; NULL-terminated.  The list is in components.c. */
extern const struct vp_component *const vp_components[];
extern const struct vp_component apic_component;   /* hw/intc/apic.c */
extern const struct vp_component synic_component;  /* hw/hyperv/synic.c */
extern const struct vp_component stimer_component; /* hw/hyperv/stimer.c */
extern const struct vp_component port_component;   /* hw/hyperv/port.c */
extern const struct vp_component timer_assist_component;   /* hw/hyperv/timer-assist.c */
/* State of component @k for @vp. */
void *vp_component_state(struct vp *vp, const struct vp_component *k);
/* State of component @k for partition @p. */
void *partition_component_state(struct partition *p, const struct vp_component *k);
/*
 * A fixed, edge-triggered interrupt for this very VP's local APIC, as if by a message.
 * RAISE_AUTO_EOI: ended as soon as it is taken.  Any thread, any lock below LOCK_FRAMES.
 */
enum { RAISE_AUTO_EOI = 1 << 0 };
void vp_raise(struct vp *vp, uint8_t vector, unsigned flags);
/* Is @vector requested and not taken yet, so that one more request would be lost in it?  Any thread. */
bool vp_raised(struct vp *vp, uint8_t vector);
/* The verbs send() and sent() of the interrupt controller.  Any thread, any lock below LOCK_FRAMES. */
bool partition_send(struct partition *p, const struct interrupt_request *r);
bool partition_sent(struct partition *p, const struct interrupt_request *r);
/* A message to @sint would be delivered at once.  Any thread, any lock below LOCK_FRAMES. */
void vp_sint_deliverable(struct vp *vp, unsigned sint);
/*
 * The word of @vp's assist page by which its guest learns whether an interrupt needs an EOI
 * (13.3.4.1); NULL: the guest does not look there.  VP's thread.  It is there, whatever the
 * guest does with the page, as long as the partition.
 */
uint32_t *vp_eoi_assist(struct vp *vp);
/* From the interrupt controller, on the VP's thread: calls all components' ended(). */
void vp_interrupt_ended(struct vp *vp, uint8_t vector);
/*
 * From now on, until the VP is reset, others change this VP's memory bit by bit while it runs: its
 * locked instructions are to be locked ones even if it is the partition's only VP.  Own thread;
 * holds from the next block on.
 */
void vp_not_alone(struct vp *vp);

/*
 * Overlay page that an MSR places: 63:12 its GPA page, 0 enable (T31.g).  It has its frame
 * from creation to the end of the partition, so who writes to it need not ask whether
 * the guest sees it.
 */
struct msr_page;
/* @rights: X86_PAGE_*, what the guest may do with it.  NULL: no frame left.  Zeroed. */
struct msr_page *msr_page_new(struct partition *p, uint32_t rights);
/* The same for what a call asks for: the frame is one of @p's pool, whoever made @p.  NULL: none is left there. */
struct msr_page *msr_page_paid(struct partition *p, uint32_t rights);
/* The partition has been deleted or was never started, or nobody has seen it since a flush; @m may be NULL. */
void msr_page_free(struct msr_page *m);
/* The same frame once more, to be seen elsewhere, by @p, of whom the caller has a reference; free it before @of. */
struct msr_page *msr_page_alias(const struct msr_page *of, struct partition *p);
uint64_t msr_page_value(const struct msr_page *m);      /* as the guest reads it */
bool msr_page_enabled(const struct msr_page *m);
/* Its 4096 bytes in the host.  Others may read and write them at the same time: x86_host_*() of target/i386/mem.h. */
void *msr_page_host(const struct msr_page *m);
/*
 * WRMSR of @value: places it, or takes it away; flushes.  Beyond the GPA space it is
 * enabled where nobody sees it (T15.4.1.c).  @vp: whose thread this is, NULL if no VP's.  No lock held.
 */
void msr_page_place(struct vp *vp, struct msr_page *m, uint64_t value);
/* The same without the flush, which the caller owes.  Any lock below LOCK_PARTITION. */
void msr_page_show(struct msr_page *m, uint64_t value);
/*
 * The GPA map of @p has changed: flushes all its TLBs.  On return nobody uses what they had.  @self: the VP whose
 * thread this is, of whatever partition; NULL if no VP's, or one that is outside (partition.h).  No lock held but LOCK_CALL.
 */
void partition_flush(struct partition *p, struct vp *self);
/* Disabled, value 0, content zeroed.  No VP of the partition runs; the caller flushes. */
void msr_page_reset(struct msr_page *m);
/*
 * The component's deadline changed (earlier or later).  Any thread.  The core
 * sees to it that expire() runs on the VP's thread, or kicks the running VP at the
 * deadline so that it does.
 */
void vp_deadline_changed(struct vp *vp);
/*
 * Input clock of the APIC timer before its divider, as HV_X64_MSR_APIC_FREQUENCY
 * tells it.
 */
#define HV_APIC_HZ 1000000000ull
/* Guest TSC of the partition now; the TSC's frequency; partition reference time (100 ns units). */
uint64_t partition_tsc(struct partition *p);
uint64_t hv_tsc_hz(struct hv *hv);
uint64_t partition_reference_time(struct partition *p);
/* The partition's stack: acknowledge of the 8259 (-1 spurious or no 8259); end of level-triggered @vector at @vp, on its thread. */
int partition_pic_acknowledge(struct partition *p);
void vp_level_ended(struct vp *vp, uint8_t vector);
/*
 * @vp's guest has written @value to the register of its local APIC at @offset (HV_APIC_*).  True, of the ICR: what it says is
 * not sent, the stack sees to that.  Own thread.
 */
bool vp_apic_written(struct vp *vp, uint32_t offset, uint64_t value);
/*
 * A start-up IPI arrived.  Any thread, any lock below LOCK_FRAMES.  It is looked at after an INIT that is still
 * pending (guests send both without a pause), starts the VP if it then waits for
 * SIPI, and is dropped otherwise.
 */
void vp_sipi(struct vp *vp, uint8_t vector);

/* One monitored notification of @p's more or fewer (appendix J).  Any thread, any lock. */
void partition_monitored(struct partition *p, int by);

/* What people call a message of this type (HV_MESSAGE_LIST). */
const char *hv_message_name(uint32_t type);

#endif

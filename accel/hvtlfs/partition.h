/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions and virtual processors, inside accel/hvtlfs. */
#ifndef HVTLFS_PARTITION_H
#define HVTLFS_PARTITION_H

#include "accel/hvtlfs/crash.h"
#include "dispatch.h"
#include "gpa.h"
#include "intercept.h"
#include "pool.h"
#include "hv/partition.h"
#include "machine.h"
#include "target/i386/model.h"

enum { STATS_MSRS = 4 };   /* 21.3.3 */
enum { VP_MAX = 64, VP_BANKS = (VP_MAX + 63) / 64 };

/* What others want a VP's TLB to forget: flush.c. */
enum { FLUSH_RANGES = 16 };
struct flush {
	bool everything, non_global; /* of all address spaces */
	uint32_t count, pages;       /* ranges, pages in all of them */
	uint64_t range[FLUSH_RANGES];  /* first page, number of further ones (hv/mmu.h); of all spaces */
};
struct flush_queue {
	struct lock lock;            /* LOCK_FLUSH */
	_Atomic bool asked;          /* written under lock: there is something */
	struct flush flush;          /* lock */
};

/* Why a VP does not run (10.1.3); it runs when no bit is set. */
enum {
	SUSPEND_CREATED = 1 << 0,    /* not started yet */
	SUSPEND_EXPLICIT = 1 << 1,   /* a parent's: HvRegisterExplicitSuspend */
	SUSPEND_INTERCEPT = 1 << 2,  /* an exit that its stack has to act on */
	SUSPEND_DISPATCH = 1 << 4,   /* a parent's: HvRegisterDispatchSuspend */
	SUSPEND_FROZEN = 1 << 5,     /* HV_PROPERTY_TIME_FREEZE */
	SUSPEND_FLUSH = 1 << 6,      /* a flush that it asked for is held back: flush.c */
	SUSPEND_MACHINE = 1 << 3,    /* the machine is stopped, and with it the partitions made from within */
};

/* Features that a partition's processors lack although its parent's have them: banks of 0x0006000a, 0x0006000b, 0x00060002. */
enum { HIDDEN_0, HIDDEN_1, HIDDEN_XSAVE, HIDDEN_COUNT };

/* Where a partition stands in its life (5.2.5); those that a machine makes are active from the start (T5.2.5.h). */
enum partition_life { LIFE_UNINITIALIZED, LIFE_ACTIVE, LIFE_FINALIZING, LIFE_FINALIZED, LIFE_DELETED };

struct partition {
	/* Set once. */
	struct hv *hv;
	uint64_t id, parent_id;
	struct partition *parent;    /* NULL: first.  Valid while this one is in the tree */
	struct partition *family;    /* the one above it, or itself, that a machine made: their frames are its own */
	bool by_parent;              /* made by HvCreatePartition: its parent answers its exits */
	bool dispatched;             /* and says when its VPs run: dispatch.h */
	uint32_t compatibility_version;   /* told by who made it */
	_Atomic uint32_t debug_channel;
	uint64_t create_flags;       /* HV_CREATE_*; 0 unless by_parent */
	uint32_t depth;              /* 0: has no parent */
	char *name;
	const struct x86_model *model;   /* of its VPs; own_model if by_parent */
	const struct stack_ops *stack;
	void *stack_opaque;
	struct hv_features granted;  /* what features are at reset */
	struct hv_features features;
	struct x86_topology topology;
	struct vp *vps[VP_MAX];      /* by index; of those that are in vps_there */
	HvtObject *object;
	void **component;            /* state of each component */

	_Atomic uint64_t vps_there[VP_BANKS];   /* bit per index; set once the VP may be used by anybody */
	_Atomic uint32_t refs;
	_Atomic uint32_t state;      /* enum partition_state; written under lock */
	_Atomic uint32_t life;       /* enum partition_life; written under call_lock */
	_Atomic uint32_t homes;      /* pages that have one: page.c */
	_Atomic bool stopped;        /* with its machine: VPs that come are suspended so */
	_Atomic bool frozen;         /* property: its VPs and its time stand still; written under lock */
	_Atomic bool has_children;   /* made by it; or had, since its last reset: it may share frames */
	struct lock call_lock;       /* LOCK_CALL */
	struct pool pool;            /* lock */
	struct share share;
	_Atomic uint32_t ext_int;    /* assert.c */
	struct lock maps_lock;      /* LOCK_MAPS; the family's is used: gpa-calls.c */
	_Atomic uint64_t ram_frames; /* written under lock */
	uint64_t tlb_pages;          /* reserved for virtual TLBs (5.2.6); p->lock */
	_Atomic uint32_t pm_timer;   /* HV_PM_TIMER_*: the PM timer that the hypervisor answers for (15.1.6) */
	_Atomic uint32_t msr_action; /* enum hv_msr_action of MSRs that are not virtualized: property 0x00050017 */
	struct x86_model own_model;  /* by_parent: processor.c; written while there is no VP, under call_lock */
	uint64_t hidden[HIDDEN_COUNT];   /* the same */
	struct intercepts *intercepts;   /* set once, before it is active; NULL unless by_parent */

	struct lock lock;            /* LOCK_PARTITION; covers what says so */
	GArray *extents;             /* struct extent: all frames it owns; lock.  None if by_parent */

	struct gpa_map map;          /* its own lock */
	_Atomic uint64_t map_changes;   /* by calls: 21, appendix J */
	_Atomic bool tracked;        /* which pages are accessed and written to is noted: gpa-calls.c */
	/* Users of guest memory that are no VPs' TLBs; ACCESS_CLOSED ends them: memory.c. */
	_Atomic uint32_t accessors;

	/*
	 * Guest TSC = host TSC + tsc_offset while tsc_stopped is false, else tsc_frozen.
	 * Written under lock with all VPs parked.
	 */
	_Atomic uint64_t tsc_offset, tsc_frozen;
	_Atomic bool tsc_stopped;

	/* Partition-wide synthetic MSRs: msr.c. */
	_Atomic uint64_t guest_os_id;   /* written under lock */
	struct msr_page *hypercall, *reference_tsc;   /* set once */
	struct msr_page *stats, *stats_internal;      /* set once; VPs show them as theirs: stats.c */
	uint32_t reference_sequence;    /* lock */
	_Atomic uint64_t crash_parameter[HV_CRASH_PARAMETERS];
	_Atomic uint64_t reenlightenment, tsc_emulation;
	_Atomic bool tsc_exposed;       /* the guest wants to be told that its TSC is invariant */
	struct hv_crash crash;          /* the last report; lock */
	_Atomic uint64_t reference_last;   /* what HV_X64_MSR_TIME_REF_COUNT last said */

	/* Held by the VP that is between exclusive_begin and exclusive_end; the family's is used: rendezvous.c. */
	_Atomic uint32_t exclusive;
};

/* Something to run on a VP's thread; lives on the caller's stack. */
struct vp_task {
	void (*run)(struct vp *vp, void *o);
	void *opaque;
	bool done;                   /* vp->lock */
	struct vp_task *next;        /* vp->lock */
};

/* A page of its pool that the partition's parent sees: state-page.c. */
struct state_page {
	spn_t frame;
	gpn_t at;                    /* of the parent */
	bool mapped, placed;         /* placed: `at` is the parent's choice, where an overlay shows it */
	struct overlay overlay;
};

struct hv_register_page;

struct vp {
	struct x86_cpu cpu;          /* the thread that runs it; first, for its alignment */

	/* Set once. */
	struct partition *partition;
	uint32_t index;
	void **component;            /* state of each component */
	pthread_t thread;
	HvtObject *object;

	struct lock lock;            /* LOCK_VP; covers the block below */
	pthread_cond_t changed;      /* any of them changed */
	uint32_t suspend;            /* SUSPEND_* */
	bool parked;                 /* the thread runs nothing but tasks, as suspended */
	bool quit, ended;            /* thread shall end; has ended */
	bool borrowed;               /* parked, and somebody else is at its state */
	struct vp_task *tasks;
	bool in_task;                /* its thread runs one of them, be it parked */
	/* Its intercept message page in the host, where its parent sees it (0x00e1); NULL: it is not mapped. */
	struct hv_message *message_page;

	struct state_page state_page[2];   /* by HV_VP_STATE_PAGE_*; call_lock */

	struct gate gate;            /* where it sleeps while halted */
	struct gate parking;         /* where it sleeps while parked */
	_Atomic uint32_t pending_tasks;
	_Atomic uint32_t sipi;       /* SIPI_VALID | vector */
	_Atomic bool deadline_dirty; /* a component's deadline moved */
	_Atomic bool halted;
	_Atomic bool unborn;         /* of the root: HvCreateVp has not made it yet, so no SIPI starts it */
	_Atomic int thread_id;
	_Atomic uint64_t run_time;   /* ns; final once `ended` */
	_Atomic uint64_t lp_began;   /* run_time at its APIC's last reset; of the root */
	_Atomic uint64_t lp_hypervisor_began;   /* vp_hypervisor_ns() then */
	int64_t armed;               /* timer_lock */
	struct turn turn;            /* schedule.c */
	struct dispatch dispatch;

	/*
	 * Odd while the VP may run guest code, changed at each safepoint: see
	 * rendezvous.c.  `inside` and `owns_exclusive` are the running thread's own.
	 */
	_Atomic uint32_t epoch, epoch_waiters;
	bool inside, owns_exclusive;
	struct flush_queue flushes;  /* what its TLB has to forget: flush.c */
	_Atomic bool flush_inhibited;   /* flushes that others want of it are held back (12.1.4) */

	/* The running thread's own. */
	int64_t next_deadline;
	int64_t cost_aside;          /* ns of what it is about to count that are not to be: somebody else ran */
	int stop_exit;               /* enum exit_reason of a STOP answer, EXIT_NONE or EXIT_AGAIN */
	struct intercept intercept;  /* what its parent has to be told at the boundary */
	uint64_t power_config[3];    /* of C1 to C3: power.c */
	uint32_t eoi_due[8];         /* bit per vector: also that it ended, level-triggered */
	uint32_t apic_due;           /* bit per register of its APIC that has been written: parent.c */
	uint64_t apic_value[6];
	uint64_t notify;             /* what else its parent wants to be told of, HV_NOTIFY_*: notify.c */
	_Atomic uint32_t sints_due;  /* of it, what is due; any thread */
	struct hv_register_page *register_page;   /* in the host; NULL: it is not mapped */
	struct msr_page *assist;     /* set once */
	struct msr_page *stats, *stats_msr[STATS_MSRS];   /* set once: its page, and where MSRs show which */
	_Atomic uint64_t count[VP_COUNT_COUNT];   /* enum vp_count */
	_Atomic bool timed;          /* its exits are: the root's (6.4.1), and while a statistics page tells what they cost */
	bool not_alone;              /* asked for; takes effect in the next slice */
	bool unsettled;              /* registers came from outside that must fit together before it runs */
};

enum { SIPI_VALID = 0x100 };
enum { EXIT_NONE = -1, EXIT_AGAIN = -2 /* run on: a hypercall gave way */ };

/* Made as software of today makes partitions: messages are shorter, and more is told. */
static inline bool partition_is_exo(const struct partition *p)
{
	return p->create_flags & HV_CREATE_EXO;
}

/* Is the hypervisor's APIC the one that its VPs have?  Later revisions leave that to who makes it. */
static inline bool partition_has_apic(const struct partition *p)
{
	return !partition_is_exo(p) || p->create_flags & HV_CREATE_LAPIC;
}

/* Does it manage the machine's processors? */
static inline bool partition_is_root(const struct partition *p)
{
	return p->features.privileges & HV_CPU_MANAGEMENT;
}

/* ---- states.c ---- */

/* Time goes while the partition is active and neither stopped nor frozen. */
void partition_time_update(struct partition *p);
void partition_freeze(struct partition *p, bool freeze);
void partition_change_state(struct partition *p, enum partition_state state);
/*
 * Those of which @is says that they are it to @p (NULL: all), with a reference each that goes with the array, in order of
 * creation.  @is: list_lock held.  hv.c
 */
GPtrArray *partitions_of(struct hv *hv, bool (*is)(const struct partition *q, const struct partition *p), const struct partition *p);
/* The partitions directly below @p with a reference each, in order of creation; the caller frees. */
GPtrArray *partition_children(struct partition *p);
/* @f for each that @p made: what goes and stops with it.  Depth bounds @f's recursion (life.c). */
void partition_foreach_made_by(struct partition *p, void (*f)(struct partition *child));
/* Its VPs and those of all that it made shall stop; does not wait. */
void partition_stop_all(struct partition *p);

/* ---- partition.c ---- */

/* A verb of struct vp_component by its offset: one that takes a partition. */
void partition_tell_components(struct partition *p, size_t verb);
/*
 * HvCreatePartition: uninitialized, without VPs or pages, with the caller's reference.
 * NULL: there are as many as there can be, or @parent is ending.  @name NULL: made of the parent's and its id.
 */
struct partition *partition_new_child(struct partition *parent, const struct hv_features *features,
				      const uint64_t hidden[HIDDEN_COUNT], uint64_t create_flags);
/* The pages and component state that VPs and calls need; false: the pool has too little. */
bool partition_init_child(struct partition *p);
/* @p is finalizing from now on, and can have no more children; false: it has some.  call_lock held. */
bool partition_end_begin(struct partition *p);
/* VPs, pages, map, component state go; what the pool lent returns to it.  call_lock not held, outside. */
void partition_dismantle(struct partition *p);
/* Own pool emptied: a reset.  No call is under way. */
void partition_return_pool(struct partition *p);
/* Pages of the pool that are reserved for the virtual TLBs of each partition of this kind, at least. */
static inline uint64_t partition_tlb_least(const struct partition *p) { return p->by_parent; }
/* Out of the tree, for good; drops the tree's reference.  Dismantled or never initialized. */
void partition_remove_child(struct partition *p);
/*
 * A VP more, suspended explicitly, ready to be used by anybody.  @index is free.  HV_STATUS_INSUFFICIENT_MEMORY: the pool has
 * too little; HV_STATUS_NO_RESOURCES: the host gives no thread.  Locks: call_lock held.
 */
hv_status partition_add_vp(struct partition *p, uint32_t index);
/* It goes.  call_lock held by @self, whose thread this is. */
void partition_drop_vp(struct partition *p, struct vp *self, struct vp *vp);

/* ---- deposit.c ---- */

struct hv_proximity_domain_info;
/* Says nothing, or names memory that there is. */
bool domain_known(const struct hv_proximity_domain_info *d);
/* A page that has left a pool is @to's again, who had deposited it: zeroed, all rights. */
void pool_page_back(struct partition *to, struct pool_page page);

/* ---- gpa-calls.c ---- */

/* Nothing is mapped any more, and no frame counts this partition.  Its VPs have ended. */
void gpa_space_clear(struct partition *p);
/* A machine's partition has all rights again that it was given.  No page of it is in a pool; the caller flushes. */
void gpa_space_reset(struct partition *p);
/* Notes from now on which pages are accessed and written to, beginning with none; or no more.  @self: partition_flush()'s. */
void gpa_space_track(struct partition *p, struct vp *self, bool on);

/* ---- property.c ---- */

/* @p may do no more than its parent.  Locks: hv->lock held, under which privileges change. */
void privileges_limit(struct partition *p);
/* A machine's partition has the properties again that it began with.  Its VPs are parked. */
void properties_reset(struct partition *p);

/* ---- assert.c ---- */

/* VP 0 takes the external interrupt: its vector, or -1 if it has been withdrawn. */
int ext_int_acknowledge(struct partition *p);

/* ---- vp.c ---- */

struct vp *vp_new(struct partition *p, uint32_t index, GError **error);
/* Component state; after all VPs of the partition exist.  Then the thread, parked when this returns. */
bool vp_start_thread(struct vp *vp, GError **error);
/*
 * Ends the thread and waits for it; what it had is given back.  The struct stays, for those who
 * still look at it, and vp_revive() makes a VP of it again.
 */
void vp_join(struct vp *vp);
bool vp_revive(struct vp *vp, GError **error);
void vp_free(struct vp *vp);
/* Locks: vp->lock held.  Who changed something of the block under it wakes the VP and all who wait for it. */
void vp_changed(struct vp *vp);
void vp_suspend(struct vp *vp, uint32_t why);      /* does not wait */
void vp_wait_parked(struct vp *vp);                /* at once on its own thread */
void vp_continue(struct vp *vp, uint32_t why);     /* clears the bits of @why */
bool vp_is_current(const struct vp *vp);
/* Somebody waits for it to park, to end or to run a task.  Own thread. */
bool vp_is_awaited(struct vp *vp);
/*
 * vp_call() for VPs of other partitions: here and now if @vp is suspended, on its own thread at a
 * boundary if it runs.  @self: whose thread this is; it is outside meanwhile.
 */
void vp_visit(struct vp *self, struct vp *vp, void (*f)(struct vp *vp, void *o), void *o);
/* Runs the tasks that others have posted, in the middle of one.  Own thread, no lock held. */
void vp_serve(struct vp *vp);
/* vp_wait_parked() with @self outside. */
void vp_await_parked(struct vp *self, struct vp *vp);
/* Something has been requested of the VP that a sleeping one shall look at, whatever EFLAGS.IF is.  Own thread. */
bool vp_is_wanted(struct vp *vp);
/* It would take an interrupt now if EFLAGS.IF is set.  Own thread. */
bool vp_would_interrupt(struct vp *vp);
/* @vp does not go on until the stack has dealt with @reason.  Own thread, or with it stopped. */
void vp_exit(struct vp *vp, enum exit_reason reason);
void vp_reset_state(struct vp *vp, enum x86_reset how);
/* Deadlines, SIPI: on its own thread at a boundary. */
void vp_service(struct vp *vp);

/* ---- rendezvous.c ---- */

void vp_enter(struct vp *vp);
void vp_leave(struct vp *vp);
/*
 * Around what may wait long or for other VPs while @vp executes an instruction: nobody waits
 * for it meanwhile.  Own thread; no LOCK_* held but LOCK_CALL.  Gives what _end() wants.
 */
bool vp_outside_begin(struct vp *vp);
void vp_outside_end(struct vp *vp, bool was_inside);
void vp_safepoint(struct vp *vp);
/*
 * Sets @bits (X86_PEND_TLB, ...) on all VPs of @p but @self and returns when each
 * has acted on them or will before its next guest instruction.  @self: the VP whose
 * thread this is, NULL for others.  No lock held.
 */
void partition_rendezvous(struct partition *p, struct vp *self, uint32_t bits);
struct vp_set;
/* The same for those VPs of @who only; the others are neither asked nor waited for. */
void vps_rendezvous(struct partition *p, struct vp *self, const struct vp_set *who, uint32_t bits);
/* The same for all partitions that may reach the frame of @code, which @p can. */
void code_rendezvous(struct partition *p, struct vp *self, const struct x86_code_page *code, uint32_t bits);
/* Decoded code of that frame has changed: tells all VPs of the same but @self (may be NULL).  Any lock below LOCK_LIST. */
void partition_code_changed(struct partition *p, struct vp *self, const struct x86_code_page *code);
void vp_exclusive_begin(struct vp *vp);
void vp_exclusive_end(struct vp *vp);

/* ---- callbacks.c ---- */

extern const struct x86_ops vp_ops;
enum x86_result vp_mmio_read(void *o, uint64_t gpa, unsigned size, uint64_t *value);
enum x86_result vp_mmio_write(void *o, uint64_t gpa, unsigned size, uint64_t value);

/* ---- memory.c ---- */

/* Stops partition_read() and partition_write() for good and waits for those under way. */
void memory_close(struct partition *p);
/* Up to a page of @data to the start of a frame of @p, whatever rights the guest has. */
void memory_fill(struct partition *p, spn_t frame, const void *data, size_t n);
/* Somebody who is no VP's TLB stored into @frame: decoded code of it is stale on all VPs. */
void memory_written(struct partition *p, spn_t frame, unsigned offset, size_t n);
/*
 * Guest memory as a hypercall's parameters: @n bytes inside one page.  What is no
 * RAM is the stack's, as for an instruction.  On the VP's thread.
 */
enum x86_result memory_param_read(struct vp *vp, gpa_t at, void *to, size_t n);
enum x86_result memory_param_write(struct vp *vp, gpa_t at, const void *from, size_t n);
/* #GP if an overlay forbids the access, X86_STOP if the stack has to act first. */
enum x86_result memory_param_check(struct vp *vp, gpa_t at, enum x86_access a);

/* ---- count.c ---- */

/* Somebody sees what its exits cost. */
bool vp_is_timed(const struct vp *vp);
/* Around what counts as @n, in ns, while somebody sees it; own thread. */
int64_t vp_cost_begin(const struct vp *vp);
void vp_cost_end(struct vp *vp, enum vp_count n, int64_t from);
/* The sum of all: what the hypervisor did for it.  The clock goes on while the host runs something else.  Any thread. */
uint64_t vp_hypervisor_ns(struct vp *vp);

/* ---- clock.c ---- */

void partition_time_stop(struct partition *p);   /* all: p->lock held */
void partition_time_go(struct partition *p);
/* Reference time; it stands still. */
void partition_time_set(struct partition *p, uint64_t reference);

/* ---- msr.c ---- */

enum x86_result msr_read(struct vp *vp, uint32_t msr, uint64_t *value);
enum x86_result msr_write(struct vp *vp, uint32_t msr, uint64_t value);
/* Is it one that the partition has and may use? */
bool msr_is_virtual(struct vp *vp, uint32_t msr);
/* False: no frame left for its pages. */
bool msr_init(struct partition *p);
bool msr_init_vp(struct vp *vp);
void msr_fini(struct partition *p);
void msr_fini_vp(struct vp *vp);
/* Partition-wide ones; VPs parked. */
void msr_reset_partition(struct partition *p);
void msr_reset_vp(struct vp *vp);

/* ---- root.c ---- */

/* The first logical processor is there from the start; the others when the root has told of them. */
bool lp_is_known(const struct hv *hv, uint64_t lp);
/* How long the logical processor of a root's VP has run, and how much of that was the hypervisor, in 100 ns (6.3.3). */
void lp_times(struct vp *vp, uint64_t *run, uint64_t *hypervisor);
/* What a root has told of the machine is forgotten. */
void root_reset(struct hv *hv);
/* The VP's APIC has been reset: its logical processor's run time begins anew (T6.3.3.a). */
void lp_reset(struct vp *vp);

/* ---- power.c ---- */

enum x86_result power_config_read(struct vp *vp, uint32_t msr, uint64_t *value);
enum x86_result power_config_write(struct vp *vp, uint32_t msr, uint64_t value);
enum x86_result power_trigger_read(struct vp *vp, uint32_t msr, uint64_t *value);
void power_reset(struct vp *vp);

/* ---- crash.c ---- */

enum x86_result crash_read(struct vp *vp, uint32_t msr, uint64_t *value);
enum x86_result crash_write(struct vp *vp, uint32_t msr, uint64_t value);

/* ---- leaves.c ---- */

void leaves_answer(struct vp *vp, uint32_t leaf, uint32_t regs[4]);

/* ---- object.c ---- */

HvtObject *partition_object_new(struct partition *p);
HvtObject *vp_object_new(struct vp *vp);
/* The thing behind is gone: its properties read as nothing. */
void hv_object_dead(HvtObject *o);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor: frames, partitions, virtual processors, their stacks.
 *
 * One struct hv is one physical machine: its memory and its tree of partitions.
 * Several may live in one process.  Everything here may be called from any
 * thread that holds no hypervisor lock unless a function says otherwise.
 */
#ifndef ACCEL_HVTLFS_HV_H
#define ACCEL_HVTLFS_HV_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "object/object.h"
#include "target/i386/model.h"

struct hv;
struct partition;
struct vp;

/* Addresses that cannot be mixed. */
typedef struct { uint64_t v; } gpa_t;  /* guest physical, one space per partition */
typedef struct { uint64_t v; } gpn_t;  /* guest physical page number */
typedef struct { uint64_t v; } spn_t;  /* page number of the machine's memory: a frame */

#define HV_PAGE_SHIFT 12
#define HV_PAGE_SIZE 4096u

/* ---- machine ---- */

struct engine_options;
struct hv_config {
	uint64_t memory;        /* bytes that partitions can have as RAM in all; hypervisor pages come on top */
	const char *engine;     /* by name; NULL: the fastest that the host can run */
	const struct engine_options *engine_options;   /* copied; NULL: zeros */
};

/* With the components of components.c. */
struct hv *hv_new(const struct hv_config *config, GError **error);
/* With the given list (NULL-terminated, must outlive the machine): unit tests. */
struct vp_component;
struct hv *hv_new_with(const struct hv_config *config, const struct vp_component *const *components, GError **error);
/*
 * T1.2.a: what one execution of a rep call may hold a VP for; 0: one element.  HV_CALL_SLICE_NS at first.  Before VPs run.
 */
#define HV_CALL_SLICE_NS 50000u
void hv_set_call_slice(struct hv *hv, uint32_t ns);
/* VPs of partitions that the root makes run when it says so (HvDispatchVp); at first they do not wait for that.  Before VPs run. */
void hv_set_root_scheduler(struct hv *hv, bool on);
void hv_free(struct hv *hv);             /* deletes all partitions first */
uint64_t hv_memory_free(struct hv *hv);  /* bytes that no partition has as RAM */

/* ---- stack: what answers a partition's exits ---- */

enum exit_reason {
	EXIT_SHUTDOWN,       /* triple fault */
	EXIT_INVALID,        /* engine or state trouble that the guest caused */
	EXIT_BAD_FETCH,      /* execution where there is no memory: gpa */
	EXIT_BROKEN,         /* the engine found itself wrong (check=N) */
	EXIT_DEBUG,          /* gdb breakpoint or step */
	EXIT_RESET_MSR,      /* HV_X64_MSR_RESET */
	EXIT_CRASH,          /* crash MSR notify */
	EXIT_POWER_OFF,      /* HvEnterSleepState by the root */
};

struct stack_ops {
	/*
	 * Accesses outside the partition's RAM; on the VP's thread, no lock held.
	 * X86_STOP suspends the VP with the instruction not executed.
	 */
	enum x86_result (*io_read)(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value);
	enum x86_result (*io_write)(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value);
	enum x86_result (*mmio_read)(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t *value);
	enum x86_result (*mmio_write)(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t value);
	/* Whether the two would answer X86_OK, before any byte moves; NULL: they would. */
	enum x86_result (*probe)(void *o, struct vp *vp, gpa_t gpa, enum x86_access access);
	/* Execution where there is no memory: X86_FAULT_UD or _GP.  NULL: EXIT_BAD_FETCH. */
	enum x86_result (*bad_fetch)(void *o, struct vp *vp, gpa_t gpa);
	/*
	 * What the hypervisor has an answer for that the stack may want to give instead; X86_STOP as above, X86_OK:
	 * no.  NULL: never.  An MSR that is not virtualized, a leaf with the answer in regs[] (EAX, EBX, ECX, EDX), which
	 * may be changed, an exception, HLT, an x87 error that is no exception, hypercall @code that will end
	 * with @status.
	 */
	enum x86_result (*msr)(void *o, struct vp *vp, uint32_t msr, bool write, uint64_t *value);
	/* Any MSR, of a VP that is to ask (x86_cpu.msr_offered). */
	enum x86_result (*msr_offer)(void *o, struct vp *vp, uint32_t msr, bool write);
	enum x86_result (*cpuid)(void *o, struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
	enum x86_result (*exception)(void *o, struct vp *vp, const struct x86_event *e);
	enum x86_result (*halt)(void *o, struct vp *vp);
	enum x86_result (*ferr)(void *o, struct vp *vp);
	enum x86_result (*hypercall)(void *o, struct vp *vp, uint16_t code, uint16_t status);
	/* The VP stopped for a reason that is no access; it stays suspended until the stack acts. */
	void (*exit)(void *o, struct vp *vp, enum exit_reason reason);
	/* 8259: an ExtINT pin is active; acknowledge and give the vector, -1 spurious. */
	int (*pic_acknowledge)(void *o);
	/* @vp's local APIC ended interrupt @vector, level triggered: tell the I/O APIC.  Its own thread. */
	void (*eoi)(void *o, struct vp *vp, uint8_t vector);
	/* vp_apic_written().  NULL: false. */
	bool (*apic_written)(void *o, struct vp *vp, uint32_t offset, uint64_t value);
	/* State of a partition changed (started, suspended, ...).  Any thread; must not call back. */
	void (*state_changed)(void *o, struct partition *p);
};

/* ---- partitions ---- */

enum partition_state {
	PARTITION_CREATED,    /* set up, VPs not started */
	PARTITION_RUNNING,
	PARTITION_SUSPENDED,  /* explicit suspend of all VPs */
	PARTITION_CRASHED,    /* triple fault or crash: VPs stopped */
	PARTITION_SHUT_DOWN,  /* powered off by itself */
	PARTITION_DELETED,
};
const char *partition_state_name(enum partition_state s);  /* "created", "running", ... */

/*
 * What a partition is told of the hypervisor and may use: the hv-* options.  Each
 * switch decides both the CPUID bit and the access.
 */
struct hv_features {
	/* A parent changes the first three while VPs run (T5.2.3.j). */
	_Atomic uint64_t privileges;      /* HV_ACCESS_* and the like of hv/partition.h */
	_Atomic uint32_t facilities;      /* leaf 3 EDX: HV_FEATURE_* of hv/cpuid.h */
	_Atomic uint32_t hints;           /* leaf 4 EAX: HV_HINT_* */
	bool enforce;             /* calls that only a hint tells of are refused without it */
	uint64_t refused;         /* privileges that the user has switched off, whatever the role */
	uint64_t on;              /* hv-* switches that the user asked for, by their place in features.c */
	struct {
		uint32_t build, major, minor, service_pack, service_branch, service_number;
	} version;                /* leaf 2; their widths: T3.4.f */
	uint32_t spinlock_retries;  /* before HvNotifyLongSpinWait; 0xffffffff never */
	char vendor[13];          /* of leaf 0x40000000 */
};

/* What works and makes guests faster. */
void hv_features_init(struct hv_features *f);

/* What the machine's first partition is to the hypervisor: -accel role=. */
enum hv_role {
	HV_ROLE_GUEST,   /* a partition like any other; its parent is the machine, out of sight */
	HV_ROLE_HOST,    /* the same, and may make partitions */
	HV_ROLE_ROOT,    /* manages the processors, interrupts and power of the machine, and may make partitions */
};
/* False: there is none of this name. */
bool hv_role_named(const char *name, enum hv_role *role);
/* The privileges that a role adds. */
void hv_features_role(struct hv_features *f, enum hv_role role);
/* Whether processors of this model can have a root partition (22.2). */
bool hv_launch_check(const struct x86_model *m, GError **error);

struct partition_config {
	const char *name;
	struct partition *parent;       /* NULL: first partition */
	uint32_t vps;                   /* 1..64 */
	struct x86_topology topology;   /* zeros: all VPs are cores of one package */
	const struct x86_model *model;  /* copied by reference; must outlive the partition */
	const struct stack_ops *stack;
	void *stack_opaque;
	const struct hv_features *features;  /* copied; NULL: hv_features_init() */
};

/* A reference is held by the caller; partition_unref() when done. */
struct partition *partition_new(struct hv *hv, const struct partition_config *config, GError **error);
struct partition *partition_ref(struct partition *p);
void partition_unref(struct partition *p);
/* Gives @bytes of fresh zeroed frames to @p at @at (page aligned).  Error if the machine has not enough left. */
bool partition_add_ram(struct partition *p, gpa_t at, uint64_t bytes, GError **error);
/* Read-only memory (firmware): filled from @data. */
bool partition_add_rom(struct partition *p, gpa_t at, const void *data, uint64_t bytes, GError **error);
/* Starts all VPs: VP 0 active at the state it has, others wait for SIPI.  Also goes on after a suspend. */
void partition_start(struct partition *p);
/* Returns when no VP of @p runs. */
void partition_suspend(struct partition *p);
/* Goes on after partition_suspend() or an exit; nothing if it was not started, crashed or shut down. */
void partition_resume(struct partition *p);
/* Suspends, and marks why; does not wait for the VPs, so a VP's own thread may call it. */
void partition_set_stopped(struct partition *p, enum partition_state state);
/* All VPs to power-on state, synthetic state to reset values, overlays gone; must be suspended. */
void partition_reset(struct partition *p);
/* Stops VPs, joins their threads, frees frames and children.  The struct lives until the last unref. */
void partition_delete(struct partition *p);

struct hv *partition_hv(struct partition *p);
uint64_t partition_id(const struct partition *p);
uint64_t partition_parent_id(const struct partition *p);   /* 0 for the first */
/* Another of the same machine, with a reference; NULL: there is none. */
struct partition *partition_by_id(struct partition *p, uint64_t id);
/* Initialized, and not finalized.  May end at any time if its parent may act on it. */
bool partition_is_active(struct partition *p);
/*
 * @bytes of the host's memory at the cost of its pool, and back.  False: the pool has too little, nothing is
 * charged.  The caller knows that it stays active.  No lock of LOCK_PARTITION or above held.
 */
bool partition_charge(struct partition *p, uint64_t bytes);
void partition_discharge(struct partition *p, uint64_t bytes);
const char *partition_name(const struct partition *p);
enum partition_state partition_state(struct partition *p);
uint32_t partition_vp_count(const struct partition *p);
uint32_t partition_vp_limit(const struct partition *p);    /* the highest index there is, plus 1; some below may be free */
struct vp *partition_vp(const struct partition *p, uint32_t index);  /* NULL if there is none */
/* The VP behind @after in ascending order of index, the first with NULL; NULL: no more. */
struct vp *partition_next_vp(const struct partition *p, const struct vp *after);
#define PARTITION_FOREACH_VP(vp, p) \
	for (struct vp *vp = NULL; (vp = partition_next_vp(p, vp)) != NULL;)
const struct hv_features *partition_features(const struct partition *p);
uint64_t partition_memory(struct partition *p);            /* bytes of frames it owns */
uint64_t partition_run_time_ns(struct partition *p);       /* of all its VPs */
HvtObject *partition_object(struct partition *p);
/* Of interest to people who look at the tree. */
struct partition_look {
	const char *life;            /* where it stands in its life (5.2.5) */
	bool by_parent;              /* another partition made it, no machine */
	uint32_t depth;              /* partitions above it */
	uint64_t pool_available, pool_in_use;   /* pages (7.3.3) */
	uint64_t mapped;             /* pages of its GPA space that something is mapped to */
	uint32_t ports, connections; /* that end at it; by which it sends */
	uint32_t monitors;           /* monitor pages that it sends by */
	uint32_t intercepts;         /* that its parent has installed; answers that it has registered count */
};
void partition_look(struct partition *p, struct partition_look *look);
/* Calls f for each live partition, parents first; the tree lock is held, f must not create or delete. */
/* All partitions with a reference each, parents before children; the caller frees. */
GPtrArray *hv_partitions(struct hv *hv);
void hv_foreach_partition(struct hv *hv, void (*f)(struct partition *p, void *o), void *o);
/* A reference, or NULL. */
struct partition *hv_partition_by_name(struct hv *hv, const char *name);
struct partition *hv_partition_by_id(struct hv *hv, uint64_t id);

/* Guest physical memory.  False if any byte is not RAM (nothing is transferred then). */
bool partition_read(struct partition *p, gpa_t at, void *to, size_t n);
bool partition_write(struct partition *p, gpa_t at, const void *from, size_t n);

/* ---- virtual processors ---- */

uint32_t vp_index(const struct vp *vp);
struct partition *vp_partition(struct vp *vp);
/* The processor's state; only while the VP does not run (created, suspended) or on its own thread. */
struct x86_cpu *vp_cpu(struct vp *vp);
uint64_t vp_run_time_ns(struct vp *vp);
bool vp_halted(struct vp *vp);
int vp_thread_id(struct vp *vp);
/* Runs @f on @vp's state while it does not run guest code (own thread at a boundary, or this one if suspended); returns when done. */
void vp_call(struct vp *vp, void (*f)(struct vp *vp, void *o), void *o);
/* Hypervisor state and counters of @vp by name, "group/name"; @put is called on the VP's thread. */
typedef void (*vp_show_fn)(void *o, const char *name, uint64_t value);
void vp_show(struct vp *vp, vp_show_fn put, void *o);
/* Its counters only, "counts/name", at once; of a VP that is ending, too. */
void vp_show_counts(struct vp *vp, vp_show_fn put, void *o);
/* Sets X86_PEND_* bits and wakes the VP if it sleeps.  Any thread, any lock below LOCK_FRAMES. */
void vp_pend(struct vp *vp, uint32_t bits);
HvtObject *vp_object(struct vp *vp);

/* ---- interrupts ---- */

/* An MSI or I/O APIC message: address 0xfee00000.., data as on the bus. */
void partition_msi(struct partition *p, uint64_t address, uint32_t data);
/* The 8259's INTR line to VP 0's LINT0 (and all in virtual wire mode). */
void partition_extint(struct partition *p, bool level);
/* External NMI to VP 0's LINT1. */
void partition_nmi(struct partition *p);

/* ---- one call from outside (qtest: hvcall, rdmsr, wrmsr, cpuid) ---- */

/* Like the instruction executed by @vp; must be suspended or created. */
/* The result value; UINT64_MAX, which no call returns, if the instruction faults. */
uint64_t vp_hypercall(struct vp *vp, uint64_t control, uint64_t in, uint64_t out);
/* The same until it gives way first: then *again, and *control is what the instruction would go on with. */
uint64_t vp_hypercall_once(struct vp *vp, uint64_t *control, uint64_t in, uint64_t out, bool *again);
bool vp_rdmsr(struct vp *vp, uint32_t msr, uint64_t *value);   /* false: #GP */
bool vp_wrmsr(struct vp *vp, uint32_t msr, uint64_t value);
void vp_cpuid(struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);

/*
 * Enlightenment options, "hv-time" and the like from -cpu; @o is a struct
 * hv_features.  True if @key is known and @value taken.  False without an error: no
 * such option; false with an error: a value it does not take, or a facility that
 * cannot be switched on.
 */
bool hv_cpu_option(void *o, const char *key, const char *value, GError **error);
/*
 * After the last option: what needs a facility that is off goes off as well, unless the
 * user named it; then an error that names both.
 */
bool hv_features_settle(struct hv_features *f, GError **error);
/* The hv-* options, for -cpu help. */
void hv_features_help(FILE *out);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The x64 processor: its state and its border.
 *
 * struct x86_cpu is one processor's whole architectural state plus the caches
 * (TLB) that engines share.  It knows nothing of partitions, devices or
 * threads: all of that is behind struct x86_ops.
 *
 * Precision.  Code that can fault calls the noreturn functions x86_raise*();
 * they record the event and longjmp to the engine, which delivers it with RIP
 * at the current instruction.  So nothing the guest can see may be changed
 * before the last point of an instruction that can fault.
 *
 * Threads.  A struct x86_cpu belongs to the thread that runs it, but for
 * `pending` (any thread, atomic).  It may move between threads while it does
 * not run; nothing of it lives in thread-local storage.
 */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include <assert.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

/* ---- names -------------------------------------------------------------- */

enum { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
       X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
       X86_ZERO,      /* pseudo register: always 0; "no base", "no index" */
       X86_RIPBASE,   /* pseudo register: RIP of the current block's first byte */
       X86_GPR_SLOTS };

enum x86_segno { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_SEG_COUNT };

enum {
	X86_CF = 1 << 0, X86_PF = 1 << 2, X86_AF = 1 << 4, X86_ZF = 1 << 6, X86_SF = 1 << 7,
	X86_TF = 1 << 8, X86_IF = 1 << 9, X86_DF = 1 << 10, X86_OF = 1 << 11,
	X86_IOPL = 3 << 12, X86_NT = 1 << 14, X86_RF = 1 << 16, X86_VM = 1 << 17,
	X86_AC = 1 << 18, X86_VIF = 1 << 19, X86_VIP = 1 << 20, X86_ID = 1 << 21,
	X86_ARITH = X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF,
};

enum {
	X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OVF = 4, X86_BR = 5, X86_UD = 6,
	X86_NM = 7, X86_DF_FAULT = 8, X86_TS = 10, X86_NP = 11, X86_SS_FAULT = 12, X86_GP = 13,
	X86_PFAULT = 14, X86_MF = 16, X86_AC_FAULT = 17, X86_MC = 18, X86_XM = 19,
};

enum {
	CR0_PE = 1 << 0, CR0_MP = 1 << 1, CR0_EM = 1 << 2, CR0_TS = 1 << 3, CR0_ET = 1 << 4,
	CR0_NE = 1 << 5, CR0_WP = 1 << 16, CR0_AM = 1 << 18, CR0_NW = 1 << 29, CR0_CD = 1 << 30,
};
#define CR0_PG (1u << 31)
enum {
	CR4_VME = 1 << 0, CR4_PVI = 1 << 1, CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PSE = 1 << 4,
	CR4_PAE = 1 << 5, CR4_MCE = 1 << 6, CR4_PGE = 1 << 7, CR4_PCE = 1 << 8,
	CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_UMIP = 1 << 11, CR4_LA57 = 1 << 12,
	CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
};
enum { DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15, DR7_GD = 1 << 13 };
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11,
       EFER_FFXSR = 1 << 14 };

/* ---- segments ----------------------------------------------------------- */

/*
 * attr has bits 8..23 of the descriptor's upper half at bits 0..15:
 * type 3:0, S 4, DPL 6:5, P 7, (limit 11:8 kept zero), AVL 12, L 13, D/B 14, G 15.
 * SEG_UNUSABLE marks a null selector.
 */
enum {
	SEG_TYPE = 0xf, SEG_ACCESSED = 1, SEG_WRITABLE = 2, SEG_READABLE = 2, SEG_EXPAND_DOWN = 4,
	SEG_CONFORMING = 4, SEG_CODE = 8, SEG_S = 1 << 4, SEG_DPL = 3 << 5, SEG_DPL_SHIFT = 5,
	SEG_P = 1 << 7, SEG_AVL = 1 << 12, SEG_L = 1 << 13, SEG_DB = 1 << 14, SEG_G = 1 << 15,
	SEG_UNUSABLE = 1 << 16,
};

struct x86_seg {
	uint64_t base;
	uint32_t limit;  /* in bytes, granularity applied */
	uint32_t attr;
	uint16_t sel;
};

struct x86_table {  /* GDTR, IDTR */
	uint64_t base;
	uint16_t limit;
};

/* ---- vector and x87 state ------------------------------------------------ */

union x86_vec {  /* one YMM register */
	uint8_t b[32];
	uint16_t w[16];
	uint32_t d[8];
	uint64_t q[4];
	int8_t sb[32];
	int16_t sw[16];
	int32_t sd[8];
	int64_t sq[4];
} __attribute__((aligned(32)));

struct x86_f80 {  /* x87 extended value; MMX register is .frac with se = 0xffff */
	uint64_t frac;
	uint16_t se;  /* sign 15, exponent 14:0 */
};

struct x86_fpu {
	struct x86_f80 r[8];  /* physical registers R0..R7; ST(i) is r[(top + i) & 7] */
	uint16_t fcw;
	uint16_t fsw;         /* without TOP, which is `top` */
	uint8_t top;
	uint8_t empty;        /* bit i: physical register i is empty */
	uint16_t fop;
	uint16_t fcs, fds;
	uint64_t fip, fdp;
};

/* ---- TLB ----------------------------------------------------------------- */

enum { X86_TLB_BITS = 12, X86_TLB_SIZE = 1 << X86_TLB_BITS };
#define X86_TLB_INVALID UINT64_MAX  /* in tlb_back */

/*
 * The tag of slot @i that no address hits: a page that belongs into another slot.  So
 * neither a compare nor the translator's `address - tag < 4096` ever takes it for a
 * hit.  UINT64_MAX would make the latter hit for addresses -1 to 4094.
 */
static inline uint64_t x86_tlb_no_tag(unsigned i)
{
	return (uint64_t)(i ^ 1) << 12;
}

/*
 * Which rights a translation is looked up with; index of x86_cpu.tlb.
 * KERNEL: supervisor access that SMAP forbids to touch user pages;
 * KERNEL_AC: supervisor access that may (SMAP off, or EFLAGS.AC set).
 */
enum x86_mmu { X86_MMU_KERNEL, X86_MMU_USER, X86_MMU_KERNEL_AC, X86_MMU_COUNT };

enum x86_access { X86_READ, X86_WRITE, X86_EXEC };

struct x86_tlb_entry {
	uint64_t read, write, exec;  /* linear page address, or x86_tlb_no_tag() */
	uint64_t host;               /* where the page begins in the host */
};

/*
 * What mmu.c knows about the translation in the same slot of the TLB: the
 * slow path's own TLB, which also holds pages whose tags above must stay
 * invalid (frames with code, watched pages, alignment checks on).
 */
struct x86_tlb_back {
	uint64_t page;               /* linear page address, or X86_TLB_INVALID */
	uint8_t *host;               /* NULL: not RAM */
	struct x86_code_page *code;  /* with host */
	uint64_t gpn : 40;           /* guest physical page number */
	uint64_t may : 3;            /* 1 << enum x86_access that paging allows (write: dirty bit set) */
	uint64_t rights : 3;         /* X86_PAGE_* */
	uint64_t shift : 5;          /* log2 of the mapping's size */
	uint64_t global : 1;
};
_Static_assert(sizeof(struct x86_tlb_back) == 32, "two in a cache line");

/*
 * Behind both, for all MMU modes and several address spaces at once: what walks have
 * found (target/i386/tlb.h).  A tag is a linear address and, in its low bits, the number
 * of a space.  Each PCID that is in use has one, global translations have one; to drop
 * what belongs to a space is to give it another number.
 */
enum {
	X86_TLB2_BITS = 12, X86_TLB2_SETS = 1 << X86_TLB2_BITS, X86_TLB2_WAYS = 4,
	X86_TLB2_TABLES = 512,
	X86_TLB2_NUMBERS = 4096,     /* 0 is none */
	X86_TLB2_FETCHED = 1 << 16, X86_TLB2_LARGE = 1 << 10, X86_TLB2_HUGE = 1 << 8,
	X86_PCIDS = 4096,
};

struct x86_tlb2_way {
	uint64_t gpa;                /* guest physical page, around it WAY_* (tlb.h) */
	uint8_t *host;               /* NULL: was not RAM */
	struct x86_code_page *code;
};

struct x86_tlb2_set {
	uint64_t tag[X86_TLB2_WAYS];
	struct x86_tlb2_way way[X86_TLB2_WAYS];
} __attribute__((aligned(64)));

/* A page table of the last level and what the levels above it allow. */
struct x86_tlb2_table {
	uint64_t tag;
	uint64_t gpa;                /* of the table, WALK_* below */
	const uint64_t *entry;       /* the same in the host */
};

struct x86_tlb2 {
	uint16_t space, global;      /* numbers: of the current PCID, of global translations */
	uint16_t next;               /* not used yet */
	uint16_t floor;              /* of_pcid below it is void */
	uint16_t clean_round;        /* 1 to 4095: changes when write rights are dropped */
	uint32_t victim;
	uint32_t tables_round;       /* in the tags of tables: changes with each INVLPG */
	uint64_t code_round;         /* changes when code that has been fetched may be elsewhere */
	uint32_t fetched_count;
	uint16_t of_pcid[X86_PCIDS];
	/* Where code has been fetched, where large pages are: by hash, so a bit may mean other pages, too. */
	uint64_t fetched[X86_TLB2_FETCHED / 64], large[X86_TLB2_LARGE / 64], huge[X86_TLB2_HUGE / 64];
	struct x86_tlb2_table table[X86_TLB2_TABLES];
	struct x86_tlb2_set set[X86_TLB2_SETS];
};

/* ---- what is outside ------------------------------------------------------ */

/*
 * Code in one frame of guest RAM, kept by whoever owns the frames.  Bit g of
 * granules: bytes 64g..64g+63 hold decoded code.  gen changes whenever decoded
 * code of the frame may be stale; a block is valid while gen is what it was.
 * It is odd while somebody who has met code tells the processors.
 * sealed: gen + 1 for which no processor has a write tag for the frame (the
 * protocol stands in the interpreter's block.c).
 */
struct x86_code_page {
	_Atomic uint64_t granules;
	_Atomic uint32_t gen;
	_Atomic uint32_t sealed;
};

/* CLEAN: page_dirty() is to be told before the first write. */
enum { X86_PAGE_READ = 1, X86_PAGE_WRITE = 2, X86_PAGE_EXEC = 4, X86_PAGE_CLEAN = 8 };

struct x86_page {
	uint8_t *host;               /* the 4 KiB page in this process */
	uint32_t rights;             /* X86_PAGE_* the partition has on it */
	struct x86_code_page *code;  /* never NULL */
};

enum x86_result {
	X86_OK,
	X86_STOP,      /* leave the engine with the instruction not executed */
	X86_FAULT_GP,  /* raise #GP(0) */
	X86_FAULT_UD,
};

struct x86_cpu;
struct x86_event;

/*
 * Callbacks run on the thread that runs the processor, with no lock held.
 * @o is x86_cpu.opaque throughout.
 */
struct x86_ops {
	/*
	 * The RAM page at guest physical @gpa (page aligned).  False: not RAM, or
	 * no right at all; the access then goes to mmio_read/mmio_write.  Takes
	 * no lock; called for each TLB fill.
	 */
	bool (*page)(void *o, uint64_t gpa, struct x86_page *page);
	/* The processor is about to write to the page at @gpa, which was CLEAN.  Takes no lock. */
	void (*page_dirty)(void *o, uint64_t gpa);
	/*
	 * Accesses of 1, 2, 4 or 8 bytes outside RAM, or to RAM without the right.  x86_cpu.outside
	 * tells the linear address.
	 */
	enum x86_result (*mmio_read)(void *o, uint64_t gpa, unsigned size, uint64_t *value);
	enum x86_result (*mmio_write)(void *o, uint64_t gpa, unsigned size, uint64_t value);
	/*
	 * Before an instruction moves the first of its bytes: will mmio_read() or mmio_write() at @gpa
	 * answer X86_OK?  NULL: always.
	 */
	enum x86_result (*probe)(void *o, uint64_t gpa, enum x86_access access);
	/* Instruction fetch from where there is no RAM, or no right to execute it. */
	enum x86_result (*bad_fetch)(void *o, uint64_t gpa);
	enum x86_result (*io_read)(void *o, uint16_t port, unsigned size, uint32_t *value);
	enum x86_result (*io_write)(void *o, uint16_t port, unsigned size, uint32_t value);
	/* With x86_cpu.msr_offered, before RDMSR and WRMSR ask anybody for the MSR: X86_OK goes on as without. */
	enum x86_result (*msr_offer)(void *o, uint32_t msr, bool write);
	/* MSRs that are not the processor's own (target/i386/msr.c has those). */
	enum x86_result (*msr_read)(void *o, uint32_t msr, uint64_t *value);
	enum x86_result (*msr_write)(void *o, uint32_t msr, uint64_t value);
	/*
	 * CPUID: regs[] (EAX, EBX, ECX, EDX) come in with the processor's answer
	 * and may be changed; leaves 0x4000xxxx come in as zeros.
	 */
	enum x86_result (*cpuid)(void *o, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
	/*
	 * An exception, no INT n or interrupt, before it is delivered or makes a double fault; nothing of it is
	 * to be seen yet.  X86_STOP: it does not happen.  NULL: X86_OK.
	 */
	enum x86_result (*exception)(void *o, const struct x86_event *e);
	/* HLT, before it halts; NULL: X86_OK. */
	enum x86_result (*halt)(void *o);
	/* An x87 error that CR0.NE makes no exception, before the instruction that waits for it; NULL: X86_OK, which goes on. */
	enum x86_result (*ferr)(void *o);
	/* VMCALL or VMMCALL.  RIP is moved past it when this answers X86_OK. */
	enum x86_result (*hypercall)(void *o);
	/* Takes the highest external interrupt.  Its vector, -1 if none is left, or X86_INTERRUPT_STOP. */
	int (*interrupt)(void *o);
	/* X86_PEND_NMI_WINDOW, which has been cleared: an NMI could be taken now.  The engine is left as by X86_STOP. */
	void (*nmi_window)(void *o);
	uint64_t (*tpr_read)(void *o);              /* CR8 */
	void (*tpr_write)(void *o, uint64_t tpr);
	uint64_t (*tsc)(void *o);                   /* guest TSC now, before IA32_TSC_ADJUST */
	/*
	 * The frame of @code has decoded code from now on: no processor may keep a
	 * TLB entry that lets it write there without x86_code_written().  Returns
	 * when that is so for all processors but the caller.
	 */
	void (*code_marked)(void *o, struct x86_code_page *code);
	/*
	 * A store of this processor met decoded code of @code: whoever else may have decoded it gets
	 * X86_PEND_CODE_ALL.  Must not wait for other processors.
	 */
	void (*code_changed)(void *o, struct x86_code_page *code);
	/* No other processor of the machine runs guest code between these two. */
	void (*exclusive_begin)(void *o);
	void (*exclusive_end)(void *o);
	/* Work for X86_PEND_WORK; called at an instruction boundary. */
	void (*work)(void *o);
	/* INIT and SIPI taken at a boundary.  The processor state is already changed. */
	void (*init_taken)(void *o);
};

/* Of ops->interrupt: leave the engine, between two instructions; it asks again when interrupts are on the next time. */
enum { X86_INTERRUPT_STOP = -2 };

/* Bits of x86_cpu.pending: why the engine must look up at the next block. */
enum {
	X86_PEND_INTR = 1 << 0,   /* the interrupt controller has something for us */
	X86_PEND_NMI = 1 << 1,
	X86_PEND_SMI = 1 << 2,    /* reserved */
	X86_PEND_INIT = 1 << 3,
	X86_PEND_STOP = 1 << 4,   /* leave the engine: X86_RUN_KICKED */
	X86_PEND_WORK = 1 << 5,   /* call ops->work */
	X86_PEND_TLB = 1 << 6,    /* flush the whole TLB */
	X86_PEND_TLB_WRITE = 1 << 7,  /* drop write rights of all TLB entries */
	X86_PEND_CODE = 1 << 8,   /* own code changed: re-look-up the next instruction */
	X86_PEND_STEP = 1 << 9,   /* TF or debug registers: #DB after this instruction */
	X86_PEND_CODE_ALL = 1 << 10,  /* decoded code of some frame changed by another processor or a device */
	X86_PEND_NMI_WINDOW = 1 << 11,  /* call ops->nmi_window when an NMI could be taken */
};

/* Why a processor left its engine. */
enum x86_run {
	X86_RUN_KICKED,     /* X86_PEND_STOP (cleared) */
	X86_RUN_STOPPED,    /* a callback answered X86_STOP; RIP at the instruction */
	X86_RUN_HALTED,     /* HLT or MWAIT; RIP behind it; activity says which */
	X86_RUN_SHUTDOWN,   /* triple fault */
	X86_RUN_BROKEN,     /* the engine has found itself wrong and said so */
	X86_RUN_DEBUG,      /* gdb breakpoint or single step; RIP at the next instruction */
};

/* IDLE: like HALTED, but whoever runs the processor may make it ACTIVE again, whatever EFLAGS.IF is. */
enum x86_activity { X86_ACTIVE, X86_HALTED, X86_WAIT_SIPI, X86_SHUT_DOWN, X86_IDLE };

/* What keeps interrupts away behind one instruction.  MOV SS and POP SS keep #DB away too. */
enum x86_shadow { X86_SHADOW_NONE, X86_SHADOW_STI, X86_SHADOW_SS };

/* ---- mode key -------------------------------------------------------------- */

/*
 * All that decides how bytes decode and how their operands are reached.  Part
 * of a block's key.  x86_mode_update() derives it; whoever changes CS, SS, CR0,
 * CR4, EFER, EFLAGS.VM/TF/AC or XCR0 calls that; whoever changes MXCSR or FCW calls
 * x86_mode_update_fp() at least.
 */
enum {
	X86_MODE_CPL = 3,              /* bits 1:0 */
	X86_MODE_CS64 = 1 << 2,        /* 64-bit code */
	X86_MODE_CS32 = 1 << 3,        /* default operand and address size 32 */
	X86_MODE_SS32 = 1 << 4,        /* stack pointer is ESP (set in 64-bit mode too) */
	X86_MODE_PE = 1 << 5,
	X86_MODE_LMA = 1 << 6,
	X86_MODE_VM = 1 << 7,          /* virtual-8086 */
	X86_MODE_FLAT = 1 << 8,        /* CS, DS, ES, SS: base 0, limit 4 GiB, writable data */
	X86_MODE_NO_X87 = 1 << 9,      /* CR0.EM or CR0.TS: x87/MMX raise #NM (or #UD) */
	X86_MODE_NO_SSE = 1 << 10,     /* SSE raises #UD or #NM */
	X86_MODE_NO_AVX = 1 << 11,     /* VEX raises #UD or #NM */
	X86_MODE_STEP = 1 << 12,       /* one instruction a block: TF, DR7 or gdb */
	X86_MODE_IOPL = 1 << 13,       /* CPL <= IOPL: IN, OUT, CLI, STI are free */
	X86_MODE_AC = 1 << 14,         /* alignment checks on (CPL 3, CR0.AM, EFLAGS.AC) */
	X86_MODE_X87_TRAPS = 1 << 15,  /* FCW unmasks an exception, so one may be pending */
	X86_MODE_SSE_TRAPS = 1 << 16,  /* MXCSR unmasks an exception */
};

/* ---- event being raised ----------------------------------------------------- */

enum x86_event_kind { X86_EV_NONE, X86_EV_EXTERNAL, X86_EV_NMI, X86_EV_FAULT, X86_EV_SOFT,
                      X86_EV_ICEBP };

struct x86_event {
	enum x86_event_kind kind;
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t cr2;      /* with vector 14, or noncanonical: the address */
	uint64_t dr6;      /* with vector 1: bits that it sets in DR6 */
	/* #GP for a non-canonical address: the engine makes it #SS if the operand's segment is SS. */
	bool noncanonical;
	/* SOFT and ICEBP: instruction bytes, so that a fault while delivering points at the instruction. */
	uint8_t length;
};

/* ---- counters ------------------------------------------------------------------- */

/* X(name, what it counts).  Off the hot paths; only the processor's own thread counts, others may look. */
#define X86_COUNTS(X) \
	X(jump_miss, "block lookups that the jump cache did not answer") \
	X(decoded, "blocks decoded") \
	X(again, "blocks found unchanged in frames that had changed") \
	X(dropped, "times that all blocks were dropped") \
	X(marked, "frames marked to hold code") \
	X(marked_ns, "ns in marking them") \
	X(code_hit, "stores that met decoded code") \
	X(store_slow, "stores to RAM without a TLB tag") \
	X(tlb_refill, "TLB fills from its second level") \
	X(tlb_fill, "TLB fills by a page walk") \
	X(tlb_fill_small, "of these, those that found a page of 4 KiB") \
	X(tlb_fill_large, "of these, those that found a larger one") \
	X(walk_short, "page walks that began at the last table") \
	X(flush_all, "TLB flushes, everything") \
	X(flush_non_global, "TLB flushes, all but global pages") \
	X(flush_pcid, "TLB flushes, another address space") \
	X(switch_kept, "address spaces found again with their translations") \
	X(flush_page, "TLB flushes, one page") \
	X(flush_writes, "TLB flushes, write rights") \
	X(exclusive, "locked operations that stopped the others") \
	X(exclusive_ns, "ns in stopping them") \
	X(raised, "exceptions") \
	X(page_faults, "page faults that the guest was given") \
	X(control, "writes of control registers") \
	X(spaces, "loads of CR3") \
	X(debug, "accesses to debug registers") \
	X(invlpg, "INVLPG executed") \
	X(mwait, "MWAIT executed") \
	X(interrupts, "external interrupts")

struct x86_counts {
#define X86_COUNT_FIELD(name, help) uint64_t name;
	X86_COUNTS(X86_COUNT_FIELD)
#undef X86_COUNT_FIELD
};

/* The only writer, so no locked instruction. */
static inline void x86_count_add(uint64_t *count, uint64_t n)
{
	__atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t x86_counted(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

#define X86_COUNT(c, name) x86_count_add(&(c)->count.name, 1)

/*
 * Where an access of a translated loop was last: translated code compares with that before it
 * looks into the TLB, since then the place does not hang on the address.  Dropped with whatever
 * drops entries of the TLB.  A site belongs to one kind of access: MMU mode, read or write, size.
 */
struct x86_site {
	uint64_t tag;         /* linear page */
	uint64_t limit;       /* offsets below it are within reach; 0: nothing known */
	uint64_t delta;       /* host address - linear address */
	uint32_t when;        /* of the last miss, low half of the host's TSC */
	uint32_t misses;      /* each soon behind the one before */
};
enum { X86_SITE_SIZES = 11, X86_SITE_WAYS = 8, X86_SITES = X86_MMU_COUNT * 2 * X86_SITE_SIZES * X86_SITE_WAYS };

/* ---- the processor ------------------------------------------------------------ */

/* Shape of each package of the machine; both are 1 at least. */
struct x86_topology {
	uint32_t cores;    /* of a package */
	uint32_t threads;  /* of a core */
};

/*
 * Told of each store to RAM before it happens, by whoever wants to undo them.  While a
 * processor has one, all its stores take the slow path.  @code_hit: decoded code is there.
 * May leave by siglongjmp(); then the store does not happen.
 */
struct x86_store_log {
	void (*store)(struct x86_store_log *log, uint8_t *host, size_t n, bool code_hit);
	/* x86_store_log_set()'s: write tags put aside, and of which slots. */
	uint64_t tag[X86_MMU_COUNT][X86_TLB_SIZE];
	uint64_t aside[X86_MMU_COUNT][X86_TLB_SIZE / 64];
};

/* Of an access that has no linear address: to a page table, for instance. */
#define X86_NO_LINEAR UINT64_C(0x8000000000000001)

/* The instruction that a callback's X86_STOP kept from happening. */
struct x86_stopped {
	uint8_t length;     /* bytes; 0: none was under way */
	bool string, rep;   /* INS or OUTS; with a REP prefix */
};

struct uop;         /* the interpreter's decoded instruction */
struct x86_model;   /* CPUID model: target/i386/model.h */
struct interp;      /* the interpreter's caches, owned by the engine */

struct x86_cpu {
	/*
	 * Hot.  gpr[X86_ZERO] stays 0.  Arithmetic flags are kept lazily; use
	 * flags.h.  eflags has all other bits (bit 1 included).
	 */
	uint64_t gpr[X86_GPR_SLOTS];
	uint64_t fl_res;              /* see flags.h */
	uint32_t fl_aux;
	uint32_t eflags;
	_Atomic uint32_t pending;
	uint32_t mode;                /* X86_MODE_* */
	uint8_t mmu;                  /* enum x86_mmu of data accesses at this CPL */
	uint8_t interrupt_shadow;     /* enum x86_shadow; lasts one instruction */
	uint8_t activity;             /* enum x86_activity */
	uint8_t nmi_blocked;
	/*
	 * IP (offset in CS) of the next instruction.  Inside a block the engine
	 * keeps it lazily: cur tells the instruction (see interp.h).
	 */
	uint64_t rip;
	const struct uop *cur;
	void *engine;                 /* owned by the engine */
	/* Translated code: the thread's stack meanwhile, and arithmetic flags as LAHF and SETO AL give them. */
	uint64_t engine_sp;
	uint32_t engine_flags;
	uint32_t engine_check;        /* blocks until the next that is compared with the interpreter */
	uint64_t engine_group[8];     /* host address - linear address of a block's groups of accesses */
	uint64_t engine_temp, engine_place, engine_lin, engine_was[2];
	/*
	 * Nobody else reads, changes and writes back what is in this processor's memory, so that one
	 * instruction is as good as a locked one: devices only store.  Set behind x86_init(), and
	 * changed only with engine->forget().
	 */
	bool alone;
	_Atomic bool msr_offered;     /* ops->msr_offer is asked; written by any thread */
	/* The frame whose decoded code a store of this processor met; the engine takes it. */
	struct x86_code_page *code_hit;

	struct x86_seg seg[X86_SEG_COUNT];
	struct x86_seg ldt, tr;
	struct x86_table gdt, idt;

	uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
	uint64_t dr[8];
	uint64_t pdpte[4];            /* PAE paging: loaded with CR3 */

	/* MSRs that are plain storage with a meaning here */
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, tsc_aux, tsc_adjust;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat, misc_enable, xss, spec_ctrl, mtrr_def_type;
	uint64_t mtrr_fixed[11], mtrr_var[16];
	uint64_t mcg_status, mcg_ctl, mc_bank[4 * 8];
	uint64_t apic_base;           /* IA32_APIC_BASE; owned by the APIC component */
	uint64_t monitor_gpa;
	bool monitor_armed;

	union x86_vec ymm[16];
	uint32_t mxcsr;
	struct x86_fpu fpu;
	bool ignne;                   /* the pin IGNNE#: such an error is nothing */

	struct x86_event event;       /* being raised by x86_raise*() */
	struct x86_event delivering;  /* for double faults */
	/*
	 * Taken, but a callback stopped its delivery: the engine delivers it before it
	 * does anything else.  No source has it pending any more.
	 */
	struct x86_event held;
	sigjmp_buf *on_raise;         /* set by the engine while it runs */
	enum x86_result stop_cause;   /* with x86_stop() */
	struct x86_stopped stopped;   /* valid when the engine has answered X86_RUN_STOPPED */
	uint64_t outside;             /* linear address of what mmio_read(), mmio_write(), probe(), bad_fetch() are asked for */
	bool ins;                     /* it is INS that calls io_read() */
	bool quiet;                   /* a walk that must have no effects: tables outside of RAM are none */

	struct x86_tlb_entry tlb[X86_MMU_COUNT][X86_TLB_SIZE] __attribute__((aligned(64)));
	struct x86_tlb_back tlb_back[X86_MMU_COUNT][X86_TLB_SIZE];
	/* A bit for each word of tlb_used that is not 0. */
	uint64_t tlb_any[X86_MMU_COUNT];
	/* A bit for each slot: filled; filled by a global translation; by a large page. */
	uint64_t tlb_used[X86_MMU_COUNT][X86_TLB_SIZE / 64];
	uint64_t tlb_global[X86_MMU_COUNT][X86_TLB_SIZE / 64];
	uint64_t tlb_large[X86_MMU_COUNT][X86_TLB_SIZE / 64];
	struct x86_site site[X86_SITES];
	uint32_t site_used[X86_SITES / 32 + 1];   /* a bit each: limit is not 0 */
	struct x86_store_log *store_log;  /* NULL as a rule: x86_store_log_set() */
	uint32_t tlb_epoch;           /* changes with each flush: validates data addresses */
	/*
	 * Validate what engines have found out about where code is, by translations that
	 * [0] are not global, [1] are.  Never equal; bits 19:0 are clear.  [0] is what it was
	 * when an address space comes back with its translations.
	 */
	uint64_t code_key[2];

	struct x86_counts count;
	const struct x86_ops *ops;
	void *opaque;
	/*
	 * Set behind x86_init() if ops->tsc is the host's counter plus *tsc_offset unless
	 * *tsc_stopped: translated code then reads it without a call.  Else NULL.
	 */
	const _Atomic uint64_t *tsc_offset;
	const _Atomic bool *tsc_stopped;
	const struct x86_model *model;  /* not owned */
	/*
	 * Data and port breakpoints of DR0..DR3 that are on (bit each), and those that
	 * the current instruction has met: the engine makes them a #DB behind it.
	 */
	uint8_t watch_data, watch_io, watch_hit;
	uint32_t apic_id, index;
	struct x86_topology topology;
	/* gdb's wishes: single step, and instruction breakpoints (linear addresses) */
	bool debug_step;
	uint32_t debug_break_count;
	uint64_t *debug_break;        /* sorted, owned by the debugger, may be NULL */
	/* Last: large, and touched only as far as it is used. */
	struct x86_tlb2 tlb2;
};

/* ---- life --------------------------------------------------------------------- */

/* Prepares a zeroed @c; x86_reset() must follow.  All pointers stay the caller's. */
void x86_init(struct x86_cpu *c, const struct x86_ops *ops, void *opaque,
	      const struct x86_model *model, uint32_t index, const struct x86_topology *topology);
/*
 * APIC id of processor @index: thread, core and package numbers side by side, each in as
 * many bits as its count needs, so ids have gaps where a count is no power of two.
 */
uint32_t x86_apic_id(const struct x86_topology *t, uint32_t index);
enum x86_reset { X86_RESET_POWER_ON, X86_RESET_INIT };
void x86_reset(struct x86_cpu *c, enum x86_reset how);
/* Starts a processor that waits for SIPI at @vector << 12. */
void x86_sipi(struct x86_cpu *c, uint8_t vector);
/* Sets pending bits from any thread. */
static inline void x86_pend(struct x86_cpu *c, uint32_t bits)
{
	atomic_fetch_or(&c->pending, bits);
}

void x86_mode_update(struct x86_cpu *c);
static inline void x86_mode_update_fp(struct x86_cpu *c)
{
	c->mode = (c->mode & ~(uint32_t)(X86_MODE_X87_TRAPS | X86_MODE_SSE_TRAPS)) |
		  (~c->fpu.fcw & 0x3f ? X86_MODE_X87_TRAPS : 0) | (~c->mxcsr & 0x1f80 ? X86_MODE_SSE_TRAPS : 0);
}
static inline unsigned x86_cpl(const struct x86_cpu *c) { return c->mode & X86_MODE_CPL; }

/*
 * Control registers as MOV, WRMSR and XSETBV write them: all rules checked (#GP(0)
 * raised with nothing changed), TLB flushed and mode key updated as needed.
 */
void x86_write_cr0(struct x86_cpu *c, uint64_t v);
void x86_write_cr3(struct x86_cpu *c, uint64_t v);
/* CR3 without raising anything, and no reserved bits: false if @v cannot be taken, nothing changed. */
bool x86_try_cr3(struct x86_cpu *c, uint64_t v);
void x86_write_cr4(struct x86_cpu *c, uint64_t v);
void x86_write_efer(struct x86_cpu *c, uint64_t v);
void x86_write_xcr0(struct x86_cpu *c, uint64_t v);
/* Bits that this processor has. */
uint64_t x86_cr0_known(void);
uint64_t x86_cr4_known(const struct x86_cpu *c);
uint64_t x86_efer_known(const struct x86_cpu *c);
/*
 * The same from outside, each for itself; false: it has bits that cannot be, and nothing is changed.  The
 * processor must not run before x86_settle() has found that it can: false, it cannot be in this state.
 */
bool x86_put_cr0(struct x86_cpu *c, uint64_t v);
bool x86_put_cr3(struct x86_cpu *c, uint64_t v);
bool x86_put_cr4(struct x86_cpu *c, uint64_t v);
bool x86_put_efer(struct x86_cpu *c, uint64_t v);
bool x86_put_xcr0(struct x86_cpu *c, uint64_t v);
bool x86_put_flags(struct x86_cpu *c, uint64_t v);
bool x86_put_table(struct x86_cpu *c, struct x86_table *to, struct x86_table v);
/* @v.attr without SEG_UNUSABLE: a segment that is not present cannot be used. */
bool x86_put_segment(struct x86_cpu *c, struct x86_seg *to, struct x86_seg v);
bool x86_settle(struct x86_cpu *c);
/* DR0..DR3, DR6, DR7. */
void x86_write_dr(struct x86_cpu *c, unsigned n, uint64_t v);

/* ---- raising (noreturn) ---------------------------------------------------------- */

noreturn void x86_raise(struct x86_cpu *c, unsigned vector);                    /* no error code */
noreturn void x86_raise_error(struct x86_cpu *c, unsigned vector, uint32_t error);
/* #DB that sets @dr6 in DR6. */
noreturn void x86_raise_debug(struct x86_cpu *c, uint64_t dr6);
noreturn void x86_raise_pf(struct x86_cpu *c, uint64_t lin, uint32_t error);
/* #GP(0) with event.noncanonical, for @lin. */
noreturn void x86_raise_noncanonical(struct x86_cpu *c, uint64_t lin);
/*
 * INT n, INT3, INTO (kind SOFT) and ICEBP: delivered with RIP behind the instruction.
 * The caller has put the instruction's length into c->event.length.
 */
noreturn void x86_raise_soft(struct x86_cpu *c, unsigned vector, enum x86_event_kind kind);
/* A callback answered something other than X86_OK: acts on it. */
noreturn void x86_result_raise(struct x86_cpu *c, enum x86_result r);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runtime of the bare-metal test programs: console and TAP, ports and registers,
 * exceptions that a test expects, code in ring 3, pages, APIC, processors.
 *
 * A program is one file with guest_main().  It runs with interrupts off, in flat
 * 64-bit mode (start64.S) or flat 32-bit mode without paging (start32.S), with SSE on.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The program.  Its return ends the machine: success if all checks were right. */
void guest_main(void);
extern const char *guest_cmdline;
/* The value of the word NAME=value of the command line, or @otherwise. */
unsigned long guest_option(const char *name, unsigned long otherwise);
/* The first file of -initrd, where the loader put it: copy it before page_alloc().  NULL: none. */
extern const void *guest_module;
extern size_t guest_module_size;

/* ---- console, TAP -------------------------------------------------------------- */

void guest_putc(char c);
/* From now on the FIFO of the serial port takes 16 characters for one look at its state. */
void guest_fifo(void);
/* %c %s %d %u %x %lx %llx %p with width and zero padding. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void vprint(const char *fmt, va_list *ap);
/* One TAP line. */
void check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a value that must be exact; a failure prints both. */
void check_eq(uint64_t got, uint64_t want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_skip(const char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends the machine with what the checks so far say. */
void guest_exit(void) __attribute__((noreturn));
/* The same at once, as failed. */
void guest_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- strings: also what the compiler calls -------------------------------------- */

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- exceptions ------------------------------------------------------------------- */

enum { DE, DB, NMI, BP, OF, BR, UD, NM, DF, TS = 10, NP, SS, GP, PF, MF = 16, AC, MC, XM, CP = 21 };

#ifdef __x86_64__
struct frame {  /* as the stubs push it */
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, bp, di, si, dx, cx, bx, ax;
	uint64_t vector, error, ip, cs, flags, sp, ss;
};
#else
struct frame {
	uint32_t es, ds, di, si, bp, unused, bx, dx, cx, ax;
	uint32_t vector, error, ip, cs, flags, sp, ss, vm_es, vm_ds, vm_fs, vm_gs;
};
#endif

/* The last exception that TRY or run_user() caught. */
struct event {
	unsigned count;            /* 0: there was none */
	unsigned vector;
	uint64_t error, cr2, dr6;
	unsigned long start;       /* where the tried instruction is */
	struct frame frame;
};
extern struct event event;
/* Where TRY goes on; 0: an exception is unexpected and ends the machine. */
extern unsigned long event_resume, event_start, event_sp;
/* Called for @vector instead of all else; returns to what was interrupted. */
typedef void (*handler_fn)(struct frame *f);
extern handler_fn handler[256];
void event_clear(void);
/* The last exception of TRY is @vector with @error, raised at the instruction itself. */
void check_fault(unsigned vector, uint64_t error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_page_fault(unsigned long address, uint64_t error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void check_no_fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Runs instructions that may raise an exception; goes on behind them with the event
 * in `event`.  The exception is expected at the first one.  What follows are the
 * operands of an asm statement.
 */
#ifdef __x86_64__
#define TRY(text, ...) do { event_clear(); \
	asm volatile("movq $772f, event_resume\n\tmovq $771f, event_start\n\tmovq %%rsp, event_sp\n771:\t" text \
		     "\n772:\tmovq $0, event_resume" __VA_ARGS__); } while (0)
#else
#define TRY(text, ...) do { event_clear(); \
	asm volatile("movl $772f, event_resume\n\tmovl $771f, event_start\n\tmovl %%esp, event_sp\n771:\t" text \
		     "\n772:\tmovl $0, event_resume" __VA_ARGS__); } while (0)
#endif

/* ---- ring 3 --------------------------------------------------------------------------- */

#define USER_EXIT "\n\tint $0x80\n"
enum { USER_VECTOR = 0x80 };
/*
 * Position-independent code for run_user(); it ends with USER_EXIT or an exception.
 * @name and name_end are its first and last address.
 */
#define CODE(name, text) \
	extern const char name[], name##_end[]; \
	asm(".pushsection .text." #name ", \"ax\"\n.balign 16\n.globl " #name ", " #name "_end\n" #name ":\n" text \
	    "\n" #name "_end:\n.popsection")
/*
 * Runs @code in ring 3 with flags @flags until an exception or interrupt brings it
 * back; `event` has all.  @arg is in RDI (EDI).  The 64-bit runtime runs it through the
 * alias of all memory at USER_BASE, which is open to ring 3.
 */
void run_user(const void *code, unsigned long arg, unsigned long flags);
/*
 * The same with all registers from @f; also for virtual-8086 mode.  @f may be
 * &event.frame: that goes on where the last one stopped.
 */
void run_frame(const struct frame *f);
/* While set, run_frame() comes back on an exception in any ring, not only ring 3. */
extern bool catch_all;
#ifdef __x86_64__
/*
 * Runs in ring 0, 64-bit mode, with the registers of @f (CS and SS apart) until an
 * exception or interrupt of any kind; `event` has all.
 */
void run_kernel(const struct frame *f);
#endif
/* While set, an NMI outside of run_frame() is dropped. */
extern bool ignore_nmi;
extern uint8_t user_stack[4096];
void check_user_fault(unsigned vector, uint64_t error, const void *code, long offset, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- instructions -------------------------------------------------------------------- */

#define REGISTER(name, insn) \
	static inline unsigned long read_##name(void) { unsigned long v; asm volatile("mov %%" insn ", %0" : "=r"(v)); return v; } \
	static inline void write_##name(unsigned long v) { asm volatile("mov %0, %%" insn : : "r"(v) : "memory"); }
REGISTER(cr0, "cr0")
REGISTER(cr2, "cr2")
REGISTER(cr3, "cr3")
REGISTER(cr4, "cr4")
REGISTER(dr0, "dr0")
REGISTER(dr1, "dr1")
REGISTER(dr2, "dr2")
REGISTER(dr3, "dr3")
REGISTER(dr6, "dr6")
REGISTER(dr7, "dr7")
#ifdef __x86_64__
REGISTER(cr8, "cr8")
#endif
#undef REGISTER

enum { CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_NE = 1 << 5, CR0_WP = 1 << 16, CR0_AM = 1 << 18 };
#define CR0_PG (1ul << 31)
enum { CR4_VME = 1, CR4_PVI = 2, CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_PCE = 0x100,
       CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400, CR4_UMIP = 0x800, CR4_LA57 = 0x1000, CR4_FSGSBASE = 1 << 16,
       CR4_PCIDE = 1 << 17, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { F_CF = 1, F_PF = 4, F_AF = 0x10, F_ZF = 0x40, F_SF = 0x80, F_TF = 0x100, F_IF = 0x200, F_DF = 0x400, F_OF = 0x800,
       F_IOPL = 0x3000, F_NT = 0x4000, F_RF = 0x10000, F_VM = 0x20000, F_AC = 0x40000, F_VIF = 0x80000, F_VIP = 0x100000,
       F_ID = 0x200000 };
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP };
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800 };

static inline uint64_t rdmsr(uint32_t n)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(n));
	return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t n, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/* True if it raised nothing; `event` says what otherwise. */
bool try_rdmsr(uint32_t n, uint64_t *v);
bool try_wrmsr(uint32_t n, uint64_t v);

struct cpuid { uint32_t a, b, c, d; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}

static inline void outb(uint16_t port, uint8_t v) { asm volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { asm volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { asm volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) { uint8_t v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint16_t inw(uint16_t port) { uint16_t v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint32_t inl(uint16_t port) { uint32_t v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void cli(void) { asm volatile("cli" : : : "memory"); }
static inline void sti(void) { asm volatile("sti" : : : "memory"); }
static inline void pause_cpu(void) { asm volatile("pause" : : : "memory"); }
static inline void invlpg(unsigned long a) { asm volatile("invlpg (%0)" : : "r"(a) : "memory"); }
/* Ascending. */
static inline void sort(uint64_t *v, unsigned n)
{
	for (unsigned gap = n / 2; gap; gap /= 2)
		for (unsigned i = gap; i < n; i++) {
			uint64_t x = v[i];
			unsigned k = i;

			for (; k >= gap && v[k - gap] > x; k -= gap)
				v[k] = v[k - gap];
			v[k] = x;
		}
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (uint64_t)hi << 32;
}
static inline unsigned long read_flags(void)
{
	unsigned long v;

	asm volatile("pushf; pop %0" : "=r"(v));
	return v;
}

/* ---- descriptor tables ---------------------------------------------------------------- */

enum { SEL_CODE = 0x08, SEL_DATA = 0x10, SEL_USER_DATA = 0x18 | 3, SEL_USER_CODE = 0x20 | 3, SEL_CODE32 = 0x28, SEL_CODE16 = 0x30,
       SEL_DATA16 = 0x38, SEL_TSS = 0x40, SEL_USER_CODE32 = 0x50 | 3, SEL_FREE = 0x60, SEL_LAST = 0x1f8 };
extern uint64_t gdt[64];
struct gate { uint32_t word[sizeof(long) == 8 ? 4 : 2]; };
extern struct gate idt[256];
/* Type byte of a gate: present, DPL, type. */
enum { GATE_TRAP_BIT = 1, GATE_INTERRUPT = 0x8e, GATE_TRAP = 0x8f, GATE_USER = 0xee, GATE_TASK = 0x85 };
void set_gate(unsigned vector, unsigned long target, uint16_t selector, uint8_t type, uint8_t ist);
/* The vector's own stub again. */
void reset_gate(unsigned vector, uint8_t type, uint8_t ist);
/* A segment descriptor; @limit in units of @flags' granularity bit (flags: G D L AVL, high nibble first). */
static inline uint64_t descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(flags & 0xf) << 52 | (uint64_t)(base >> 24) << 56;
}

#ifdef __x86_64__
struct tss {
	uint32_t r0;
	uint64_t sp[3], r1, ist[7], r2;
	uint16_t r3, iomap;
	uint8_t map[8192 + 1];
} __attribute__((packed));
#else
struct tss {
	uint32_t link, sp0, ss0, sp1, ss1, sp2, ss2, cr3, ip, flags, ax, cx, dx, bx, sp, bp, si, di;
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t trap, iomap;
	uint8_t map[8192 + 1 + 32];
} __attribute__((packed));
#endif
extern struct tss tss;
/* Loads TR with SEL_TSS anew (its busy bit cleared). */
void load_tss(void);

/* ---- pages -------------------------------------------------------------------------------- */

enum { PAGE = 4096 };
enum { P_P = 1, P_W = 2, P_U = 4, P_PWT = 8, P_PCD = 0x10, P_A = 0x20, P_D = 0x40, P_PS = 0x80, P_G = 0x100 };
#define P_NX (1ull << 63)
enum { E_P = 1, E_W = 2, E_U = 4, E_RSVD = 8, E_I = 16, E_PK = 32 };
/* A zeroed page that is never given back; identity mapped. */
void *page_alloc(void);
#ifdef __x86_64__
#define USER_BASE 0x8000000000ull
/* All memory below 4 GiB once more, open to ring 3. */
static inline void *user_alias(const void *p) { return (void *)((uint64_t)p + USER_BASE); }
/*
 * The entry of @level (1: 4 KiB page, 2: 2 MiB or table, ...) that maps @address in the
 * current tables, made with tables that allow all where there is none.
 */
uint64_t *page_entry(uint64_t address, unsigned level);
/* Maps the page of @level at @address to @physical with @bits. */
void page_map(uint64_t address, uint64_t physical, uint64_t bits, unsigned level);
#endif

/* ---- APIC --------------------------------------------------------------------------------------- */

enum { APIC_ID = 0x20, APIC_VERSION = 0x30, APIC_TPR = 0x80, APIC_PPR = 0xa0, APIC_EOI = 0xb0, APIC_LDR = 0xd0, APIC_DFR = 0xe0,
       APIC_SVR = 0xf0, APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200, APIC_ESR = 0x280, APIC_ICR = 0x300, APIC_ICR2 = 0x310,
       APIC_LVT_TIMER = 0x320, APIC_LVT_LINT0 = 0x350, APIC_LVT_LINT1 = 0x360, APIC_LVT_ERROR = 0x370, APIC_TIMER_INITIAL = 0x380,
       APIC_TIMER_CURRENT = 0x390, APIC_TIMER_DIVIDE = 0x3e0 };
enum { ICR_FIXED = 0, ICR_LOWEST = 0x100, ICR_NMI = 0x400, ICR_INIT = 0x500, ICR_SIPI = 0x600, ICR_LOGICAL = 0x800,
       ICR_PENDING = 0x1000, ICR_ASSERT = 0x4000, ICR_LEVEL = 0x8000, ICR_SELF = 1 << 18, ICR_ALL = 2 << 18, ICR_OTHERS = 3 << 18 };
static inline uint32_t apic_read(unsigned reg) { return *(volatile uint32_t *)(0xfee00000ul + reg); }
static inline void apic_write(unsigned reg, uint32_t v) { *(volatile uint32_t *)(0xfee00000ul + reg) = v; }
/* This bit of the 256-bit register @reg (APIC_ISR, APIC_TMR, APIC_IRR). */
static inline bool apic_bit(unsigned reg, unsigned vector) { return apic_read(reg + vector / 32 * 0x10) >> vector % 32 & 1; }
/* On with spurious vector 0xff; 8259s masked. */
void apic_enable(void);
/* By the APIC's mode: xAPIC or x2APIC; the target is shifted as that needs. */
void apic_send(uint32_t apic_id, uint32_t command);
void apic_eoi(void);
static inline uint32_t ioapic_read(uint8_t reg)
{
	*(volatile uint32_t *)0xfec00000ul = reg;
	return *(volatile uint32_t *)0xfec00010ul;
}
static inline void ioapic_write(uint8_t reg, uint32_t v)
{
	*(volatile uint32_t *)0xfec00000ul = reg;
	*(volatile uint32_t *)0xfec00010ul = v;
}

/* ---- time: ACPI power management timer, 3.579545 MHz --------------------------------------- */

enum { PM_TIMER = 0x608, PM_HZ = 3579545 };
static inline uint32_t pm_time(void) { return inl(PM_TIMER) & 0xffffff; }
/* True if @ms milliseconds of the guest's time have passed since @since (under 4 s). */
static inline bool pm_passed(uint32_t since, unsigned ms) { return ((pm_time() - since) & 0xffffff) > ms * (PM_HZ / 1000); }
static inline void pm_delay(unsigned ms)
{
	for (uint32_t t = pm_time(); !pm_passed(t, ms);)
		pause_cpu();
}
/* Waits up to 30 s of the guest's time for @condition: long, for hosts that are busy. */
#define WAIT_FOR(condition) ({ \
	uint32_t since_ = pm_time(), seconds_ = 0; \
	while (!(condition) && seconds_ < 30) { \
		pause_cpu(); \
		if (pm_passed(since_, 1000)) { \
			since_ = pm_time(); \
			seconds_++; \
		} \
	} \
	!!(condition); })

/* ---- processors (64-bit runtime) ---------------------------------------------------------------- */

enum { CPU_MAX = 8 };
struct percpu {
	uint32_t apic_id;
	volatile unsigned started;
	void (*volatile run)(unsigned cpu);
	volatile unsigned done;  /* how many runs have ended */
};
extern struct percpu percpu[CPU_MAX];
extern volatile unsigned cpu_count;
/* INIT and SIPI to all; returns how many run (with this one). */
unsigned smp_start(unsigned want);
/* Starts @fn on processor @cpu (not 0); smp_wait() waits for its return. */
void smp_run(unsigned cpu, void (*fn)(unsigned cpu));
bool smp_wait(unsigned cpu);
/* Number of the processor that runs this. */
unsigned this_cpu(void);

#endif

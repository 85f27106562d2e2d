/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partitions that make partitions, all hostile: parents and children down to the third generation make random calls
 * on each other, from outside one by one and as guest code on all VPs at once.  Between two such bursts, while all
 * stand still, the maps, pools and counts of the whole family must fit together, and nobody has got at the memory
 * of those who have given none away.
 */
#include <dirent.h>
#include <string.h>

#include "accel/hvtlfs/component.h"
#include "fuzz.h"
#include "hv.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/intercept.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/port.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "partition.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"

enum {
	RAM_PAGES = 6144, FRAMES = 8192,   /* of the first; of the machine */
	LOW = 64,                    /* what every partition has from 0 on */
	CODE = 1, SCRIPT = 2, SCRIPT_IN = 3, SCRIPT_OUT = 5, OWN = 16,   /* pages of it, of its program; from OWN on others may get them */
	IN = 8, OUT = 9,             /* of its program, for calls from outside */
	ENTRIES = 16, ENTRY_BYTES = 512,
	SPARE = 0x100, FRESH = 0x400,  /* of the first: pages for anything; for the children of the start */
	POOL_STEP = 32, FAMILY_MAX = 64,
	TRIGGER_PAGES = 4, EVENT_SINT = 2, VPS = 3, BURSTS = 5, BURST_CALLS = 100, LOOKS = 60, SINGLE_CALLS = 12,
};
/*
 * Memory of the first that no parameter of a call names, and of another machine's partition.  Behind it is the first's own
 * program: in the hands of its children it would be they who say where it writes.
 */
enum { VAULT = 0x3005, VAULT_PAGES = 32, FIRST_PROGRAM = VAULT + VAULT_PAGES, PROGRAM_PAGES = OWN };
#define RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_EXECUTABLE)

struct entry {
	uint32_t control[2], in, out, read, write, port, leaf, msr, apic, value, unused;
};

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *first, *quiet;
	uint64_t ram_left;           /* without a family */
	guint extents;
	unsigned threads;
	uint8_t secret[VAULT_PAGES][HV_PAGE_SIZE];
	/* The partitions as they were before the burst. */
	struct { uint64_t id, parent; } known[FAMILY_MAX];
	unsigned known_count;
};

static gpa_t page_gpa(uint64_t page) { return (gpa_t){ page << HV_PAGE_SHIFT }; }

/* Where page @page of @p's program is. */
static gpa_t program_gpa(const struct partition *p, uint64_t page) { return page_gpa((p->by_parent ? 0 : FIRST_PROGRAM) + page); }

/* ---- numbers that mean something ---- */

/* Nothing that leads to the vault if the first partition names it. */
static uint64_t harmless(uint64_t v)
{
	/* A list goes on from there, and a large page may have it within. */
	uint64_t near = VAULT & ~(uint64_t)511;

	return (v >= near && v < near + 1024) || (v >> HV_PAGE_SHIFT >= near && v >> HV_PAGE_SHIFT < near + 1024) ? OWN : v;
}

static uint64_t any_number(struct fuzz *f) { return harmless(fuzz_number(f)); }

static uint64_t any_page(struct fuzz *f, const struct partition *by)
{
	switch (fuzz_below(f, 16)) {
	case 0: return any_number(f);
	case 1: return by->by_parent ? fuzz_below(f, LOW) : OWN;
	case 2: return 512 * fuzz_below(f, 4);
	case 3: case 4: case 5: return SPARE + fuzz_below(f, FRESH - SPARE);
	case 6: return LOW + fuzz_below(f, 1024);
	default: return OWN + fuzz_below(f, LOW - OWN);
	}
}

static uint64_t any_address(struct fuzz *f, const struct partition *by)
{
	return any_page(f, by) << HV_PAGE_SHIFT | (fuzz_chance(f, 4) ? fuzz_below(f, HV_PAGE_SIZE) : 8 * fuzz_below(f, 256));
}

static uint64_t any_id(struct fuzz *f, const struct world *w, const struct partition *by)
{
	unsigned i = w->known_count ? (unsigned)fuzz_below(f, w->known_count) : 0;

	switch (fuzz_below(f, 24)) {
	case 0: return any_number(f);
	case 1: return HV_PARTITION_ID_SELF;
	case 2: return w->quiet->id;
	case 3: return w->known[w->known_count - 1].id + fuzz_below(f, 4);
	case 4: return by->id;
	case 5: return w->known[i].id;
	}
	/* Mostly its own children. */
	for (unsigned k = 0; k < w->known_count; k++, i = (i + 1) % w->known_count)
		if (w->known[i].parent == by->id)
			return w->known[i].id;
	return w->known[i].id;
}

static uint32_t any_register(struct fuzz *f)
{
	static const uint32_t some[] = {
		HV_REGISTER_EXPLICIT_SUSPEND, HV_REGISTER_EXPLICIT_SUSPEND, HV_REGISTER_INTERCEPT_SUSPEND, HV_REGISTER_INTERCEPT_SUSPEND,
		HV_REGISTER_DISPATCH_SUSPEND, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_REGISTER_PENDING_INTERRUPTION,
		HV_REGISTER_PENDING_EVENT0, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS,
		HV_REGISTER_BNDCFGS, HV_REGISTER_XSS, HV_REGISTER_RAX, HV_REGISTER_RIP, HV_REGISTER_RFLAGS, HV_REGISTER_CR0, HV_REGISTER_CR3,
		HV_REGISTER_CR4, HV_REGISTER_EFER, HV_REGISTER_CS, HV_REGISTER_GDTR, HV_REGISTER_APIC_BASE, HV_REGISTER_HYPERCALL,
		HV_REGISTER_GUEST_OS_ID, HV_REGISTER_VP_ASSIST_PAGE, HV_REGISTER_SIMP, HV_REGISTER_SIEFP, HV_REGISTER_SCONTROL,
		HV_REGISTER_SINT0, HV_REGISTER_EOM, HV_REGISTER_STIMER0_CONFIG, HV_REGISTER_TSC, HV_REGISTER_XMM0,
	};

	return some[fuzz_below(f, G_N_ELEMENTS(some))] + (fuzz_chance(f, 8) ? (uint32_t)fuzz_below(f, 16) : 0);
}

static uint32_t any_property(struct fuzz *f)
{
	static const uint32_t some[] = {
		HV_PROPERTY_PRIVILEGE_FLAGS, HV_PROPERTY_SYNTHETIC_FEATURES, HV_PROPERTY_CPU_RESERVE, HV_PROPERTY_TIME_FREEZE,
		HV_PROPERTY_TIME_FREEZE, HV_PROPERTY_REFERENCE_TIME, HV_PROPERTY_GPA_ACCESS_TRACKING, HV_PROPERTY_GPA_ACCESS_TRACKING,
		HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION, HV_PROPERTY_PROCESSOR_FEATURES, HV_PROPERTY_VMM_CAPABILITIES,
	};

	return some[fuzz_below(f, G_N_ELEMENTS(some))] + (fuzz_chance(f, 4) ? (uint32_t)fuzz_below(f, 12) : 0);
}

static uint32_t any_map_flags(struct fuzz *f)
{
	static const uint32_t some[] = {
		RWX, RWX, RWX, RWX, RWX, HV_MAP_GPA_READABLE, 3, 5, 0, HV_MAP_GPA_NO_ACCESS, HV_MAP_GPA_ZERO_PAGE | 1,
		RWX | HV_MAP_GPA_LARGE_PAGE,
	};

	return fuzz_chance(f, 16) ? (uint32_t)fuzz_number(f) : some[fuzz_below(f, G_N_ELEMENTS(some))];
}

static uint64_t any_value(struct fuzz *f, const struct world *w, const struct partition *by)
{
	switch (fuzz_below(f, 6)) {
	case 0: case 1: return fuzz_below(f, 2);
	case 2: return (any_address(f, by) & ~UINT64_C(0xfff)) | 1;
	case 3: return w->first->features.privileges;
	case 4: return CODE * HV_PAGE_SIZE;
	default: return any_number(f);
	}
}

/* ---- calls ---- */

/*
 * Input by letters.  Of 8 bytes: p partition, n page, a address, g address of a page, x anything, F create flags, S small, I parameter
 * of an intercept, Z zero; of 4: v VP index, f map flags, u small, r register, c property, i id of a port, m type of monitor ports,
 * d SINT and event flag, t type of an intercept, T state of a VP, N the register of notifications, whose value is D;
 * L a state page with a location; b below 256, s below 17, z zero.
 */
struct shape {
	uint16_t code;
	uint8_t weight;
	const char *fixed, *element; /* element NULL: no rep call */
	const char *variable;        /* of 8 bytes each */
};

static const struct shape shapes[] = {
	{ HV_CALL_CREATE_PARTITION, 3, "FZzzZZZZ" },
	{ HV_CALL_INITIALIZE_PARTITION, 4, "p" },
	{ HV_CALL_FINALIZE_PARTITION, 2, "p" },
	{ HV_CALL_DELETE_PARTITION, 4, "p" },
	{ HV_CALL_GET_PARTITION_PROPERTY, 1, "pcz" },
	{ HV_CALL_SET_PARTITION_PROPERTY, 6, "pczx" },
	{ HV_CALL_GET_PARTITION_PROPERTY_EX, 1, "pczx" },
	{ HV_CALL_GET_NEXT_CHILD_PARTITION, 1, "pp" },
	{ HV_CALL_DEPOSIT_MEMORY, 12, "p", "n" },
	{ HV_CALL_WITHDRAW_MEMORY, 8, "pZ", "" },
	{ HV_CALL_GET_MEMORY_BALANCE, 1, "pZ" },
	{ HV_CALL_MAP_GPA_PAGES, 16, "pnfz", "n" },
	{ HV_CALL_UNMAP_GPA_PAGES, 6, "pnuz", "" },
	{ HV_CALL_MAP_SPARSE_GPA_PAGES, 6, "pfz", "nn" },
	{ HV_CALL_MODIFY_SPARSE_GPA_PAGES, 4, "pfz", "n" },
	{ HV_CALL_GET_GPA_PAGES_ACCESS_STATES, 3, "pSn", "" },
	{ HV_CALL_INSTALL_INTERCEPT, 8, "putI" },
	{ HV_CALL_REGISTER_INTERCEPT_RESULT, 2, "pvuxxxxxx" },
	{ HV_CALL_UNREGISTER_INTERCEPT_RESULT, 2, "pvuuuZ" },
	{ HV_CALL_CHECK_FOR_IO_INTERCEPT, 1, "pvzuz" },
	{ HV_CALL_CREATE_VP, 6, "pvzZZZ" },
	{ HV_CALL_DELETE_VP, 4, "pvz" },
	{ HV_CALL_DISPATCH_VP, 8, "pvuSZ" },
	{ HV_CALL_GET_VP_REGISTERS, 6, "pvz", "r" },
	{ HV_CALL_SET_VP_REGISTERS, 14, "pvz", "rzzzxZ" },
	{ HV_CALL_SET_VP_REGISTERS, 5, "pvz", "NzzzDZ" },
	{ HV_CALL_GET_VP_CPUID_VALUES, 2, "pvuZ", "xxx" },
	{ HV_CALL_MAP_VP_STATE_PAGE, 5, "pvuZ" },
	{ HV_CALL_MAP_VP_STATE_PAGE, 3, "pvLn" },
	{ HV_CALL_UNMAP_VP_STATE_PAGE, 4, "pvu" },
	{ HV_CALL_GET_VP_STATE, 3, "pvzTzZS", .variable = "n" },
	{ HV_CALL_SET_VP_STATE, 4, "pvzTzZS", .variable = "n" },
	{ HV_CALL_SET_VP_STATE, 1, "pvzTzZS", .variable = "xxxxxxxxxxxxxxxxxxxxxxxxx" },
	{ HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, 3, "pvzSn" },
	{ HV_CALL_TRANSLATE_VIRTUAL_ADDRESS_EX, 2, "pvzSn" },
	{ HV_CALL_READ_GPA, 4, "pvsaZ" },
	{ HV_CALL_WRITE_GPA, 4, "pvsaZxx" },
	{ HV_CALL_ASSERT_VIRTUAL_INTERRUPT, 4, "puuSbz" },
	{ HV_CALL_CLEAR_VIRTUAL_INTERRUPT, 1, "p" },
	{ HV_CALL_CREATE_PORT, 4, "pizpuzuvzzZ" },
	{ HV_CALL_CREATE_PORT, 5, "pizpmzgZZ" },
	{ HV_CALL_DELETE_PORT, 3, "piz" },
	{ HV_CALL_CONNECT_PORT, 4, "pizpizuzaZZZ" },
	{ HV_CALL_CONNECT_PORT, 8, "pizpizmzgZZZ" },
	{ HV_CALL_DISCONNECT_PORT, 3, "piz" },
	{ HV_CALL_GET_PORT_PROPERTY, 1, "pizuz" },
	{ HV_CALL_SET_PORT_PROPERTY, 1, "pizuzx" },
	{ HV_CALL_POST_MESSAGE, 4, "izbsxxxx" },
	{ HV_CALL_SIGNAL_EVENT, 4, "iz" },
	{ HV_CALL_SIGNAL_EVENT_DIRECT, 4, "pvd" },
	{ HV_CALL_POST_MESSAGE_DIRECT, 4, "pvzsbbxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxz" },
};

struct any_call {
	uint64_t control;
	uint8_t in[ENTRY_BYTES];
	unsigned size;
};

static void add(struct any_call *c, uint64_t v, unsigned n)
{
	if (c->size + n > sizeof c->in)
		return;
	memcpy(c->in + c->size, &v, n);
	c->size += n;
}

/* Leaves, MSRs, vectors, registers of APICs. */
static uint64_t any_intercept_parameter(struct fuzz *f)
{
	static const uint32_t some[] = { 0, 0, 0, 0, 1, 3, 6, 14, 0x1f, 0x1f, 0x1f, 0x10, 0x8b, 0x277, 0x1b, 0x30000, HV_X64_MSR_GUEST_OS_ID };

	return fuzz_chance(f, 8) ? fuzz_number(f) : some[fuzz_below(f, G_N_ELEMENTS(some))];
}

static uint64_t any_notification(struct fuzz *f)
{
	static const uint64_t some[] = { 0, HV_NOTIFY_INTERRUPT, HV_NOTIFY_INTERRUPT, HV_NOTIFY_INTERRUPT | 2 << HV_NOTIFY_PRIORITY_SHIFT, HV_NOTIFY_NMI };

	return some[fuzz_below(f, G_N_ELEMENTS(some))] | (fuzz_chance(f, 2) ? fuzz_below(f, 0x10000) << HV_NOTIFY_SINT_SHIFT : 0);
}

static uint32_t any_vp_state(struct fuzz *f)
{
	static const uint32_t some[] = { HV_VP_STATE_APIC, HV_VP_STATE_XSAVE, HV_VP_STATE_MESSAGE_PAGE, HV_VP_STATE_EVENT_PAGE, HV_VP_STATE_TIMERS };

	return fuzz_chance(f, 16) ? (uint32_t)fuzz_number(f) : some[fuzz_below(f, G_N_ELEMENTS(some))];
}

static void add_letter(struct fuzz *f, const struct world *w, const struct partition *by, struct any_call *c, char letter)
{
	switch (letter) {
	case 'p': add(c, any_id(f, w, by), 8); break;
	case 'n': add(c, any_page(f, by), 8); break;
	case 'a': add(c, any_address(f, by), 8); break;
	case 'g': add(c, any_page(f, by) << HV_PAGE_SHIFT, 8); break;
	case 'x': add(c, any_value(f, w, by), 8); break;
	case 'F': add(c, fuzz_chance(f, 3) ? UINT64_C(1) << fuzz_below(f, 24) : 0, 8); break;
	case 'S': add(c, fuzz_below(f, 16), 8); break;
	case 'I': add(c, any_intercept_parameter(f), 8); break;
	case 't': add(c, fuzz_chance(f, 2) ? fuzz_below(f, 21) : HV_INTERCEPT_GLOBAL_CPUID + fuzz_below(f, 7), 4); break;
	case 'N': add(c, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, 4); break;
	case 'L': add(c, fuzz_below(f, 3) | (uint64_t)HV_STATE_PAGE_LOCATION << 24, 4); break;
	case 'D': add(c, any_notification(f), 8); break;
	case 'T': add(c, any_vp_state(f), 4); break;
	case 'v': add(c, fuzz_chance(f, 16) ? fuzz_number(f) : fuzz_below(f, VPS), 4); break;
	case 'f': add(c, any_map_flags(f), 4); break;
	case 'u': add(c, fuzz_below(f, fuzz_chance(f, 8) ? 20 : 4), 4); break;
	case 'r': add(c, any_register(f), 4); break;
	case 'c': add(c, any_property(f), 4); break;
	case 'i': add(c, 1 + fuzz_below(f, 5), 4); break;
	case 'm': add(c, HV_PORT_MONITOR, 4); break;
	case 'd': add(c, fuzz_below(f, 17) << 8 | fuzz_below(f, HV_EVENT_FLAGS + 8) << 16, 4); break;
	case 'b': add(c, fuzz_below(f, 256), 4); break;
	case 's': add(c, fuzz_below(f, 17), 4); break;
	case 'Z': add(c, 0, 8); break;
	default: add(c, 0, 4); break;
	}
}

static void add_letters(struct fuzz *f, const struct world *w, const struct partition *by, struct any_call *c, const char *letters)
{
	for (; *letters; letters++)
		add_letter(f, w, by, c, *letters);
}

static const struct shape *any_shape(struct fuzz *f)
{
	unsigned all = 0, i = 0;
	uint64_t n;

	for (unsigned k = 0; k < G_N_ELEMENTS(shapes); k++)
		all += shapes[k].weight;
	for (n = fuzz_below(f, all); n >= shapes[i].weight; i++)
		n -= shapes[i].weight;
	return &shapes[i];
}

/* One of any row of the table, with words of any meaning. */
static void any_row(struct fuzz *f, const struct world *w, const struct partition *by, struct any_call *c)
{
	const struct hv_call *row = &w->hv->calls[fuzz_below(f, w->hv->call_count)];

	c->control = row->code;
	if (row->flags & CALL_REP)
		c->control |= fuzz_below(f, 8) << HV_CALL_REPS_SHIFT;
	while (c->size < sizeof c->in)
		add_letter(f, w, by, c, "pnaxSvu"[fuzz_below(f, 7)]);
}

static void compose(struct fuzz *f, const struct world *w, const struct partition *by, struct any_call *c)
{
	const struct shape *s = any_shape(f);
	uint64_t reps = 0;

	memset(c, 0, sizeof *c);
	if (fuzz_chance(f, 16)) {
		any_row(f, w, by, c);
		return;
	}
	if (s->element)
		reps = 1 + fuzz_below(f, fuzz_chance(f, 4) ? 40 : 6);
	c->control = s->code | reps << HV_CALL_REPS_SHIFT;
	add_letters(f, w, by, c, s->fixed);
	if (s->variable) {
		c->control |= (uint64_t)strlen(s->variable) << HV_CALL_VARIABLE_SHIFT;
		add_letters(f, w, by, c, s->variable);
	}
	for (uint64_t i = 0; i < reps; i++)
		add_letters(f, w, by, c, s->element);
	/* One word is something else. */
	if (fuzz_chance(f, 12)) {
		uint64_t v = any_number(f);

		memcpy(c->in + 8 * fuzz_below(f, c->size / 8 + 1), &v, sizeof v);
	}
}

static uint64_t call(struct partition *by, struct vp *vp, uint64_t control, const void *in, size_t size)
{
	uint64_t result;

	if (!partition_write(by, program_gpa(by, IN), in, size))
		return UINT64_MAX;
	result = vp_hypercall(vp, control, program_gpa(by, IN).v, program_gpa(by, OUT).v);
	hv_fuzz_check_result(control, result);
	return result;
}

/* ---- set-up ---- */

/*
 * In real mode at first, with segments from where the program begins; then makes the calls of the script over and
 * over, and between them reads, writes and does what can be intercepted.
 */
static const uint8_t code[] = {
	0xfa,                                      /* cli */
	0x66, 0x0f, 0x01, 0x16, 0x00, 0x11,        /* lgdtl [0x1100] */
	0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0,   /* mov eax, cr0; or al, 1; mov cr0, eax */
	0x66, 0xea, 0x20, 0x10, 0x00, 0x00, 0x08, 0x00,   /* ljmpl 8, 0x1020 */
	0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xb8, 0x10, 0x00, 0x00, 0x00,              /* mov eax, 0x10 */
	0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0,        /* mov ds, eax; mov es, eax; mov ss, eax */
	0xb9, 0x00, 0x00, 0x00, 0x40,              /* mov ecx, HV_X64_MSR_GUEST_OS_ID */
	0xb8, 0x01, 0x00, 0x00, 0x00, 0x31, 0xd2, 0x0f, 0x30,   /* mov eax, 1; xor edx, edx; wrmsr */
	0x41, 0xb8, 0x01, 0x70, 0x00, 0x00, 0x0f, 0x30,   /* inc ecx; mov eax, 0x7001; wrmsr */
	0xb9, 0x80, 0x00, 0x00, 0x40, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x30,   /* mov ecx, HV_X64_MSR_SCONTROL; mov eax, 1; wrmsr */
	0xb9, 0x83, 0x00, 0x00, 0x40, 0xb8, 0x01, 0x60, 0x00, 0x00, 0x0f, 0x30,   /* mov ecx, HV_X64_MSR_SIMP; mov eax, 0x6001; wrmsr */
	0xbd, 0x00, 0x20, 0x00, 0x00,              /* 1: mov ebp, 0x2000 */
	0x8b, 0x45, 0x00, 0x8b, 0x55, 0x04,        /* 2: mov eax, control[0]; mov edx, control[1] */
	0x31, 0xdb, 0x8b, 0x4d, 0x08, 0x31, 0xff, 0x8b, 0x75, 0x0c,   /* xor ebx, ebx; mov ecx, in; xor edi, edi; mov esi, out */
	0x0f, 0x01, 0xc1,                          /* vmcall */
	0x8b, 0x4d, 0x20, 0x0f, 0x32,              /* mov ecx, msr; rdmsr */
	0x8b, 0x45, 0x24, 0x8b, 0x55, 0x28, 0x89, 0x10,   /* mov eax, apic; mov edx, value; mov [eax], edx */
	0xfb, 0x90, 0xfa,                          /* sti; nop; cli */
	0x8b, 0x45, 0x10, 0x8b, 0x10,              /* mov eax, read; mov edx, [eax] */
	0x8b, 0x45, 0x14, 0xf0, 0xff, 0x00,        /* mov eax, write; lock inc dword [eax] */
	0x8b, 0x55, 0x18, 0xec,                    /* mov edx, port; in al, dx */
	0x8b, 0x45, 0x1c, 0x0f, 0xa2,              /* mov eax, leaf; cpuid */
	0x83, 0xc5, 0x30, 0x81, 0xfd, 0x00, 0x23, 0x00, 0x00,   /* add ebp, 48; cmp ebp, 0x2300 */
	0x72, 0xbe, 0xeb, 0xb7,                    /* jb 2; jmp 1 */
};
/* What counts from where the program begins, each of four bytes: ljmpl, mov ebp, cmp ebp. */
static const uint8_t code_address[] = { 17, 90, 154 };
enum { GDT = 0x100, GDT_BASE = 2 };
static_assert(sizeof code <= GDT, "the table is behind it");
/* Its limit and base, then: null, code, data, all flat. */
static const uint64_t gdt[] = { UINT64_C(0x11080017), 0, UINT64_C(0x00cf9b000000ffff), UINT64_C(0x00cf93000000ffff) };

/*
 * Where the program reads or writes: mostly where it may, or it would soon stand.  The first also writes to what it has
 * given to those below: their memory and their pools.
 */
static uint32_t program_address(struct fuzz *f, const struct partition *p)
{
	uint64_t page = program_gpa(p, SCRIPT_OUT).v >> HV_PAGE_SHIFT;

	if (fuzz_chance(f, 8))
		page = OWN + fuzz_below(f, LOW + 4 - OWN);
	else if (!p->by_parent && fuzz_chance(f, 3))
		page = FRESH + fuzz_below(f, RAM_PAGES - FRESH);
	return (uint32_t)(page * HV_PAGE_SIZE + 4 * fuzz_below(f, 1024));
}

/*
 * What a child does to its APIC: little that would stop it.  The first does nothing: start-up IPIs would have it run anything, and
 * nobody makes it begin again before the next burst.
 */
static void any_apic_write(struct fuzz *f, const struct partition *p, struct entry *e)
{
	static const struct { uint32_t offset, value; } some[] = {
		{ 0x80, 0x20 }, { 0x80, 0 }, { 0xb0, 0 }, { 0xd0, 1 << 24 }, { 0xe0, UINT32_MAX }, { 0xf0, 0x1ff }, { 0x310, 1 << 24 }, { 0x310, 9 << 24 },
		{ 0x300, 0x4500 }, { 0x300, 0x4601 }, { 0x300, 0x4200 }, { 0x300, 0x4055 }, { 0x350, 0x10700 }, { 0x360, 0x10400 },
	};
	unsigned i = p->by_parent ? (unsigned)fuzz_below(f, G_N_ELEMENTS(some)) : 0;

	e->apic = 0xfee00000 + some[i].offset;
	e->value = some[i].value;
}

static uint32_t any_msr(struct fuzz *f)
{
	static const uint32_t some[] = { 0x10, 0x1b, 0x8b, 0x277, 0xc0000080, HV_X64_MSR_GUEST_OS_ID };

	return some[fuzz_below(f, G_N_ELEMENTS(some))];
}

static void write_script(struct fuzz *f, const struct world *w, struct partition *p)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct any_call c;
		struct entry e;

		compose(f, w, p, &c);
		e = (struct entry){
			.control = { (uint32_t)c.control, (uint32_t)(c.control >> 32) },
			.in = (uint32_t)program_gpa(p, SCRIPT_IN).v + i * ENTRY_BYTES, .out = (uint32_t)program_gpa(p, SCRIPT_OUT).v,
			.read = program_address(f, p), .write = program_address(f, p), .port = (uint32_t)fuzz_below(f, 4),
			.leaf = (uint32_t)fuzz_below(f, 2), .msr = any_msr(f),
		};
		any_apic_write(f, p, &e);
		partition_write(p, (gpa_t){ e.in }, c.in, sizeof c.in);
		partition_write(p, (gpa_t){ program_gpa(p, SCRIPT).v + i * sizeof e }, &e, sizeof e);
	}
}

/* What is @base bytes further on than it says. */
static void move(uint8_t *address, uint64_t base)
{
	uint32_t v;

	memcpy(&v, address, sizeof v);
	v += (uint32_t)base;
	memcpy(address, &v, sizeof v);
}

static void write_code(struct partition *p)
{
	uint64_t base = program_gpa(p, 0).v;
	uint8_t page[GDT + sizeof gdt] = { 0 };

	memcpy(page, code, sizeof code);
	memcpy(page + GDT, gdt, sizeof gdt);
	for (unsigned i = 0; i < sizeof code_address; i++)
		move(page + code_address[i], base);
	move(page + GDT + GDT_BASE, base);
	partition_write(p, program_gpa(p, CODE), page, sizeof page);
}

static void point(struct vp *vp, void *o)
{
	struct x86_cpu *c = vp_cpu(vp);

	(void)o;
	x86_reset(c, X86_RESET_INIT);
	x86_tlb_flush(c, X86_FLUSH_ALL);
	c->activity = X86_ACTIVE;
	for (unsigned s = 0; s < X86_SEG_COUNT; s++) {
		x86_set_seg_real(c, s, 0);
		c->seg[s].base = program_gpa(vp->partition, 0).v;
	}
	/* Nor has it interrupt handlers: where they would be, children may write. */
	c->idt.limit = 0;
	x86_mode_update(c);
	c->rip = CODE * HV_PAGE_SIZE;
}

/* A call that must succeed, by @by's first VP; the pool of @poor gets what is missing. */
static void must(struct partition *by, uint64_t *fresh, struct partition *poor, uint64_t control, const void *in, size_t size)
{
	struct partition *from = poor->by_parent ? poor->parent : poor;
	uint64_t result;

	while (hv_result_status(result = call(by, partition_vp(by, 0), control, in, size)) == HV_STATUS_INSUFFICIENT_MEMORY) {
		uint64_t deposit[1 + POOL_STEP] = { poor->id };

		for (unsigned i = 0; i < POOL_STEP; i++)
			deposit[1 + i] = fresh[from->depth]++;
		result = call(from, partition_vp(from, 0), HV_CALL_DEPOSIT_MEMORY | (uint64_t)POOL_STEP << HV_CALL_REPS_SHIFT,
			      deposit, sizeof deposit);
		FUZZ_CHECK(hv_result_status(result) == HV_STATUS_SUCCESS, "deposit: %#" PRIx64, result);
		/* A list that stopped goes on where it had been. */
		control &= ~(HV_CALL_START_MASK << HV_CALL_START_SHIFT);
	}
	FUZZ_CHECK(hv_result_status(result) == HV_STATUS_SUCCESS, "control %#" PRIx64 ": %#" PRIx64, control, result);
}

static void map_fresh(struct partition *by, uint64_t *fresh, struct partition *to, unsigned pages)
{
	for (unsigned done = 0, n; done < pages; done += n) {
		uint64_t in[3 + 256] = { to->id, done, RWX };

		n = MIN(pages - done, 256);
		for (unsigned i = 0; i < n; i++)
			in[3 + i] = fresh[by->depth]++;
		must(by, fresh, to, HV_CALL_MAP_GPA_PAGES | (uint64_t)n << HV_CALL_REPS_SHIFT, in, (3 + n) * 8);
	}
}

static void start_vp(struct partition *by, uint64_t *fresh, struct partition *p, uint32_t index)
{
	const struct hv_in_create_vp create = { .partition_id = p->id, .vp_index = index };
	struct {
		struct hv_in_vp vp;
		struct hv_register_assoc reg[7];
	} set = { { .partition_id = p->id, .vp_index = index }, {
		{ .name = HV_REGISTER_CS, .value = { 0, UINT64_C(0x009b00000000ffff) } },
		{ .name = HV_REGISTER_RIP, .value = { CODE * HV_PAGE_SIZE, 0 } },
		{ .name = HV_REGISTER_INTERNAL_ACTIVITY_STATE },
		/* It takes events; interrupts are off. */
		{ .name = HV_REGISTER_SIEFP, .value = { (LOW - 1) * HV_PAGE_SIZE | HV_MSR_PAGE_ENABLE, 0 } },
		{ .name = HV_REGISTER_SINT0 + EVENT_SINT, .value = { 0x40, 0 } },
		{ .name = HV_REGISTER_SCONTROL, .value = { HV_SCONTROL_ENABLE, 0 } },
		{ .name = HV_REGISTER_EXPLICIT_SUSPEND },
	} };

	must(by, fresh, p, HV_CALL_CREATE_VP, &create, sizeof create);
	must(by, fresh, p, HV_CALL_SET_VP_REGISTERS | (uint64_t)G_N_ELEMENTS(set.reg) << HV_CALL_REPS_SHIFT, &set, sizeof set);
}

/* @pages: its memory; @fresh: by depth, where there are pages that nobody uses. */
static struct partition *make_child(struct world *w, struct partition *by, uint64_t *fresh, unsigned pages, uint32_t vps)
{
	struct hv_in_create_partition create = { 0 };
	struct hv_in_set_partition_property set = { .code = HV_PROPERTY_PRIVILEGE_FLAGS,
						     .value = by->features.privileges & ~HV_CPU_MANAGEMENT };
	struct partition *p;
	uint64_t id;

	must(by, fresh, by, HV_CALL_CREATE_PARTITION, &create, sizeof create);
	FUZZ_CHECK(partition_read(by, program_gpa(by, OUT), &id, sizeof id), "no output");
	p = hv_partition_by_id(w->hv, id);
	FUZZ_CHECK(p, "partition %" PRIu64 " is not there", id);
	set.partition_id = id;
	must(by, fresh, p, HV_CALL_SET_PARTITION_PROPERTY, &set, sizeof set);
	must(by, fresh, p, HV_CALL_INITIALIZE_PARTITION, &id, sizeof id);
	map_fresh(by, fresh, p, pages);
	write_code(p);
	for (uint32_t i = 0; i < vps; i++)
		start_vp(by, fresh, p, i);
	fresh[p->depth] = LOW;
	/* The tree has it. */
	partition_unref(p);
	return p;
}

/* @by makes what @from needs to send to @to: an event port and a monitor page, with their connections, of numbers @id and @id + 2. */
static void join(struct fuzz *f, struct partition *by, uint64_t *fresh, struct partition *to, struct partition *from, uint32_t id)
{
	struct hv_in_create_port port = { .port_partition = to->id, .port_id = id, .connection_partition = from->id,
					  .info = { .type = HV_PORT_EVENT, .sint = EVENT_SINT, .vp = HV_ANY_VP, .flag_count = 16 } };
	struct hv_in_connect_port connection = { .connection_partition = from->id, .connection_id = id, .port_partition = to->id,
						 .port_id = id, .info.type = HV_PORT_EVENT };

	must(by, fresh, to, HV_CALL_CREATE_PORT, &port, sizeof port);
	must(by, fresh, from, HV_CALL_CONNECT_PORT, &connection, sizeof connection);
	port.port_id = connection.connection_id = connection.port_id = id + 2;
	port.info = (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = any_page(f, to) << HV_PAGE_SHIFT };
	connection.info = (struct hv_connection_info){ .type = HV_PORT_MONITOR, .monitor = any_page(f, from) << HV_PAGE_SHIFT };
	must(by, fresh, to, HV_CALL_CREATE_PORT, &port, sizeof port);
	must(by, fresh, from, HV_CALL_CONNECT_PORT, &connection, sizeof connection);
}

static void make_family(struct world *w, struct fuzz *f)
{
	uint64_t fresh[4] = { FRESH };
	struct partition *p = w->first, *a, *b;

	a = make_child(w, p, fresh, LOW, 1 + (uint32_t)fuzz_below(f, 2));
	b = make_child(w, p, fresh, 1800, 1);
	join(f, p, fresh, p, a, 1);
	join(f, p, fresh, a, b, 1);
	join(f, p, fresh, b, p, 1);
	p = make_child(w, b, fresh, 800, 1);
	join(f, b, fresh, b, p, 2);
	if (!fuzz_chance(f, 3))
		join(f, p, fresh, make_child(w, p, fresh, LOW, 1), p, 1);
}

static struct partition *machine_partition(struct world *w, const char *name, uint32_t vps)
{
	struct hv_features features;

	hv_features_init(&features);
	hv_features_role(&features, HV_ROLE_HOST);
	return hv_fuzz_partition(w->hv, w->model, name, vps, &features);
}

static unsigned thread_count(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	FUZZ_CHECK(d, "/proc/self/task cannot be read");
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void *world_open(void)
{
	struct world *w = g_new0(struct world, 1);
	GError *error = NULL;
	struct fuzz f = { 1 };

	w->model = x86_model_parse("max", NULL, NULL, &error);
	FUZZ_CHECK(w->model, "%s", error->message);
	w->hv = hv_new(&(struct hv_config){ .memory = (uint64_t)FRAMES * HV_PAGE_SIZE, .engine = g_getenv("TEST_ENGINE") }, &error);
	FUZZ_CHECK(w->hv, "%s", error->message);
	w->first = machine_partition(w, "first", VPS);
	w->quiet = machine_partition(w, "quiet", 1);
	hv_fuzz_add_ram(w->first, 0, RAM_PAGES);
	hv_fuzz_add_ram(w->first, VAULT, VAULT_PAGES + PROGRAM_PAGES);
	hv_fuzz_add_ram(w->quiet, VAULT, VAULT_PAGES);
	fuzz_bytes(&f, w->secret, sizeof w->secret);
	FUZZ_CHECK(partition_write(w->first, page_gpa(VAULT), w->secret, sizeof w->secret), "no RAM");
	FUZZ_CHECK(partition_write(w->quiet, page_gpa(VAULT), w->secret, sizeof w->secret), "no RAM");
	w->ram_left = hv_memory_free(w->hv);
	w->extents = w->hv->frames.used->len;
	w->threads = thread_count();
	return w;
}

static void world_close(void *o)
{
	struct world *w = o;

	hv_fuzz_close(w->hv, w->first, w->quiet, w->model);
	g_free(w);
}

/* ---- what must be so while all stand still ---- */

struct tally {
	const struct world *w;
	const struct partition *p;
	uint8_t has[FRAMES];         /* of p: 0x80 and rights */
	uint32_t maps[FRAMES], shares[FRAMES];
	const struct partition *pooled[FRAMES];     /* in the pool of which partition; NULL: none */
	bool lent[FRAMES];           /* by that pool */
	const struct partition *shown_to[FRAMES];   /* state pages: their parent */
};

/* Above who deposited for @owner: they keep the page that they gave, as all that is below them is theirs. */
static bool is_above_pool(const struct partition *p, const struct partition *owner)
{
	const struct partition *depositor = owner->by_parent ? owner->parent : owner;

	for (const struct partition *q = depositor->parent; q; q = q->parent)
		if (q == p)
			return true;
	return false;
}

static void tally_run(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct tally *all = o;

	/* Those of the hypervisor lie behind all RAM. */
	if (t->frame.v == SPN_NONE.v || t->frame.v >= FRAMES)
		return;
	for (uint64_t i = t->frame.v; i < t->frame.v + pages; i++) {
		const struct partition *owner = frames_descriptor(&all->w->hv->frames, (spn_t){ i })->owner;

		FUZZ_CHECK(owner == all->p->family, "partition %" PRIu64 " has frame %#" PRIx64 " of another at %#" PRIx64, all->p->id, i, at.v);
		FUZZ_CHECK(!all->pooled[i] || !t->rights || all->shown_to[i] == all->p || is_above_pool(all->p, all->pooled[i]),
			   "partition %" PRIu64 " reaches frame %#" PRIx64 " of %" PRIu64 "'s pool, rights %#x", all->p->id, i,
			   all->pooled[i]->id, t->rights);
		all->has[i] |= (uint8_t)(0x80 | t->rights);
		if (!all->p->by_parent)
			continue;
		all->maps[i]++;
		all->shares[i] += t->rights != 0;
	}
}

static void check_overlays(const struct tally *all)
{
	const struct gpa_map *m = &all->p->map;

	for (guint i = 0; i < m->overlays->len; i++) {
		const struct overlay *o = g_ptr_array_index(m->overlays, i);

		FUZZ_CHECK(o->frame.v >= FRAMES || all->lent[o->frame.v], "an overlay of partition %" PRIu64 " is no page that a pool has lent",
			   all->p->id);
	}
}

static void note_pages(struct tally *all, const struct partition *p, const GArray *pages)
{
	for (guint i = 0; i < pages->len; i++) {
		uint64_t frame = g_array_index(pages, struct pool_page, i).frame.v;

		FUZZ_CHECK(frame < FRAMES, "frame %#" PRIx64 " in a pool", frame);
		FUZZ_CHECK(!all->pooled[frame], "frame %#" PRIx64 " is in a pool twice", frame);
		all->pooled[frame] = p;
	}
}

static void note_pool(struct tally *all, struct partition *p)
{
	note_pages(all, p, p->pool.free);
	note_pages(all, p, p->pool.used);
	for (guint i = 0; i < p->pool.used->len; i++)
		all->lent[g_array_index(p->pool.used, struct pool_page, i).frame.v] = true;
	FUZZ_CHECK(pool_available(&p->pool) + pool_in_use(&p->pool) == p->pool.free->len + p->pool.used->len,
		   "pool of partition %" PRIu64, p->id);
	if (atomic_load(&p->life) != LIFE_ACTIVE)
		return;
	FUZZ_CHECK(!p->by_parent || p->pool.charged >= gpa_map_bytes(&p->map), "partition %" PRIu64 " has not paid for its map", p->id);
	PARTITION_FOREACH_VP(vp, p)
		for (unsigned i = 0; i < G_N_ELEMENTS(vp->state_page); i++)
			if (vp->state_page[i].mapped)
				all->shown_to[vp->state_page[i].frame.v] = p->parent;
}

/* @p and all below it; @allowed: what its parent has. */
static void check_maps(struct tally *all, GPtrArray *partitions, const struct partition *p, const uint8_t *allowed)
{
	uint8_t *has = g_malloc(FRAMES);

	memset(all->has, 0, sizeof all->has);
	all->p = p;
	gpa_map_foreach((struct gpa_map *)&p->map, tally_run, all);
	check_overlays(all);
	memcpy(has, all->has, FRAMES);
	for (unsigned i = 0; allowed && i < FRAMES; i++)
		FUZZ_CHECK(!(has[i] & ~allowed[i]), "partition %" PRIu64 " has %#x of frame %#x, its parent %#x", p->id, has[i], i, allowed[i]);
	/* The first may hand on what it has, with any rights (T8.1.1.f). */
	for (unsigned i = 0; !p->by_parent && i < FRAMES; i++)
		has[i] |= has[i] & 0x80 ? 0x87 : 0;
	for (guint i = 0; i < partitions->len; i++) {
		const struct partition *child = g_ptr_array_index(partitions, i);

		if (child->parent == p)
			check_maps(all, partitions, child, has);
	}
	g_free(has);
}

static void check_frames(const struct tally *all)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		const struct frame *d = frames_descriptor(&all->w->hv->frames, (spn_t){ i });

		FUZZ_CHECK(atomic_load(&d->pooled) == (all->pooled[i] != NULL), "frame %#x is in %s pool", i, all->pooled[i] ? "a" : "no");
		FUZZ_CHECK(atomic_load(&d->maps) == all->maps[i], "frame %#x: %u maps, %u are counted", i, all->maps[i], atomic_load(&d->maps));
		/* What has gone into a pool is still counted for who gave it. */
		FUZZ_CHECK(all->pooled[i] || atomic_load(&d->shares) == all->shares[i], "frame %#x: %u shares, %u are counted", i, all->shares[i],
			   atomic_load(&d->shares));
	}
}

/* What has come to @now of the vault: what differs. */
static void tell_page(const uint8_t *was, const uint8_t *now)
{
	for (unsigned i = 0, told = 0; i < HV_PAGE_SIZE && told < 16; i++)
		if (was[i] != now[i]) {
			fprintf(stderr, "# + %#x: %#04x was %#04x\n", i, now[i], was[i]);
			told++;
		}
}

static void check_secrets(const struct world *w)
{
	struct partition *const all[] = { w->first, w->quiet };
	struct gpa_target t;

	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
		for (unsigned k = 0; k < VAULT_PAGES; k++) {
			FUZZ_CHECK(gpa_map_below(&all[i]->map, (gpn_t){ VAULT + k }, &t), "page %u of '%s' is gone", k, all[i]->name);
			if (!memcmp(frames_host(&w->hv->frames, t.frame), w->secret[k], HV_PAGE_SIZE))
				continue;
			tell_page(w->secret[k], frames_host(&w->hv->frames, t.frame));
			FUZZ_CHECK(false, "page %u of '%s' has changed", k, all[i]->name);
		}
}

static void check_all(struct world *w)
{
	struct tally *all = g_new0(struct tally, 1);
	GPtrArray *partitions = hv_partitions(w->hv);

	all->w = w;
	for (guint i = 0; i < partitions->len; i++)
		note_pool(all, g_ptr_array_index(partitions, i));
	check_maps(all, partitions, w->quiet, NULL);
	check_maps(all, partitions, w->first, NULL);
	check_frames(all);
	check_secrets(w);
	g_ptr_array_free(partitions, TRUE);
	g_free(all);
}

/* The family has ended: nothing of it is left. */
static void check_end(struct world *w)
{
	gint64 until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
	struct partition *p = w->first;
	struct gpa_target t;

	FUZZ_CHECK(w->hv->partitions->len == 2, "%u partitions are left", w->hv->partitions->len);
	FUZZ_CHECK(!p->pool.free->len && !p->pool.used->len && !p->pool.charged, "something is left in the pool");
	for (unsigned i = 0; i < RAM_PAGES; i++)
		FUZZ_CHECK(gpa_map_below(&p->map, (gpn_t){ i }, &t) && t.rights == 7, "page %#x has not come back", i);
	FUZZ_CHECK(!atomic_load(&w->hv->monitored), "monitored notifications are left");
	FUZZ_CHECK(hv_memory_free(w->hv) == w->ram_left && w->hv->frames.used->len == w->extents, "frames are left");
	/* One that has been joined may be seen for a moment still. */
	while (thread_count() > w->threads && g_get_monotonic_time() < until)
		g_usleep(1000);
	FUZZ_CHECK(thread_count() <= w->threads, "%u threads, %u at first", thread_count(), w->threads);
}

/* ---- a round ---- */

static void look_around(struct world *w)
{
	GPtrArray *all = hv_partitions(w->hv);

	w->known_count = 0;
	for (guint i = 0; i < all->len && w->known_count < FAMILY_MAX; i++) {
		const struct partition *p = g_ptr_array_index(all, i);

		w->known[w->known_count].id = p->id;
		w->known[w->known_count++].parent = p->parent_id;
	}
	g_ptr_array_free(all, TRUE);
}

/* A partition that can make calls, with a reference. */
static struct partition *any_caller(struct fuzz *f, struct world *w)
{
	GPtrArray *all = hv_partitions(w->hv);
	guint i = (guint)fuzz_below(f, all->len);
	struct partition *found = NULL;

	for (guint k = 0; k < all->len && !found; k++, i = (i + 1) % all->len) {
		struct partition *p = g_ptr_array_index(all, i);

		if (p != w->quiet && partition_is_active(p) && partition_next_vp(p, NULL))
			found = partition_ref(p);
	}
	g_ptr_array_free(all, TRUE);
	return found;
}

/* Everybody stands still but for the one that calls. */
static void single_calls(struct fuzz *f, struct world *w)
{
	for (unsigned i = 0; i < SINGLE_CALLS; i++) {
		struct partition *by = any_caller(f, w);
		struct any_call c;

		look_around(w);
		compose(f, w, by, &c);
		call(by, partition_next_vp(by, NULL), c.control, c.in, sizeof c.in);
		partition_unref(by);
		check_secrets(w);
	}
	look_around(w);
}

/* All triggers of the monitor page that may be there. */
static void write_triggers(struct fuzz *f, struct partition *p)
{
	struct hv_monitor_page page = { .state = 0xf };

	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
		page.group[g].pending = (uint32_t)fuzz_next(f);
		for (unsigned t = 0; t < HV_MONITOR_TRIGGERS; t++)
			page.parameter[g][t] = (struct hv_monitor_parameter){ 1 + (uint32_t)fuzz_below(f, 5), (uint16_t)fuzz_below(f, 16), 0 };
	}
	partition_write(p, page_gpa(any_page(f, p)), &page, sizeof page);
}

static void write_scripts(struct fuzz *f, struct world *w)
{
	GPtrArray *all = hv_partitions(w->hv);

	for (guint i = 0; i < all->len; i++) {
		struct partition *p = g_ptr_array_index(all, i);

		if (p == w->quiet)
			continue;
		write_script(f, w, p);
		for (unsigned k = 0; k < TRIGGER_PAGES; k++)
			write_triggers(f, p);
	}
	g_ptr_array_free(all, TRUE);
}

struct writer {
	struct world *w;
	struct fuzz f;
	_Atomic bool over;
};

/* New calls for the guests, while they make the old ones. */
static void *write_on(void *o)
{
	struct writer *a = o;

	while (!atomic_load(&a->over)) {
		write_scripts(&a->f, a->w);
		g_usleep(500);
	}
	return NULL;
}

/* What people see; and the calls that have been good for anything. */
static uint64_t look_on(struct world *w)
{
	GPtrArray *all = hv_partitions(w->hv);
	uint64_t calls = 0;

	for (guint i = 0; i < all->len; i++) {
		struct partition *p = g_ptr_array_index(all, i);
		struct partition_look look;

		partition_look(p, &look);
		partition_run_time_ns(p);
		PARTITION_FOREACH_VP(vp, p)
			calls += atomic_load(&vp->count[COUNT_HYPERCALLS]) - atomic_load(&vp->count[COUNT_HYPERCALLS_FAILED]);
	}
	g_ptr_array_free(all, TRUE);
	return calls;
}

/* As if all parents had answered all that was intercepted: the VPs begin again. */
static void go_on(struct world *w)
{
	GPtrArray *all = hv_partitions(w->hv);

	/* Whoever has taken its own code away would end it all. */
	if (partition_state(w->first) == PARTITION_CRASHED)
		partition_change_state(w->first, PARTITION_SUSPENDED);
	for (guint i = 0; i < all->len; i++) {
		struct partition *p = g_ptr_array_index(all, i);

		if (p == w->quiet || !partition_is_active(p))
			continue;
		write_code(p);
		PARTITION_FOREACH_VP(vp, p) {
			vp_call(vp, point, NULL);
			vp_continue(vp, SUSPEND_INTERCEPT | SUSPEND_EXPLICIT | SUSPEND_DISPATCH);
		}
	}
	g_ptr_array_free(all, TRUE);
}

static void burst(struct fuzz *f, struct world *w)
{
	struct writer writer = { w, { fuzz_next(f) }, false };
	uint64_t before;
	GThread *thread;

	go_on(w);
	before = look_on(w);
	partition_start(w->first);
	thread = g_thread_new("writer", write_on, &writer);
	for (unsigned i = 0; i < LOOKS && look_on(w) - before < BURST_CALLS; i++)
		g_usleep(1000);
	atomic_store(&writer.over, true);
	g_thread_join(thread);
	partition_suspend(w->first);
}

/* Sometimes the first is a root, and sometimes one that schedules. */
static void choose_role(struct fuzz *f, struct world *w)
{
	struct hv_features *now = &w->first->features;
	bool root = fuzz_chance(f, 2);

	now->privileges = root ? now->privileges | HV_CPU_MANAGEMENT : now->privileges & ~HV_CPU_MANAGEMENT;
	hv_set_root_scheduler(w->hv, root && fuzz_chance(f, 2));
}

static void world_round(struct fuzz *f, void *o)
{
	struct world *w = o;

	choose_role(f, w);
	make_family(w, f);
	look_around(w);
	for (unsigned i = 0; i < BURSTS; i++) {
		write_scripts(f, w);
		burst(f, w);
		check_all(w);
		single_calls(f, w);
		check_all(w);
	}
	partition_reset(w->first);
	check_all(w);
	check_end(w);
}

int main(int argc, char **argv)
{
	const struct fuzz_target target = { "family", world_open, world_round, world_close };

	return fuzz_main(argc, argv, &target);
}

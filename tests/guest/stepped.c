/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random code, once step by step and once at full speed: both must end, and fault, with
 * the same registers and the same memory.  Its operands lie around the edge of a page that
 * is there, missing or read-only, so that faults come in the middle of blocks, between
 * accesses that a translator would check together, behind flags that nobody reads.
 * Words of the command line: seed=, count= (of programs).
 */
#include "lib/guest.h"

/* Pages of data in a row: RDI is near the edge between the second and the third, RSI in the first, RSP in the fourth. */
#define AREA 0x10000000000ull
#define EDGE (AREA + 2 * PAGE)
enum { PAGES = 4, SIZE = PAGES * PAGE, INSNS = 12, WINDOW = 192, STATUS = F_CF | F_PF | F_ZF | F_SF | F_OF };
/* What of the area can change: around the two borders of the third page, RSI's and RSP's places. */
static const unsigned windows[] = { 512, 2 * PAGE - WINDOW, 3 * PAGE - WINDOW, 3 * PAGE + 1024 - WINDOW };
static uint8_t *memory, *code;
static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned below(unsigned n) { return (next_random() >> 20) % n; }

/* ---- making code ------------------------------------------------------------------------------------------ */

static uint8_t *at;
static void byte(uint8_t v) { *at++ = v; }

/* RAX RCX RDX RBX RBP R8-R11: what may be written. */
static unsigned any_register(void)
{
	static const uint8_t r[] = { 0, 1, 2, 3, 5, 8, 9, 10, 11 };

	return r[below(sizeof r)];
}

/* Prefixes and opcode with @reg, and a memory operand off RDI, RSI or RSP, some with R12 (which is 8) as index. */
static void with_memory(uint8_t legacy, bool w, bool two, uint8_t opcode, unsigned reg)
{
	unsigned base = below(8) < 5 ? 7 : below(2) ? 6 : 4, index = below(4) == 0 ? 12 : 4;
	int disp = (int)below(WINDOW / 2) - WINDOW / 4;
	bool wide = below(4) == 0;

	/* Often the same few places, as real code has them. */
	if (below(2))
		disp = (disp & ~15) / 2;
	if (legacy)
		byte(legacy);
	if (w || reg > 7 || index == 12)
		byte(0x40 | w << 3 | (reg > 7) << 2 | (index == 12) << 1);
	if (two)
		byte(0x0f);
	byte(opcode);
	byte((wide ? 0x80 : 0x40) | (reg & 7) << 3 | 4);
	byte((index == 12 ? below(2) << 6 : 0) | (index & 7) << 3 | base);
	byte(disp);
	if (wide)
		for (unsigned n = 0; n < 3; n++)
			byte(disp < 0 ? 0xff : 0);
}

static void with_registers(bool w, bool two, uint8_t opcode, unsigned reg, unsigned rm)
{
	byte(0x40 | w << 3 | (reg > 7) << 2 | (rm > 7));
	if (two)
		byte(0x0f);
	byte(opcode);
	byte(0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void make_instruction(void)
{
	static const uint8_t alu[] = { 0x01, 0x03, 0x11, 0x13, 0x19, 0x1b, 0x21, 0x23, 0x29, 0x2b, 0x31, 0x33, 0x39, 0x3b, 0x09, 0x0b };
	bool w = below(2);
	unsigned r = any_register();

	switch (below(36)) {
	case 0: case 1: case 2: case 3:
		with_memory(below(6) ? 0 : 0x66, w, false, 0x8b, r);                  /* MOV r, m */
		break;
	case 4: case 5: case 6: case 7:
		with_memory(below(6) ? 0 : 0x66, w, false, 0x89, r);                  /* MOV m, r */
		break;
	case 8: case 9:
		with_memory(0, w, false, alu[below(sizeof alu)], r);
		break;
	case 10: case 11:
		with_registers(w, false, alu[below(sizeof alu)] | 2, r, any_register());
		break;
	case 12:
		with_memory(0, w, false, 0xff, below(2));                             /* INC, DEC m */
		break;
	case 13:
		with_memory(0, w, false, 0x83, below(8));                             /* op m, imm8 */
		byte(next_random());
		break;
	case 14:
		with_memory(0, false, true, 0x90 | below(16), 0);                     /* SETcc m */
		break;
	case 15:
		with_memory(0, w, true, 0x40 | below(16), r);                         /* CMOVcc r, m */
		break;
	case 16:
		with_memory(0, w, true, below(2) ? 0xb6 : 0xbf, r);                   /* MOVZX, MOVSX r, m */
		break;
	case 17:
		byte(0xf0);                                                           /* LOCK ADD m, r; XADD; CMPXCHG */
		if (below(3))
			with_memory(0, w, true, below(2) ? 0xc1 : 0xb1, r);
		else
			with_memory(0, w, false, 0x01, r);
		break;
	case 18:
		with_memory(0, w, false, 0x87, r);                                    /* XCHG m, r */
		break;
	case 19:
		with_memory(0, false, true, 0x10 | below(2), below(4));               /* MOVUPS */
		break;
	case 20:
		with_memory(0x66, false, true, below(2) ? 0xfe : 0xef, below(4));     /* PADDD, PXOR: #GP if not aligned */
		break;
	case 21:
		byte(r > 7 ? 0x41 : 0x40);                                            /* PUSH, POP */
		byte((below(2) ? 0x50 : 0x58) | (r & 7));
		break;
	case 22:
		with_memory(0, w, false, 0xf7, 2 + below(2));                         /* NOT, NEG m */
		break;
	case 23:
		with_memory(0, w, false, 0x8d, r);                                    /* LEA */
		break;
	case 24:
		with_memory(0, false, false, 0xc6, 0);                                /* MOV m, imm8 */
		byte(next_random());
		break;
	case 25:
		with_memory(0, w, true, 0xba, 4);                                     /* BT m, imm8 */
		byte(below(64));
		break;
	case 26:
		with_memory(0, false, true, "\x51\x58\x59\x5c\x5d\x5e\x5f"[below(7)], below(4)); /* SQRTPS to MAXPS: as above */
		break;
	case 27:
		with_memory(0xf2 + below(2), w, true, "\x10\x2a\x58\x59\x5a\x5e"[below(6)], below(4)); /* MOVSS/SD, CVT, ADD, MUL, DIV */
		break;
	case 28:
		with_memory(0xf2 + below(2), false, true, 0x11, below(4));            /* MOVSS, MOVSD to memory */
		break;
	case 29: case 30:
		with_memory(0, false, false, 0xd9 + 2 * below(3), below(2) ? 0 : 3);  /* FLD, FSTP, FILD, FISTP m */
		break;
	case 31:
		with_memory(0, false, false, 0xd8 + 4 * below(2), "\0\1\4\6"[below(4)]); /* FADD, FMUL, FSUB, FDIV m */
		break;
	case 32:
		byte(0xd9);                                                           /* FXCH, FCHS, FLD1, FSQRT */
		byte("\xc9\xe0\xe8\xfa"[below(4)]);
		break;
	case 33:
		with_registers(w, false, 0xd1, below(4), r);                          /* ROL, ROR, RCL, RCR by 1 */
		break;
	case 34:
		with_memory(0, w, false, 0xd1, "\4\5\7"[below(3)]);                   /* SHL, SHR, SAR m by 1 */
		break;
	default:
		byte(0xe8);                                                           /* CALL of what follows, POP */
		for (unsigned n = 0; n < 4; n++)
			byte(0);
		byte(r > 7 ? 0x41 : 0x40);
		byte(0x58 | (r & 7));
	}
}

static void make_program(void)
{
	uint8_t *hole = NULL;
	unsigned left = 0;

	at = code;
	for (unsigned n = 0; n < INSNS; n++) {
		if (!left && below(6) == 0) {
			byte(0x70 | below(16));                                       /* Jcc over one to three */
			hole = at;
			byte(0);
			left = 1 + below(3);
		}
		make_instruction();
		if (left && !--left)
			*hole = at - hole - 1;
	}
	if (left)
		*hole = at - hole - 1;
	/* Some are loops of R13 turns, which go over the edge as RDI moves. */
	if (below(2)) {
		static const uint8_t next[] = { 0x48, 0x8d, 0x7f };           /* LEA RDI, [RDI+disp8] */
		static const uint8_t loop[] = { 0x49, 0xff, 0xcd, 0x0f, 0x85 }; /* DEC R13; JNZ rel32 */
		int32_t back;

		for (unsigned n = 0; n < sizeof next; n++)
			byte(next[n]);
		byte(8 * below(4) - 8);
		for (unsigned n = 0; n < sizeof loop; n++)
			byte(loop[n]);
		back = code - (at + 4);
		for (unsigned n = 0; n < 4; n++)
			byte(back >> n * 8);
	}
	byte(0xcd);
	byte(USER_VECTOR);
}

/* ---- running it ---------------------------------------------------------------------------------------------- */

struct result {
	struct frame frame;
	unsigned vector;
	uint64_t error, cr2;
	uint8_t window[ARRAY_SIZE(windows)][2 * WINDOW], fx[512] __attribute__((aligned(16)));
};
static struct result stepped[3], full[3];
static uint8_t start_window[ARRAY_SIZE(windows)][2 * WINDOW];
static unsigned steps;

static void step(struct frame *f)
{
	steps++;
	write_dr6(0xffff0ff0);
}

static void put_memory(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(windows); n++)
		memcpy(memory + windows[n], start_window[n], sizeof start_window[n]);
}

static void keep(struct result *r)
{
	r->frame = event.frame;
	r->frame.flags &= STATUS | F_DF | F_IF;
	r->vector = event.vector;
	r->error = event.error;
	r->cr2 = event.vector == PF ? event.cr2 : 0;
	for (unsigned n = 0; n < ARRAY_SIZE(windows); n++)
		memcpy(r->window[n], memory + windows[n], sizeof r->window[n]);
	/* x87 with its pointers, MXCSR, XMM. */
	asm volatile("fxsave64 %0" : "=m"(r->fx));
}

static void map_edge(unsigned way)
{
	uint64_t bits = way == 0 ? P_P | P_W : way == 1 ? 0 : P_P;

	page_map(EDGE, (uint64_t)memory + 2 * PAGE, bits, 1);
}

/* To the fault, if there is one, and from there to the end with the page there; @flags: F_TF or 0. */
static unsigned run(const struct frame *f, unsigned way, uint64_t flags, struct result *r)
{
	static uint8_t image[512] __attribute__((aligned(16)));
	struct frame g = *f;

	put_memory();
	*(uint16_t *)image = 0x37f;
	*(uint32_t *)(image + 24) = 0x1f80;
	memcpy(image + 160, start_window, 64);
	asm volatile("fxrstor64 %0" : : "m"(image));
	map_edge(way);
	g.flags |= flags;
	run_kernel(&g);
	keep(&r[0]);
	if (event.vector != PF)
		return 1;
	map_edge(0);
	run_kernel(&event.frame);
	keep(&r[1]);
	return 2;
}

static void show(const struct frame *f, const struct result *a, const struct result *b)
{
	print("# code:");
	for (const uint8_t *p = code; p < at; p++)
		print(" %02x", *p);
	print("\n# rdi edge %d; stepped: vector %u error 0x%lx cr2 0x%lx ip + %lu flags 0x%lx; full: %u 0x%lx 0x%lx + %lu 0x%lx\n", (int)(f->di - EDGE),
	      a->vector, a->error, a->cr2, a->frame.ip - (uint64_t)code, a->frame.flags, b->vector, b->error, b->cr2, b->frame.ip - (uint64_t)code,
	      b->frame.flags);
	print("# ax 0x%lx 0x%lx, bx 0x%lx 0x%lx, cx 0x%lx 0x%lx, dx 0x%lx 0x%lx, bp 0x%lx 0x%lx, sp 0x%lx 0x%lx\n", a->frame.ax, b->frame.ax, a->frame.bx,
	      b->frame.bx, a->frame.cx, b->frame.cx, a->frame.dx, b->frame.dx, a->frame.bp, b->frame.bp, a->frame.sp, b->frame.sp);
	for (unsigned n = 0; n < sizeof a->fx; n++)
		if (a->fx[n] != b->fx[n])
			print("# FXSAVE byte %u: 0x%x, 0x%x\n", n, a->fx[n], b->fx[n]);
	for (unsigned n = 0; n < ARRAY_SIZE(windows); n++)
		for (unsigned k = 0; k < 2 * WINDOW; k++)
			if (a->window[n][k] != b->window[n][k])
				print("# memory at %u: 0x%x, 0x%x\n", windows[n] + k, a->window[n][k], b->window[n][k]);
}

static unsigned faults[32], differ;

static void try_program(unsigned way, int64_t edge)
{
	struct frame f = { .ip = (uint64_t)code, .ax = next_random(), .bx = next_random() >> below(64), .cx = next_random() >> below(64), .dx = next_random(),
			   .bp = next_random() >> below(64), .r8 = next_random(), .r9 = next_random() >> below(64), .r10 = next_random(), .r11 = below(2),
			   .r12 = 8, .r13 = 1 + below(5), .di = EDGE + edge, .si = AREA + 512 + WINDOW, .sp = AREA + 3 * PAGE + 1024,
			   .flags = 2 | (next_random() & STATUS) };
	unsigned n, m;

	for (unsigned k = 0; k < sizeof start_window; k += 8)
		*(uint64_t *)((uint8_t *)start_window + k) = next_random() >> (below(4) ? 0 : below(64));
	put_memory();
	n = run(&f, way, F_TF, stepped);
	if (stepped[0].vector < 32)
		faults[stepped[0].vector]++;
	/* Several times: the first meets new code and cold tables, later ones linked code. */
	for (unsigned k = 0; k < 3; k++) {
		m = run(&f, way, 0, full);
		if (m == n && !memcmp(stepped, full, n * sizeof full[0]))
			continue;
		if (differ++ < 3) {
			print("# run %u, edge %s\n", k + 1, way == 0 ? "there" : way == 1 ? "missing" : "read-only");
			show(&f, &stepped[0], &full[0]);
			if (n == 2 && m == 2)
				show(&f, &stepped[1], &full[1]);
		}
		break;
	}
}

/* Programs that were once not the same. */
static const struct { uint8_t n, code[14]; int8_t edge; } known[] = {
	/* ADD EBP, EBP; SHL [RDI-8], 1; OR EDX, [RSI] */
	{ 7, { 0x03, 0xed, 0xd1, 0x67, 0xf8, 0x0b, 0x16 }, 8 },
	/* ADD ECX, ECX; SAR [RDI+2Ah], 1; AND EDX, [RSI] */
	{ 7, { 0x03, 0xc9, 0xd1, 0x7f, 0x2a, 0x23, 0x16 }, 0 },
};

static void try_known(void)
{
	differ = 0;
	for (unsigned n = 0; n < ARRAY_SIZE(known); n++) {
		for (unsigned round = 0; round < 20; round++) {
			at = code;
			for (unsigned k = 0; k < known[n].n; k++)
				byte(known[n].code[k]);
			byte(0xcd);
			byte(USER_VECTOR);
			try_program(1, known[n].edge);
		}
	}
	check_eq(differ, 0, "programs that were once not the same");
}

void guest_main(void)
{
	unsigned count = guest_option("count", 300);
	static const char *const name[] = { "there", "missing", "read-only" };

	seed = 0x9e3779b97f4a7c15 * (guest_option("seed", 1) + 1);
	memory = page_alloc();
	for (unsigned n = 1; n < PAGES; n++)
		page_alloc();
	code = page_alloc();
	for (unsigned n = 0; n < PAGES; n++)
		page_map(AREA + n * PAGE, (uint64_t)memory + n * PAGE, P_P | P_W, 1);
	handler[DB] = step;
	/* The stack of the code is small and full of its data: exceptions get their own. */
	static uint8_t ist[8192] __attribute__((aligned(16)));
	tss.ist[0] = (uint64_t)ist + sizeof ist;
	for (unsigned v = 0; v < 32; v++)
		reset_gate(v, GATE_INTERRUPT, 1);
	reset_gate(USER_VECTOR, GATE_USER, 1);
	for (unsigned way = 0; way < 3; way++) {
		differ = 0;
		for (unsigned n = 0; n < count; n++) {
			make_program();
			try_program(way, below(2) ? (int)below(96) - 48 : 8 * (int)below(12) - 48);
		}
		check_eq(differ, 0, "%u random programs, page %s: stepped and at full speed they are the same, at the fault and in the end", count, name[way]);
	}
	try_known();
	check(steps > count && faults[PF] > count / 4 && faults[GP], "they have stepped (%u), met #PF (%u) and #GP (%u)", steps, faults[PF], faults[GP]);
}

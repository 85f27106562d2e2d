/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest state that stays in the host's registers between translated blocks.
 *
 * What is held has all its exceptions masked (X86_MODE_*_TRAPS are clear), so
 * nothing here or in translated code traps.  C code finds the host's defaults.
 */
#include <cpuid.h>
#include <pthread.h>

#include "jit.h"

enum { IMAGE_ST = 32, IMAGE_HEADER = 512, MXCSR_DEFAULT = 0x1f80 };

/* 0F op with a context slot. */
static void ctx_0f(struct emit *e, bool w, uint8_t op, unsigned reg, uint32_t disp)
{
	e8(e, (uint8_t)(0x40 | w << 3 | (reg >> 3) << 2));
	e8(e, 0x0f);
	e8(e, op);
	e8(e, (uint8_t)(0x84 | (reg & 7) << 3));
	e8(e, 0x24);
	e32(e, disp);
}

/* ---- vector ---- */

/* VMOVUPS of a whole register, or MOVUPS on a host without AVX, which then has no upper half to lose. */
static void move_vector(struct emit *e, bool avx, bool store, unsigned n, uint32_t disp)
{
	uint8_t op = store ? 0x11 : 0x10;

	if (!avx) {
		ctx_0f(e, false, op, n, disp);
		return;
	}
	e8(e, 0xc5);
	e8(e, n < 8 ? 0xfc : 0x7c);
	e8(e, op);
	e8(e, (uint8_t)(0x84 | (n & 7) << 3));
	e8(e, 0x24);
	e32(e, disp);
}

static void ldmxcsr(struct emit *e, uint32_t disp) { ctx_0f(e, false, 0xae, 2, disp); }
static void stmxcsr(struct emit *e, uint32_t disp) { ctx_0f(e, false, 0xae, 3, disp); }

static void vec_in(struct emit *e, bool avx, int32_t off)
{
	for (unsigned n = 0; n < 16; n++)
		move_vector(e, avx, false, n, CPU_AT(ymm) + n * sizeof(union x86_vec) + off);
	ldmxcsr(e, CPU_AT(mxcsr) + off);
}

/* The sticky flags that remain in the host's MXCSR mean nothing to C code. */
static void vec_out(struct emit *e, bool avx, int32_t off)
{
	for (unsigned n = 0; n < 16; n++)
		move_vector(e, avx, true, n, CPU_AT(ymm) + n * sizeof(union x86_vec) + off);
	if (avx)
		E_RAW(e, "\xc5\xf8\x77");                    /* vzeroupper */
	stmxcsr(e, CPU_AT(mxcsr) + off);
	e_ctx(e, false, 0x8b, H_RAX, CPU_AT(mxcsr) + off);
	E_RAW(e, "\x83\xe0\xc0\x3d");                        /* and eax,-64; cmp eax,default */
	e32(e, MXCSR_DEFAULT);
	E_RAW(e, "\x74\x09");                                /* je over the next */
	ldmxcsr(e, TABLES_AT(mxcsr) + off);
}

/* ---- x87 ---- */

/*
 * By an XSAVE image of the x87 component alone: ST(0) comes first there, while struct
 * x86_fpu keeps physical registers.  FIP, FDP and the like are not taken from the host.
 */
static uint32_t image(unsigned at, int32_t off) { return TABLES_AT(x87_image) + at + off; }
static uint32_t fpu(unsigned at, int32_t off) { return CPU_AT(fpu) + at + off; }

static void word(struct emit *e, uint8_t op, unsigned reg, uint32_t disp)
{
	e8(e, 0x66);
	e_ctx(e, false, op, reg, disp);
}

/* mov RAX,[RSP+RCX+disp], or back. */
static void indexed(struct emit *e, uint8_t op, uint32_t disp)
{
	e8(e, 0x48);
	e8(e, op);
	E_RAW(e, "\x84\x0c");
	e32(e, disp);
}

/* RDX: 16 * TOP. */
static void stack_registers(struct emit *e, bool in, int32_t off)
{
	for (unsigned i = 0; i < 8; i++) {
		E_RAW(e, "\x8d\x4a");                        /* lea ecx,[rdx+16*i] */
		e8(e, (uint8_t)(16 * i));
		E_RAW(e, "\x83\xe1\x70");                    /* and ecx,70h */
		for (unsigned half = 0; half < 16; half += 8) {
			if (in) {
				indexed(e, 0x8b, fpu(half, off));
				e_store(e, H_RAX, image(IMAGE_ST + 16 * i + half, off));
			} else {
				e_load(e, H_RAX, image(IMAGE_ST + 16 * i + half, off));
				indexed(e, 0x89, fpu(half, off));
			}
		}
	}
}

#define FPU(field) offsetof(struct x86_fpu, field)

static void xstate(struct emit *e, unsigned ext, int32_t off)
{
	E_RAW(e, "\xb8\x01\x00\x00\x00\x31\xd2");            /* mov eax,1; xor edx,edx */
	ctx_0f(e, true, 0xae, ext, image(0, off));
}

static void x87_in(struct emit *e, int32_t off)
{
	ctx_0f(e, false, 0xb6, H_RDX, fpu(FPU(top), off));   /* movzx */
	ctx_0f(e, false, 0xb7, H_RAX, fpu(FPU(fcw), off));
	e_ctx(e, false, 0x89, H_RAX, image(0, off));
	E_RAW(e, "\x89\xd1\xc1\xe1\x0b");                    /* mov ecx,edx; shl ecx,11 */
	ctx_0f(e, false, 0xb7, H_RAX, fpu(FPU(fsw), off));
	E_RAW(e, "\x09\xc8");                                /* or eax,ecx */
	word(e, 0x89, H_RAX, image(2, off));
	ctx_0f(e, false, 0xb6, H_RAX, fpu(FPU(empty), off));
	E_RAW(e, "\xf7\xd0\x0f\xb6\xc0");                    /* not eax; movzx eax,al */
	e_store(e, H_RAX, image(4, off));
	E_RAW(e, "\xc1\xe2\x04");                            /* shl edx,4 */
	stack_registers(e, true, off);
	E_RAW(e, "\xb8\x01\x00\x00\x00");                    /* mov eax,1 */
	e_store(e, H_RAX, image(IMAGE_HEADER, off));
	xstate(e, 5, off);                                   /* xrstor64 */
}

static void x87_out(struct emit *e, int32_t off)
{
	xstate(e, 4, off);                                   /* xsave64 */
	E_RAW(e, "\xdb\xe3");                                /* fninit */
	ctx_0f(e, false, 0xb7, H_RAX, image(0, off));
	word(e, 0x89, H_RAX, fpu(FPU(fcw), off));
	ctx_0f(e, false, 0xb7, H_RAX, image(2, off));
	E_RAW(e, "\x89\xc2\xc1\xea\x0b\x83\xe2\x07\x25");    /* mov edx,eax; shr edx,11; and edx,7; and eax,~TOP */
	e32(e, 0xc7ff);
	word(e, 0x89, H_RAX, fpu(FPU(fsw), off));
	e_ctx(e, false, 0x88, H_RDX, fpu(FPU(top), off));
	ctx_0f(e, false, 0xb6, H_RAX, image(4, off));
	E_RAW(e, "\xf7\xd0");                                /* not eax */
	e_ctx(e, false, 0x88, H_RAX, fpu(FPU(empty), off));
	E_RAW(e, "\xc1\xe2\x04");                            /* shl edx,4 */
	stack_registers(e, false, off);
}

/* ---- all ---- */

void held_in(const struct jit *j, struct emit *e, unsigned held, int32_t off)
{
	if (held & HELD_X87)
		x87_in(e, off);
	if (held & HELD_VEC)
		vec_in(e, j->host[F_AVX], off);
}

void held_out(const struct jit *j, struct emit *e, unsigned held, int32_t off)
{
	if (held & HELD_VEC)
		vec_out(e, j->host[F_AVX], off);
	if (held & HELD_X87)
		x87_out(e, off);
}

/* The thunk that a block calls: takes @held over in the middle of it.  X87 destroys flags. */
void held_take(const struct jit *j, struct emit *e, unsigned held)
{
	static const uint8_t saved[] = { H_RAX, H_RCX, H_RDX };
	bool x87 = held & HELD_X87;

	for (unsigned i = 0; x87 && i < sizeof saved; i++)
		e_store(e, saved[i], GPR_AT(saved[i]) + 8);
	held_in(j, e, held, 8);
	for (unsigned i = 0; x87 && i < sizeof saved; i++)
		e_load(e, saved[i], GPR_AT(saved[i]) + 8);
	e8(e, 0xc3);
}

/* ---- the host's processor ---- */

static bool bit_of(unsigned leaf, unsigned sub, char reg, unsigned bit)
{
	unsigned a, b, c, d;

	if (!__get_cpuid_count(leaf, sub, &a, &b, &c, &d))
		return false;
	return (reg == 'A' ? a : reg == 'B' ? b : reg == 'C' ? c : d) >> bit & 1;
}

/* XCR0: the operating system saves what @bits say. */
static bool saves(uint32_t bits)
{
	enum { OSXSAVE = 27 };
	uint32_t lo, hi;

	if (!bit_of(1, 0, 'C', OSXSAVE))
		return false;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (lo & bits) == bits;
}

static bool features[F_COUNT];

static void look_at_host(void)
{
	static const uint16_t avx[] = { F_AVX, F_AVX2, F_FMA, F_F16C };

#define X(suffix, name, leaf, sub, reg, bit, have) features[F_##suffix] = bit_of(leaf, sub, #reg[0], bit);
#include "target/i386/features.def"
#undef X
	features[F_NONE] = true;
	features[F_XSAVE] = saves(1);
	for (unsigned i = 0; i < sizeof avx / sizeof avx[0]; i++)
		features[avx[i]] &= saves(6);
}

/* Once: a virtual host's CPUID takes so long that all of them are milliseconds. */
void host_features(struct jit *j)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, look_at_host);
	memcpy(j->host, features, sizeof j->host);
}

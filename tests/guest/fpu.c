/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the system sees of x87, SSE and AVX: availability, exceptions, saved images. */
#include "lib/guest.h"

enum { X87 = 1, SSE = 2, AVX = 4, LEGACY = 512, HEADER = 64, AVX_AT = 576, AREA = 1024 };
enum { MXCSR_DEFAULT = 0x1f80, FCW_DEFAULT = 0x37f };
enum { AT_FCW = 0, AT_FSW = 2, AT_FTW = 4, AT_MXCSR = 24, AT_MASK = 28, AT_ST = 32, AT_XMM = 160, AT_BV = 512, AT_COMP = 520 };
#define COMPACT (1ull << 63)
static uint8_t area[AREA] __attribute__((aligned(64)));
static uint8_t ones[32] __attribute__((aligned(32)));

static uint16_t get16(unsigned at) { return *(uint16_t *)(area + at); }
static uint32_t get32(unsigned at) { return *(uint32_t *)(area + at); }
static uint64_t get64(unsigned at) { return *(uint64_t *)(area + at); }
static void put64(unsigned at, uint64_t v) { *(uint64_t *)(area + at) = v; }

static void cr0_set(uint64_t bits) { write_cr0(read_cr0() | bits); }
static void cr0_clear(uint64_t bits) { write_cr0(read_cr0() & ~bits); }
static void cr4_set(uint64_t bits) { write_cr4(read_cr4() | bits); }
static void cr4_clear(uint64_t bits) { write_cr4(read_cr4() & ~bits); }

static void set_mxcsr(uint32_t v) { asm volatile("ldmxcsr %0" : : "m"(v)); }
static uint32_t get_mxcsr(void)
{
	uint32_t v;

	asm volatile("stmxcsr %0" : "=m"(v));
	return v;
}

static void xsetbv(uint64_t v) { asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))); }
static uint64_t xgetbv(uint32_t n)
{
	uint32_t a, d;

	asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(n));
	return a | (uint64_t)d << 32;
}

static void availability(void)
{
	cr0_set(CR0_TS);
	TRY("fld1", :);
	check_fault(NM, 0, "CR0.TS: x87 is #NM");
	TRY("paddb %%mm0, %%mm0", :);
	check_fault(NM, 0, "MMX");
	TRY("addps %%xmm0, %%xmm0", :);
	check_fault(NM, 0, "SSE");
	TRY("fxsave %0", : "=m"(area));
	check_fault(NM, 0, "FXSAVE");
	TRY("fwait", :);
	check_fault(NM, 0, "WAIT with CR0.MP");
	cr0_clear(CR0_MP);
	TRY("fwait", :);
	check_no_fault("WAIT without CR0.MP");
	cr0_set(CR0_MP);
	TRY("prefetcht0 %0", : : "m"(area));
	check_no_fault("PREFETCH does not care");
	TRY("sfence", :);
	check_no_fault("nor SFENCE");
	asm volatile("clts");
	cr0_set(CR0_EM);
	TRY("fld1", :);
	check_fault(NM, 0, "CR0.EM: x87 is #NM");
	TRY("paddb %%mm0, %%mm0", :);
	check_fault(UD, 0, "MMX is #UD");
	TRY("addps %%xmm0, %%xmm0", :);
	check_fault(UD, 0, "SSE is #UD");
	cr0_clear(CR0_EM);
	cr4_clear(CR4_OSFXSR);
	TRY("addps %%xmm0, %%xmm0", :);
	check_fault(UD, 0, "SSE without CR4.OSFXSR is #UD");
	TRY("ldmxcsr %0", : : "m"(ones));
	check_fault(UD, 0, "LDMXCSR too");
	TRY("paddb %%mm0, %%mm0; emms", :);
	check_no_fault("MMX does not need it");
	cr4_set(CR4_OSFXSR);
}

static void x87_exceptions(void)
{
	uint16_t cw = FCW_DEFAULT & ~4, sw;  /* division by zero unmasked */

	asm volatile("fninit; fldcw %0" : : "m"(cw));
	TRY("fld1; fldz; fdivrp; nop", :);
	check_no_fault("an unmasked x87 exception is pending after the instruction that met it");
	asm volatile("fnstsw %0" : "=a"(sw));
	check_eq(sw & 0x80ff, 0x8084, "FSW: ES, B, ZE");
	TRY("fwait", :);
	check_fault(MF, 0, "and #MF at the next WAIT");
	TRY("fld1", :);
	check_fault(MF, 0, "or x87 instruction");
	TRY("paddb %%mm0, %%mm0", :);
	check_fault(MF, 0, "or MMX instruction");
	TRY("fnstsw %%ax", : : : "rax");
	check_no_fault("not at one that does not wait");
	asm volatile("fnclex");
	TRY("fwait", :);
	check_no_fault("FNCLEX clears it");
	/* A later unmasking makes an old flag pending. */
	cw = FCW_DEFAULT;
	asm volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(cw));
	cw &= ~4;
	TRY("fldcw %0; nop", : : "m"(cw));
	check_no_fault("FLDCW that unmasks a flag");
	TRY("fwait", :);
	check_fault(MF, 0, "makes it pending");
	asm volatile("fninit");
}

static void sse_exceptions(void)
{
	static const float one = 1;

	asm volatile("movss %0, %%xmm0; xorps %%xmm1, %%xmm1" : : "m"(one));
	set_mxcsr(MXCSR_DEFAULT & ~0x200);  /* division by zero unmasked */
	TRY("divss %%xmm1, %%xmm0", :);
	check_fault(XM, 0, "unmasked SSE exception is #XM at the instruction");
	check_eq(get_mxcsr(), (MXCSR_DEFAULT & ~0x200) | 4, "with its flag set");
	asm volatile("movss %%xmm0, %0" : "=m"(area));
	check_eq(get32(0), 0x3f800000, "and the destination unchanged");
	cr4_clear(CR4_OSXMMEXCPT);
	TRY("divss %%xmm1, %%xmm0", :);
	check_fault(UD, 0, "without CR4.OSXMMEXCPT it is #UD");
	cr4_set(CR4_OSXMMEXCPT);
	set_mxcsr(MXCSR_DEFAULT);
	TRY("divss %%xmm1, %%xmm0", :);
	check_no_fault("masked");
	check_eq(get_mxcsr(), MXCSR_DEFAULT | 4, "only the flag");
	set_mxcsr(MXCSR_DEFAULT);
	*(uint32_t *)area = 0x10000;
	TRY("ldmxcsr %0", : : "m"(area));
	check_fault(GP, 0, "reserved bit of MXCSR: #GP(0)");
	check_eq(get_mxcsr(), MXCSR_DEFAULT, "unchanged");
}

static void fill_registers(void)
{
	uint16_t cw = 0x27f;

	memset(ones, 0x11, sizeof ones);
	asm volatile("fninit; fldcw %0; fld1; fldz; movups %1, %%xmm0; movups %1, %%xmm15" : : "m"(cw), "m"(ones));
	set_mxcsr(0x1fa0);
}

static void clear_registers(void)
{
	asm volatile("fninit; xorps %xmm0, %xmm0; xorps %xmm15, %xmm15");
	set_mxcsr(MXCSR_DEFAULT);
}

static void fxsave_image(void)
{
	memset(area, 0xee, sizeof area);
	fill_registers();
	asm volatile("fxsave64 %0" : "=m"(area));
	check_eq(get16(AT_FCW), 0x27f, "FXSAVE: FCW");
	check_eq(get16(AT_FSW) >> 11 & 7, 6, "TOP in FSW");
	check_eq(area[AT_FTW], 0xc0, "abridged tag word: a bit for each physical register in use");
	check_eq(get32(AT_MXCSR), 0x1fa0, "MXCSR");
	check(get32(AT_MASK) & 0xffbf, "MXCSR mask is not zero");
	check(get64(AT_ST) == 0 && get16(AT_ST + 8) == 0, "ST(0) is 0");
	check(get64(AT_ST + 16) == 1ull << 63 && get16(AT_ST + 24) == 0x3fff, "ST(1) is 1");
	check(get64(AT_XMM) == 0x1111111111111111 && get64(AT_XMM + 15 * 16 + 8) == 0x1111111111111111, "XMM0, XMM15");
	check_eq(area[464], 0xee, "bytes 511:464 are left to software");
	clear_registers();
	asm volatile("fxrstor64 %0" : : "m"(area));
	memset(area + AT_XMM, 0, 256);
	asm volatile("fxsave64 %0" : "=m"(area));
	check(get16(AT_FCW) == 0x27f && area[AT_FTW] == 0xc0 && get32(AT_MXCSR) == 0x1fa0 && get64(AT_XMM) == 0x1111111111111111,
	      "FXRSTOR gives all back");
	TRY("fxsave64 8+%0", : "=m"(area));
	check_fault(GP, 0, "FXSAVE not aligned to 16: #GP(0)");
	*(uint32_t *)(area + AT_MXCSR) |= 1u << 31;
	TRY("fxrstor64 %0", : : "m"(area));
	check_fault(GP, 0, "FXRSTOR with a reserved MXCSR bit: #GP(0)");
}

#define SAVE(insn, mask) asm volatile(insn " %0" : "+m"(area) : "a"(mask), "d"(0) : "memory")
#define TRY_SAVE(insn, mask) TRY(insn " %0", : "+m"(area) : "a"(mask), "d"(0) : "memory")

CODE(user_xsetbv, "xorl %ecx, %ecx; movl $3, %eax; xorl %edx, %edx; xsetbv" USER_EXIT);
CODE(user_xgetbv, "xorl %ecx, %ecx; xgetbv" USER_EXIT);
CODE(user_xsaves, "movl $3, %eax; xorl %edx, %edx; andq $~63, %rsp; xsaves -1024(%rsp)" USER_EXIT);

static void enabling(void)
{
	cr4_clear(CR4_OSXSAVE);
	check_eq(cpuid(1, 0).c >> 27 & 1, 0, "CPUID mirrors CR4.OSXSAVE (off)");
	TRY_SAVE("xsave64", 3);
	check_fault(UD, 0, "XSAVE without CR4.OSXSAVE is #UD");
	TRY("xgetbv", : : "c"(0) : "rax", "rdx");
	check_fault(UD, 0, "XGETBV too");
	TRY("vaddps %%ymm0, %%ymm0, %%ymm0", :);
	check_fault(UD, 0, "AVX too");
	cr4_set(CR4_OSXSAVE);
	check_eq(cpuid(1, 0).c >> 27 & 1, 1, "CPUID mirrors CR4.OSXSAVE (on)");
	check_eq(xgetbv(0) & ~(uint64_t)7, 0, "XCR0 has no unknown bit at start");
	TRY("xsetbv", : : "c"(0), "a"(SSE), "d"(0));
	check_fault(GP, 0, "XCR0 without x87: #GP(0)");
	TRY("xsetbv", : : "c"(0), "a"(X87 | AVX), "d"(0));
	check_fault(GP, 0, "AVX without SSE: #GP(0)");
	TRY("xsetbv", : : "c"(0), "a"(X87), "d"(1 << 30));
	check_fault(GP, 0, "unknown bit: #GP(0)");
	TRY("xsetbv", : : "c"(1), "a"(X87), "d"(0));
	check_fault(GP, 0, "XCR1: #GP(0)");
	run_user(user_xsetbv, 0, 0);
	check_user_fault(GP, 0, user_xsetbv, 9, "XSETBV in ring 3: #GP(0)");
	xsetbv(X87 | SSE);
	run_user(user_xgetbv, 0, 0);
	check(event.vector == USER_VECTOR && event.frame.ax == 3, "XGETBV in ring 3");
	check_eq(cpuid(0xd, 0).b, LEGACY + HEADER, "CPUID 0Dh: size for XCR0 = 3");
	TRY("vaddps %%ymm0, %%ymm0, %%ymm0", :);
	check_fault(UD, 0, "AVX without XCR0.AVX is #UD");
	xsetbv(X87 | SSE | AVX);
	check_eq(cpuid(0xd, 0).b, AVX_AT + 256, "size for XCR0 = 7");
	check(cpuid(0xd, 2).a == 256 && cpuid(0xd, 2).b == AVX_AT, "AVX: 256 bytes at 576");
	TRY("vaddps %%ymm0, %%ymm0, %%ymm0", :);
	check_no_fault("AVX");
	cr0_set(CR0_TS);
	TRY("vaddps %%ymm0, %%ymm0, %%ymm0", :);
	check_fault(NM, 0, "AVX with CR0.TS is #NM");
	TRY_SAVE("xsave64", 7);
	check_fault(NM, 0, "XSAVE with CR0.TS is #NM");
	asm volatile("clts");
}

static void fill_avx(void)
{
	fill_registers();
	asm volatile("vmovups %0, %%ymm3" : : "m"(ones));
}

static void xsave_image(void)
{
	memset(area, 0xee, sizeof area);
	put64(AT_BV, 0xf0);
	fill_avx();
	SAVE("xsave64", X87);
	check_eq(get64(AT_BV), 0xf1, "XSAVE of one component changes only its bit of XSTATE_BV");
	check_eq(get64(AT_COMP), 0xeeeeeeeeeeeeeeee, "and nothing else of the header");
	check_eq(get64(AT_XMM), 0xeeeeeeeeeeeeeeee, "nor other components");
	put64(AT_BV, 0);
	SAVE("xsave64", X87 | SSE | AVX);
	check_eq(get64(AT_BV), 7, "XSAVE of all: XSTATE_BV");
	check_eq(get64(AVX_AT + 3 * 16), 0x1111111111111111, "upper half of YMM3");
	check_eq(get32(AT_MXCSR), 0x1fa0, "MXCSR");
	TRY("xsave64 16+%0", : "+m"(area) : "a"(7), "d"(0));
	check_fault(GP, 0, "XSAVE not aligned to 64: #GP(0)");
	memset(area + LEGACY, 0, HEADER);
	put64(AT_BV, SSE);
	memset(area + AT_XMM, 0x22, 16);
	SAVE("xrstor64", X87 | SSE | AVX);
	asm volatile("vmovups %%ymm3, %0; movups %%xmm0, %1" : "=m"(area), "=m"(area[32]));
	check_eq(get64(16), 0, "XRSTOR: a component whose bit is clear gets its initial state");
	check_eq(get64(32), 0x2222222222222222, "one whose bit is set comes from memory");
	fill_avx();
	SAVE("xsave64", X87 | SSE | AVX);
	put64(AT_BV, 0);
	SAVE("xrstor64", X87);
	asm volatile("vmovups %%ymm3, %0" : "=m"(area));
	check_eq(get64(16), 0x1111111111111111, "one that is not asked for stays");
}

static void header_faults(void)
{
	clear_registers();
	SAVE("xsave64", X87 | SSE);
	memset(area + LEGACY, 0, HEADER);
	put64(AT_BV, 1ull << 40);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "XRSTOR: XSTATE_BV beyond XCR0: #GP(0)");
	put64(AT_BV, 3);
	put64(AT_COMP, 1);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "XCOMP_BV without bit 63 but not 0: #GP(0)");
	put64(AT_COMP, 0);
	put64(AT_COMP + 8, 1);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "header bytes 23:16 not 0: #GP(0)");
	put64(AT_COMP + 8, 0);
	put64(AT_COMP + 16, 1);
	TRY_SAVE("xrstor64", 7);
	check_no_fault("standard form does not look at bytes 63:24");
	put64(AT_COMP + 16, 0);
	*(uint32_t *)(area + AT_MXCSR) = 1 << 17;
	TRY_SAVE("xrstor64", SSE);
	check_fault(GP, 0, "reserved MXCSR bit: #GP(0)");
	*(uint32_t *)(area + AT_MXCSR) = MXCSR_DEFAULT;
}

static void compacted(void)
{
	uint32_t leaf = cpuid(0xd, 1).a;

	if (!(leaf & 2)) {
		check_skip("no XSAVEC", "compacted images");
		return;
	}
	asm volatile("vzeroall");
	fill_avx();
	memset(area, 0, sizeof area);
	SAVE("xsavec64", X87 | AVX);
	check_eq(get64(AT_COMP), COMPACT | X87 | AVX, "XSAVEC: XCOMP_BV");
	check_eq(get64(AT_BV), X87 | AVX, "XSTATE_BV");
	check_eq(get64(AVX_AT + 3 * 16), 0x1111111111111111, "AVX behind the header");
	asm volatile("vzeroall");
	SAVE("xrstor64", X87 | SSE | AVX);
	asm volatile("vmovups %%ymm3, %0" : "=m"(area));
	check_eq(get64(16), 0x1111111111111111, "XRSTOR of it");
	check_eq(get64(0), 0, "with SSE, that the image has not, initial");
	memset(area, 0, sizeof area);
	put64(AT_COMP, COMPACT | X87 | SSE | AVX);
	SAVE("xrstor64", X87 | SSE | AVX);
	check_eq(get_mxcsr(), MXCSR_DEFAULT, "compacted form without SSE in XSTATE_BV: MXCSR is initial");
	put64(AT_BV, AVX);
	put64(AT_COMP, COMPACT | X87 | SSE);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "XSTATE_BV beyond XCOMP_BV: #GP(0)");
	put64(AT_BV, 0);
	put64(AT_COMP, COMPACT | 1ull << 40);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "XCOMP_BV beyond XCR0: #GP(0)");
	put64(AT_COMP, COMPACT | 7);
	put64(AT_COMP + 40, 1);
	TRY_SAVE("xrstor64", 7);
	check_fault(GP, 0, "compacted form: header bytes 63:16 must be 0: #GP(0)");
	put64(AT_COMP + 40, 0);
	if (leaf & 4) {
		SAVE("xrstor64", X87 | SSE | AVX);
		check_eq(xgetbv(1) & AVX, 0, "XINUSE of AVX is clear after its initial state was loaded");
		SAVE("xsavec64", X87 | SSE | AVX);
		check_eq(get64(AT_BV) & AVX, 0, "and XSAVEC leaves it out");
		fill_avx();
		check_eq(xgetbv(1) & AVX, AVX, "it is set by use");
	}
	if (!(leaf & 8)) {
		check_skip("no XSAVES", "supervisor images");
		return;
	}
	memset(area, 0, sizeof area);
	fill_avx();
	SAVE("xsaves64", X87 | SSE | AVX);
	check(get64(AT_COMP) == (COMPACT | 7) && get64(AT_BV) == 7, "XSAVES header");
	asm volatile("vzeroall");
	SAVE("xrstors64", X87 | SSE | AVX);
	asm volatile("vmovups %%ymm3, %0" : "=m"(area));
	check_eq(get64(16), 0x1111111111111111, "XRSTORS");
	put64(AT_COMP, 0);
	TRY_SAVE("xrstors64", 7);
	check_fault(GP, 0, "XRSTORS of a standard image: #GP(0)");
	run_user(user_xsaves, 0, 0);
	check(event.vector == GP && event.error == 0, "XSAVES in ring 3: #GP(0)");
	check(!try_wrmsr(0xda0, 1) && event.vector == GP, "XSS with a user component: #GP(0)");
}

void guest_main(void)
{
	availability();
	x87_exceptions();
	sse_exceptions();
	fxsave_image();
	if (!(cpuid(1, 0).c >> 26 & 1)) {
		check_skip("no XSAVE", "XSAVE");
		return;
	}
	enabling();
	xsave_image();
	header_faults();
	compacted();
}

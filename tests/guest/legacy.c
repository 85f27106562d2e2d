/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that 64-bit mode has dropped, each against its meaning computed another way. */
#include "lib/guest.h"

enum { ARITH = F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF };

struct result { uint32_t ax, flags; };

/* Runs one instruction on EAX with the arithmetic flags @flags. */
#define ON_AX(name, text) \
static struct result name(uint32_t ax, uint32_t flags) \
{ \
	struct result r = { ax, flags }; \
	asm volatile("pushl %1; popfl; " text "; pushfl; popl %1" : "+a"(r.ax), "+r"(r.flags) : : "cc", "memory"); \
	r.flags &= ARITH; \
	return r; \
}
ON_AX(run_daa, "daa")
ON_AX(run_das, "das")
ON_AX(run_aaa, "aaa")
ON_AX(run_aas, "aas")
ON_AX(run_aam, "aam")
ON_AX(run_aam7, ".byte 0xd4, 7")
ON_AX(run_aad, "aad")
ON_AX(run_aad16, ".byte 0xd5, 16")
ON_AX(run_salc, ".byte 0xd6")

static uint32_t parity(uint8_t v)
{
	unsigned ones = 0;

	for (; v; v &= v - 1)
		ones++;
	return ones & 1 ? 0 : F_PF;
}

static uint32_t szp(uint8_t v)
{
	return parity(v) | (v ? 0 : F_ZF) | (v & 0x80 ? F_SF : 0);
}

/* Decimal adjustment by digits: correct the low digit, then the high one. */
static struct result decimal(uint8_t al, uint32_t flags, int sign)
{
	bool low = (al & 15) > 9 || flags & F_AF, high = al > 0x99 || flags & F_CF;
	unsigned v = al + sign * (low ? 6 : 0) + sign * (high ? 0x60 : 0);
	/* A borrow of the low correction alone counts as carry too (SDM, DAS). */
	bool carry = high || (sign < 0 && low && al < 6);

	return (struct result){ v & 0xff, szp(v) | (low ? F_AF : 0) | (carry ? F_CF : 0) };
}

static void adjust_decimal(void)
{
	unsigned bad_daa = 0, bad_das = 0;

	for (unsigned al = 0; al < 256; al++) {
		for (unsigned f = 0; f < 4; f++) {
			uint32_t in = (f & 1 ? F_CF : 0) | (f & 2 ? F_AF : 0);
			struct result want = decimal(al, in, 1), got = run_daa(0xabcdef00 | al, in);

			bad_daa += got.ax != (0xabcdef00 | want.ax) || ((got.flags ^ want.flags) & ~F_OF);
			want = decimal(al, in, -1);
			got = run_das(0xabcdef00 | al, in);
			bad_das += got.ax != (0xabcdef00 | want.ax) || ((got.flags ^ want.flags) & ~F_OF);
		}
	}
	check_eq(bad_daa, 0, "DAA for every AL, AF, CF");
	check_eq(bad_das, 0, "DAS for every AL, AF, CF");
	bad_daa = bad_das = 0;
	/* What it is for: two-digit sums and differences. */
	for (unsigned a = 0; a < 100; a++) {
		for (unsigned b = 0; b < 100; b++) {
			uint8_t x = a / 10 << 4 | a % 10, y = b / 10 << 4 | b % 10, sum, carry;
			unsigned s = a + b, d = (a + 100 - b) % 100;

			asm("addb %3, %0; daa; setc %1" : "=a"(sum), "=q"(carry) : "0"(x), "q"(y) : "cc");
			bad_daa += sum != (s / 10 % 10 << 4 | s % 10) || carry != s / 100;
			asm("subb %3, %0; das; setc %1" : "=a"(sum), "=q"(carry) : "0"(x), "q"(y) : "cc");
			bad_das += sum != (d / 10 << 4 | d % 10) || carry != (a < b);
		}
	}
	check_eq(bad_daa, 0, "ADD, DAA: all sums of two decimal digits");
	check_eq(bad_das, 0, "SUB, DAS: all differences");
}

static void adjust_ascii(void)
{
	unsigned bad[6] = { 0 };

	for (unsigned ax = 0; ax < 0x10000; ax += ax < 0x300 ? 1 : 17) {
		for (unsigned f = 0; f < 2; f++) {
			uint32_t in = f ? F_AF : 0, fix = (ax & 15) > 9 || f ? F_AF | F_CF : 0;
			uint8_t al = ax, ah = ax >> 8, v;
			struct result got = run_aaa(ax, in);
			uint16_t want = fix ? ax + 0x106 : ax;

			bad[0] += got.ax != (want & 0xff0f) || (got.flags & (F_AF | F_CF)) != fix;
			got = run_aas(ax, in);
			want = fix ? (uint16_t)(ax - 6) - 0x100 : ax;
			bad[1] += got.ax != (want & 0xff0f) || (got.flags & (F_AF | F_CF)) != fix;
			got = run_aam(ax, in);
			bad[2] += got.ax != (al / 10 << 8 | al % 10) || ((got.flags ^ szp(al % 10)) & (F_SF | F_ZF | F_PF));
			got = run_aam7(ax, in);
			bad[3] += got.ax != (al / 7 << 8 | al % 7) || ((got.flags ^ szp(al % 7)) & (F_SF | F_ZF | F_PF));
			v = al + ah * 10;
			got = run_aad(ax, in);
			bad[4] += got.ax != v || ((got.flags ^ szp(v)) & (F_SF | F_ZF | F_PF));
			v = al + ah * 16;
			got = run_aad16(ax, in);
			bad[5] += got.ax != v || ((got.flags ^ szp(v)) & (F_SF | F_ZF | F_PF));
		}
	}
	check_eq(bad[0], 0, "AAA");
	check_eq(bad[1], 0, "AAS");
	check_eq(bad[2], 0, "AAM");
	check_eq(bad[3], 0, "AAM with base 7");
	check_eq(bad[4], 0, "AAD");
	check_eq(bad[5], 0, "AAD with base 16");
	TRY(".byte 0xd4, 0", : : "a"(5));
	check_fault(DE, 0, "AAM with base 0 is #DE");
	check_eq(run_salc(0x12345678, F_CF).ax, 0x123456ff, "SALC with carry");
	check_eq(run_salc(0x12345678, 0).ax, 0x12345600, "SALC without");
	check_eq(run_salc(0, F_CF | F_ZF).flags, F_CF | F_ZF, "SALC leaves the flags");
}

static void stack_all(void)
{
	static uint32_t seen[8], sp;
	asm volatile("pushal\n\tmovl %%esp, %1\n\t"
		     "movl $1, %%eax; movl $2, %%ecx; movl $3, %%edx; movl $5, %%ebp; movl $6, %%esi; movl $7, %%edi; movl $4, %%ebx\n\t"
		     "pushal\n\t"
		     "movl 28(%%esp), %%eax; movl %%eax, %0; movl 24(%%esp), %%eax; movl %%eax, 4+%0; movl 20(%%esp), %%eax; movl %%eax, 8+%0\n\t"
		     "movl 16(%%esp), %%eax; movl %%eax, 12+%0; movl 12(%%esp), %%eax; movl %%eax, 16+%0; movl 8(%%esp), %%eax; movl %%eax, 20+%0\n\t"
		     "movl 4(%%esp), %%eax; movl %%eax, 24+%0; movl (%%esp), %%eax; movl %%eax, 28+%0\n\t"
		     "addl $32, %%esp\n\tpopal" : "=m"(seen), "=m"(sp) : : "memory", "cc");
	check(seen[0] == 1 && seen[1] == 2 && seen[2] == 3 && seen[3] == 4 && seen[5] == 5 && seen[6] == 6 && seen[7] == 7,
	      "PUSHAD order");
	check_eq(seen[4], sp, "PUSHAD pushes ESP as it was before");
	{
		uint32_t c, d, b, si, di;

		asm volatile("pushl %%ebp; pushl $0x11; pushl $0x22; pushl $0x33; pushl $0x44; pushl $0xdead; pushl $0x66; pushl $0x77; pushl $0x88\n\t"
			     "popal; movl %%ebp, %%eax; popl %%ebp" : "=a"(sp), "=c"(c), "=d"(d), "=b"(b), "=S"(si), "=D"(di) : : "memory");
		check(c == 0x22 && d == 0x33 && b == 0x44 && sp == 0x66 && si == 0x77 && di == 0x88, "POPAD, ESP skipped");
		asm volatile("pushl %%ebp; pushaw; movl $-1, %%eax; movl %%eax, %%ecx; popaw; popl %%ebp" : "=c"(c) : "0"(0xabcd1234)
			     : "eax", "memory");
		check_eq(c, 0xffff1234, "POPA of 16 bits keeps the upper halves");
	}
}

static void bounds(void)
{
	static const int32_t limits[2] = { -5, 10 };
	static const int16_t limits16[2] = { -5, 10 };

	TRY("boundl %1, %0", : : "m"(limits), "r"(-5));
	check_no_fault("BOUND at the lower limit");
	TRY("boundl %1, %0", : : "m"(limits), "r"(10));
	check_no_fault("BOUND at the upper limit");
	TRY("boundl %1, %0", : : "m"(limits), "r"(-6));
	check_fault(BR, 0, "BOUND below: #BR");
	TRY("boundl %1, %0", : : "m"(limits), "r"(11));
	check_fault(BR, 0, "BOUND above: #BR");
	TRY("boundw %w1, %0", : : "m"(limits16), "r"(0x1000a));
	check_no_fault("BOUND of 16 bits looks at 16 bits");
	TRY("boundw %w1, %0", : : "m"(limits16), "r"(11));
	check_fault(BR, 0, "BOUND of 16 bits above: #BR");
	TRY("addl $1, %0; into", : "=a"(event_start) : "0"(0x7fffffff) : "cc");
	check(event.count == 1 && event.vector == OF, "INTO with OF");
	TRY("addl $1, %%eax; into", : : "a"(1) : "cc");
	check_no_fault("INTO without OF");
}

static void pointers(void)
{
	static const struct { uint32_t offset; uint16_t sel; } __attribute__((packed)) p = { 0x12345678, SEL_DATA }, none = { 1, 0 },
		bad = { 7, SEL_LAST }, code = { 3, SEL_CODE };
	uint32_t v = 0;
	uint16_t s = 0;

	asm volatile("lesl %2, %0; movw %%es, %1" : "=r"(v), "=r"(s) : "m"(p));
	check(v == 0x12345678 && s == SEL_DATA, "LES");
	TRY("ldsl %1, %0; pushl %%ss; popl %%ds", : "=r"(v) : "m"(none), "0"(99));
	check_no_fault("LDS with a null selector");
	check_eq(v, 1, "and its offset");
	TRY("lesl %1, %0", : "=a"(v) : "m"(bad), "0"(99));
	check_fault(GP, SEL_LAST, "LES with a bad selector: #GP(selector)");
	check_eq(v, 99, "and the register is unchanged");
	TRY("lssl %1, %0", : "=a"(v) : "m"(code), "0"(99));
	check_fault(GP, SEL_CODE, "LSS with a code segment: #GP(selector)");
	asm volatile("lfsl %2, %0; movw %%fs, %1" : "=r"(v), "=r"(s) : "m"(p));
	check(v == 0x12345678 && s == SEL_DATA, "LFS");
}

static void arpl(void)
{
	uint16_t d = 0x10;
	uint8_t z;

	asm("arpl %2, %0; setz %1" : "+r"(d), "=q"(z) : "r"((uint16_t)0xb) : "cc");
	check(d == 0x13 && z == 1, "ARPL raises RPL and sets ZF");
	d = 0x13;
	asm("arpl %2, %0; setz %1" : "+r"(d), "=q"(z) : "r"((uint16_t)0x9) : "cc");
	check(d == 0x13 && z == 0, "ARPL leaves a higher one and clears ZF");
}

static void one_byte_forms(void)
{
	uint32_t v;

	asm(".byte 0x40" : "=a"(v) : "0"(0xffffffff) : "cc");
	check_eq(v, 0, "INC EAX (40)");
	asm(".byte 0x4f" : "=D"(v) : "0"(0) : "cc");
	check_eq(v, 0xffffffff, "DEC EDI (4F)");
	asm(".byte 0x66, 0x41" : "=c"(v) : "0"(0x1234ffff) : "cc");
	check_eq(v, 0x12340000, "INC CX (66 41)");
	asm(".byte 0x82, 0xc0, 0x05" : "=a"(v) : "0"(0x1fe) : "cc");
	check_eq(v, 0x103, "ADD AL, imm (82 /0)");
	asm(".byte 0x82, 0xe9, 0x05" : "=c"(v) : "0"(0x103) : "cc");
	check_eq(v, 0x1fe, "SUB CL, imm (82 /5)");
	asm volatile("ljmp $0x08, $1f; ud2; 1: movl $7, %0" : "=r"(v));
	check_eq(v, 7, "direct far JMP");
	asm volatile("lcall $0x28, $1f; jmp 2f; 1: movw %%cs, %w0; lretl; 2:" : "=a"(v) : "0"(0));
	check_eq(v, SEL_CODE32, "direct far CALL to another segment and back");
	TRY("ljmp $0x10, $0", :);
	check_fault(GP, SEL_DATA, "far JMP to a data segment: #GP(selector)");
	TRY("lcall $0, $0", :);
	check_fault(GP, 0, "far CALL to a null selector: #GP(0)");
	asm volatile("pushl %%es; popl %0; pushl %%cs; popl %%ecx" : "=a"(v) : : "ecx");
	check_eq(v & 0xffff, SEL_DATA, "PUSH ES");
	TRY("pushl $0x13; popl %%ss", :);
	check(event.vector == GP && event.error == 0x10, "POP SS with RPL 3 in ring 0: #GP(selector)");
	TRY(".byte 0x0f, 0x05", :);
	check(event.vector == UD, "SYSCALL outside of 64-bit mode on this processor without SCE is #UD");
}

void guest_main(void)
{
	adjust_decimal();
	adjust_ascii();
	stack_all();
	bounds();
	pointers();
	arpl();
	one_byte_forms();
}

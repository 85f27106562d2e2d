/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 32- and 16-bit code under a 64-bit kernel: segments with bases and limits, stacks of 16
 * bits, prefixes that change the size of operands and addresses, and everything that
 * wraps around.
 */
#include "lib/guest.h"

/* 17 pages for ring 3 below 4 GiB, where there is no memory; the segments begin there. */
#define BASE 0xb0000000u
enum { PAGES = 17, SEL_16 = SEL_FREE | 3, SEL_32 = SEL_16 + 8, SEL_BIG = SEL_16 + 16, SEL_S16 = SEL_16 + 24, SEL_S32 = SEL_16 + 32,
       SEL_D = SEL_16 + 40, SEL_DOWN = SEL_16 + 48, SEL_RO = SEL_16 + 56, SEL_X = SEL_16 + 64, SEL_WRAP = SEL_16 + 72, SEL_FLAT = SEL_16 + 80,
       SEL_BYTES = SEL_16 + 88, SEL_LDT = SEL_FREE + 96 };
_Static_assert(SEL_16 == 0x63 && SEL_D == 0x8b && SEL_X == 0xa3, "numbers that the code below has");
static uint8_t *memory;
static uint64_t ldt[4] __attribute__((aligned(16)));

#define CODE32(name, text) CODE(name, ".code32\n" text "\nint $0x80\n.code64")
#define CODE16(name, text) CODE(name, ".code16\n" text "\nint $0x80\n.code64")

/* What a run begins with besides the code. */
struct start { uint16_t cs, ss, ds, es, fs; uint32_t ip, sp, ax, bx, cx, dx, si, di, bp; };
#define RUN(name, ...) run(name, name##_end, (struct start){ __VA_ARGS__ })
static uint32_t ran_at;

static void run(const char *code, const char *end, struct start s)
{
	struct frame f = { .cs = s.cs ? s.cs : SEL_32, .ss = s.ss ? s.ss : SEL_S32, .ip = s.ip, .sp = s.sp ? s.sp : 0x8000, .flags = 2, .ax = s.ax,
			   .bx = s.bx, .cx = s.cx, .dx = s.dx, .si = s.si, .di = s.di, .bp = s.bp };

	/* Offsets beyond what is mapped are those that wrap. */
	for (const char *p = code; p < end; p++) {
		uint32_t at = s.ip + (p - code);

		memory[f.cs == SEL_WRAP ? (at + 0x1000) & 0xffff : at < PAGES * PAGE ? at : at & 0xffff] = *p;
	}
	ran_at = s.ip;
	asm volatile("movl %0, %%ds; movl %1, %%es; movl %2, %%fs" : : "r"((uint32_t)(s.ds ? s.ds : SEL_FLAT)),
		     "r"((uint32_t)(s.es ? s.es : SEL_FLAT)), "r"((uint32_t)(s.fs ? s.fs : SEL_FLAT)));
	run_frame(&f);
	asm volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs" : : "r"(SEL_DATA));
}

static uint32_t get(unsigned at) { return *(uint32_t *)(memory + at); }
static void put(unsigned at, uint32_t v) { *(uint32_t *)(memory + at) = v; }
static bool done(void) { return event.vector == USER_VECTOR; }

static void show(void)
{
	print("# vector %u error 0x%llx cr2 0x%llx ip 0x%lx sp 0x%lx ax 0x%lx bx 0x%lx cx 0x%lx dx 0x%lx si 0x%lx di 0x%lx flags 0x%lx\n", event.vector,
	      (unsigned long long)event.error, (unsigned long long)event.cr2, event.frame.ip, event.frame.sp, event.frame.ax, event.frame.bx,
	      event.frame.cx, event.frame.dx, event.frame.si, event.frame.di, event.frame.flags);
}

#define WELL(good, ...) do { bool good_ = (good); check(good_, __VA_ARGS__); if (!good_) show(); } while (0)
/* The fault is @vector(@error) at @offset of the code. */
#define FAULTS(vec, err, offset, ...) WELL(event.vector == (vec) && event.error == (err) && event.frame.ip == ran_at + (offset), __VA_ARGS__)

static void prepare(void)
{
	memory = page_alloc();
	for (unsigned n = 1; n < PAGES; n++)
		page_alloc();
	*page_entry(BASE, 2) = 0;
	*page_entry(BASE - PAGE, 2) = 0;
	for (unsigned n = 0; n < PAGES; n++)
		page_map(BASE + n * PAGE, (uint64_t)memory + n * PAGE, P_P | P_W | P_U, 1);
	gdt[SEL_16 / 8] = descriptor(BASE, 0xffff, 0xfb, 0);
	gdt[SEL_32 / 8] = descriptor(BASE, 0xffff, 0xfb, 4);
	gdt[SEL_BIG / 8] = descriptor(BASE, 0xfffff, 0xfb, 0xc);
	gdt[SEL_S16 / 8] = descriptor(BASE, 0xffff, 0xf3, 0);
	gdt[SEL_S32 / 8] = descriptor(BASE, 0xffff, 0xf3, 4);
	gdt[SEL_D / 8] = descriptor(BASE + 0x3000, 0xff, 0xf3, 4);
	gdt[SEL_DOWN / 8] = descriptor(BASE, 0x7fff, 0xf7, 0);
	gdt[SEL_RO / 8] = descriptor(BASE, 0xffff, 0xf1, 4);
	gdt[SEL_X / 8] = descriptor(BASE, 0xffff, 0xf9, 4);
	gdt[SEL_WRAP / 8] = descriptor(BASE + 0x1000, 0xfffff, 0xfb, 0xc);
	gdt[SEL_FLAT / 8] = descriptor(BASE, 0xfffff, 0xf3, 0xc);
	gdt[SEL_BYTES / 8] = descriptor(BASE, 0x10002, 0xfb, 4);
	gdt[SEL_LDT / 8] = descriptor((uint64_t)ldt, sizeof ldt - 1, 0x82, 0);
	gdt[SEL_LDT / 8 + 1] = (uint64_t)ldt >> 32;
	ldt[1] = descriptor(BASE + 0x4000, 0xfff, 0xf3, 4);
	asm volatile("lldt %w0" : : "r"(SEL_LDT));
}

/* ---- limits and rights ------------------------------------------------------------------------------------- */

CODE32(read_ds, "movl (%esi), %eax");
CODE32(write_ds, "movl %eax, (%esi)");
CODE32(read_bp, "movl (%ebp), %eax");
CODE32(read_cs, "movl %cs:(%esi), %eax");
CODE32(write_cs, "movl %eax, %cs:(%esi)");
CODE32(read_sse, "movups (%esi), %xmm0; movd %xmm0, %eax");
CODE32(read_fs, "movl %fs:(%esi), %eax; movl %ds:(%ebp), %ebx");
CODE32(rmw_ds, "addl $1, (%esi)");
CODE32(string_ds, "rep; movsb");
CODE32(null_ds, "xorl %eax, %eax; movl %eax, %ds; movl (%esi), %eax");
CODE32(ldt_ds, "movl $0xf, %eax; movl %eax, %ds; movl (%esi), %ebx");

static void limits(void)
{
	put(0x30fc, 0x11223344);
	RUN(read_ds, .ds = SEL_D, .si = 0xfc);
	WELL(done() && event.frame.ax == 0x11223344, "the last four bytes below a limit, with a base");
	RUN(read_ds, .ds = SEL_D, .si = 0xfd);
	FAULTS(GP, 0, 0, "one byte across it: #GP(0)");
	RUN(read_ds, .ds = SEL_D, .si = 0xfffffffe);
	FAULTS(GP, 0, 0, "an operand that wraps: #GP(0)");
	RUN(rmw_ds, .ds = SEL_D, .si = 0x100);
	FAULTS(GP, 0, 0, "ADD to memory beyond it: #GP(0)");
	RUN(read_bp, .ss = SEL_S32, .bp = 0xfffe);
	FAULTS(SS, 0, 0, "the same through EBP: #SS(0)");
	RUN(read_ds, .ds = SEL_DOWN, .si = 0x7fff);
	FAULTS(GP, 0, 0, "expand-down segment: the limit itself is outside");
	RUN(read_ds, .ds = SEL_DOWN, .si = 0x8000);
	WELL(done(), "expand-down segment: above the limit is inside");
	RUN(read_ds, .ds = SEL_DOWN, .si = 0xfffd);
	FAULTS(GP, 0, 0, "expand-down segment of 16 bits ends at FFFFh");
	RUN(write_ds, .ds = SEL_RO, .si = 0x2000);
	FAULTS(GP, 0, 0, "write to a read-only segment: #GP(0)");
	RUN(read_cs, .cs = SEL_X, .si = 0x2000);
	FAULTS(GP, 0, 0, "read of execute-only code: #GP(0)");
	RUN(write_cs, .si = 0x2000);
	FAULTS(GP, 0, 0, "write to code: #GP(0)");
	RUN(null_ds, .si = 0);
	FAULTS(GP, 0, 4, "use of a null selector: #GP(0)");
	RUN(read_sse, .ds = SEL_D, .si = 0xf8);
	FAULTS(GP, 0, 0, "16 bytes of which the last are beyond the limit: #GP(0)");
	put(0x4ffc, 0x55667788);
	RUN(ldt_ds, .si = 0xffc);
	WELL(done() && event.frame.bx == 0x55667788, "a segment of the LDT");
	RUN(ldt_ds, .si = 0xffd);
	FAULTS(GP, 0, 7, "and its limit");
	put(0x5000, 0xabcd);
	RUN(read_fs, .fs = SEL_D, .ds = SEL_FLAT, .si = 0x10, .bp = 0x5000);
	WELL(done() && event.frame.bx == 0xabcd, "two segments in turn");
	/* A repeated move that leaves the segment: what was inside is done. */
	memset(memory + 0x3000, 0x77, 0x100);
	memset(memory + 0x6000, 0, 0x100);
	RUN(string_ds, .ds = SEL_D, .si = 0xf0, .di = 0x6000, .cx = 64);
	WELL(event.vector == GP && event.error == 0 && event.frame.ip == 0 && event.frame.cx == 48 && event.frame.si == 0x100 && event.frame.di == 0x6010,
	     "REP MOVS that leaves its segment: #GP(0), 16 elements are done");
	WELL(get(0x600c) == 0x77777777 && get(0x6010) == 0, "and no more");
}

CODE32(read_wrap, "movl 0x2000(%esi), %eax; movl %fs:0x2000(%esi), %ebx");

static void bases(void)
{
	put(0x1000, 0x12121212);
	RUN(read_wrap, .si = 0xfffff000);
	WELL(done() && event.frame.ax == 0x12121212, "the effective address wraps at 4 GiB");
	/* Offset beyond 4 GiB - base: the linear address wraps. */
	gdt[SEL_D / 8] = descriptor(BASE + 0x2000, 0xfffff, 0xf3, 0xc);
	RUN(read_ds, .ds = SEL_D, .si = 0xfffff000);
	WELL(done() && event.frame.ax == 0x12121212, "base + offset wraps at 4 GiB");
	gdt[SEL_D / 8] = descriptor(BASE + 0x3000, 0xff, 0xf3, 4);
}

/* ---- branches and the limit of code ------------------------------------------------------------------------ */

CODE32(jump_out, "incl %eax; jmp *%ebx");
CODE32(call_out, "incl %eax; call *%ebx");
CODE32(ret_out, "pushl %ebx; incl %eax; ret");
CODE32(jcc_out, "testl %eax, %eax; .byte 0x0f, 0x84; .long 0x20000");
CODE32(two_nops, "nop; nop; nop");
CODE(many_nops, ".skip 32, 0x90");
CODE32(long_insn, "movl $0x12345678, %eax");
CODE32(jump_word, ".byte 0x66, 0xe9; .word 0x10");
CODE32(call_word, ".byte 0x66, 0xe8; .word 0");
CODE32(ret_word, "pushw $0; movw $1f - ret_word, (%esp); .byte 0x66; ret; ud2; 1:");
CODE32(jcc_word, "xorl %eax, %eax; .byte 0x66, 0x0f, 0x84; .word 2; ud2");
CODE32(jump_wrap, ".byte 0xe9; .long 0x1b; .skip 64, 0x90");
CODE16(jump16, ".byte 0xe9; .word 0x20; .skip 0x30, 0x90");
CODE16(jump16_long, ".byte 0x66, 0xe9; .long 0x20000");
CODE16(short16, ".byte 0xeb, 0x10; .skip 0x30, 0x90");
CODE16(loop16, "movl $0x10003, %ecx; xorw %ax, %ax; 1: incw %ax; loop 1b");
CODE16(loop32, "movl $0x3, %ecx; xorw %ax, %ax; 1: incw %ax; addr32 loop 1b");
CODE16(jcxz16, "movl $0x10000, %ecx; movw $1, %ax; jcxz 1f; movw $2, %ax; 1: jecxz 2f; addw $4, %ax; 2:");

static void branches(void)
{
	RUN(jump_out, .bx = 0x10000);
	WELL(event.vector == GP && event.error == 0 && event.frame.ip == 1 && event.frame.ax == 1, "JMP beyond the limit: #GP(0) at the JMP");
	RUN(call_out, .bx = 0xffffffff);
	WELL(event.vector == GP && event.frame.ip == 1 && event.frame.sp == 0x8000, "CALL beyond the limit: #GP(0) at the CALL, nothing pushed");
	RUN(ret_out, .bx = 0x10000);
	WELL(event.vector == GP && event.frame.ip == 2 && event.frame.sp == 0x7ffc, "RET beyond the limit: #GP(0) at the RET, nothing popped");
	RUN(jcc_out, .ax = 0);
	FAULTS(GP, 0, 2, "Jcc beyond the limit: #GP(0) at the Jcc");
	RUN(two_nops, .ip = 0xfffe);
	WELL(event.vector == GP && event.error == 0 && event.frame.ip == 0x10000, "code that runs over its limit: #GP(0) at the first byte outside");
	RUN(long_insn, .ip = 0xfffd);
	FAULTS(GP, 0, 0, "an instruction of which the end is outside: #GP(0) at the instruction");
	/* The same limit, not at a page's end. */
	RUN(many_nops, .cs = SEL_BYTES, .ip = 0xfff0);
	WELL(event.vector == GP && event.error == 0 && event.frame.ip == 0x10003, "a limit that is no page's end: #GP(0) at the first byte outside");
	memset(memory, 0x90, 64);
	memory[64] = 0xcd, memory[65] = 0x80;
	RUN(jump_word, .cs = SEL_BIG, .ip = 0xfff8);
	WELL(done() && event.frame.ip < 0x100, "JMP of 16 bits cuts EIP to 16 bits");
	RUN(call_word, .ip = 0x200);
	WELL(done() && event.frame.sp == 0x7ffe && (get(0x7ffe) & 0xffff) == 0x204, "CALL of 16 bits pushes two bytes");
	RUN(ret_word, .ip = 0);
	WELL(done() && event.frame.sp == 0x8000, "RET of 16 bits pops two");
	RUN(jcc_word, .ip = 0x300);
	WELL(done() && event.frame.ip == 0x30b, "Jcc of 16 bits");
	memset(memory + 0x1000, 0x90, 64);
	memory[0x1000 + 64] = 0xcd, memory[0x1000 + 65] = 0x80;
	RUN(jump_wrap, .cs = SEL_WRAP, .ip = 0xfffffff0);
	WELL(event.vector == USER_VECTOR && event.frame.ip < 0x80, "JMP over 4 GiB: EIP wraps, the base is added to what is left");
	memset(memory, 0x90, 64);
	memory[64] = 0xcd, memory[65] = 0x80;
	RUN(jump16, .cs = SEL_16, .ip = 0xfff0);
	WELL(done() && event.frame.ip < 0x80, "16-bit code: JMP over FFFFh wraps");
	memset(memory, 0x90, 64);
	memory[64] = 0xcd, memory[65] = 0x80;
	RUN(short16, .cs = SEL_16, .ip = 0xfff0);
	WELL(done() && event.frame.ip < 0x80, "and so does a short one");
	RUN(jump16_long, .cs = SEL_16, .ip = 0x100);
	FAULTS(GP, 0, 0, "JMP of 32 bits from 16-bit code beyond its limit: #GP(0)");
	RUN(loop16, .cs = SEL_16, .ip = 0x100);
	WELL(done() && event.frame.ax == 3 && event.frame.cx == 0x10000, "LOOP in 16-bit code counts in CX and leaves the rest of ECX");
	RUN(loop32, .cs = SEL_16, .ip = 0x100);
	WELL(done() && event.frame.ax == 3 && event.frame.cx == 0, "LOOP with 67 counts in ECX");
	RUN(jcxz16, .cs = SEL_16, .ip = 0x100);
	WELL(done() && event.frame.ax == 5, "JCXZ looks at CX, JECXZ at ECX");
}

/* ---- stacks of 16 bits ---------------------------------------------------------------------------------------- */

CODE16(push16, "movl $0x12340000, %esp; movw $0x5678, %ax; pushw %ax; movl %esp, %ebx");
CODE16(push16_long, "movl $0x12340002, %esp; movl $0x89abcdef, %eax; pushl %eax; movl %esp, %ebx");
CODE16(push16_odd, "movl $0x12340001, %esp; pushw %ax");
CODE16(pop16, "movl $0x1234fffe, %esp; popw %ax; movl %esp, %ebx");
CODE16(call16, "movl $0x12340000, %esp; call 1f; 1: movl %esp, %ebx");
CODE16(leave16, "movl $0x9999, %esp; movl $0xabcd7000, %ebp; movw $0x4321, %ss:(0x7000); leave; movl %esp, %ebx; movl %ebp, %ecx");
CODE16(enter16, "movl $0x5678, %esp; movl $0xabcd1234, %ebp; enter $0x10, $0; movl %esp, %ebx; movl %ebp, %ecx");
CODE16(pusha16, "movl $0x12340008, %esp; movl $0x11112222, %eax; pushaw; movl %esp, %ebx");
CODE32(push32_on16, "movl $0x12340000, %esp; pushl $0x13572468; movl %esp, %ebx; popl %ecx; movl %esp, %edx");
CODE32(call32_on16, "movl $0x56780000, %esp; call 1f; 1: movl %esp, %ebx; popl %ecx; movl %esp, %edx");
CODE32(leave32_on16, "movl $0x11118888, %esp; movl $0x22227000, %ebp; movl $0x66667777, %ss:0x7000; leave; movl %esp, %ebx; movl %ebp, %ecx");
CODE32(base16, "movl $0x12347000, %esp; movl $0x99, %ss:0x7010; movl $0x7000, %esp; movl 0x10(%esp), %ebx");
CODE32(switch_ss, "movl $0x10000, %ecx; movl $0x7b, %eax; movl %eax, %ss; movl %ecx, %esp; pushw %ax; movl %esp, %ebx; movl $0x83, %eax; movl %eax, %ss");
CODE32(ss_limit, "movl $0x10001, %esp; popl %eax");
CODE32(down_stack, "movl $0x8002, %esp; pushw %ax; movl %esp, %ebx; pushw %ax");

static void stacks(void)
{
	RUN(push16, .cs = SEL_16, .ss = SEL_S16);
	WELL(done() && event.frame.bx == 0x1234fffe && (get(0xfffe) & 0xffff) == 0x5678, "PUSH at SP = 0 wraps to FFFEh, the upper half of ESP stays");
	RUN(push16_long, .cs = SEL_16, .ss = SEL_S16);
	WELL(event.vector == SS && event.error == 0 && event.frame.sp == 0x12340002, "PUSH of 32 bits at SP = 2 crosses the end: #SS(0)");
	RUN(push16_odd, .cs = SEL_16, .ss = SEL_S16);
	WELL(event.vector == SS && event.error == 0 && event.frame.sp == 0x12340001, "PUSH at SP = 1: #SS(0)");
	*(uint16_t *)(memory + 0xfffe) = 0xbeef;
	RUN(pop16, .cs = SEL_16, .ss = SEL_S16);
	WELL(done() && (event.frame.ax & 0xffff) == 0xbeef && event.frame.bx == 0x12340000, "POP at SP = FFFEh wraps to 0");
	RUN(call16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x1234fffe && (get(0xfffe) & 0xffff) == 0x109, "CALL at SP = 0");
	RUN(leave16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x7002 && event.frame.cx == 0xabcd4321, "LEAVE takes SP from BP, and leaves the upper halves");
	RUN(enter16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x5666 && event.frame.cx == 0xabcd5676 && (get(0x5676) & 0xffff) == 0x1234, "ENTER of 16 bits");
	RUN(pusha16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x1234fff8 && (get(6) & 0xffff) == 0x2222 && (get(0xfffe) & 0xffff) == 8, "PUSHA wraps in its middle");
	RUN(push32_on16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x1234fffc && event.frame.cx == 0x13572468 && event.frame.dx == 0x12340000,
	     "32-bit code on a 16-bit stack: PUSH and POP wrap in SP");
	RUN(call32_on16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x5678fffc && event.frame.cx == 0x10a && event.frame.dx == 0x56780000, "CALL too");
	RUN(leave32_on16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x11117004 && event.frame.cx == 0x66667777, "LEAVE of 32 bits on it: SP from BP, EBP whole");
	RUN(base16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x99, "ESP as a base has all 32 bits there");
	RUN(switch_ss, .ss = SEL_S32, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x1fffe, "MOV SS to a 16-bit stack in the middle of a block: the PUSH behind it wraps in SP");
	RUN(ss_limit, .ss = SEL_S32, .ip = 0x100);
	WELL(event.vector == SS && event.error == 0 && event.frame.sp == 0x10001, "POP beyond the limit of a 32-bit stack: #SS(0)");
	RUN(down_stack, .ss = SEL_DOWN, .ip = 0x100);
	WELL(event.vector == SS && event.error == 0 && event.frame.bx == 0x8000 && event.frame.sp == 0x8000,
	     "PUSH below the limit of an expand-down stack: #SS(0)");
}

/* ---- sizes of addresses and operands ----------------------------------------------------------------------------- */

CODE32(addr16, "movl $0x1234f000, %ebx; movl $0x56782000, %esi; addr16; movl 0x10(%bx,%si), %eax");
CODE32(addr16_bp, "movl $0x1000, %ebp; addr16; movl 0x20(%bp), %eax; addr16; leal 0x7000(%bp,%di), %edx");
CODE32(addr16_moffs, ".byte 0x67, 0xa1; .word 0x1010");
CODE32(addr16_rep, "movl $0xaaaa0004, %ecx; movl $0x11112000, %esi; movl $0x22223000, %edi; .byte 0x67; rep; movsb");
CODE32(addr16_wrap, "movl $0xaaaa0004, %ecx; movl $0x1111fffe, %esi; movl $0x22223000, %edi; .byte 0x67; rep; movsb");
CODE32(addr16_xlat, "movl $0xffff1000, %ebx; movl $0x10, %eax; .byte 0x67; xlatb");
CODE16(addr32, "movl $0x1000, %ebx; movl 0x10(%ebx), %eax");
CODE16(addr32_out, "movl $0x10000, %ebx; movl (%ebx), %eax");
CODE16(addr32_scale, "movl $0x400, %ebx; movl 0x10(,%ebx,4), %eax; leal 0x12345(%ebx,%ebx,8), %edx");
CODE16(addr32_stos, "movl $2, %ecx; movl $0x3000, %edi; movl $0x5a5a5a5a, %eax; addr32; rep; stosl");
CODE16(words, "movl $0x11112222, %eax; incw %ax; addw $0x7000, %ax; movl %eax, %ebx; shll $4, %ebx; movw $-1, %cx; movzwl %cx, %edx");
CODE16(mul16, "movl $0x99990010, %eax; movl $0x77771000, %edx; mulw %dx; movl %eax, %ebx");
CODE16(cwd16, "movl $0x55558000, %eax; movl $0x66660000, %edx; cwd; movl %edx, %ebx; cwde");
CODE32(one_byte, "xorl %eax, %eax; decl %eax; .byte 0x48, 0x40, 0x4b, 0x43");
CODE32(old_insns, "movb $0x19, %al; addb $0x28, %al; daa; movb %al, %bl; movb $0x7f, %al; addb $1, %al; into");
CODE32(les_vex, "movl $0x1234, (%esi); movw $0x8b, 4(%esi); .byte 0xc4, 0x3e; movw %es, %ax");
CODE32(bound_in, "movl $2, (%esi); movl $8, 4(%esi); movl $5, %eax; boundl %eax, (%esi); movl $9, %eax; boundl %eax, (%esi)");
CODE32(arpl_insn, "movw $0x10, %ax; movw $3, %cx; arpl %cx, %ax; setz %bl");
CODE32(pushes, "pushl %ds; pushw %es; pushal; popal; popw %ax; popl %ebx");
CODE32(sse_16, "movl $0xffff1010, %ebx; movl $0xffff0000, %esi; addr16; movups (%bx,%si), %xmm7; movd %xmm7, %eax");

static void sizes(void)
{
	put(0x1010, 0x600d0001);
	RUN(addr16);
	WELL(done() && event.frame.ax == 0x600d0001, "67 in 32-bit code: [BX+SI+disp] wraps at 64 KiB");
	put(0x1020, 0x600d0002);
	RUN(addr16_bp, .di = 0x9000);
	WELL(done() && event.frame.ax == 0x600d0002 && event.frame.dx == 0x1000, "[BP+disp] and LEA of 16 bits");
	RUN(addr16_moffs);
	WELL(done() && event.frame.ax == 0x600d0001, "MOV EAX, [moffs16]");
	put(0x2000, 0x01020304);
	put(0x3000, 0);
	RUN(addr16_rep);
	WELL(done() && get(0x3000) == 0x01020304 && event.frame.cx == 0xaaaa0000 && event.frame.si == 0x11112004 && event.frame.di == 0x22223004,
	     "REP MOVSB with 67: CX, SI, DI, the upper halves stay");
	put(0xfffc, 0xb2b10000);
	put(0, 0xb4b3);
	RUN(addr16_wrap, .ip = 0x100);
	WELL(done() && get(0x3000) == 0xb4b3b2b1 && event.frame.si == 0x11110002, "and SI wraps at 64 KiB");
	RUN(addr16_xlat);
	WELL(done() && (event.frame.ax & 0xff) == 0x01, "XLAT with 67");
	RUN(addr32, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.ax == 0x600d0001, "67 in 16-bit code: [EBX+disp]");
	RUN(addr32_out, .cs = SEL_16, .ss = SEL_S16, .ds = SEL_S16, .ip = 0x100);
	FAULTS(GP, 0, 6, "beyond the limit: #GP(0)");
	RUN(addr32_scale, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.ax == 0x600d0001 && event.frame.dx == 0x12345 + 0x400 * 9, "scaled");
	RUN(addr32_stos, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && get(0x3000) == 0x5a5a5a5a && get(0x3004) == 0x5a5a5a5a && event.frame.di == 0x3008 && event.frame.cx == 0, "REP STOSD there");
	RUN(words, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.ax == 0x11119223 && event.frame.bx == 0x11192230 && event.frame.dx == 0xffff, "operands of 16 and 32 bits in turn");
	RUN(mul16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x99990000 && event.frame.dx == 0x77770001, "MUL of 16 bits leaves the upper halves");
	RUN(cwd16, .cs = SEL_16, .ss = SEL_S16, .ip = 0x100);
	WELL(done() && event.frame.bx == 0x6666ffff && event.frame.ax == 0xffff8000, "CWD and CWDE");
	RUN(one_byte, .bx = 7);
	WELL(done() && event.frame.ax == 0xffffffff && event.frame.bx == 7, "40-4F are INC and DEC");
	RUN(old_insns);
	WELL(event.vector == OF && (event.frame.bx & 0xff) == 0x47, "DAA and INTO");
	RUN(les_vex, .si = 0x2000);
	WELL(done() && event.frame.di == 0x1234 && (event.frame.ax & 0xffff) == 0x8b, "C4 with a memory operand is LES");
	RUN(bound_in, .si = 0x2000);
	WELL(event.vector == BR && event.frame.ax == 9, "62 with a memory operand is BOUND");
	RUN(arpl_insn);
	WELL(done() && (event.frame.ax & 0xffff) == 0x13 && (event.frame.bx & 0xff) == 1, "63 is ARPL");
	RUN(pushes);
	WELL(done() && event.frame.sp == 0x8000 && (event.frame.bx & 0xffff) == SEL_FLAT && (event.frame.ax & 0xffff) == SEL_FLAT, "PUSH DS, ES; PUSHA, POPA");
	RUN(sse_16);
	WELL(done() && event.frame.ax == 0x600d0001, "SSE with a 16-bit address");
}

/* ---- the same bytes at the same address in code segments of all sizes -------------------------------------------- */

static void all_sizes(void)
{
	static const uint8_t code[] = { 0x05, 0x01, 0x02, 0x40, 0x40, 0xcd, 0x80, 0xcd, 0x80 };
	/* 16 bits: ADD AX, 201h; INC AX; INC AX.  Else ADD EAX, 40400201h. */
	static const struct { uint16_t cs, ss; uint32_t base; uint64_t ax; } size[] = {
		{ SEL_16, SEL_S32, 0, 0x10203 }, { SEL_32, SEL_S32, 0, 0x40410201 }, { SEL_USER_CODE, SEL_USER_DATA, BASE, 0x40410201 },
	};
	unsigned bad = 0;

	memcpy(memory + 0x700, code, sizeof code);
	for (unsigned n = 0; n < 60; n++) {
		unsigned k = (n * 7 + n / 3) % 3;
		struct frame f = { .cs = size[k].cs, .ss = size[k].ss, .ip = size[k].base + 0x700, .sp = size[k].base + 0x8000, .flags = 2, .ax = 0x10000 };

		run_frame(&f);
		bad += event.vector != USER_VECTOR || event.frame.ax != size[k].ax;
	}
	check_eq(bad, 0, "the same bytes at one address as 16-, 32- and 64-bit code in turn");
}

/* ---- what the kernel sees ------------------------------------------------------------------------------------------ */

CODE32(full_regs, "movl $-1, %eax; movl $-1, %esp; incl %eax");
CODE32(user_syscall_32, "syscall");

static void borders(void)
{
	RUN(full_regs, .ip = 0x100);
	WELL(done() && event.frame.ax == 0 && event.frame.sp == 0xffffffff && event.frame.cs == SEL_32 && event.frame.ip == 0x10d,
	     "an interrupt saves RIP and RSP zero-extended, without the base");
	wrmsr(MSR_FS_BASE, 0);
	if (cpuid(0, 0).b == 0x756e6547) {
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
		RUN(user_syscall_32, .ip = 0x100);
		FAULTS(UD, 0, 0, "SYSCALL in compatibility mode of an Intel processor: #UD");
	}
}

void guest_main(void)
{
	prepare();
	limits();
	bases();
	branches();
	stacks();
	sizes();
	all_sizes();
	borders();
}

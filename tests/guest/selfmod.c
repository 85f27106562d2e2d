/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Code that changes: by each kind of store, in the same block, in the next, through
 * another address of its frame, by a device, by another processor with and without a
 * handshake.
 */
#include "lib/guest.h"

enum { ROUNDS = 200, CROSS_ROUNDS = 100, PATCH_ROUNDS = 24, FETCH_IPI = 0x71, WAKE = 0xfe };
#define ALIAS 0x10000000000ull
#define OTHER_PLACE 0x18000000000ull
static const uint64_t ALL = P_P | P_W | P_U;
static unsigned cpus;
static uint8_t *page;  /* two in a row, for code */

static unsigned call(const void *p)
{
	unsigned v;

	asm volatile("call *%1" : "=a"(v) : "r"(p) : "memory", "cc", "rcx", "rdx");
	return v;
}

/* MOV EAX, v; RET */
static void put_return(uint8_t *p, uint32_t v)
{
	p[0] = 0xb8;
	*(volatile uint32_t *)(p + 1) = v;
	p[5] = 0xc3;
}

/* ---- the same block: each kind of store into the instruction behind it ------------------------------ */

/*
 * WRITER stores what EDX says at RDI, four bytes.  Behind it, @gap bytes further in the
 * same block, MOV EAX, imm32 has RDI as the address of its immediate.
 */
#define WRITER(name, text) \
	CODE(next_##name, "leaq 1f+1(%rip), %rdi\n" text "\n1: movl $0, %eax; ret"); \
	CODE(later_##name, "leaq 1f+1(%rip), %rdi\n" text "\nnop; incl %ecx; addl %ecx, %ecx; movq (%rsp), %rcx; pushq %rcx; popq %rcx; testl %ecx, %ecx\n" \
	     "1: movl $0, %eax; ret")
WRITER(mov, "movl %edx, (%rdi)");
WRITER(bytes, "movb %dl, (%rdi); movb %dh, 1(%rdi); shrl $16, %edx; movb %dl, 2(%rdi); movb %dh, 3(%rdi)");
WRITER(words, "movw %dx, (%rdi); shrl $16, %edx; movw %dx, 2(%rdi)");
WRITER(xchg, "xchgl %edx, (%rdi)");
WRITER(add, "movl $0, (%rdi); addl %edx, (%rdi)");
WRITER(lock_add, "movl $0, (%rdi); lock; addl %edx, (%rdi)");
WRITER(cmpxchg, "movl (%rdi), %eax; lock; cmpxchgl %edx, (%rdi)");
WRITER(not, "notl %edx; movl %edx, (%rdi); notl (%rdi)");
WRITER(stosd, "movl %edx, %eax; stosl; subq $4, %rdi");
WRITER(rep_stosd, "movl %edx, %eax; movl $1, %ecx; rep; stosl");
WRITER(rep_movsb, "movl %edx, -64(%rsp); leaq -64(%rsp), %rsi; movl $4, %ecx; rep; movsb");
WRITER(rep_movsb_down, "movl %edx, -64(%rsp); leaq -61(%rsp), %rsi; addq $3, %rdi; movl $4, %ecx; std; rep; movsb; cld");
WRITER(movd, "movd %edx, %xmm0; movd %xmm0, (%rdi)");
WRITER(maskmov, "movd %edx, %xmm0; movl $-1, %eax; movd %eax, %xmm1; maskmovdqu %xmm1, %xmm0");
WRITER(movnti, "movnti %edx, (%rdi)");
WRITER(fist, "pushq %rdx; fildl (%rsp); fistpl (%rdi); popq %rdx");
WRITER(push, "movl 4(%rdi), %eax; shlq $32, %rax; movl %edx, %ecx; orq %rcx, %rax; movq %rsp, %rcx; leaq 8(%rdi), %rsp; pushq %rax; movq %rcx, %rsp");
WRITER(pop, "movl 4(%rdi), %eax; shlq $32, %rax; movl %edx, %ecx; orq %rcx, %rax; pushq %rax; popq (%rdi)");
WRITER(bts, "movl %edx, (%rdi); btcl $31, (%rdi); btcl $31, (%rdi)");
WRITER(shl, "movl %edx, (%rdi); roll $8, (%rdi); rorl $8, (%rdi)");
WRITER(cmpxchg8b, "movq %rdx, %rbx; movl (%rdi), %eax; movl 4(%rdi), %edx; movl %edx, %ecx; lock; cmpxchg8b (%rdi)");
WRITER(bswap_movbe, "movl %edx, %ecx; bswapl %ecx; movbel %ecx, (%rdi)");
WRITER(setcc, "movl %edx, (%rdi); cmpl %edx, %edx; setne 3(%rdi); shrl $24, %edx; addb %dl, 3(%rdi)");

static const struct { const char *name, *next, *later; } writers[] = {
#define W(name) { #name, next_##name, later_##name }
	W(mov), W(bytes), W(words), W(xchg), W(add), W(lock_add), W(cmpxchg), W(not), W(stosd), W(rep_stosd), W(rep_movsb),
	W(rep_movsb_down), W(movd), W(maskmov), W(movnti), W(fist), W(push), W(pop), W(bts), W(shl), W(cmpxchg8b), W(bswap_movbe), W(setcc),
#undef W
};

static unsigned call_with(const void *p, uint32_t v)
{
	unsigned r;
	uint64_t d = v;

	asm volatile("call *%2" : "=a"(r), "+d"(d) : "r"(p) : "memory", "cc", "rbx", "rcx", "rdi", "rsi");
	return r;
}

static void same_block(void)
{
	for (unsigned w = 0; w < ARRAY_SIZE(writers); w++) {
		unsigned bad[2] = { 0 };

		for (uint32_t n = 1; n < ROUNDS; n++) {
			uint32_t v = n * 0x01234567u;

			bad[0] += call_with(writers[w].next, v) != v;
			bad[1] += call_with(writers[w].later, v) != v;
		}
		check(!bad[0] && !bad[1], "%s into the next instruction, and into one further on in the block: seen at once (%u and %u times not)",
		      writers[w].name, bad[0], bad[1]);
	}
}

/* A loop that counts in its own immediate, and one that patches what it has already run. */
CODE(count_in_code, "movl $0, 1f+1(%rip); movl $1000, %ecx; 2: incl 1f+1(%rip); 1: movl $0, %eax; loop 2b; ret");
/* 1 + 2 + ... + 100, each turn with the operand that the turn before has made. */
CODE(patch_behind, "xorl %eax, %eax; movl $100, %ecx; movb $1, 1f+2(%rip); 1: addl $1, %eax; incb 1b+2(%rip); loop 1b; ret");

static void loops(void)
{
	check_eq(call(count_in_code), 1000, "a loop whose counter is an immediate of its own");
	check_eq(call(patch_behind), 5050, "a loop that changes what it has just run");
}

/* ---- the next block ------------------------------------------------------------------------------------ */

static void jumps(void)
{
	unsigned bad[5] = { 0 };

	for (unsigned n = 0; n < ROUNDS; n++) {
		/* JMP rel8 to one of two places. */
		memset(page, 0xcc, 128);
		page[0] = 0xeb;
		page[1] = n & 1 ? 62 : 30;
		put_return(page + 32, 1);
		put_return(page + 64, 2);
		bad[0] += call(page) != 1 + (n & 1);
		bad[0] += call(page) != 1 + (n & 1);
		page[1] ^= 62 ^ 30;
		bad[0] += call(page) != 2 - (n & 1);
		/* CMP EAX, EAX; Jcc: the condition itself is turned round. */
		page[0] = 0x39, page[1] = 0xc0, page[2] = 0x74, page[3] = 28;
		put_return(page + 4, 3);
		bad[1] += call(page) != 1;
		page[2] = 0x75;
		bad[1] += call(page) != 3;
		page[2] = 0x74;
		bad[1] += call(page) != 1;
		/* CALL rel32 as kernels patch it: to one function, to another, to a NOP. */
		page[0] = 0xe8;
		*(volatile uint32_t *)(page + 1) = 32 - 5;
		page[5] = 0xc3;
		bad[2] += call(page) != 1;
		*(volatile uint32_t *)(page + 1) = 64 - 5;
		bad[2] += call(page) != 2;
		*(volatile uint64_t *)page = 0xc30000441f0f;  /* 5-byte NOP; RET */
		bad[2] += call_with(page, 0) == 77;
		/* Only the end of a chain of blocks: all before stay. */
		for (unsigned k = 0; k < 8; k++) {
			page[k * 8] = 0xeb;
			page[k * 8 + 1] = 6;
		}
		put_return(page + 64, n);
		bad[3] += call(page) != n;
		put_return(page + 64, n + 1);
		bad[3] += call(page) != n + 1;
		/* A block in the middle becomes a return. */
		put_return(page + 24, n + 2);
		bad[3] += call(page) != n + 2;
	}
	check_eq(bad[0], 0, "JMP whose target is changed, after it has run");
	check_eq(bad[1], 0, "Jcc whose condition is changed");
	check_eq(bad[2], 0, "CALL patched to another function and to a NOP");
	check_eq(bad[3], 0, "the last and a middle block of a chain of jumps");
}

/* One store that reaches two lines or two pages of code. */
static void straddling(void)
{
	unsigned bad = 0;

	for (unsigned n = 1; n < ROUNDS; n++) {
		for (unsigned at = 56; at <= PAGE - 8; at += PAGE - 64) {
			for (unsigned k = 1; k < 8; k++) {
				uint8_t *p = page + at + k - 1;  /* its immediate begins in front of the border */

				put_return(p, 0);
				bad += call(p) != 0;
				*(volatile uint32_t *)(p + 1) = n * 0x01010101u;
				bad += call(p) != n * 0x01010101u;
			}
		}
		/* Eight bytes: four end a function in the first page, four begin one in the second. */
		memset(page + PAGE - 16, 0x90, 32);
		page[PAGE - 5] = 0xb8;
		page[PAGE] = 0xc3;
		call(page + PAGE - 5);
		put_return(page + PAGE + 1, 5);
		call(page + PAGE + 1);
		*(volatile uint64_t *)(page + PAGE - 4) = (n << 16 | 0xb8c3ull) << 32 | n;
		bad += call(page + PAGE - 5) != n;
		bad += call(page + PAGE + 1) != n;
	}
	check_eq(bad, 0, "stores across two lines and two pages of code");
}

/* Data that shares a line with code which runs all the time. */
CODE(data_beside, "movl $1000, %ecx; xorl %eax, %eax; 1: incl 2f(%rip); addl 2f(%rip), %eax; loop 1b; ret; 2: .long 0");

static void data_in_code(void)
{
	uint32_t *counter, sum = 0, want = 0;

	asm("leaq data_beside_end - 4(%%rip), %0" : "=r"(counter));
	*counter = 0;
	for (unsigned n = 0; n < 3; n++)
		sum += call(data_beside);
	for (unsigned n = 1; n <= 3000; n++)
		want += n;
	check_eq(sum, want, "data in the line of the code that writes it");
	check_eq(*counter, 3000, "and its last value");
}

/* The stack in the page of the code, the code as a page table, the frame at another address. */
static void frames(void)
{
	uint64_t *frame = page_alloc(), *target = page_alloc(), *code = page_alloc();
	unsigned bad = 0;

	put_return((uint8_t *)frame, 7);
	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t v;

		asm volatile("movq %%rsp, %%rbx; movq %2, %%rsp; call *%1; movq %%rbx, %%rsp" : "=a"(v) : "r"(frame), "r"((char *)frame + 64)
			     : "rbx", "memory");
		bad += (unsigned)v != 7;
	}
	check_eq(bad, 0, "a stack in the line and page of the code that uses it");
	target[0] = 0x1234;
	for (unsigned n = 0; n < 20; n++) {
		put_return((uint8_t *)frame, n);
		bad += call(frame) != n;
		memset(frame, 0, PAGE);
		frame[0] = (uint64_t)target | ALL;
		*page_entry(OTHER_PLACE, 2) = (uint64_t)frame | ALL;
		invlpg(OTHER_PLACE);
		bad += *(volatile uint64_t *)OTHER_PLACE != 0x1234;
		/* The accessed and dirty bits go into what was code. */
		*(volatile uint64_t *)OTHER_PLACE = 0x1234;
		bad += (frame[0] & (P_A | P_D)) != (P_A | P_D);
		put_return((uint8_t *)code, n);
		frame[0] = (uint64_t)code | ALL;
		invlpg(OTHER_PLACE);
		bad += call((void *)OTHER_PLACE) != n;
		*page_entry(OTHER_PLACE, 2) = 0;
		invlpg(OTHER_PLACE);
	}
	check_eq(bad, 0, "a frame that is code, page table, and code again");
	for (unsigned n = 0; n < 20; n++) {
		put_return((uint8_t *)frame, 1);
		put_return((uint8_t *)code, 2);
		page_map(OTHER_PLACE, (uint64_t)(n & 1 ? code : frame), ALL, 1);
		bad += call((void *)OTHER_PLACE) != 1 + (n & 1);
		((uint8_t *)(n & 1 ? code : frame))[1] = 9;
		bad += call((void *)OTHER_PLACE) != 9;
		((uint8_t *)(n & 1 ? frame : code))[1] = 8;
		bad += call((void *)OTHER_PLACE) != 9;
	}
	check_eq(bad, 0, "two frames in turn at one address, each changed by its own address");
}

static void alias(void)
{
	unsigned bad = 0;

	page_map(ALIAS, (uint64_t)page, ALL, 1);
	page_map(ALIAS + PAGE, (uint64_t)page, P_P | P_U, 1);  /* read-only */
	for (unsigned n = 0; n < ROUNDS; n++) {
		put_return((uint8_t *)ALIAS, n);
		cpuid(0, 0);
		bad += call(page) != n || call((void *)(ALIAS + PAGE)) != n || call((void *)ALIAS) != n;
		page[1] = ~n;
		cpuid(0, 0);
		bad += (call((void *)(ALIAS + PAGE)) & 0xff) != (~n & 0xff) || (call((void *)ALIAS) & 0xff) != (~n & 0xff);
	}
	check_eq(bad, 0, "one frame at three addresses: each change is seen at all of them");
	/* A large page and a small one. */
	page_map(OTHER_PLACE, (uint64_t)page & ~0x1fffffull, ALL, 2);
	for (unsigned n = 0; n < ROUNDS; n++) {
		put_return((uint8_t *)(OTHER_PLACE + ((uint64_t)page & 0x1fffff)), n);
		cpuid(0, 0);
		bad += call((void *)(ALIAS + PAGE)) != n || call(page) != n;
	}
	*page_entry(OTHER_PLACE, 2) = 0;
	invlpg(OTHER_PLACE);
	check_eq(bad, 0, "the same through a large page");
}

/* ---- a device ------------------------------------------------------------------------------------------- */

enum { FW_DMA = 0x514, FW_SIGNATURE = 0, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8 };

/* The firmware configuration's device writes @n bytes of its signature "QEMU", from @skip on, to @to. */
static bool device_write(void *to, unsigned skip, unsigned n)
{
	static volatile struct { uint32_t control, length; uint64_t address; } access;
	uint64_t at = (uint64_t)&access;

	for (unsigned pass = 0; pass < 2; pass++) {
		access.control = __builtin_bswap32(pass ? DMA_READ : DMA_SKIP | DMA_SELECT | FW_SIGNATURE << 16);
		access.length = __builtin_bswap32(pass ? n : skip);
		access.address = __builtin_bswap64((uint64_t)to);
		outl(FW_DMA, __builtin_bswap32(at >> 32));
		outl(FW_DMA + 4, __builtin_bswap32(at));
		if (!WAIT_FOR(!(access.control & ~__builtin_bswap32(1))) || access.control)
			return false;
	}
	return true;
}

static void dma(void)
{
	unsigned bad = 0, wrong = 0;

	for (unsigned n = 0; n < ROUNDS / 2; n++) {
		put_return(page, n);
		bad += call(page) != n;
		wrong += !device_write(page + 1, 0, 4);
		bad += call(page) != 0x554d4551;
		/* Zeros behind the end of the item. */
		wrong += !device_write(page + 2, 4, 2);
		bad += call(page) != 0x55000051;
		/* Across a page border, of which only the second half matters. */
		put_return(page + PAGE - 3, n);
		bad += call(page + PAGE - 3) != n;
		wrong += !device_write(page + PAGE - 2, 0, 4);
		bad += call(page + PAGE - 3) != 0x554d4551;
	}
	check_eq(wrong, 0, "DMA of the firmware configuration works");
	check_eq(bad, 0, "code that a device writes over");
}

/* ---- other processors ------------------------------------------------------------------------------------- */

static volatile bool stop;
static volatile unsigned phase, bad_calls, seen[CPU_MAX], traps[CPU_MAX];
static const void *volatile entry;

static void all_run(void (*fn)(unsigned))
{
	stop = false;
	phase = bad_calls = 0;
	for (unsigned n = 0; n < CPU_MAX; n++)
		seen[n] = traps[n] = 0;
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, fn);
}

static bool all_seen(unsigned v)
{
	for (unsigned n = 1; n < cpus; n++)
		if (seen[n] < v)
			return false;
	return true;
}

/* Those that wait for a phase halt, not to keep host processors from others. */
static void await(unsigned old)
{
	while (phase == old && !stop)
		asm volatile("sti; hlt; cli" : : : "memory");
}

static void announce(unsigned n)
{
	phase = n;
	apic_send(0, ICR_OTHERS | ICR_ASSERT | WAKE);
}

static void all_wait(const char *what)
{
	bool good = true;

	stop = true;
	announce(phase);
	for (unsigned n = 1; n < cpus; n++)
		good &= smp_wait(n);
	check(good, "%s: all processors come back", what);
}

/* With the handshake of the manuals: news, serialise, run. */
static void follow(unsigned cpu)
{
	while (!stop) {
		unsigned now = phase, v;

		cpuid(0, 0);
		v = call(entry);
		/* The change for phase n + 1 may be there already. */
		if (v != now && v != now + 1)
			bad_calls++;
		seen[cpu] = now;
		await(now);
	}
}

static void handshake(void)
{
	uint8_t *writer[3] = { page, (uint8_t *)ALIAS, page };

	put_return(page, 0);
	entry = page;
	all_run(follow);
	for (unsigned n = 1; n <= CROSS_ROUNDS; n++) {
		uint8_t *p = writer[n % 3];

		/* All are between two changes: any store will do. */
		if (n & 1)
			*(volatile uint32_t *)(p + 1) = n;
		else
			__atomic_exchange_n((uint32_t *)(p + 1), n, __ATOMIC_SEQ_CST);
		announce(n);
		if (!WAIT_FOR(all_seen(n)))
			break;
	}
	check_eq(phase, CROSS_ROUNDS, "cross-modifying code with a handshake: every change reaches %u processors", cpus - 1);
	check_eq(bad_calls, 0, "and nobody runs an older one");
	all_wait("handshake");
}

/* Without: one aligned store of the immediate.  Old or new, never back, and in the end the last. */
static void watch(unsigned cpu)
{
	unsigned last = 0;

	while (!stop) {
		unsigned v = call(entry);

		if (v < last)
			bad_calls++;
		last = v;
		seen[cpu] = v;
	}
}

static void no_handshake(void)
{
	/* NOPs so that the immediate is aligned. */
	memset(page, 0x90, 8);
	put_return(page + 7, 0);
	entry = page;
	all_run(watch);
	for (unsigned n = 1; n <= CROSS_ROUNDS * 20; n++) {
		*(volatile uint32_t *)((n & 1 ? page : (uint8_t *)ALIAS) + 8) = n;
		for (unsigned k = 0; k < 100; k++)
			asm volatile("");
	}
	check(WAIT_FOR(all_seen(CROSS_ROUNDS * 20)), "without a handshake the last change arrives in the end");
	check_eq(bad_calls, 0, "and none is undone");
	all_wait("no handshake");
}

/* As kernels patch code that runs: INT3, all serialise, the rest, all serialise, the first byte. */
static volatile unsigned synced;
static void serialise(struct frame *f)
{
	cpuid(0, 0);
	__atomic_fetch_add(&synced, 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

static bool sync_all(void)
{
	synced = 0;
	apic_send(0, ICR_OTHERS | ICR_ASSERT | FETCH_IPI);
	return WAIT_FOR(synced == cpus - 1);
}

static void over_breakpoint(struct frame *f)
{
	traps[this_cpu()]++;
	f->ip += 4;      /* behind the 5 bytes */
	f->ax = ~0u;
}

/* Five bytes, MOV EAX, 5-byte value, or two instructions of other lengths: EAX is 0x11111111, 0x22222222 or of the trap. */
static void run_patched(unsigned cpu)
{
	sti();
	while (!stop) {
		unsigned v = call(entry);

		if (v != 0x11111111 && v != 0x22222222 && v != ~0u)
			bad_calls++;
		seen[cpu]++;
	}
	cli();
}

static void breakpoint_patching(void)
{
	static const uint8_t form[2][5] = { { 0xb8, 0x11, 0x11, 0x11, 0x11 }, { 0xeb, 0x10, 0xcc, 0xcc, 0xcc } };
	unsigned rounds = 0, before;

	memset(page, 0xcc, 64);
	memcpy(page, form[0], 5);
	page[5] = 0xc3;
	put_return(page + 18, 0x22222222);
	handler[FETCH_IPI] = serialise;
	handler[BP] = over_breakpoint;
	entry = page;
	all_run(run_patched);
	WAIT_FOR(all_seen(1));
	for (unsigned n = 1; n <= PATCH_ROUNDS; n++, rounds++) {
		const uint8_t *to = form[n & 1];

		*(volatile uint8_t *)page = 0xcc;
		if (!sync_all())
			break;
		if (n % 8 == 0) {
			before = traps[1];
			WAIT_FOR(traps[1] > before);
		}
		for (unsigned k = 1; k < 5; k++)
			*(volatile uint8_t *)(page + k) = to[k];
		if (!sync_all())
			break;
		*(volatile uint8_t *)page = to[0];
		if (!sync_all())
			break;
	}
	check_eq(rounds, PATCH_ROUNDS, "patching by way of INT3: %u times", PATCH_ROUNDS);
	check_eq(bad_calls, 0, "each processor runs the old code, the breakpoint or the new code");
	check(traps[1] > 0, "the breakpoint has been met");
	all_wait("breakpoints");
	handler[BP] = NULL;
}

/* A function that did not exist before, announced by its address; then its place is used again. */
static void run_new(unsigned cpu)
{
	for (unsigned n = 1; !stop; n++) {
		await(n - 1);
		if (stop)
			break;
		cpuid(0, 0);
		if (call(entry) != n * 3)
			bad_calls++;
		seen[cpu] = n;
	}
}

static void new_code(void)
{
	unsigned n;

	all_run(run_new);
	for (n = 1; n <= CROSS_ROUNDS; n++) {
		uint8_t *p = page + n % 7 * 600;

		put_return(p, n * 3);
		entry = p;
		announce(n);
		if (!WAIT_FOR(all_seen(n)))
			break;
	}
	check_eq(n, CROSS_ROUNDS + 1, "code made on one processor and run on %u", cpus - 1);
	check_eq(bad_calls, 0, "with its right result");
	all_wait("new code");
}

/* A device changes what the others run: in odd rounds its signature, in even ones a zero of ours. */
static volatile unsigned begun;
static void follow_device(unsigned cpu)
{
	while (!stop) {
		unsigned now = phase, v, want = now & 1 ? 0x554d4551 : 0;

		cpuid(0, 0);
		v = call(entry);
		/* Unless the next change has begun it is what was announced. */
		if (begun == now && v != want)
			bad_calls++;
		seen[cpu] = now;
		await(now);
	}
}

static void device_handshake(void)
{
	unsigned n, failed = 0;

	put_return(page, 0);
	entry = page;
	begun = 0;
	all_run(follow_device);
	for (n = 1; n <= CROSS_ROUNDS / 4; n++) {
		begun = n;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (n & 1)
			failed += !device_write(page + 1, 0, 4);
		else
			*(volatile uint32_t *)(page + 1) = 0;
		announce(n);
		if (!WAIT_FOR(all_seen(n)))
			break;
	}
	check(n == CROSS_ROUNDS / 4 + 1 && !failed, "a device's change of code reaches all processors");
	check_eq(bad_calls, 0, "and nobody runs what was there before");
	all_wait("device");
}

void guest_main(void)
{
	page = page_alloc();
	page_alloc();
	asm volatile("fninit");
	same_block();
	loops();
	jumps();
	straddling();
	data_in_code();
	frames();
	alias();
	dma();
	cpus = smp_start(guest_option("cpus", 4));
	if (cpus < 2)
		return;
	handshake();
	no_handshake();
	breakpoint_patching();
	new_code();
	device_handshake();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a child's VP does that its parent has to act on: a parent whose VPs stand still, a child that runs a
 * few bytes of code, and the message that comes of it, read as the parent would.
 */
#include "family.h"

#include "hv/intercept.h"
#include "hv/msr.h"
#include "hv/port.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "sync/futex.h"

enum { SIMP = 0x10000, VECTOR = 0x60, NOTHING = 16, DATA = 0x4000 };

static const struct vp_component *const components[] = { &apic_component, &synic_component, NULL };

static void synic_on(struct vp *vp)
{
	wr(vp, HV_X64_MSR_SIMP, (SIMP + vp_index(vp) * 0x1000) | 1);
	wr(vp, HV_X64_MSR_SINT0, VECTOR);
	wr(vp, HV_X64_MSR_SCONTROL, 1);
}

static void open_flags(struct world *w, uint64_t flags)
{
	family_open(w, components, flags);
}

static void open_world(struct world *w)
{
	open_flags(w, HV_CREATE_EXO);
	synic_on(partition_vp(w->p, 0));
}

static uint64_t child_read64(struct world *w, uint64_t at)
{
	uint64_t v;

	g_assert_true(partition_read(w->p, gpa(SHARED * 0x1000 + at), &v, sizeof v));
	return v;
}

/* ---- the parent's page ---- */

static bool look(struct world *w, unsigned index, struct hv_message *m)
{
	g_assert_true(partition_read(w->p, gpa(SIMP + index * 0x1000), m, sizeof *m));
	return m->type != HV_MESSAGE_NONE;
}

static struct hv_message receive_at(struct world *w, unsigned index)
{
	struct hv_message m;
	int64_t end = monotonic_ns() + INT64_C(60000000000);

	while (!look(w, index, &m)) {
		if (monotonic_ns() > end)
			g_error("no message");
		g_usleep(200);
	}
	/* The whole of it: its type is written last. */
	g_assert_true(look(w, index, &m));
	g_assert_true(partition_write(w->p, gpa(SIMP + index * 0x1000), &(uint32_t){ 0 }, 4));
	wr(partition_vp(w->p, index), HV_X64_MSR_EOM, 0);
	return m;
}

static struct hv_message receive(struct world *w) { return receive_at(w, 0); }

static void none(struct world *w, unsigned index)
{
	struct hv_message m;

	g_assert_false(look(w, index, &m));
}

static struct hv_message run(struct world *w, const void *code, size_t n)
{
	place(w, code, n);
	resume(w);
	return receive(w);
}
#define RUN(w, ...) run(w, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static bool suspended(struct world *w)
{
	bool is;

	lock_acquire(&w->vp->lock);
	is = w->vp->suspend & SUSPEND_INTERCEPT;
	lock_release(&w->vp->lock);
	return is;
}

static void check_header(struct world *w, const struct hv_message *m, uint32_t type, unsigned size, uint8_t access, uint64_t rip)
{
	const struct hv_intercept_header *h = (const void *)m->payload;

	g_assert_cmphex(m->type, ==, type);
	g_assert_cmpuint(m->payload_size, ==, size);
	g_assert_cmpuint(m->sender, ==, partition_id(w->child));
	g_assert_cmpuint(h->vp, ==, 0);
	g_assert_cmpuint(h->access, ==, access);
	g_assert_cmphex(h->rip, ==, rip);
	g_assert_cmphex(h->state, ==, 0);
	g_assert_true(suspended(w));
	vp_wait_parked(w->vp);
	g_assert_cmphex(vp_cpu(w->vp)->rip, ==, rip);
}

/* ---- the parent's calls ---- */

static hv_status install(struct world *w, uint32_t type, uint32_t access, uint64_t parameter)
{
	struct hv_in_install_intercept in = { partition_id(w->child), access, type, parameter };

	return call(w, HV_CALL_INSTALL_INTERCEPT, &in, sizeof in);
}

/* ---- ports ---- */

static void port_message(void)
{
	struct hv_io_message io;
	struct hv_message m;
	struct world w;

	open_world(&w);
	/* mov al, 0x5a; out 0x80, al; mov dx, 0x3f8; in ax, dx */
	m = RUN(&w, 0xb0, 0x5a, 0xe6, 0x80, 0xba, 0xf8, 0x03, 0xed);
	for (int again = 0; again < 2; again++) {
		check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE + 2);
		memcpy(&io, m.payload, sizeof io);
		g_assert_cmpuint(io.header.length_cr8, ==, 2);
		g_assert_cmphex(io.port, ==, 0x80);
		g_assert_cmpuint(io.access, ==, 1);
		g_assert_cmpuint(io.byte_count, ==, 0);
		g_assert_cmphex(io.rax & 0xff, ==, 0x5a);
		none(&w, 0);
		if (!again) {
			/* As it was: it happens once more. */
			resume(&w);
			m = receive(&w);
		}
	}
	vp_cpu(w.vp)->rip += 2;
	resume(&w);
	m = receive(&w);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_READ, CODE + 7);
	memcpy(&io, m.payload, sizeof io);
	g_assert_cmpuint(io.header.length_cr8, ==, 1);
	g_assert_cmphex(io.port, ==, 0x3f8);
	g_assert_cmpuint(io.access, ==, 2);
	close_world(&w);
}

static void port_string(void)
{
	struct hv_io_message io;
	struct hv_message m;
	struct world w;

	open_world(&w);
	/* mov cx, 5; mov si, 0x4000; mov di, 0x4100; mov dx, 0x70; rep outsb */
	m = RUN(&w, 0xb9, 5, 0, 0xbe, 0, 0x40, 0xbf, 0, 0x41, 0xba, 0x70, 0, 0xf3, 0x6e, 0xf4);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE + 12);
	memcpy(&io, m.payload, sizeof io);
	g_assert_cmpuint(io.header.length_cr8, ==, 2);
	g_assert_cmpuint(io.access, ==, 1 | HV_IO_STRING | HV_IO_REP);
	g_assert_cmpuint(io.byte_count, ==, 16);
	g_assert_cmphex(io.bytes[0], ==, 0xf3);
	g_assert_cmphex(io.bytes[2], ==, 0xf4);
	g_assert_cmpuint(io.rcx & 0xffff, ==, 5);
	g_assert_cmphex(io.rsi & 0xffff, ==, 0x4000);
	g_assert_cmphex(io.rdi & 0xffff, ==, 0x4100);
	close_world(&w);
}

static void port_ignored(void)
{
	struct hv_message m;
	struct world w;

	open_flags(&w, 0);
	synic_on(partition_vp(w.p, 0));
	/* in al, 0x60; mov [0x4000], al; out 0x60, al; mov al, [0]: page 16 is not there */
	m = RUN(&w, 0xe4, 0x60, 0xa2, 0, 0x40, 0xe6, 0x60, 0x66, 0x67, 0xa0, 0, 0, 1, 0);
	check_header(&w, &m, 0x80000000, 240, HV_INTERCEPT_READ, CODE + 7);
	g_assert_cmphex(child_read64(&w, DATA), ==, 0xff);
	close_world(&w);
}

static bool told_of(struct world *w, uint16_t port, uint8_t size)
{
	struct hv_in_check_for_io_intercept in = { .partition_id = partition_id(w->child), .port = port, .size = size };
	uint8_t told;

	g_assert_cmpuint(call(w, HV_CALL_CHECK_FOR_IO_INTERCEPT, &in, sizeof in), ==, HV_STATUS_SUCCESS);
	g_assert_true(partition_read(w->p, gpa(OUT), &told, 1));
	return told;
}

static void port_installed(void)
{
	struct hv_io_message io;
	struct hv_message m;
	struct world w;

	open_flags(&w, 0);
	synic_on(partition_vp(w.p, 0));
	g_assert_cmpuint(install(&w, HV_INTERCEPT_IO_PORT, 3, 0x62), ==, HV_STATUS_SUCCESS);
	g_assert_false(told_of(&w, 0x60, 2));
	g_assert_true(told_of(&w, 0x60, 4));
	g_assert_true(told_of(&w, 0x62, 1));
	/* in ax, 0x60; in eax, 0x60 */
	m = RUN(&w, 0xe5, 0x60, 0x66, 0xe5, 0x60);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_READ, CODE + 2);
	memcpy(&io, m.payload, sizeof io);
	g_assert_cmphex(io.port, ==, 0x60);
	g_assert_cmpuint(io.access, ==, 4);
	g_assert_cmpuint(io.header.length_cr8, ==, 3);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_IO_PORT, 0, 0x62), ==, HV_STATUS_SUCCESS);
	g_assert_false(told_of(&w, 0x60, 4));
	g_assert_cmpuint(install(&w, HV_INTERCEPT_IO_PORT_RANGE, 3, 0x70 | 0x72 << 16), ==, HV_STATUS_SUCCESS);
	g_assert_false(told_of(&w, 0x6f, 1));
	g_assert_true(told_of(&w, 0x6f, 2));
	g_assert_true(told_of(&w, 0x72, 1));
	g_assert_false(told_of(&w, 0x73, 1));
	close_world(&w);
}

/* ---- MSRs, leaves ---- */

static void msr_message(void)
{
	struct hv_msr_message f;
	struct hv_message m;
	struct world w;

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_MSR, 3, 0), ==, HV_STATUS_SUCCESS);
	/* mov ecx, 0x12345; mov eax, 7; mov edx, 9; wrmsr; rdmsr */
	m = RUN(&w, 0x66, 0xb9, 0x45, 0x23, 1, 0, 0x66, 0xb8, 7, 0, 0, 0, 0x66, 0xba, 9, 0, 0, 0, 0x0f, 0x30, 0x0f, 0x32);
	check_header(&w, &m, 0x80010001, 64, HV_INTERCEPT_WRITE, CODE + 18);
	memcpy(&f, m.payload, sizeof f);
	g_assert_cmphex(f.msr, ==, 0x12345);
	g_assert_cmphex(f.rax, ==, 7);
	g_assert_cmphex(f.rdx, ==, 9);
	g_assert_cmpuint(f.header.length_cr8, ==, 2);
	vp_cpu(w.vp)->rip += 2;
	resume(&w);
	m = receive(&w);
	check_header(&w, &m, 0x80010001, 64, HV_INTERCEPT_READ, CODE + 20);
	close_world(&w);
}

static hv_status register_msr(struct world *w, uint32_t msr, uint32_t access, uint32_t action)
{
	struct hv_in_register_intercept_result in = { .partition_id = partition_id(w->child), .vp = HV_ANY_VP,
		.type = HV_INTERCEPT_MSR, .msr = { msr, access, action } };

	return call(w, HV_CALL_REGISTER_INTERCEPT_RESULT, &in, sizeof in);
}

/* What is registered comes before what is installed. */
static void msr_registered(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_MSR, 3, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(register_msr(&w, 0x12345, HV_INTERCEPT_MASK_READ, HV_MSR_IGNORE), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(register_msr(&w, 0x12345, 0, HV_MSR_IGNORE), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmpuint(register_msr(&w, 0x12345, 3, 2), ==, HV_STATUS_INVALID_PARAMETER);
	/* mov ecx, 0x12345; rdmsr; wrmsr */
	m = RUN(&w, 0x66, 0xb9, 0x45, 0x23, 1, 0, 0x0f, 0x32, 0x0f, 0x30);
	check_header(&w, &m, 0x80010001, 64, HV_INTERCEPT_WRITE, CODE + 8);
	g_assert_cmphex(vp_cpu(w.vp)->gpr[X86_RAX], ==, 0);
	close_world(&w);
}

static hv_status register_leaf(struct world *w, uint32_t vp, uint32_t leaf, uint32_t value, uint32_t mask)
{
	struct hv_in_register_intercept_result in = { .partition_id = partition_id(w->child), .vp = vp,
		.type = HV_INTERCEPT_CPUID, .cpuid = { .leaf = leaf, .always = 1, .result = { { value, mask } } } };

	return call(w, HV_CALL_REGISTER_INTERCEPT_RESULT, &in, sizeof in);
}

static void cpuid_message(void)
{
	struct hv_cpuid_message f;
	struct hv_message m;
	struct world w;
	uint32_t regs[4];

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_CPUID, 4, 0x40000000), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(register_leaf(&w, 0, 0x40000000, 0x55, 0xff), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(register_leaf(&w, 1, 0x40000000, 0x55, 0xff), ==, HV_STATUS_INVALID_VP_INDEX);
	g_assert_cmpuint(register_leaf(&w, HV_ANY_VP, 0x40000000, 0x66, 0xff), ==, HV_STATUS_SUCCESS);
	/* xor eax, eax; cpuid; mov eax, 0x40000000; mov ecx, 3; cpuid */
	m = RUN(&w, 0x66, 0x31, 0xc0, 0x0f, 0xa2, 0x66, 0xb8, 0, 0, 0, 0x40, 0x66, 0xb9, 3, 0, 0, 0, 0x0f, 0xa2);
	check_header(&w, &m, 0x80010002, 104, HV_INTERCEPT_EXECUTE, CODE + 17);
	memcpy(&f, m.payload, sizeof f);
	g_assert_cmphex(f.rax, ==, 0x40000000);
	g_assert_cmphex(f.rcx, ==, 3);
	g_assert_cmpuint(f.header.length_cr8, ==, 2);
	vp_cpuid(w.vp, 0x40000000, 3, regs);
	g_assert_cmphex(f.default_rax, ==, (regs[0] & ~0xffu) | 0x55);
	g_assert_cmphex(f.default_rbx, ==, regs[1]);
	g_assert_cmphex(f.default_rcx, ==, regs[2]);
	g_assert_cmphex(f.default_rdx, ==, regs[3]);
	close_world(&w);
}

/* ---- exceptions ---- */

static void check_exception(struct world *w, const struct hv_message *m, uint16_t vector, int64_t error, uint64_t parameter)
{
	struct hv_exception_message f;

	memcpy(&f, m->payload, sizeof f);
	g_assert_cmphex(m->type, ==, 0x80010003);
	g_assert_cmpuint(m->payload_size, ==, 240);
	g_assert_cmpuint(f.vector, ==, vector);
	g_assert_cmpuint(f.header.length_cr8, ==, 0);
	g_assert_cmpuint(f.info, ==, error >= 0);
	g_assert_cmphex(f.error, ==, error >= 0 ? error : 0);
	g_assert_cmphex(f.parameter, ==, parameter);
	g_assert_cmphex(f.gpr[X86_RSP], ==, STACK);
}

static void exception_message(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_EXCEPTION, 4, X86_UD), ==, HV_STATUS_SUCCESS);
	for (int again = 0; again < 2; again++) {
		m = RUN(&w, 0x90, 0x0f, 0x0b);
		check_header(&w, &m, 0x80010003, 240, HV_INTERCEPT_EXECUTE, CODE + 1);
		check_exception(&w, &m, X86_UD, -1, 0);
	}
	/* int 6 is none: its handler at 0:0x4000 does out 0x77, al. */
	child_write(&w, 6 * 4, &(uint32_t){ DATA }, 4);
	child_write(&w, DATA, "\xe6\x77", 2);
	m = RUN(&w, 0xcd, 6);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, DATA);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_EXCEPTION, 0, X86_UD), ==, HV_STATUS_SUCCESS);
	m = RUN(&w, 0x0f, 0x0b);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, DATA);
	close_world(&w);
}

/* A trap: DR6 is what it was, the message has what it would be. */
static void exception_debug(void)
{
	struct hv_message m;
	struct world w;
	uint64_t dr6;

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_EXCEPTION, 4, X86_DB), ==, HV_STATUS_SUCCESS);
	dr6 = vp_cpu(w.vp)->dr[6];
	/* pushf; pop ax; or ah, 1; push ax; popf; nop */
	m = RUN(&w, 0x9c, 0x58, 0x80, 0xcc, 1, 0x50, 0x9d, 0x90);
	check_header(&w, &m, 0x80010003, 240, HV_INTERCEPT_EXECUTE, CODE + 8);
	check_exception(&w, &m, X86_DB, -1, dr6 | DR6_BS);
	g_assert_cmphex(vp_cpu(w.vp)->dr[6], ==, dr6);
	close_world(&w);
}

/* T11.12.d to T11.12.f: what comes up in the delivery of another is told before the two make a double fault. */
static void exception_nested(void)
{
	static const struct {
		uint8_t vector;
		uint32_t type;
	} cases[] = { { X86_GP, 0x80010003 }, { X86_DF_FAULT, 0x80010003 }, { X86_MC, 0x80000021 } };

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct hv_message m;
		struct world w;

		open_world(&w);
		g_assert_cmpuint(install(&w, HV_INTERCEPT_EXCEPTION, 4, cases[i].vector), ==, HV_STATUS_SUCCESS);
		/* lidt [0x4000], all zeros; div by zero: no vector is within the table */
		m = RUN(&w, 0x0f, 0x01, 0x1e, 0, 0x40, 0x31, 0xc9, 0xf7, 0xf1);
		g_assert_cmphex(m.type, ==, cases[i].type);
		if (cases[i].type == 0x80010003) {
			check_exception(&w, &m, cases[i].vector, 0, 0);
			g_assert_cmphex(((struct hv_exception_message *)m.payload)->header.state, ==,
					HV_EXECUTION_INTERRUPTION_PENDING);
			g_assert_cmpuint(((struct hv_exception_message *)m.payload)->byte_count, ==, 0);
		}
		close_world(&w);
	}
}

/* ---- HLT, hypercalls, EOI ---- */

static void halt_message(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	m = RUN(&w, 0x90, 0xf4);
	check_header(&w, &m, 0x80010007, 40, HV_INTERCEPT_EXECUTE, CODE + 1);
	g_assert_cmpuint(((struct hv_intercept_header *)m.payload)->length_cr8, ==, 1);
	close_world(&w);

	/* Its own local APIC ends the wait. */
	open_flags(&w, HV_CREATE_EXO | HV_CREATE_LAPIC);
	synic_on(partition_vp(w.p, 0));
	place(&w, "\xf4", 1);
	resume(&w);
	while (!vp_halted(w.vp))
		g_usleep(100);
	none(&w, 0);
	g_assert_false(suspended(&w));
	close_world(&w);
}

static void notify(struct world *w, uint64_t wanted)
{
	struct { struct hv_in_vp vp; struct hv_register_assoc list; } in = {
		{ .partition_id = partition_id(w->child) }, { .name = HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, .value = { wanted } } };

	g_assert_cmphex(call(w, HV_CALL_SET_VP_REGISTERS | UINT64_C(1) << HV_CALL_REPS_SHIFT, &in, sizeof in), ==, HV_STATUS_SUCCESS);
}

/* Interrupts are let in in the middle of a block, NMIs at the end of one. */
static void windows(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	notify(&w, HV_NOTIFY_INTERRUPT);
	/* nop; sti; nop; nop; hlt */
	m = RUN(&w, 0x90, 0xfb, 0x90, 0x90, 0xf4);
	g_assert_cmphex(m.type, ==, 0x80010008);
	g_assert_cmphex(((struct hv_deliverable_message *)m.payload)->header.rip, ==, CODE + 3);
	resume(&w);
	m = receive(&w);
	check_header(&w, &m, 0x80010007, 40, HV_INTERCEPT_EXECUTE, CODE + 4);
	/* iret, to CODE + 1 with interrupts off; hlt */
	notify(&w, HV_NOTIFY_NMI);
	vp_cpu(w.vp)->nmi_blocked = 1;
	child_write(&w, STACK, (const uint16_t[]){ CODE + 1, 0, 2 }, 6);
	m = RUN(&w, 0xcf, 0xf4);
	check_header(&w, &m, 0x80010008, 48, HV_INTERCEPT_EXECUTE, CODE + 1);
	g_assert_cmpuint(((struct hv_deliverable_message *)m.payload)->type, ==, HV_INTERRUPTION_NMI);
	resume(&w);
	m = receive(&w);
	check_header(&w, &m, 0x80010007, 40, HV_INTERCEPT_EXECUTE, CODE + 1);
	close_world(&w);
}

static void offered_msrs(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_MSR_INDEX, HV_INTERCEPT_MASK_READ, 0x10), ==, HV_STATUS_SUCCESS);
	/* mov ecx, 0x10; wrmsr; rdmsr */
	m = RUN(&w, 0x66, 0xb9, 0x10, 0, 0, 0, 0x0f, 0x30, 0x0f, 0x32);
	check_header(&w, &m, 0x80010001, 64, HV_INTERCEPT_READ, CODE + 8);
	g_assert_cmpuint(intercepts_count(w.child), ==, 1);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_APIC_WRITE, HV_INTERCEPT_MASK_WRITE, HV_APIC_WRITE_ALL), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(install(&w, HV_INTERCEPT_APIC_EOI, HV_INTERCEPT_MASK_WRITE, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmpuint(intercepts_count(w.child), ==, 7);
	close_world(&w);
}

static void wrong_installs(void)
{
	static const struct {
		uint32_t type, access;
		uint64_t parameter;
	} wrong[] = {
		{ HV_INTERCEPT_IO_PORT, 1, 0 }, { HV_INTERCEPT_IO_PORT, 2, 0 }, { HV_INTERCEPT_IO_PORT, 7, 0 },
		{ HV_INTERCEPT_IO_PORT, 3, 0x10000 }, { HV_INTERCEPT_MSR, 4, 0 }, { HV_INTERCEPT_MSR, 3, 1 },
		{ HV_INTERCEPT_CPUID, 3, 0 }, { HV_INTERCEPT_CPUID, 4, UINT64_C(1) << 32 }, { HV_INTERCEPT_EXCEPTION, 1, 6 },
		{ HV_INTERCEPT_EXCEPTION, 4, 32 }, { 4, 4, 0 }, { 0x14, 4, 0 }, { HV_INTERCEPT_IO_PORT_RANGE, 3, 0x12 },
	};
	struct world w;

	open_world(&w);
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++)
		g_assert_cmpuint(install(&w, wrong[i].type, wrong[i].access, wrong[i].parameter), ==,
				 HV_STATUS_INVALID_PARAMETER);
	close_world(&w);
}

/* A level-triggered interrupt's end, told behind the instruction: @exo or not. */
static void level_end(bool exo_child)
{
	/* The handler: mov byte [0xfee000b0], 0 as a dword; nop; out 0x77, al.  Above: sti; hlt. */
	static const uint8_t handler[] = { 0x66, 0x67, 0xc7, 0x05, 0xb0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0x90, 0xe6, 0x77 };
	struct hv_message m;
	struct world w;

	open_flags(&w, exo_child ? HV_CREATE_EXO | HV_CREATE_LAPIC : 0);
	synic_on(partition_vp(w.p, 0));
	wr(w.vp, 0x1b, 0xfee00900);
	child_write(&w, 0x40 * 4, &(uint32_t){ DATA }, 4);
	child_write(&w, DATA, handler, sizeof handler);
	/* mov [0xfee000f0], 0x1ff as a dword; sti; hlt */
	place(&w, (const uint8_t[]){ 0x66, 0x67, 0xc7, 0x05, 0xf0, 0, 0xe0, 0xfe, 0xff, 1, 0, 0, 0xfb, 0xf4 }, 14);
	resume(&w);
	while (!vp_halted(w.vp))
		g_usleep(100);
	partition_msi(w.child, 0xfee00000, 0xc040);
	m = receive(&w);
	g_assert_cmphex(m.type, ==, 0x80010004);
	g_assert_cmpuint(m.payload_size, ==, 8);
	g_assert_cmphex(m.payload[0], ==, UINT64_C(0x40) << 32);
	if (exo_child) {
		m = receive(&w);
		check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, DATA + 13);
	} else {
		g_assert_true(suspended(&w));
		vp_wait_parked(w.vp);
		g_assert_cmphex(vp_cpu(w.vp)->rip, ==, DATA + 12);
	}
	close_world(&w);
}

static void level_ends(void)
{
	level_end(true);
	level_end(false);
}

/* ---- memory ---- */

static const struct {
	const char *name;
	uint8_t code[10], length;
	uint32_t type;
	uint8_t access;
	uint64_t gpa;
} memory_cases[] = {
	/* In real mode, with a 32-bit address. */
	{ "read of nothing", { 0x67, 0xa0, 0x45, 0x03, 0x01, 0 }, 6, 0x80000000, HV_INTERCEPT_READ, 0x10345 },
	{ "write to nothing", { 0x67, 0xa2, 0x45, 0x03, 0x01, 0 }, 6, 0x80000000, HV_INTERCEPT_WRITE, 0x10345 },
	{ "add to nothing", { 0x67, 0x00, 0x05, 0x45, 0x03, 0x01, 0 }, 7, 0x80000000, HV_INTERCEPT_WRITE, 0x10345 },
	{ "write of read-only", { 0x67, 0xa2, 0x23, 0xe1, 0, 0 }, 6, 0x80000001, HV_INTERCEPT_WRITE, 0xe123 },
	{ "add to read-only", { 0x67, 0x00, 0x05, 0x23, 0xe1, 0, 0 }, 7, 0x80000001, HV_INTERCEPT_WRITE, 0xe123 },
};

static void check_memory(struct world *w, const struct hv_message *m, uint8_t length, uint64_t at)
{
	struct hv_memory_message f = { 0 };

	memcpy(&f, m->payload, m->payload_size);
	g_assert_cmpuint(f.header.length_cr8, ==, length);
	g_assert_cmphex(f.gpa, ==, at);
	g_assert_cmphex(f.gva, ==, at);
	g_assert_cmpuint(f.info, ==, HV_MEMORY_GVA_VALID | HV_MEMORY_GVA_GPA_VALID);
	g_assert_cmpuint(f.cache_type, ==, 6);
}

static void memory_message(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(memory_cases); i++) {
		struct hv_memory_message f;
		struct hv_message m;
		struct world w;

		g_test_message("%s", memory_cases[i].name);
		open_world(&w);
		m = run(&w, memory_cases[i].code, sizeof memory_cases[i].code);
		check_header(&w, &m, memory_cases[i].type, 80, memory_cases[i].access, CODE);
		check_memory(&w, &m, memory_cases[i].length, memory_cases[i].gpa);
		memcpy(&f, m.payload, 80);
		g_assert_cmpuint(f.byte_count, ==, 16);
		g_assert_cmpint(memcmp(f.bytes, memory_cases[i].code, memory_cases[i].length), ==, 0);
		close_world(&w);
	}
}

static void memory_fetch(void)
{
	struct hv_memory_message f;
	struct hv_message m;
	struct world w;

	open_world(&w);
	/* jmp 0x1000:0x0010 */
	m = RUN(&w, 0xea, 0x10, 0, 0, 0x10);
	check_header(&w, &m, 0x80000000, 80, HV_INTERCEPT_EXECUTE, 0x10);
	check_memory(&w, &m, 0, 0x10010);
	memcpy(&f, m.payload, 80);
	g_assert_cmpuint(f.byte_count, ==, 0);
	g_assert_cmphex(f.header.cs.selector, ==, 0x1000);
	g_assert_cmphex(f.header.cs.base, ==, 0x10000);
	close_world(&w);
}

/* A store that begins in a page that is there: none of it has happened. */
static void memory_crossing(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	child_write(&w, 0xfffc, "\1\2\3\4", 4);
	/* mov eax, -1; mov [0xfffe], eax */
	m = RUN(&w, 0x66, 0xb8, 0xff, 0xff, 0xff, 0xff, 0x66, 0x67, 0xa3, 0xfe, 0xff, 0, 0);
	check_header(&w, &m, 0x80000000, 80, HV_INTERCEPT_WRITE, CODE + 6);
	check_memory(&w, &m, 7, 0x10000);
	g_assert_cmphex(child_read64(&w, 0xfff8) >> 32, ==, 0x04030201);
	close_world(&w);
}

static void triple_fault(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	for (int again = 0; again < 2; again++) {
		/* lidt [0x4000], all zeros; ud2 */
		m = RUN(&w, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
		check_header(&w, &m, 0x80000021, 40, HV_INTERCEPT_EXECUTE, CODE + 5);
	}
	close_world(&w);
}

/* What stands in a shadow stands in it when it is tried again. */
static void shadow(void)
{
	struct hv_message m;
	struct hv_intercept_header h;
	struct world w;

	open_world(&w);
	/* sti; out 0x80, al */
	m = RUN(&w, 0xfb, 0xe6, 0x80);
	memcpy(&h, m.payload, sizeof h);
	g_assert_cmphex(h.state, ==, HV_EXECUTION_INTERRUPT_SHADOW);
	resume(&w);
	m = receive(&w);
	memcpy(&h, m.payload, sizeof h);
	g_assert_cmphex(h.state, ==, HV_EXECUTION_INTERRUPT_SHADOW);
	g_assert_cmphex(h.rip, ==, CODE + 1);
	close_world(&w);
}

/* ---- where it arrives ---- */

/* Later revisions: all of it in the VP's page, and who it was at SINT0. */
static void message_page(void)
{
	static struct hv_message page;
	struct hv_message m;
	struct world w;

	open_flags(&w, HV_CREATE_EXO | HV_CREATE_INTERCEPT_MESSAGE_PAGE);
	synic_on(partition_vp(w.p, 0));
	m = RUN(&w, 0xe6, 0x80);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE);
	lock_acquire(&w.vp->lock);
	w.vp->message_page = &page;
	lock_release(&w.vp->lock);
	m = RUN(&w, 0xe6, 0x80);
	g_assert_cmphex(m.type, ==, 0x8000003f);
	g_assert_cmpuint(m.payload_size, ==, 4);
	g_assert_cmpuint(m.sender, ==, partition_id(w.child));
	g_assert_cmpuint((uint32_t)m.payload[0], ==, 0);
	check_header(&w, &page, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE);
	close_world(&w);
}

static void out_80(struct world *w)
{
	static const uint8_t code[] = { 0xe6, 0x80 };

	place(w, code, sizeof code);
	resume(w);
	vp_wait_parked(w->vp);
}

/* Nobody listens: it waits until somebody does, whoever that is. */
static void late_listener(void)
{
	for (unsigned index = 0; index < VPS; index++) {
		struct hv_message m;
		struct world w;

		open_flags(&w, HV_CREATE_EXO);
		out_80(&w);
		g_assert_true(suspended(&w));
		wr(partition_vp(w.p, 0), HV_X64_MSR_SCONTROL, 1);
		synic_on(partition_vp(w.p, index));
		m = receive_at(&w, index);
		check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE);
		close_world(&w);
	}
}

/* Who listens without an interrupt comes second; who stops listening hands over what waits. */
static void other_listener(void)
{
	struct hv_message m;
	struct world w;

	open_flags(&w, HV_CREATE_EXO);
	synic_on(partition_vp(w.p, 0));
	wr(partition_vp(w.p, 0), HV_X64_MSR_SINT0, HV_SINT_MASKED);
	synic_on(partition_vp(w.p, 1));
	out_80(&w);
	m = receive_at(&w, 1);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE);
	none(&w, 0);

	g_assert_true(partition_write(w.p, gpa(SIMP + 0x1000), &(uint32_t){ 1 }, 4));
	out_80(&w);
	none(&w, 0);
	wr(partition_vp(w.p, 1), HV_X64_MSR_SCONTROL, 0);
	m = receive_at(&w, 0);
	check_header(&w, &m, 0x80010000, 128, HV_INTERCEPT_WRITE, CODE);
	close_world(&w);
}

/* T14.2.6.c: one buffer, so the second message is the one that arrives. */
static void replaced(void)
{
	struct hv_message m;
	struct world w;

	open_world(&w);
	g_assert_true(partition_write(w.p, gpa(SIMP), &(uint32_t){ 1 }, 4));
	out_80(&w);
	m = (struct hv_message){ 0 };
	place(&w, "\xe6\x81", 2);
	resume(&w);
	vp_wait_parked(w.vp);
	g_assert_true(partition_write(w.p, gpa(SIMP), &(uint32_t){ 0 }, 4));
	wr(partition_vp(w.p, 0), HV_X64_MSR_EOM, 0);
	m = receive(&w);
	g_assert_cmphex(((struct hv_io_message *)m.payload)->port, ==, 0x81);
	none(&w, 0);
	close_world(&w);
}

static void end_child(struct world *w)
{
	atomic_store(&w->child->life, LIFE_FINALIZING);
	partition_dismantle(w->child);
	atomic_store(&w->child->life, LIFE_FINALIZED);
}

/* What waits when the child ends never arrives. */
static void ended(void)
{
	for (int listens = 0; listens < 2; listens++) {
		struct world w;

		open_flags(&w, HV_CREATE_EXO);
		if (listens) {
			synic_on(partition_vp(w.p, 0));
			g_assert_true(partition_write(w.p, gpa(SIMP), &(uint32_t){ 1 }, 4));
		}
		out_80(&w);
		end_child(&w);
		if (listens)
			g_assert_true(partition_write(w.p, gpa(SIMP), &(uint32_t){ 0 }, 4));
		synic_on(partition_vp(w.p, 0));
		wr(partition_vp(w.p, 0), HV_X64_MSR_EOM, 0);
		none(&w, 0);
		close_world(&w);
	}
}

/* ---- a storm ---- */

enum { STORM_VPS = 3, STORM_EACH = 300 };

static void *toggle(void *o)
{
	struct world *w = o;

	/* Listeners come and go; one of the two is always there or coming. */
	for (unsigned i = 0; !atomic_load(&w->quit); i++) {
		struct vp *vp = partition_vp(w->p, i % VPS);

		wr(vp, HV_X64_MSR_SCONTROL, 0);
		wr(vp, HV_X64_MSR_SINT0, i & 4 ? VECTOR : HV_SINT_MASKED);
		wr(vp, HV_X64_MSR_SCONTROL, 1);
	}
	return NULL;
}

/* Takes what has come to VP @index of the parent, and lets who has sent it go on. */
static unsigned answer(struct world *w, unsigned index, unsigned seen[STORM_VPS])
{
	struct hv_message m;
	uint32_t vp;

	if (!look(w, index, &m) || !look(w, index, &m))
		return 0;
	g_assert_cmphex(m.type, ==, 0x80010000);
	vp = ((struct hv_io_message *)m.payload)->header.vp;
	g_assert_cmpuint(vp, <, STORM_VPS);
	seen[vp]++;
	g_assert_true(partition_write(w->p, gpa(SIMP + index * 0x1000), &(uint32_t){ 0 }, 4));
	wr(partition_vp(w->p, index), HV_X64_MSR_EOM, 0);
	vp_continue(partition_vp(w->child, vp), SUSPEND_INTERCEPT);
	return 1;
}

/* Each VP has one message at a time, none is lost, and the end in the middle leaves none. */
static void storm(void)
{
	unsigned seen[STORM_VPS] = { 0 }, total = 0;
	struct world w;
	GThread *toggles;
	int64_t end = monotonic_ns() + INT64_C(90000000000);

	open_world(&w);
	synic_on(partition_vp(w.p, 1));
	/* l: out 0x80, al; jmp l */
	place(&w, "\xe6\x80\xeb\xfc", 4);
	for (uint32_t i = 1; i < STORM_VPS; i++) {
		struct vp *vp;

		vp = add_vp(&w, i);
		vp_cpu(vp)->activity = X86_ACTIVE;
		vp_cpu(vp)->seg[X86_CS] = vp_cpu(w.vp)->seg[X86_CS];
		vp_cpu(vp)->rip = CODE;
		x86_mode_update(vp_cpu(vp));
		vp_continue(vp, SUSPEND_EXPLICIT);
	}
	resume(&w);
	toggles = g_thread_new("toggles", toggle, &w);
	while (seen[0] < STORM_EACH || seen[1] < STORM_EACH || seen[2] < STORM_EACH) {
		unsigned n = answer(&w, 0, seen) + answer(&w, 1, seen);

		total += n;
		if (!n)
			g_usleep(50);
		if (monotonic_ns() > end)
			g_error("%u messages: %u, %u, %u", total, seen[0], seen[1], seen[2]);
	}
	end_child(&w);
	atomic_store(&w.quit, true);
	g_thread_join(toggles);
	for (unsigned index = 0; index < VPS; index++) {
		g_assert_true(partition_write(w.p, gpa(SIMP + index * 0x1000), &(uint32_t){ 0 }, 4));
		wr(partition_vp(w.p, index), HV_X64_MSR_EOM, 0);
		none(&w, index);
	}
	close_world(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/intercept/windows", windows);
	g_test_add_func("/intercept/offered-msrs", offered_msrs);
	g_test_add_func("/intercept/port", port_message);
	g_test_add_func("/intercept/port/string", port_string);
	g_test_add_func("/intercept/port/ignored", port_ignored);
	g_test_add_func("/intercept/port/installed", port_installed);
	g_test_add_func("/intercept/msr", msr_message);
	g_test_add_func("/intercept/msr/registered", msr_registered);
	g_test_add_func("/intercept/cpuid", cpuid_message);
	g_test_add_func("/intercept/exception", exception_message);
	g_test_add_func("/intercept/exception/debug", exception_debug);
	g_test_add_func("/intercept/exception/nested", exception_nested);
	g_test_add_func("/intercept/halt", halt_message);
	g_test_add_func("/intercept/wrong", wrong_installs);
	g_test_add_func("/intercept/eoi", level_ends);
	g_test_add_func("/intercept/memory", memory_message);
	g_test_add_func("/intercept/memory/fetch", memory_fetch);
	g_test_add_func("/intercept/memory/crossing", memory_crossing);
	g_test_add_func("/intercept/triple-fault", triple_fault);
	g_test_add_func("/intercept/shadow", shadow);
	g_test_add_func("/intercept/page", message_page);
	g_test_add_func("/intercept/late-listener", late_listener);
	g_test_add_func("/intercept/other-listener", other_listener);
	g_test_add_func("/intercept/replaced", replaced);
	g_test_add_func("/intercept/ended", ended);
	g_test_add_func("/intercept/storm", storm);
	return g_test_run();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intercepts that later revisions have types for, cited at the rows of chapter 9 that they stand beside. */
#include "child.h"

#include "hv/interrupt.h"
#include "hv/msr.h"

/* In real mode: mov ecx, n; wrmsr; mov dword [address], value. */
#define WRMSR(n) 0x66, 0xb9, BYTES_32(n), 0x0f, 0x30
#define STORE(address, value) 0x66, 0x67, 0xc7, 0x05, BYTES_32(address), BYTES_32(value)
enum { WRMSR_BYTES = 8, STORE_BYTES = 12, APIC = 0xfee00000, TSC = 0x10, PAT = 0x277, MICROCODE_REVISION = 0x8b };
enum { READ = HV_INTERCEPT_MASK_READ, WRITE = HV_INTERCEPT_MASK_WRITE, EXECUTE = HV_INTERCEPT_MASK_EXECUTE };

static void must(struct reply r) { check_status(r, HV_STATUS_SUCCESS); }

static void check_port(const struct hv_message *m, uint16_t port)
{
	if (check_type(m, HV_MESSAGE_IO_INTERCEPT))
		check_value(MESSAGE_AS(hv_io_message, m)->port, port, "port");
}

/* ---- what can be installed ---- */

static const struct { uint32_t type, access; uint64_t most; bool any_of; } types[] = {
	{ HV_INTERCEPT_GLOBAL_CPUID, EXECUTE }, { HV_INTERCEPT_APIC_SMI, WRITE }, { HV_INTERCEPT_HYPERCALL, EXECUTE },
	{ HV_INTERCEPT_APIC_INIT_SIPI, WRITE }, { HV_INTERCEPT_MICROCODE_MSR, READ }, { HV_INTERCEPT_APIC_WRITE, WRITE, 0x1f },
	{ HV_INTERCEPT_MSR_INDEX, READ | WRITE, UINT32_MAX, true }, { HV_INTERCEPT_CONNECTION, EXECUTE }, { HV_INTERCEPT_APIC_EOI, WRITE },
	{ HV_INTERCEPT_RETARGET, EXECUTE },
};
#define TYPES (sizeof types / sizeof types[0])

static void check_install(uint64_t id, uint32_t type, uint32_t access, uint64_t parameter, uint16_t want)
{
	struct reply r = install(id, type, access, parameter);

	check_that(!r.fault && hv_result_status(r.value) == want, "type 0x%x, access 0x%x, parameter 0x%llx: %s", type, access,
		   (unsigned long long)parameter, status_name(hv_result_status(r.value)));
}

RULE_HOST(T9_3_1_h, "an access that a later type does not have is an invalid parameter")
{
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < TYPES; i++)
		for (uint32_t access = 0; access < 16; access++) {
			bool good = !access || access == types[i].access || (types[i].any_of && !(access & ~types[i].access));

			check_install(id, types[i].type, access, 0, good ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER);
		}
}

RULE_HOST(T9_2_2_a, "bits of the parameter that a later type does not have must be zero")
{
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < TYPES; i++) {
		check_install(id, types[i].type, types[i].access, types[i].most, HV_STATUS_SUCCESS);
		check_install(id, types[i].type, types[i].access, types[i].most + 1, HV_STATUS_INVALID_PARAMETER);
		check_install(id, types[i].type, types[i].access, 1ull << 63, HV_STATUS_INVALID_PARAMETER);
	}
}

RULE_HOST(T9_3_1_g, "types of other processors and of partitions that hide their state are unknown")
{
	static const uint32_t unknown[] = { 4, 5, 0x10, 0x12, 0x13 };
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		for (uint32_t access = 0; access < 8; access++)
			check_install(id, unknown[i], access, 0, HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T9_3_1_k, "an MSR takes its memory from the child's pool, and gives it back")
{
	uint64_t id = make_active_partition();
	uint32_t n = 0;
	struct reply r;

	while (hv_result_status(withdraw(id, 511).value) == HV_STATUS_SUCCESS)
		;
	do
		r = install(id, HV_INTERCEPT_MSR_INDEX, READ, n++);
	while (hv_result_status(r.value) == HV_STATUS_SUCCESS && n < 2000);
	check_status(r, HV_STATUS_INSUFFICIENT_MEMORY);
	/* Another access of one that is there needs none. */
	must(install(id, HV_INTERCEPT_MSR_INDEX, WRITE, 0));
	must(install(id, HV_INTERCEPT_MSR_INDEX, 0, 0));
	must(install(id, HV_INTERCEPT_MSR_INDEX, READ, 5000));
}

/* ---- leaves ---- */

RULE_HOST(T9_1_1_f, "an intercept of all leaves is of each")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_GLOBAL_CPUID, 0);
	struct hv_message m = RUN_CODE(&c, CPUID(0x40000000, 0), CPUID(4, 2), CPUID(0, 0), CPUID(4, 1));

	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->rax, 0x40000000, "first leaf");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->rcx, 2, "subleaf of the second");
	/* One leaf has one of its own. */
	must_install(&c, HV_INTERCEPT_CPUID, 4);
	must(install(c.id, HV_INTERCEPT_GLOBAL_CPUID, 0, 0));
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->rax, 4, "leaf");
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->rcx, 1, "subleaf of the last");
}

/* ---- MSRs ---- */

static void check_msr(const struct hv_message *m, uint32_t msr, uint8_t access, uint64_t rip)
{
	if (!check_type(m, HV_MESSAGE_MSR_INTERCEPT))
		return;
	check_value(MESSAGE_AS(hv_msr_message, m)->msr, msr, "MSR");
	check_value(header(m)->access, access, "access");
	check_value(header(m)->rip, rip, "RIP");
	check_value(header(m)->length_cr8 & 0xf, 2, "length");
}

RULE_HOST(T9_1_1_c, "an intercept of an MSR by its number is of that one, whoever has it, and of its accesses alone")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_MSR_INDEX, READ, TSC));
	must(install(c.id, HV_INTERCEPT_MSR_INDEX, WRITE, PAT));
	must(install(c.id, HV_INTERCEPT_MSR_INDEX, READ | WRITE, HV_X64_MSR_VP_INDEX));
	child_put(&c, CHILD_CODE, (const uint8_t[]){ RDMSR(PAT), RDMSR(TSC), 0x0f, 0x30, WRMSR(PAT), RDMSR(HV_X64_MSR_VP_INDEX), OUT(0x80) }, 36);
	child_start_at(&c, 0, CHILD_CODE);
	m = go_on(&c);
	check_msr(&m, TSC, HV_INTERCEPT_READ, CHILD_CODE + RDMSR_BYTES + 6);
	/* The parent's answer; it is written back, untold. */
	child_set(&c, HV_REGISTER_RAX, 0x06060606);
	child_set(&c, HV_REGISTER_RDX, 0x07070707);
	m = step_over(&c, &m);
	check_msr(&m, PAT, HV_INTERCEPT_WRITE, CHILD_CODE + 2 * RDMSR_BYTES + 2 + 6);
	check_value(MESSAGE_AS(hv_msr_message, &m)->rax, 0x06060606, "RAX");
	check_value(MESSAGE_AS(hv_msr_message, &m)->rdx, 0x07070707, "RDX");
	m = step_over(&c, &m);
	check_value(child_register(&c, HV_REGISTER_PAT), 0x0007040600070406, "PAT, which nobody has written");
	check_msr(&m, HV_X64_MSR_VP_INDEX, HV_INTERCEPT_READ, CHILD_CODE + 2 * RDMSR_BYTES + 2 + WRMSR_BYTES + 6);
	must(install(c.id, HV_INTERCEPT_MSR_INDEX, 0, HV_X64_MSR_VP_INDEX));
	m = go_on(&c);
	check_port(&m, 0x80);
}

RULE_HOST(T9_3_1_a, "an intercept of an MSR is of all VPs, of those too that come later")
{
	struct child c = make_child(EXO);
	const uint8_t code[] = { RDMSR(TSC), OUT(0x80) };

	must(install(c.id, HV_INTERCEPT_MSR_INDEX, READ, TSC));
	check_both_tell(&c, code, sizeof code, HV_MESSAGE_MSR_INTERCEPT);
}

RULE_HOST(T9_1_1_e, "an intercept of the microcode's revision is of its reads")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_MICROCODE_MSR, READ, 0));
	m = RUN_CODE(&c, WRMSR(MICROCODE_REVISION), RDMSR(TSC), RDMSR(MICROCODE_REVISION));
	check_msr(&m, MICROCODE_REVISION, HV_INTERCEPT_READ, CHILD_CODE + WRMSR_BYTES + RDMSR_BYTES + 6);
	must(install(c.id, HV_INTERCEPT_MICROCODE_MSR, 0, 0));
	m = RUN_CODE(&c, RDMSR(MICROCODE_REVISION), OUT(0x80));
	check_port(&m, 0x80);
}

/* ---- APICs ---- */

static void check_icr(const struct hv_message *m, int32_t type, uint64_t icr, uint64_t rip)
{
	if (!check_type(m, type))
		return;
	check_value(m->payload_size, 48, "size");
	check_value(MESSAGE_AS(hv_apic_icr_message, m)->icr, icr, "ICR");
	check_value(header(m)->access, HV_INTERCEPT_WRITE, "access");
	check_value(header(m)->rip, rip, "RIP");
	check_value(header(m)->length_cr8 & 0xf, 0, "length of an instruction");
}

/* VP 1, which waits for a start-up IPI and would do OUT(0x81) at 0x2000. */
static void sleeping_vp(const struct child *c)
{
	const uint8_t code[] = { OUT(0x81) };

	make_vp(c->id, 1);
	child_put(c, 0x2000, code, sizeof code);
	child_go(c, 1);
}

RULE_HOST(T9_1_d, "INITs and start-up IPIs that a child's APIC would send are told instead, and its parent sends them")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_APIC_INIT_SIPI, WRITE, 0));
	sleeping_vp(&c);
	m = RUN_CODE(&c, STORE(APIC + 0x310, 1 << 24), STORE(APIC + 0x300, 0x4500), STORE(APIC + 0x300, 0x4602), OUT(0x80));
	check_icr(&m, HV_MESSAGE_APIC_INIT_SIPI_INTERCEPT, 1ull << 56 | 0x4500, CHILD_CODE + 2 * STORE_BYTES);
	m = go_on(&c);
	check_icr(&m, HV_MESSAGE_APIC_INIT_SIPI_INTERCEPT, 1ull << 56 | 0x4602, CHILD_CODE + 3 * STORE_BYTES);
	m = go_on(&c);
	check_port(&m, 0x80);
	check_silence();
	check_register(c.id, 1, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_STARTUP_SUSPEND);
	must(child_assert(&c, HV_INTERRUPT_SIPI, 1, 2));
	m = next_message();
	check_port(&m, 0x81);
	check_value(header(&m)->vp, 1, "VP");
}

RULE_HOST(T9_3_1_b, "what is not to be told any more is sent")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_APIC_INIT_SIPI, WRITE, 0));
	must(install(c.id, HV_INTERCEPT_APIC_INIT_SIPI, 0, 0));
	/* Of what is left, none is an IPI that starts a VP. */
	must(install(c.id, HV_INTERCEPT_APIC_SMI, WRITE, 0));
	sleeping_vp(&c);
	m = RUN_CODE(&c, STORE(APIC + 0x310, 1 << 24), STORE(APIC + 0x300, 0x4602), 0xf4);
	check_port(&m, 0x81);
	check_value(header(&m)->vp, 1, "VP");
}

RULE_HOST(T9_1_1_a, "an intercept of SMIs is of them alone")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_APIC_SMI, WRITE, 0));
	/* An INIT to nobody, an SMI to VP 0. */
	m = RUN_CODE(&c, STORE(APIC + 0x310, 5 << 24), STORE(APIC + 0x300, 0x4500), STORE(APIC + 0x310, 0), STORE(APIC + 0x300, 0x4200), OUT(0x80));
	check_icr(&m, HV_MESSAGE_APIC_SMI_INTERCEPT, 0x4200, CHILD_CODE + 4 * STORE_BYTES);
	m = go_on(&c);
	check_port(&m, 0x80);
}

static void check_written(const struct hv_message *m, uint32_t offset, uint64_t value)
{
	if (!check_type(m, HV_MESSAGE_APIC_WRITE_INTERCEPT))
		return;
	check_value(m->payload_size, 56, "size");
	check_value(MESSAGE_AS(hv_apic_write_message, m)->offset, offset, "offset");
	check_value(MESSAGE_AS(hv_apic_write_message, m)->value, value, "value");
}

RULE_HOST(T9_1_1_b, "an intercept of writes to an APIC is of the registers that its parameter names, which are written")
{
	static const struct { uint32_t bit, offset, value; } registers[] = {
		{ HV_APIC_WRITE_LINT0, 0x350, 0x10700 }, { HV_APIC_WRITE_LINT1, 0x360, 0x10400 }, { HV_APIC_WRITE_SVR, 0xf0, 0x1ff },
		{ HV_APIC_WRITE_LDR, 0xd0, 0x03000000 }, { HV_APIC_WRITE_DFR, 0xe0, 0x0fffffff },
	};
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	for (unsigned i = 0; i < 5; i++) {
		struct hv_message m;

		must(install(c.id, HV_INTERCEPT_APIC_WRITE, WRITE, registers[i].bit));
		child_start_at(&c, 0, CHILD_CODE);
		for (unsigned k = 0; k < 5; k++) {
			const uint8_t code[] = { STORE(APIC + registers[k].offset, registers[k].value) };

			child_put(&c, CHILD_CODE + k * STORE_BYTES, code, sizeof code);
		}
		child_put(&c, CHILD_CODE + 5 * STORE_BYTES, (const uint8_t[]){ OUT(0x80) }, 2);
		m = go_on(&c);
		check_written(&m, registers[i].offset, registers[i].value);
		check_value(header(&m)->rip, CHILD_CODE + (i + 1) * STORE_BYTES, "RIP");
		m = go_on(&c);
		check_port(&m, 0x80);
		must(install(c.id, HV_INTERCEPT_APIC_WRITE, 0, registers[i].bit));
		check_value(child_apic(&c, 0, registers[i].offset), registers[i].value, "register 0x%x", registers[i].offset);
	}
}

RULE_HOST(T9_1_h, "one instruction that writes to two registers is told of twice")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_message m;

	must(install(c.id, HV_INTERCEPT_APIC_WRITE, WRITE, HV_APIC_WRITE_LINT0 | HV_APIC_WRITE_LINT1));
	child_start_at(&c, 0, CHILD_CODE);
	child_set(&c, HV_REGISTER_RAX, 0x10000);
	child_set(&c, HV_REGISTER_RCX, 5);
	child_set(&c, HV_REGISTER_RDI, APIC + 0x350);
	/* rep stosd, with a 32-bit address; out 0x80 */
	m = RUN_AS_IS(&c, 0xf3, 0x66, 0x67, 0xab, OUT(0x80));
	check_written(&m, 0x350, 0x10000);
	m = go_on(&c);
	check_written(&m, 0x360, 0x10000);
	m = go_on(&c);
	check_port(&m, 0x80);
	check_value(child_register(&c, HV_REGISTER_RCX), 0, "RCX");
}

/* ---- HvCheckForIoIntercept ---- */

static struct reply check_io(const struct child *c, uint32_t vp, uint8_t vtl, uint16_t port, uint8_t size, uint8_t write)
{
	struct hv_in_check_for_io_intercept in = { .partition_id = c->id, .vp = vp, .vtl = vtl, .port = port, .size = size, .write = write };

	return CALL(.code = HV_CALL_CHECK_FOR_IO_INTERCEPT, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

RULE_HOST(T16_5_3_b, "a parent asks which accesses of ports it would be told of")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x83), exo = make_child(EXO);
	static const struct { uint16_t port; uint8_t size; bool told; } accesses[] = {
		{ 0x83, 1, true }, { 0x82, 1, false }, { 0x82, 2, true }, { 0x80, 2, false }, { 0x80, 4, true }, { 0x84, 4, false },
	};

	for (unsigned i = 0; i < sizeof accesses / sizeof accesses[0]; i++)
		for (uint8_t write = 0; write < 2; write++) {
			struct reply r = check_io(&c, 0, 0, accesses[i].port, accesses[i].size, write);

			check_status(r, HV_STATUS_SUCCESS);
			check_value(out64(r), accesses[i].told, "port 0x%x, %u bytes", accesses[i].port, accesses[i].size);
			check_value(out64(check_io(&exo, 0, 0, accesses[i].port, accesses[i].size, write)), 1, "an exo child's");
		}
	for (uint8_t size = 0; size < 10; size++)
		if (size != 1 && size != 2 && size != 4)
			check_status(check_io(&c, 0, 0, 0x80, size, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(check_io(&c, 1, 0, 0x80, 1, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(check_io(&c, 0, 1, 0x80, 1, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(check_io(&c, 0, 0x10, 0x80, 1, 0), HV_STATUS_SUCCESS);
}

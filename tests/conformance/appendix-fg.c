/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appendices F and G (29, 30): the processor's own MSRs, in a machine and in the partitions that it makes. */
#include "child.h"

enum {
	MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_UPDATE = 0x79, MSR_SIGNATURE = 0x8b, MSR_MTRR_CAP = 0xfe, MSR_MCG_CAP = 0x179,
	MSR_MISC_ENABLE = 0x1a0, MSR_MTRR_BASE0 = 0x200, MSR_MTRR_PAIRS = 8,
};

/* Of appendix F; they can be written to, the first two not. */
static const uint32_t virtualized[] = {
	MSR_MTRR_CAP, MSR_MCG_CAP, MSR_TSC, 0x1b, 0x174, 0x175, 0x176, 0x17a, 0x1d9, 0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208,
	0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f, 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x277, 0x2ff,
	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
};
enum { VIRTUALIZED = sizeof virtualized / sizeof virtualized[0], FIRST_WRITABLE = 2 };

/* ---- in VP 0 of a child: false for #GP ---- */

/* mov eax, LOW; mov edx, HIGH; mov ecx, MSR; wrmsr */
#define WRMSR(n, v) 0x66, 0xb8, BYTES_32(v), 0x66, 0xba, BYTES_32((v) >> 32), 0x66, 0xb9, BYTES_32(n), 0x0f, 0x30

static bool went_well(const struct child *c, const void *code, size_t n)
{
	struct hv_message m;

	must_install(c, HV_INTERCEPT_IO_PORT, 0x80);
	child_handler(c, VECTOR_GP);
	m = run_code(c, code, n);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	return MESSAGE_AS(hv_io_message, &m)->port == 0x80;
}

static bool child_reads(const struct child *c, uint32_t msr, uint64_t *v)
{
	const uint8_t code[] = { RDMSR(msr), OUT(0x80) };
	bool ok = went_well(c, code, sizeof code);

	*v = (uint32_t)child_register(c, HV_REGISTER_RAX) | child_register(c, HV_REGISTER_RDX) << 32;
	return ok;
}

static bool child_writes(const struct child *c, uint32_t msr, uint64_t v)
{
	const uint8_t code[] = { WRMSR(msr, v), OUT(0x80) };

	return went_well(c, code, sizeof code);
}

static void check_child_reads(const struct child *c, uint32_t msr, uint64_t want)
{
	uint64_t v;

	check_that(child_reads(c, msr, &v), "RDMSR of 0x%x raises #GP", msr);
	check_value(v, want, "MSR 0x%x", msr);
}

static void must_write(const struct child *c, uint32_t msr, uint64_t v)
{
	check_that(child_writes(c, msr, v), "WRMSR of 0x%x raises #GP", msr);
}

static void check_child_lacks(const struct child *c, uint32_t msr)
{
	uint64_t v;

	check_that(!child_reads(c, msr, &v), "MSR 0x%x can be read", msr);
	check_that(!child_writes(c, msr, 0), "MSR 0x%x can be written to", msr);
}

/* A write is nothing: it reads as before. */
static void check_ignores(const struct child *c, uint32_t msr)
{
	uint64_t before = 0;

	check_that(child_reads(c, msr, &before), "RDMSR of 0x%x raises #GP", msr);
	must_write(c, msr, before ^ 0x1000);
	check_child_reads(c, msr, before);
}

/* ---- appendix F ---- */

/* All of them, read and written back, then OUT(0x80). */
static void check_none_told(const struct child *c)
{
	uint8_t code[VIRTUALIZED * 10 + 2];
	unsigned n = 0;
	struct hv_message m;

	for (unsigned i = 0; i < VIRTUALIZED; i++) {
		const uint8_t one[] = { RDMSR(virtualized[i]), 0x0f, 0x30 };

		for (unsigned k = 0; k < (i < FIRST_WRITABLE ? RDMSR_BYTES : sizeof one); k++)
			code[n++] = one[k];
	}
	code[n++] = 0xe6;
	code[n++] = 0x80;
	m = run_code(c, code, n);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + n - 2, "where it stands");
}

RULE_PARENT(T29_b, "what is virtualized is not told, with an intercept of MSRs or without")
{
	struct child c = make_child(OF_2009);

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	child_handler(&c, VECTOR_GP);
	check_none_told(&c);
	must_install(&c, HV_INTERCEPT_MSR, 0);
	check_none_told(&c);
}

RULE_PARENT(T29_c, "a child's MTRRs are its own")
{
	static const struct { uint32_t msr; uint64_t value; } some[] = {
		{ 0x200, 0x12340006 }, { 0x201, 0xfffff800 }, { 0x20e, 0x5000000 }, { 0x20f, 0xff000800 }, { 0x250, 0x0606060606060606 },
		{ 0x259, 0x0101010101010101 }, { 0x26f, 0x0505050505050505 }, { 0x2ff, 0xc06 },
	};
	enum { SOME = sizeof some / sizeof some[0] };
	struct child c = make_child(OF_2009), other = make_child(OF_2009);
	uint64_t before[SOME], others[SOME];

	for (unsigned i = 0; i < SOME; i++) {
		before[i] = rule_way() == BY_GUEST ? msr_of(some[i].msr) : 0;
		child_reads(&other, some[i].msr, &others[i]);
		must_write(&c, some[i].msr, some[i].value);
	}
	for (unsigned i = 0; i < SOME; i++) {
		check_child_reads(&c, some[i].msr, some[i].value);
		check_child_reads(&other, some[i].msr, others[i]);
		if (rule_way() == BY_GUEST)
			check_value(msr_of(some[i].msr), before[i], "MSR 0x%x of the machine", some[i].msr);
	}
}

RULE_PARENT(T29_d, "a child has no banks of machine checks, though CPUID tells of their MSRs")
{
	struct child c = make_child(OF_2009);

	check_child_reads(&c, MSR_MCG_CAP, 0);
	check_value(child_leaf(&c, 1).d & (1 << 7 | 1 << 14), 1 << 7 | 1 << 14, "MCE and MCA in EDX of leaf 1");
	check_child_reads(&c, 0x17a, 0);
	check_child_lacks(&c, 0x17b);
	check_child_lacks(&c, 0x400);
}

RULE_PARENT(T29_e, "each VP of a child has a time stamp counter of its own")
{
	const uint64_t far = 1ull << 61;
	struct child c = make_child(OF_2009);
	uint64_t v = 0;

	child_vp(&c, 1);
	must_write(&c, MSR_TSC, far);
	check_that(child_reads(&c, MSR_TSC, &v) && v >= far, "VP 0 reads 0x%llx", (unsigned long long)v);
	check_that(get_register(c.id, 1, HV_REGISTER_TSC).value.low < far, "VP 1 has gone along");
	if (rule_way() == BY_GUEST)
		check_that(msr_of(MSR_TSC) < far, "the machine has gone along");
}

RULE_PARENT(T29_f, "there are eight pairs of variable MTRRs")
{
	struct child c = make_child(OF_2009);
	uint64_t v = 0;

	check_that(child_reads(&c, MSR_MTRR_CAP, &v), "a child cannot read MTRRCAP");
	check_value(v & 0xff, MSR_MTRR_PAIRS, "pairs");
	for (unsigned n = 0; n < 2 * MSR_MTRR_PAIRS; n++)
		check_that(child_reads(&c, MSR_MTRR_BASE0 + n, &v), "MSR 0x%x", MSR_MTRR_BASE0 + n);
	check_child_lacks(&c, MSR_MTRR_BASE0 + 2 * MSR_MTRR_PAIRS);
	if (rule_way() != BY_GUEST)
		return;
	check_value(msr_of(MSR_MTRR_CAP) & 0xff, MSR_MTRR_PAIRS, "pairs in the machine");
	check_that(read_msr(MSR_MTRR_BASE0 + 2 * MSR_MTRR_PAIRS - 1, &v), "the last is missing in the machine");
	check_that(!read_msr(MSR_MTRR_BASE0 + 2 * MSR_MTRR_PAIRS, &v), "the machine has one more");
}

/* ---- appendix G ---- */

/* But for those that Linux reads on AMD's processors: HWCR, DE_CFG and the like. */
RULE_HOST_QTEST(T30_1_a, "of AMD's MSRs a child has SYSCFG and NB_CFG, which are 0")
{
	static const uint32_t others[] = { 0xc0010000, 0xc0010004, 0xc0010111, 0xc0010114, 0xc0010117, 0xc0010140 };
	struct child c;

	restart_with("vendor=AuthenticAMD");
	c = make_child(OF_2009);
	for (uint32_t msr = 0xc0010010; msr <= 0xc001001f; msr += 0xf) {
		check_child_reads(&c, msr, 0);
		must_write(&c, msr, UINT64_MAX);
		check_child_reads(&c, msr, 0);
	}
	for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++)
		check_child_lacks(&c, others[i]);
}

RULE_PARENT(T30_2_a, "what belongs to features that nobody has is #GP, in the machine, too")
{
	static const uint32_t numbers[] = { 0x6, 0x3a, 0x38d, 0x38e, 0x38f, 0x390, 0x3f1, 0x480, 0x48a, 0x600 };
	struct child c = make_child(OF_2009);
	uint64_t v;

	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		check_child_lacks(&c, numbers[i]);
		check_that(!read_msr(numbers[i], &v), "the machine reads 0x%x", numbers[i]);
		check_that(!write_msr(numbers[i], 0), "the machine writes 0x%x", numbers[i]);
	}
}

RULE_PARENT(T30_2_b, "a write that is ignored is no fault and changes nothing")
{
	static const uint32_t numbers[] = { MSR_PLATFORM_ID, MSR_UPDATE, MSR_SIGNATURE, MSR_MISC_ENABLE };
	struct child c = make_child(OF_2009);

	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		check_ignores(&c, numbers[i]);
	check_child_reads(&c, MSR_PLATFORM_ID, 0);
}

/* In the half where the revision is (OP 47). */
RULE_PARENT(T30_2_c, "the revision of a child's microcode is 0x8fffffff, and an update is nothing")
{
	struct child c = make_child(OF_2009);

	check_child_reads(&c, MSR_SIGNATURE, 0x8fffffffull << 32);
	check_child_reads(&c, MSR_UPDATE, 0);
	must_write(&c, MSR_UPDATE, CHILD_DATA);
	check_child_reads(&c, MSR_SIGNATURE, 0x8fffffffull << 32);
}

RULE_PARENT(T30_2_d, "a child reads MISC_ENABLE and does not change it; its parent can")
{
	struct child c = make_child(OF_2009);
	uint64_t v = 0;

	check_that(child_reads(&c, MSR_MISC_ENABLE, &v), "RDMSR raises #GP");
	check_value(v, child_register(&c, HV_REGISTER_MISC_ENABLE), "what it reads");
	check_that(v, "there is nothing in it");
	must_write(&c, MSR_MISC_ENABLE, 0);
	check_child_reads(&c, MSR_MISC_ENABLE, v);
	child_set(&c, HV_REGISTER_MISC_ENABLE, v ^ 1);
	check_child_reads(&c, MSR_MISC_ENABLE, v ^ 1);
}

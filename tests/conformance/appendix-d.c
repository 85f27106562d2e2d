/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appendix D (27): what CPUID says, in a machine and in the partitions that it makes. */
#include "child.h"

#include "hv/cpuid.h"

enum reg { EAX, EBX, ECX, EDX };

enum { LEAF_FEATURES = 1, LEAF_CACHE_DESCRIPTORS = 2, LEAF_CACHES = 4 };
#define EXTENDED(n) (0x80000000u + (n))
#define BIT(n) (1u << (n))

/* NULL: the machine. */
static struct leaf leaf_in(const struct child *c, uint32_t number)
{
	return c ? child_leaf(c, number) : read_leaf(number);
}

static uint32_t reg_of(struct leaf l, enum reg reg)
{
	return reg == EAX ? l.a : reg == EBX ? l.b : reg == ECX ? l.c : l.d;
}

/* In the machine and in @c. */
static void check_bits(const struct child *c, uint32_t number, enum reg reg, uint32_t set, uint32_t clear)
{
	for (unsigned i = 0; i < 2; i++)
		check_value(reg_of(leaf_in(i ? c : NULL, number), reg) & (set | clear), set, "%s: bits of register %u of leaf 0x%x",
			    i ? "the child" : "the machine", reg, number);
}

/* @c has those bits that the machine has. */
static void check_passed(const struct child *c, uint32_t number, enum reg reg, uint32_t bits)
{
	check_value(reg_of(child_leaf(c, number), reg) & bits, reg_of(read_leaf(number), reg) & bits, "bits of register %u of leaf 0x%x",
		    reg, number);
}

static void check_nothing(const struct child *c, uint32_t number)
{
	for (enum reg reg = EAX; reg <= EDX; reg++)
		check_bits(c, number, reg, 0, UINT32_MAX);
}

/* The machine anew as one of AMD's; what only qtest can. */
static bool as_amd(void)
{
	if (rule_way() == BY_QTEST)
		restart_with("vendor=AuthenticAMD");
	return rule_way() == BY_QTEST;
}

static bool is_amd(void) { return read_leaf(0).b == 0x68747541; }

/* ---- leaf 0 ---- */

static void check_vendor(uint32_t b, uint32_t d, uint32_t c)
{
	struct child child = make_child(OF_2009);

	check_bits(&child, 0, EBX, b, ~b);
	check_bits(&child, 0, EDX, d, ~d);
	check_bits(&child, 0, ECX, c, ~c);
}

RULE_PARENT(T27_b, "leaf 0 has the vendor of the processor")
{
	check_vendor(0x756e6547, 0x49656e69, 0x6c65746e);      /* "GenuineIntel" */
	if (as_amd())
		check_vendor(0x68747541, 0x69746e65, 0x444d4163);
}

/* ---- leaf 1 ---- */

RULE_PARENT(T27_c, "EAX of leaf 1 is the processor's family, model and stepping; reserved bits are 0")
{
	struct child c = make_child(OF_2009);

	check_bits(&c, LEAF_FEATURES, EAX, 0x000606a6, ~0x000606a6u);
	if (rule_way() != BY_QTEST)
		return;
	restart_with("family=15,model=107,stepping=1");
	c = make_child(OF_2009);
	check_bits(&c, LEAF_FEATURES, EAX, 0x00060fb1, ~0x00060fb1u);
}

RULE_PARENT(T27_d, "EBX 31:24 of leaf 1 is the initial APIC id, at first the VP's index, then what the parent has set")
{
	struct child c = make_child(OF_2009);

	child_vp(&c, 1);
	for (uint32_t vp = 0; vp < 2; vp++)
		check_value(child_leaf_of(&c, vp, LEAF_FEATURES, 0).b >> 24, vp, "VP %u", vp);
	check_status(set_register(c.id, 1, HV_REGISTER_INITIAL_APIC_ID, 0x5b), HV_STATUS_SUCCESS);
	check_value(child_leaf_of(&c, 1, LEAF_FEATURES, 0).b >> 24, 0x5b, "VP 1 with another");
	check_value(child_leaf_of(&c, 0, LEAF_FEATURES, 0).b >> 24, 0, "VP 0");
}

RULE_PARENT(T27_e, "each partition is told that there is a hypervisor")
{
	struct child c = make_child(OF_2009), exo = make_child(EXO);

	check_bits(&c, LEAF_FEATURES, ECX, BIT(31), 0);
	check_bits(&exo, LEAF_FEATURES, ECX, BIT(31), 0);
}

/* Bits that have got a name since are of the processor: FMA, PCID, x2APIC, MOVBE. */
RULE_PARENT(T27_f, "no partition has MONITOR, DS-CPL, VMX, PDCM, DCA, or what is reserved")
{
	struct child c = make_child(OF_2009);

	check_bits(&c, LEAF_FEATURES, ECX, 0, BIT(3) | BIT(4) | BIT(5) | BIT(15) | BIT(18));
	check_bits(&c, LEAF_FEATURES, ECX, 0, BIT(2) | BIT(6) | BIT(11) | BIT(16));
}

/* Nor has the processor of any machine, so that there is nothing to pass to a root. */
RULE_PARENT(T27_g, "EST, TM2, CNXTID and xTPR are not a child's")
{
	struct child c = make_child(OF_2009);

	check_bits(&c, LEAF_FEATURES, ECX, 0, BIT(7) | BIT(8) | BIT(10) | BIT(14));
}

RULE_PARENT(T27_h, "SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2 and POPCNT are a child's if they are the machine's")
{
	const uint32_t bits = BIT(0) | BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(23);
	struct child c = make_child(OF_2009);

	check_bits(&c, LEAF_FEATURES, ECX, bits, 0);
	if (rule_way() != BY_QTEST)
		return;
	restart_with("-pni,-ssse3,-cx16,-sse4.1,-sse4.2,-popcnt");
	c = make_child(OF_2009);
	check_bits(&c, LEAF_FEATURES, ECX, 0, bits);
}

RULE_PARENT(T27_i, "EDX of leaf 1 has what each x64 processor has, and not PSN, DS and what is reserved")
{
	struct child c = make_child(OF_2009);

	check_bits(&c, LEAF_FEATURES, EDX, 0x078bfbff, 0x40340400);
}

RULE_PARENT(T27_j, "ACPI, HTT, TM and PBE are not a child's; SS is if it is the machine's")
{
	struct child c = make_child(OF_2009);

	check_value(child_leaf(&c, LEAF_FEATURES).d & (BIT(22) | BIT(28) | BIT(29) | BIT(31)), 0, "ACPI, HTT, TM, PBE");
	check_passed(&c, LEAF_FEATURES, EDX, BIT(27));
	check_that(read_leaf(LEAF_FEATURES).d & BIT(27), "the machine has no SS");
}

/* ---- leaves 2 and 4 ---- */

RULE_PARENT(T27_l, "leaf 2 is the processor's where it is one of Intel's, and nothing where it is one of AMD's")
{
	struct child c = make_child(OF_2009);

	for (enum reg reg = EAX; reg <= EDX; reg++)
		check_passed(&c, LEAF_CACHE_DESCRIPTORS, reg, UINT32_MAX);
	check_value(read_leaf(LEAF_CACHE_DESCRIPTORS).a & 0xff, 1, "AL of leaf 2");
	if (!as_amd())
		return;
	c = make_child(OF_2009);
	check_that(is_amd(), "the vendor is another");
	check_nothing(&c, LEAF_CACHE_DESCRIPTORS);
}

/* Cache @n of a child whose packages have @processors, in the bits of EAX that depend on that. */
static void check_cache(const struct child *c, unsigned n, unsigned sharing, unsigned cores)
{
	struct leaf l = child_leaf_of(c, 0, LEAF_CACHES, n);

	check_value(l.a & 0x3000, 0, "reserved bits of EAX, cache %u", n);
	check_value(l.a >> 14 & 0xfff, sharing - 1, "EAX 25:14, cache %u", n);
	check_value(l.a >> 26, cores - 1, "EAX 31:26, cache %u", n);
	check_value(l.d, 0, "EDX, cache %u", n);
}

RULE_PARENT(T27_n, "leaf 4 tells of the processors that a child has in a package, not of the machine's")
{
	struct child c = make_child(OF_2009), four;
	uint64_t id = make_partition();

	must_set_property(id, HV_PROPERTY_PROCESSORS_PER_SOCKET, 4);
	four = raise_child(id);
	/* Data, code and all of a core, then what the cores share. */
	for (unsigned n = 0; n < 4; n++) {
		check_cache(&c, n, 1, 1);
		check_cache(&four, n, n == 3 ? 4 : 1, 4);
	}
	check_value(read_leaf(LEAF_CACHES).d, 0, "EDX in the machine");
	check_value(read_leaf(LEAF_CACHES).a >> 26, 1, "EAX 31:26 in the machine, which has two");
}

/* ---- the hypervisor's ---- */

RULE_PARENT(T27_p, "leaves 0x40000000 and 0x40000001 tell who the hypervisor is, and which interface it has")
{
	struct child c = make_child(OF_2009);

	for (unsigned i = 0; i < 2; i++) {
		struct leaf l = leaf_in(i ? &c : NULL, HV_CPUID_VENDOR);

		check_that(l.a >= HV_CPUID_LIMITS && l.a < 0x40000100, "the highest leaf is 0x%x", l.a);
		check_value(l.b, 0x7263694d, "EBX");
		check_value(l.c, 0x666f736f, "ECX");
		check_value(l.d, 0x76482074, "EDX");
		l = leaf_in(i ? &c : NULL, HV_CPUID_INTERFACE);
		check_value(l.a, 0x31237648, "EAX of 0x40000001");
		check_value(l.b | l.c | l.d, 0, "EBX, ECX, EDX of 0x40000001");
	}
}

RULE_PARENT(T27_r, "leaf 0x40000003 has the privileges as they are, with each change")
{
	struct child c = make_child(OF_2009);
	uint64_t mask = property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS);

	for (unsigned bit = 0; bit < 64; bit++) {
		struct leaf l;

		if (!(mask >> bit & 1))
			continue;
		mask &= ~(1ull << bit);
		must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, mask);
		l = child_leaf(&c, HV_CPUID_FEATURES);
		check_value(l.a | (uint64_t)l.b << 32, mask, "without bit %u", bit);
	}
	check_bits(&c, HV_CPUID_FEATURES, EBX, 0, 0xffffc600);
}

RULE_PARENT(T27_u, "leaves 0x40000080 to 0x400000ff have nothing but what the parent answers")
{
	static const uint32_t some[] = { 0x40000080, 0x40000081, 0x40000082, 0x400000a5, 0x400000ff };
	struct child c = make_child(OF_2009);
	struct hv_message m;

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		struct leaf l = child_leaf(&c, some[i]);

		check_value(l.a | l.b | l.c | l.d, 0, "leaf 0x%x", some[i]);
	}
	must_install(&c, HV_INTERCEPT_CPUID, some[0]);
	m = RUN_CODE(&c, CPUID(some[0], 0), OUT(0x80));
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	child_set(&c, HV_REGISTER_RBX, 0x12345678);
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(child_register(&c, HV_REGISTER_RBX), 0x12345678, "what the child has got");
}

/* ---- extended leaves ---- */

RULE_PARENT(T27_w, "no partition has SVM, the extended APIC space, SKINIT and WDT; the rest of ECX is the machine's")
{
	const uint32_t passed = 0xbf3;
	struct child c = make_child(OF_2009);

	check_bits(&c, EXTENDED(1), ECX, BIT(0), BIT(2) | BIT(3) | BIT(12) | BIT(13));
	check_passed(&c, EXTENDED(1), ECX, passed);
	if (!as_amd())
		return;
	c = make_child(OF_2009);
	check_bits(&c, EXTENDED(1), ECX, BIT(0), BIT(2) | BIT(3) | BIT(12) | BIT(13));
	check_passed(&c, EXTENDED(1), ECX, passed);
}

RULE_PARENT(T27_z, "leaf 0x80000008 tells a child how wide its addresses are")
{
	struct child c = make_child(OF_2009);
	struct leaf l = child_leaf(&c, EXTENDED(8));
	uint64_t pages = 1ull << ((l.a & 0xff) - 12);

	check_property(c.id, HV_PROPERTY_PHYSICAL_ADDRESS_WIDTH, l.a & 0xff);
	check_reps(map_pages(c.id, pages - 1, MAP_RWX, fresh_pages(1), 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(c.id, pages, MAP_RWX, fresh_pages(1), 1), HV_STATUS_INVALID_PARAMETER, 0);
	/* With five levels of page tables (leaf 7) it is 57. */
	check_value(l.a >> 8 & 0xff, child_leaf(&c, 7).c & BIT(16) ? 57 : 48, "linear");
}

RULE_PARENT(T27_aa, "leaves 0x8000000a and 0x80000019 have nothing")
{
	struct child c = make_child(OF_2009);

	check_nothing(&c, EXTENDED(0xa));
	check_nothing(&c, EXTENDED(0x19));
	if (!as_amd())
		return;
	c = make_child(OF_2009);
	check_nothing(&c, EXTENDED(0xa));
	check_nothing(&c, EXTENDED(0x19));
}

RULE_PARENT(T27_ab, "leaf 0x8000001a has two bits at most, those of the machine")
{
	struct child c = make_child(OF_2009);

	check_bits(&c, EXTENDED(0x1a), EAX, 0, ~3u);
	check_passed(&c, EXTENDED(0x1a), EAX, 3);
	check_bits(&c, EXTENDED(0x1a), EBX, 0, UINT32_MAX);
	check_bits(&c, EXTENDED(0x1a), ECX, 0, UINT32_MAX);
	check_bits(&c, EXTENDED(0x1a), EDX, 0, UINT32_MAX);
}

/* ---- all of it ---- */

RULE_PARENT(T27_ac, "an intercept of the parent's goes before all that the hypervisor would answer")
{
	static const uint32_t some[] = { 0, 1, HV_CPUID_VENDOR, HV_CPUID_FEATURES, EXTENDED(1) };
	struct child c = make_child(OF_2009);

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		struct hv_message m;

		must_install(&c, HV_INTERCEPT_CPUID, some[i]);
		m = RUN_CODE(&c, CPUID(some[i], 0), OUT(0x80));
		check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
		check_that(MESSAGE_AS(hv_cpuid_message, &m)->default_rax | MESSAGE_AS(hv_cpuid_message, &m)->default_rdx,
			   "leaf 0x%x: the hypervisor had no answer", some[i]);
		child_set(&c, HV_REGISTER_RAX, 0x1111 + i);
		must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
		m = step_over(&c, &m);
		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		check_value(child_register(&c, HV_REGISTER_RAX), 0x1111 + i, "leaf 0x%x", some[i]);
	}
}

/* All but the APIC ids, the number of processors, and what CR4 and XCR0 say. */
RULE_PARENT(T27_ad, "a child's processor is the machine's")
{
	static const struct { uint32_t number, a, b, c, d; } alike[] = {
		{ 0, ~0u, ~0u, ~0u, ~0u }, { 1, ~0u, 0xffff, ~BIT(27), ~BIT(28) }, { 2, ~0u, ~0u, ~0u, ~0u }, { 7, ~0u, ~0u, ~0u, ~0u },
		{ 0xd, ~0u, 0, ~0u, ~0u }, { EXTENDED(0), ~0u, ~0u, ~0u, ~0u }, { EXTENDED(1), ~0u, ~0u, ~0u, ~0u },
		{ EXTENDED(2), ~0u, ~0u, ~0u, ~0u }, { EXTENDED(3), ~0u, ~0u, ~0u, ~0u }, { EXTENDED(4), ~0u, ~0u, ~0u, ~0u },
		{ EXTENDED(5), ~0u, ~0u, ~0u, ~0u }, { EXTENDED(6), ~0u, ~0u, ~0u, ~0u }, { EXTENDED(8), ~0u, ~0u, ~0u, ~0u },
	};
	struct child c = make_child(OF_2009);

	for (unsigned i = 0; i < sizeof alike / sizeof alike[0]; i++) {
		check_passed(&c, alike[i].number, EAX, alike[i].a);
		check_passed(&c, alike[i].number, EBX, alike[i].b);
		check_passed(&c, alike[i].number, ECX, alike[i].c);
		check_passed(&c, alike[i].number, EDX, alike[i].d);
	}
}

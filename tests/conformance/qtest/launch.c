/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be so before there is a root partition (22.2, appendix E). */
#include <string.h>

#include "../root.h"
#include "hv/cpuid.h"
#include "parent.h"

/* Each names itself when it is missing. */
static const char *const needed[] = {
	"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "sep", "mtrr", "pge", "mca", "cmov", "pat", "pse36", "clflush",
	"mmx", "fxsr", "sse", "sse2", "nx", "lm", "syscall",
};

static void must_launch(const char *properties, const char *smp)
{
	char said[512];

	check_that(launches(properties, smp, said, sizeof said), "with '%s' and -smp %s: %s", properties, smp, said);
}

static void must_not_launch(const char *properties, const char *smp, const char *because)
{
	char said[512];

	check_that(!launches(properties, smp, said, sizeof said), "it runs with '%s' and -smp %s", properties, smp);
	check_that(strstr(said, because), "with '%s' and -smp %s it says: %s", properties, smp, said);
}

/* One at a time, of the features that the word of CPUID has. */
static void check_needed(void)
{
	char without[32], named[32];

	must_launch("", "2");
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
		strcpy(without, "-");
		strcat(without, needed[i]);
		strcpy(named, "lacks '");
		strcat(named, needed[i]);
		must_not_launch(without, "2", strcat(named, "'"));
	}
}

RULE_ROOT_QTEST(T22_2_a, "a root is not launched on processors that lack a feature of appendix E") { check_needed(); }
RULE_ROOT_QTEST(T28_a, "a root is not launched if a feature that must be set is not") { check_needed(); }
RULE_ROOT_QTEST(T28_g, "a root is not launched without any of the features that the text counts up") { check_needed(); }

RULE_ROOT_QTEST(T22_2_b, "processors have the same number of cores and threads")
{
	must_not_launch("", "3,cores=2", "cores");
	must_not_launch("", "3,threads=2", "threads");
	must_launch("", "4,cores=2,threads=2");
	must_launch("", "2,cores=1,threads=2");
}

RULE_ROOT_QTEST(T28_e, "a root is not launched with addresses of more than 48 bits")
{
	must_launch("phys-bits=48", "2");
	must_not_launch("phys-bits=49", "2", "49 bits");
	must_not_launch("phys-bits=52", "2", "52 bits");
}

/* The fields in @mask of @leaf are the same on all logical processors. */
static void check_same(uint32_t leaf, struct leaf mask)
{
	struct leaf first = read_leaf(leaf);

	for (unsigned i = 1; i < VPS; i++) {
		struct leaf l;

		as_vp(i);
		l = read_leaf(leaf);
		as_vp(0);
		check_value(l.a & mask.a, first.a & mask.a, "leaf 0x%x EAX of processor %u", leaf, i);
		check_value(l.b & mask.b, first.b & mask.b, "leaf 0x%x EBX of processor %u", leaf, i);
		check_value(l.c & mask.c, first.c & mask.c, "leaf 0x%x ECX of processor %u", leaf, i);
		check_value(l.d & mask.d, first.d & mask.d, "leaf 0x%x EDX of processor %u", leaf, i);
	}
}

static const struct leaf whole = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
/* Leaf 1 has the APIC's ID. */
static const struct leaf but_apic_id = { UINT32_MAX, 0xffffff, UINT32_MAX, UINT32_MAX };

RULE_ROOT_QTEST(T28_b, "no two processors of a machine differ")
{
	static const uint32_t leaves[] = { 0, 2, 5, 6, 7, 0x80000000, 0x80000001, 0x80000002, 0x80000005, 0x80000006, 0x80000007, 0x80000008 };

	check_same(1, but_apic_id);
	for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
		check_same(leaves[i], whole);
}

RULE_ROOT_QTEST(T28_f, "family, model and type are those of all processors")
{
	restart_with("family=6,model=0x5e,stepping=3");
	check_value(read_leaf(1).a, 0x506e3, "signature");
	check_same(1, (struct leaf){ .a = UINT32_MAX });
}

RULE_ROOT_QTEST(T28_h, "a root needs no XSAVE; all processors have it or none")
{
	enum { XSAVE = 1u << 26, OSXSAVE = 1u << 27 };

	check_that(read_leaf(1).c & XSAVE, "no XSAVE");
	check_same(1, (struct leaf){ .c = XSAVE | OSXSAVE });
	restart_with("-xsave");
	check_that(!(read_leaf(1).c & XSAVE), "there is XSAVE");
	check_same(1, (struct leaf){ .c = XSAVE | OSXSAVE });
}

RULE_ROOT_QTEST(T28_i, "all processors tell the same of their caches")
{
	static const char *const vendors[] = { "vendor=GenuineIntel", "vendor=AuthenticAMD" };

	for (unsigned i = 0; i < 2; i++) {
		restart_with(vendors[i]);
		check_that(read_leaf(0x80000006).c, "%s: no L2 cache", vendors[i]);
		check_same(0x80000005, whole);
		check_same(0x80000006, whole);
		check_same(0x80000008, whole);
		check_same(0x8000000a, (struct leaf){ .a = UINT32_MAX, .b = UINT32_MAX });
	}
}

RULE_ROOT_QTEST(T11_2_a, "the root sees the processors' family, model and stepping as they are")
{
	restart_with("family=6,model=0x5e,stepping=3");
	check_value(read_leaf(1).a, 0x506e3, "signature");
	restart_with("family=25,model=0x21,stepping=2");
	check_value(read_leaf(1).a, 0xa20f12, "signature");
}

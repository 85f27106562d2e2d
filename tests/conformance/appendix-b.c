/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appendix B (section 25): the hypervisor's call table against the text's. */
#include "hv/partition.h"
#include "rule.h"

/* Who may call: PARENT, of the partition that the call names, or others besides. */
enum { ANY, PARENT };

/* Calls of appendix B that name no event log or statistics. */
static const struct known {
	uint16_t code;
	bool rep;
	uint16_t in, in_elem, out, out_elem;
	unsigned caller;
	uint64_t privilege;
	uint16_t later_in;     /* input of later revisions, which shipping parents use; 0: the same */
} text[] = {
	{ 0x0001, false, 8, 0, 0, 0, ANY, 0, 0 },
	{ 0x0002, false, 24, 0, 0, 0, ANY, 0, 0 },
	{ 0x0003, true, 24, 8, 0, 0, ANY, 0, 0 },
	{ 0x0004, false, 0, 0, 32, 0, ANY, HV_CPU_MANAGEMENT, 8 },
	{ 0x0008, false, 8, 0, 0, 0, ANY, 0, 0 },
	{ 0x0009, false, 8, 0, 0, 0, ANY, HV_CPU_MANAGEMENT, 0 },
	{ 0x0040, false, 16, 0, 8, 0, ANY, HV_CREATE_PARTITIONS, 56 },
	{ 0x0041, false, 8, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0042, false, 8, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0043, false, 8, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0044, false, 16, 0, 8, 0, PARENT, 0, 0 },
	{ 0x0045, false, 24, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0046, false, 0, 0, 8, 0, ANY, HV_ACCESS_PARTITION_ID, 0 },
	{ 0x0047, false, 16, 0, 8, 0, PARENT, 0, 0 },
	{ 0x0048, true, 8, 8, 0, 0, PARENT, HV_ACCESS_MEMORY_POOL, 0 },
	{ 0x0049, true, 16, 0, 0, 8, PARENT, HV_ACCESS_MEMORY_POOL, 0 },
	{ 0x004a, false, 16, 0, 16, 0, PARENT, HV_ACCESS_MEMORY_POOL, 0 },
	{ 0x004b, true, 24, 8, 0, 0, PARENT, 0, 0 },
	{ 0x004c, true, 16, 0, 0, 0, PARENT, 0, 24 },
	{ 0x004d, false, 24, 0, 0, 0, PARENT, 0, 0 },
	{ 0x004e, false, 32, 0, 0, 0, PARENT, 0, 40 },
	{ 0x004f, false, 16, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0050, true, 16, 4, 0, 16, PARENT, 0, 0 },
	{ 0x0051, true, 16, 32, 0, 0, PARENT, 0, 0 },
	{ 0x0052, false, 32, 0, 16, 0, PARENT, 0, 0 },
	{ 0x0053, false, 32, 0, 24, 0, PARENT, 0, 0 },
	{ 0x0054, false, 48, 0, 8, 0, PARENT, 0, 0 },
	{ 0x0055, false, 32, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0056, false, 8, 0, 0, 0, PARENT, 0, 0 },
	{ 0x0057, false, 48, 0, 0, 0, PARENT, HV_CREATE_PORT, 0 },
	{ 0x0058, false, 16, 0, 0, 0, PARENT, HV_CREATE_PORT, 0 },
	{ 0x0059, false, 40, 0, 0, 0, PARENT, HV_CONNECT_PORT, 48 },
	{ 0x005a, false, 24, 0, 8, 0, PARENT, HV_CREATE_PORT, 0 },
	{ 0x005b, false, 16, 0, 0, 0, PARENT, HV_CONNECT_PORT, 0 },
	{ 0x005c, false, 256, 0, 0, 0, ANY, HV_POST_MESSAGES, 0 },
	{ 0x005d, false, 8, 0, 0, 0, ANY, HV_SIGNAL_EVENTS, 0 },
	{ 0x0069, false, 8, 0, 8, 0, ANY, HV_DEBUGGING, 0 },
	{ 0x006a, false, 16, 0, 8, 0, ANY, HV_DEBUGGING, 0 },
	{ 0x006b, false, 8, 0, 0, 0, ANY, HV_DEBUGGING, 0 },
	{ 0x006e, true, 16, 16, 0, 0, PARENT, 0, 0 },
};

/* Each row of the hypervisor's that is in the text, with its line there. */
static void compare(void (*check)(const struct call_row *row, const struct known *k))
{
	FOR_EACH_CALL(row)
		for (unsigned i = 0; i < sizeof text / sizeof text[0]; i++)
			if (text[i].code == row->code)
				check(row, &text[i]);
}

static void check_kind(const struct call_row *row, const struct known *k)
{
	check_value(!!(row->flags & CALL_ROW_REP), k->rep, "%s: is it a rep call?", row->name);
}

static void check_sizes(const struct call_row *row, const struct known *k)
{
	check_value(row->in, k->later_in ? k->later_in : k->in, "%s: input", row->name);
	check_value(row->out, k->out, "%s: output", row->name);
	check_value(row->in_elem, k->in_elem, "%s: input of an element", row->name);
	check_value(row->out_elem, k->out_elem, "%s: output of an element", row->name);
}

/* Nobody is a parent who could not make partitions; who names itself may need less. */
static void check_privilege(const struct call_row *row, const struct known *k)
{
	if (k->caller == ANY)
		check_value(row->privilege, k->privilege, "%s: privileges", row->name);
	else
		check_value(row->privilege & ~(k->privilege | HV_CREATE_PARTITIONS), 0, "%s: privileges beyond those of the text", row->name);
}

RULE_ANY(T25_a, "codes that appendix B reserves have no call but for those of later revisions")
{
	static const uint16_t later[] = { HV_CALL_SEND_IPI, HV_CALL_FLUSH_ADDRESS_SPACE_EX, HV_CALL_FLUSH_ADDRESS_LIST_EX, HV_CALL_SEND_IPI_EX };

	FOR_EACH_CALL(row) {
		bool reserved = !row->code || (row->code >= 5 && row->code <= 7) || (row->code >= 0x0a && row->code <= 0x3f);

		for (unsigned i = 0; i < sizeof later / sizeof later[0]; i++)
			reserved = reserved && row->code != later[i];
		check_that(!reserved, "%s has code 0x%x", row->name, row->code);
	}
}

RULE_ANY(T25_b, "rep calls are those that appendix B has as such") { compare(check_kind); }
RULE_ANY(T25_c, "the calls that can be made fast are simple ones: blocks have the text's sizes") { compare(check_sizes); compare(check_kind); }
RULE_ANY(T25_d, "the calls that can be made fast are those whose blocks are small enough in the text") { compare(check_sizes); }
RULE_ANY(T25_j, "calls need the privileges of appendix B") { compare(check_privilege); }

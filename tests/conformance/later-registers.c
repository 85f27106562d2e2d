/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers that later revisions have names for, cited at the rows of chapter 10 that they stand beside. */
#include "child.h"

#include "hv/msr.h"

/* Of MPX, CET, supervisor states and a ring of events: children have none of them. */
static const struct { uint32_t first, count; } absent[] = {
	{ HV_REGISTER_BNDCFGS, 1 }, { HV_REGISTER_XSS, 2 }, { HV_REGISTER_S_CET, 2 }, { HV_REGISTER_PL0_SSP, 4 }, { HV_REGISTER_SSP_TABLE, 1 },
	{ HV_REGISTER_SIRBP, 1 },
};

RULE_HOST(T10_2_2_a, "registers of features that the child has not are 0, and take nothing else")
{
	uint64_t id = make_child(EXO).id;

	for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++)
		for (uint32_t n = absent[i].first; n < absent[i].first + absent[i].count; n++) {
			check_register(id, 0, n, 0);
			check_status(set_register(id, 0, n, 0), HV_STATUS_SUCCESS);
			check_status(set_register(id, 0, n, 0x1000), HV_STATUS_INVALID_PARAMETER);
			check_status(set_register128(id, 0, n, (struct hv_register_value){ 0, 1 }), HV_STATUS_INVALID_PARAMETER);
			check_register(id, 0, n, 0);
		}
	/* What IA32_DEBUGCTL would switch on there is nothing of; its writes are ignored, as the guest's own. */
	check_status(set_register(id, 0, HV_REGISTER_DEBUGCTL, 1), HV_STATUS_SUCCESS);
	check_register(id, 0, HV_REGISTER_DEBUGCTL, 0);
}

RULE_HOST(T10_4_3_e, "who has a ring of events reads by name where it is")
{
	set_msr(HV_X64_MSR_SIRBP, test_page(3));
	check_register(own_id(), 0, HV_REGISTER_SIRBP, test_page(3));
	set_msr(HV_X64_MSR_SIRBP, 0);
}

/* ---- deliverability notifications ---- */

enum { SYNIC_PAGE = 0x8000, STATE_PAGE = 8, HAD_RIP = CHILD_CODE + 3 };
#define DELIVERABLE(m) MESSAGE_AS(hv_deliverable_message, m)
#define SINTS(m) MESSAGE_AS(hv_sint_deliverable_message, m)
#define SINT_BIT(n) (1ull << (HV_NOTIFY_SINT_SHIFT + (n)))

static void ask(const struct child *c, uint64_t bits)
{
	child_set(c, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, bits);
}

static void check_asked(const struct child *c, uint64_t want)
{
	check_value(child_register(c, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS), want, "notifications asked for");
}

/* It is told of an interruption of this type, with the VP between two instructions. */
static void check_deliverable(const struct child *c, const struct hv_message *m, uint32_t type, uint64_t rip)
{
	if (!check_type(m, HV_MESSAGE_INTERRUPTION_DELIVERABLE))
		return;
	check_value(m->payload_size, 48, "size");
	check_value(DELIVERABLE(m)->type, type, "type of the interruption");
	check_value(header(m)->rip, rip, "RIP");
	check_value(header(m)->length_cr8 & 0xf, 0, "length of an instruction");
	check_value(child_register(c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "intercept suspension");
}

static void check_port(const struct hv_message *m, uint16_t port)
{
	if (check_type(m, HV_MESSAGE_IO_INTERCEPT))
		check_value(MESSAGE_AS(hv_io_message, m)->port, port, "port");
}

RULE_HOST(T9_1_a, "a parent that asks for it is told once when an interrupt could be taken, and the VP stands")
{
	static const uint64_t kinds[] = { EXO, EXO | HV_CREATE_LAPIC, OF_2009 };

	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct child c = make_child(kinds[i]);
		struct hv_message m;

		must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
		ask(&c, HV_NOTIFY_INTERRUPT);
		check_asked(&c, HV_NOTIFY_INTERRUPT);
		/* nop; sti; nop; out 0x80 */
		m = RUN_CODE(&c, 0x90, 0xfb, 0x90, OUT(0x80));
		check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, HAD_RIP);
		check_asked(&c, 0);
		m = go_on(&c);
		check_port(&m, 0x80);
		/* The window is open: before the first instruction. */
		ask(&c, HV_NOTIFY_INTERRUPT);
		child_set(&c, HV_REGISTER_RIP, CHILD_CODE);
		m = go_on(&c);
		check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, CHILD_CODE);
	}
}

RULE_HOST(T10_4_4_a, "a notification that is taken back is none")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	ask(&c, HV_NOTIFY_INTERRUPT | HV_NOTIFY_NMI | SINT_BIT(3));
	ask(&c, 0);
	/* sti; nop; out 0x80 */
	m = RUN_CODE(&c, 0xfb, 0x90, OUT(0x80));
	check_port(&m, 0x80);
}

RULE_HOST(T10_4_4_c, "with an APIC of the hypervisor's there is nothing to tell of NMIs and priorities; no bit is spare")
{
	static const uint64_t own[] = { HV_NOTIFY_NMI, 3ull << HV_NOTIFY_PRIORITY_SHIFT | HV_NOTIFY_INTERRUPT };
	static const uint64_t spare[] = { 1ull << 6, 1ull << 47 };
	struct child with = make_child(EXO | HV_CREATE_LAPIC), without = make_child(EXO);
	const uint32_t name = HV_REGISTER_DELIVERABILITY_NOTIFICATIONS;

	for (unsigned i = 0; i < 2; i++) {
		check_status(set_register(with.id, 0, name, own[i]), HV_STATUS_INVALID_PARAMETER);
		check_status(set_register(without.id, 0, name, own[i]), HV_STATUS_SUCCESS);
		check_status(set_register(with.id, 0, name, spare[i]), HV_STATUS_INVALID_PARAMETER);
		check_status(set_register(without.id, 0, name, spare[i]), HV_STATUS_INVALID_PARAMETER);
	}
	check_status(set_register128(without.id, 0, name, (struct hv_register_value){ 0, 1 }), HV_STATUS_INVALID_PARAMETER);
	check_asked(&with, 0);
	check_asked(&without, own[1]);
}

RULE_HOST(T14_2_4_r, "an interrupt of a priority is told when CR8 is below it")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	child_set(&c, HV_REGISTER_CR8, 5);
	ask(&c, HV_NOTIFY_INTERRUPT | 5 << HV_NOTIFY_PRIORITY_SHIFT);
	m = RUN_CODE(&c, 0xfb, 0x90, OUT(0x80));
	check_port(&m, 0x80);
	check_asked(&c, HV_NOTIFY_INTERRUPT | 5 << HV_NOTIFY_PRIORITY_SHIFT);
	child_set(&c, HV_REGISTER_CR8, 4);
	m = go_on(&c);
	check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, CHILD_CODE + 2);
	check_asked(&c, 0);
	/* None needs no priority at all. */
	child_set(&c, HV_REGISTER_CR8, 15);
	ask(&c, HV_NOTIFY_INTERRUPT);
	m = go_on(&c);
	check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, CHILD_CODE + 2);
}

RULE_HOST(T10_3_3_c, "an NMI is told when it is not masked any more")
{
	struct child c = make_child(EXO);
	/* Where IRET goes: CHILD_DATA, with interrupts off. */
	const uint16_t frame[] = { CHILD_DATA, 0, 2 };
	struct hv_message m;

	child_put(&c, CHILD_STACK, frame, sizeof frame);
	child_put(&c, CHILD_DATA, (const uint8_t[]){ OUT(0x81) }, 2);
	ask(&c, HV_NOTIFY_NMI);
	child_start_at(&c, 0, CHILD_CODE);
	child_set(&c, HV_REGISTER_RSP, CHILD_STACK);
	child_set(&c, HV_REGISTER_INTERRUPT_STATE, HV_NMI_MASKED);
	/* out 0x80; iret */
	m = RUN_AS_IS(&c, OUT(0x80), 0xcf);
	check_port(&m, 0x80);
	check_asked(&c, HV_NOTIFY_NMI);
	m = step_over(&c, &m);
	check_deliverable(&c, &m, HV_INTERRUPTION_NMI, CHILD_DATA);
	check_asked(&c, 0);
	m = go_on(&c);
	check_port(&m, 0x81);
}

RULE_HOST(T10_3_4_b, "a parent that has been told gives the interrupt to a VP that has halted")
{
	static const struct { uint32_t name; uint64_t value; } ways[] = {
		{ HV_REGISTER_PENDING_EVENT0, HV_EVENT_PENDING | HV_EVENT_EXT_INT << HV_EVENT_TYPE_SHIFT | 0x77 << HV_EVENT_EXT_INT_VECTOR_SHIFT },
		{ HV_REGISTER_PENDING_INTERRUPTION, HV_INTERRUPTION_PENDING | 0x77 << HV_INTERRUPTION_VECTOR_SHIFT },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct child c = make_child(EXO | HV_CREATE_LAPIC);
		struct hv_message m;

		child_handler(&c, 0x77);
		child_start_at(&c, 0, CHILD_CODE);
		/* sti; nop; hlt */
		child_put(&c, CHILD_CODE, (const uint8_t[]){ 0xfb, 0x90, 0xf4 }, 3);
		child_go(&c, 0);
		check_silence();
		ask(&c, HV_NOTIFY_INTERRUPT);
		m = next_message();
		check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, HAD_RIP);
		child_set(&c, ways[i].name, ways[i].value);
		check_value(child_register(&c, ways[i].name), ways[i].value, "what is pending");
		m = go_on(&c);
		check_port(&m, 0x77);
		check_value(child_register(&c, ways[i].name), 0, "what is pending then");
	}
}

/* The message page of the child's VP, which it sees while its SynIC has it; through a page of the caller's. */
static void move_slots(const struct child *c, uint16_t code)
{
	struct { struct hv_in_vp_state fixed; uint64_t page; } in = {
		{ .partition_id = c->id, .type = HV_VP_STATE_MESSAGE_PAGE }, test_page(STATE_PAGE) >> 12 };

	check_status(CALL(.code = code, .variable = 1, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
}

static uint64_t slot_at(unsigned sint)
{
	return test_page(STATE_PAGE) + sint * sizeof(struct hv_message);
}

/* Messages in these slots, of which nobody has taken any; none in the others. */
static void fill_slots(const struct child *c, uint32_t sints)
{
	for (unsigned n = 0; n < HV_SINT_COUNT; n++)
		put64(slot_at(n), sints >> n & 1);
	move_slots(c, HV_CALL_SET_VP_STATE);
}

static void switch_synic_on(const struct child *c)
{
	child_set(c, HV_REGISTER_SIMP, SYNIC_PAGE | HV_MSR_PAGE_ENABLE);
	child_set(c, HV_REGISTER_SCONTROL, HV_SCONTROL_ENABLE);
}

static void check_sints(const struct hv_message *m, uint16_t sints, uint64_t rip)
{
	if (!check_type(m, HV_MESSAGE_SINT_DELIVERABLE))
		return;
	check_value(m->payload_size, 48, "size");
	check_value(SINTS(m)->sints, sints, "SINTs");
	check_value(header(m)->rip, rip, "RIP");
}

RULE_HOST(T14_2_4_p, "a parent that asks for it is told of SINTs whose slots are free, of all at once, when the SynIC is on")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	fill_slots(&c, 1 << 4);
	ask(&c, SINT_BIT(3) | SINT_BIT(4) | SINT_BIT(15));
	m = RUN_CODE(&c, OUT(0x80), OUT(0x81));
	check_port(&m, 0x80);
	switch_synic_on(&c);
	m = go_on(&c);
	check_sints(&m, 1 << 3 | 1 << 15, CHILD_CODE);
	check_asked(&c, SINT_BIT(4));
	m = go_on(&c);
	check_port(&m, 0x80);
}

RULE_HOST(T14_2_4_v, "a SINT whose slot is occupied is told when the guest has emptied it and writes EOM")
{
	struct child c = make_child(EXO);
	const uint32_t slot_4 = SYNIC_PAGE + 4 * sizeof(struct hv_message);
	struct hv_message m;

	fill_slots(&c, 1 << 4);
	switch_synic_on(&c);
	ask(&c, SINT_BIT(4));
	move_slots(&c, HV_CALL_GET_VP_STATE);
	check_value(get64(slot_at(4)) >> 40 & 0xff, HV_MESSAGE_FLAG_PENDING, "flags of the slot");
	child_start_at(&c, 0, CHILD_CODE);
	child_set(&c, HV_REGISTER_RCX, HV_X64_MSR_EOM);
	/* out 0x80; mov dword [slot_4], 0; wrmsr; out 0x81 */
	m = RUN_AS_IS(&c, OUT(0x80), 0x66, 0xc7, 0x06, slot_4 & 0xff, slot_4 >> 8, 0, 0, 0, 0, 0x0f, 0x30, OUT(0x81));
	check_port(&m, 0x80);
	m = step_over(&c, &m);
	if (check_type(&m, HV_MESSAGE_SINT_DELIVERABLE))
		check_value(SINTS(&m)->sints, 1 << 4, "SINTs");
	check_asked(&c, 0);
	m = go_on(&c);
	check_port(&m, 0x81);
}

RULE_HOST(T9_1_h, "what can be taken while the VP stands in an intercept is told behind that, before the next instruction")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	fill_slots(&c, 1 << 2);
	switch_synic_on(&c);
	ask(&c, SINT_BIT(2) | HV_NOTIFY_INTERRUPT);
	m = RUN_CODE(&c, OUT(0x80), 0xfb, 0x90, OUT(0x81));
	check_port(&m, 0x80);
	fill_slots(&c, 0);
	child_set(&c, HV_REGISTER_EOM, 0);
	check_silence();
	m = step_over(&c, &m);
	check_sints(&m, 1 << 2, CHILD_CODE + 2);
	m = go_on(&c);
	check_deliverable(&c, &m, HV_INTERRUPTION_INTERRUPT, CHILD_CODE + 4);
	m = go_on(&c);
	check_port(&m, 0x81);
}

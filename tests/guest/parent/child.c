/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/interrupt.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hv/vp.h"

enum { LARGE_PAGE = 2 << 20, INITIALIZE_PAGES = 208, VP_PAGES = 90 };

/* ---- what it may do and finds of the hypervisor ---- */

static void set_property(struct child *c, uint32_t code, uint64_t value)
{
	*(struct hv_in_set_partition_property *)call_in = (struct hv_in_set_partition_property){ c->id, code, 0, value };
	must(call(HV_CALL_SET_PARTITION_PROPERTY, 0), "HvSetPartitionProperty");
}

static uint64_t get_property(struct child *c, uint32_t code)
{
	*(struct hv_in_get_partition_property *)call_in = (struct hv_in_get_partition_property){ c->id, code, 0 };
	must(call(HV_CALL_GET_PARTITION_PROPERTY, 0), "HvGetPartitionProperty");
	return call_out[0];
}

static void set_features(struct child *c, bool may_create)
{
	const uint64_t all = HV_SYNTHETIC_PRESENT | HV_SYNTHETIC_HV1 | HV_SYNTHETIC_VP_RUN_TIME | HV_SYNTHETIC_REFERENCE_COUNTER |
			     HV_SYNTHETIC_SYNIC | HV_SYNTHETIC_TIMERS | HV_SYNTHETIC_APIC | HV_SYNTHETIC_HYPERCALL | HV_SYNTHETIC_VP_INDEX |
			     HV_SYNTHETIC_REFERENCE_TSC | HV_SYNTHETIC_GUEST_IDLE | HV_SYNTHETIC_FREQUENCIES | HV_SYNTHETIC_DIRECT_TIMERS |
			     HV_SYNTHETIC_EX_PROCESSOR_MASKS | HV_SYNTHETIC_REMOTE_FLUSH | HV_SYNTHETIC_CLUSTER_IPI;

	set_property(c, HV_PROPERTY_SYNTHETIC_FEATURES, all);
	if (may_create)
		set_property(c, HV_PROPERTY_PRIVILEGE_FLAGS, get_property(c, HV_PROPERTY_PRIVILEGE_FLAGS) | HV_CREATE_PARTITIONS |
			     HV_ACCESS_PARTITION_ID | HV_ACCESS_MEMORY_POOL | HV_CREATE_PORT | HV_CONNECT_PORT);
}

/* ---- memory ---- */

/* All of it, from 0 on, in large pages of ours. */
static void map_memory(struct child *c)
{
	unsigned pages = c->size / LARGE_PAGE;
	struct hv_in_map_gpa_pages *in = (void *)call_in;
	uint64_t *from = (uint64_t *)(in + 1);

	for (unsigned first = 0, n; first < pages; first += n) {
		uint16_t s;

		n = pages - first < 256 ? pages - first : 256;
		do {
			*in = (struct hv_in_map_gpa_pages){
				.target_partition_id = c->id, .target_gpa_base = (uint64_t)first * HV_GPA_LARGE_PAGES,
				.map_flags = HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE |
					     HV_MAP_GPA_USER_EXECUTABLE | HV_MAP_GPA_LARGE_PAGE,
			};
			for (unsigned i = 0; i < n; i++)
				from[i] = (uint64_t)c->memory / PAGE + (uint64_t)(first + i) * HV_GPA_LARGE_PAGES;
			s = call(HV_CALL_MAP_GPA_PAGES, n);
			if (s == HV_STATUS_INSUFFICIENT_MEMORY)
				deposit(c->id, 16);
		} while (s == HV_STATUS_INSUFFICIENT_MEMORY);
		must(s, "HvMapGpaPages");
	}
}

/* ---- registers ---- */

struct list {
	struct hv_in_vp vp;
	struct hv_register_assoc element[64];
};

static struct list *registers(struct child *c)
{
	struct list *l = (void *)call_in;

	l->vp = (struct hv_in_vp){ .partition_id = c->id };
	return l;
}

static void add(struct list *l, unsigned *n, uint32_t name, struct hv_register_value v)
{
	l->element[(*n)++] = (struct hv_register_assoc){ .name = name, .value = v };
}

/* As the 32-bit boot protocol wants it: flat segments, no paging, no interrupts. */
static void set_entry(struct child *c, const struct entry *e)
{
	static const uint32_t data[] = { HV_REGISTER_DS, HV_REGISTER_ES, HV_REGISTER_SS, HV_REGISTER_FS, HV_REGISTER_GS };
	enum { FLAT_CODE = 0xc09b, FLAT_DATA = 0xc093 };
	struct list *l = registers(c);
	unsigned n = 0;

	add(l, &n, HV_REGISTER_RIP, (struct hv_register_value){ e->ip });
	add(l, &n, HV_REGISTER_RBX, (struct hv_register_value){ e->bx });
	add(l, &n, HV_REGISTER_RSI, (struct hv_register_value){ e->si });
	add(l, &n, HV_REGISTER_CR0, (struct hv_register_value){ CR0_PE | 1 << 4 });
	add(l, &n, HV_REGISTER_CS, flat_segment(0x10, FLAT_CODE));
	for (unsigned i = 0; i < ARRAY_SIZE(data); i++)
		add(l, &n, data[i], flat_segment(0x18, FLAT_DATA));
	must(call(HV_CALL_SET_VP_REGISTERS, n), "HvSetVpRegisters");
}

void child_reply(struct child *c, uint64_t rip, const uint64_t *rax)
{
	struct list *l = registers(c);
	unsigned n = 0;

	if (rax)
		add(l, &n, HV_REGISTER_RAX, (struct hv_register_value){ *rax });
	add(l, &n, HV_REGISTER_RIP, (struct hv_register_value){ rip });
	/* Last: from then on it runs, and may be at its next exit before the call is over. */
	add(l, &n, HV_REGISTER_INTERCEPT_SUSPEND, (struct hv_register_value){ 0 });
	must(call(HV_CALL_SET_VP_REGISTERS, n), "HvSetVpRegisters");
}

void child_set(struct child *c, uint32_t name, uint64_t value)
{
	struct list *l = registers(c);
	unsigned n = 0;

	add(l, &n, name, (struct hv_register_value){ value });
	must(call(HV_CALL_SET_VP_REGISTERS, n), "HvSetVpRegisters");
}

uint64_t child_get(struct child *c, uint32_t name)
{
	struct hv_in_vp *in = (void *)call_in;

	*in = (struct hv_in_vp){ .partition_id = c->id };
	*(uint32_t *)(in + 1) = name;
	must(call(HV_CALL_GET_VP_REGISTERS, 1), "HvGetVpRegisters");
	return call_out[0];
}

void child_run(struct child *c)
{
	child_set(c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
}

/* ---- interrupts ---- */

/*
 * The child's processor takes an interrupt of the 8259s when it likes, without an exit; that it has is learnt by asking
 * to clear it.
 */
void child_interrupts(struct child *c)
{
	struct ports *p = &c->ports;
	int vector;

	pic_set(&p->pics, UART_IRQ, uart_interrupts(&p->uart));
	if (c->ext_int && with_id(HV_CALL_CLEAR_VIRTUAL_INTERRUPT, c->id) == HV_STATUS_SUCCESS) {
		pic_acknowledge(&p->pics);
		c->ext_int = false;
	}
	vector = pic_vector(&p->pics);
	if (vector < 0 && !c->ext_int)
		return;
	*(struct hv_in_assert_virtual_interrupt *)call_in = (struct hv_in_assert_virtual_interrupt){
		.partition_id = c->id, .type = HV_INTERRUPT_EXT_INT, .vector = vector < 0 ? HV_INTERRUPT_VECTOR_NONE : (uint32_t)vector,
	};
	if (call(HV_CALL_ASSERT_VIRTUAL_INTERRUPT, 0) == HV_STATUS_SUCCESS)
		c->ext_int = vector >= 0;
}

/* ---- life ---- */

void child_raise(struct child *c, const struct entry *e, bool may_create)
{
	struct hv_in_create_partition create = { .flags = HV_CREATE_EXO | HV_CREATE_LAPIC | HV_CREATE_X2APIC | HV_CREATE_SUPER_PAGES };
	struct hv_in_create_vp vp = { 0 };

	must(call_feeding(HV_CALL_CREATE_PARTITION, 0, HV_PARTITION_ID_SELF, &create, sizeof create), "HvCreatePartition");
	c->id = call_out[0];
	c->ext_int = c->ended = false;
	set_features(c, may_create);
	deposit(c->id, INITIALIZE_PAGES);
	must(with_id(HV_CALL_INITIALIZE_PARTITION, c->id), "HvInitializePartition");
	map_memory(c);
	deposit(c->id, VP_PAGES);
	vp.partition_id = c->id;
	must(call_feeding(HV_CALL_CREATE_VP, 0, c->id, &vp, sizeof vp), "HvCreateVp");
	set_entry(c, e);
}

const char *child_create(struct child *c, const struct bundle *b, bool may_create)
{
	struct entry e;
	const char *why;

	memset(c->memory, 0, c->size);
	why = load(&e, c->memory, c->size, b);
	if (!why)
		child_raise(c, &e, may_create);
	return why;
}

void child_destroy(struct child *c)
{
	partition_end(c->id);
	c->id = 0;
}

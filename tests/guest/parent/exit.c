/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the child does that its parent has to answer. */
#include "child.h"

/* A write of AL or AX leaves the rest of RAX, one of EAX clears the upper half. */
static uint64_t merge(uint64_t rax, uint32_t value, unsigned size)
{
	return size == 1 ? (rax & ~0xffull) | value : size == 2 ? (rax & ~0xffffull) | value : value;
}

static const char *port(struct child *c, const struct hv_io_message *m)
{
	unsigned size = m->access & HV_IO_SIZE;
	uint64_t rax;

	if (m->access & HV_IO_STRING)
		return "it used string instructions on a port";
	/* What it has taken meanwhile must be in the 8259s before it looks at them. */
	if (pic_owns(m->port))
		child_interrupts(c);
	if (m->header.access == HV_INTERCEPT_WRITE) {
		ports_write(&c->ports, m->port, size, (uint32_t)m->rax & (uint32_t)(0xffffffffull >> (32 - 8 * size)));
		if (c->ports.reset_asked)
			return "it reset its machine";
		if (c->ports.off)
			return "it switched itself off";
	} else {
		rax = merge(m->rax, ports_read(&c->ports, m->port, size), size);
	}
	child_interrupts(c);
	child_reply(c, behind(&m->header), m->header.access == HV_INTERCEPT_WRITE ? NULL : &rax);
	return NULL;
}

static const char *memory(const struct hv_memory_message *m)
{
	print("# the child is at 0x%lx, access %u to 0x%lx\n", (unsigned long)m->header.rip, m->header.access, (unsigned long)m->gpa);
	return "it went where there is no memory";
}

const char *child_exit(struct child *c, const struct hv_message *m)
{
	const void *payload = m->payload;

	c->exits++;
	if (m->sender != c->id)
		return NULL;
	switch ((int32_t)m->type) {
	case HV_MESSAGE_IO_INTERCEPT: return port(c, payload);
	case HV_MESSAGE_UNMAPPED_GPA:
	case HV_MESSAGE_GPA_INTERCEPT: return memory(payload);
	case HV_MESSAGE_UNRECOVERABLE_EXCEPTION:
		c->ended = true;
		return "it reset itself by a triple fault";
	default:
		print("# message type 0x%x\n", m->type);
		return "it did something unexpected";
	}
}

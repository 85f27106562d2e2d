/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parent.h"

#include "hv/intercept.h"
#include "hv/synic.h"
#include "partition.h"

/* ---- memory ---- */

/* T9.1.2.i: always, whatever is installed. */
static enum x86_result memory(struct vp *vp, gpa_t gpa, uint8_t access)
{
	struct gpa_target t;

	vp->intercept.type = (uint32_t)(gpa_map_lookup(&vp->partition->map, gpa_page(gpa), &t) ?
					HV_MESSAGE_GPA_INTERCEPT :        /* T16.3.2.a, T11.8.f */
					HV_MESSAGE_UNMAPPED_GPA);         /* T16.3.1.a, T11.8.d */
	vp->intercept.access = access;
	vp->intercept.memory.gpa = gpa.v;
	vp->intercept.memory.gva = vp->cpu.outside;
	return X86_STOP;
}

static enum x86_result mmio_read(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t *value)
{
	return memory(vp, gpa, HV_INTERCEPT_READ);
}

static enum x86_result mmio_write(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t value)
{
	return memory(vp, gpa, HV_INTERCEPT_WRITE);
}

static enum x86_result probe(void *o, struct vp *vp, gpa_t gpa, enum x86_access access)
{
	return memory(vp, gpa, access == X86_WRITE ? HV_INTERCEPT_WRITE : HV_INTERCEPT_READ);
}

static enum x86_result bad_fetch(void *o, struct vp *vp, gpa_t gpa)
{
	return memory(vp, gpa, HV_INTERCEPT_EXECUTE);      /* T11.8.i */
}

/* ---- ports ---- */

static enum x86_result io(struct vp *vp, uint16_t port, unsigned size, uint8_t access)
{
	if (!(vp->partition->create_flags & HV_CREATE_EXO))
		return X86_OK;                             /* T11.9.c */
	vp->intercept.type = (uint32_t)HV_MESSAGE_IO_INTERCEPT;
	vp->intercept.access = access;
	vp->intercept.io.port = port;
	vp->intercept.io.size = (uint8_t)size;
	return X86_STOP;
}

static enum x86_result io_read(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value)
{
	return io(vp, port, size, HV_INTERCEPT_READ);
}

static enum x86_result io_write(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value)
{
	return io(vp, port, size, HV_INTERCEPT_WRITE);
}

/* ---- what is no access ---- */

static void exits(void *o, struct vp *vp, enum exit_reason reason)
{
	vp->intercept.type = (uint32_t)HV_MESSAGE_UNRECOVERABLE_EXCEPTION;   /* T16.5.8.a */
	vp->intercept.access = HV_INTERCEPT_EXECUTE;
	/* It happens again, unless the parent changes what led to it (T9.1.e). */
	vp->cpu.activity = X86_ACTIVE;
}

const struct stack_ops parent_stack = {
	.io_read = io_read, .io_write = io_write, .mmio_read = mmio_read, .mmio_write = mmio_write, .probe = probe,
	.bad_fetch = bad_fetch, .exit = exits,
};

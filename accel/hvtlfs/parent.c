/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parent.h"

#include "partition.h"

static enum x86_result io_read(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value)
{
	return X86_STOP;
}

static enum x86_result io_write(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value)
{
	return X86_STOP;
}

static enum x86_result mmio_read(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t *value)
{
	return X86_STOP;
}

static enum x86_result mmio_write(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t value)
{
	return X86_STOP;
}

static enum x86_result bad_fetch(void *o, struct vp *vp, gpa_t gpa)
{
	vp_suspend(vp, SUSPEND_INTERCEPT);
	return X86_STOP;
}

/* The VP is suspended already. */
static void exits(void *o, struct vp *vp, enum exit_reason reason)
{
}

const struct stack_ops parent_stack = {
	.io_read = io_read, .io_write = io_write, .mmio_read = mmio_read, .mmio_write = mmio_write,
	.bad_fetch = bad_fetch, .exit = exits,
};

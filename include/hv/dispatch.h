/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root that schedules the VPs of those that it made (of later revisions). */
#ifndef HV_DISPATCH_H
#define HV_DISPATCH_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* 0x00c2: input */
struct hv_in_dispatch_vp {
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t flags;            /* HV_DISPATCH_* */
	uint64_t time_slice;       /* 100 ns; 0: as long as it likes */
	uint64_t spec_ctrl;        /* the caller's IA32_SPEC_CTRL, with HV_DISPATCH_SET_SPEC_CTRL */
};
static_assert(sizeof(struct hv_in_dispatch_vp) == 32, "later revisions");

enum {
	HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND = 1 << 0,
	HV_DISPATCH_ENABLE_CALLER_INTERRUPTS = 1 << 1,   /* they end the call although the caller's RFLAGS.IF is clear */
	HV_DISPATCH_SET_SPEC_CTRL = 1 << 2,
	HV_DISPATCH_SKIP_VP_FLUSH = 1 << 3,
	HV_DISPATCH_SKIP_CALLER_FLUSH = 1 << 4,
	HV_DISPATCH_SKIP_CALLER_USER_FLUSH = 1 << 5,
	HV_DISPATCH_SCAN_INJECTION = 1 << 6,             /* take the vectors that wait in the register page */
	HV_DISPATCH_FLAGS = (1 << 7) - 1,
};

/* 0x00c2: output */
struct hv_out_dispatch_vp {
	uint32_t state;            /* HV_DISPATCH_BLOCKED, HV_DISPATCH_READY */
	uint32_t event;            /* why it stopped: HV_DISPATCH_EVENT_* */
};
static_assert(sizeof(struct hv_out_dispatch_vp) == 8, "later revisions");
enum { HV_DISPATCH_BLOCKED = 1, HV_DISPATCH_READY = 2 };
enum { HV_DISPATCH_EVENT_NONE = 0, HV_DISPATCH_EVENT_SUSPEND = 1, HV_DISPATCH_EVENT_INTERCEPT = 2 };

/* HV_MESSAGE_SCHEDULER_SIGNAL: VPs that can run now, after a dispatch had found them blocked. */
enum { HV_SIGNAL_VPS = 19 };
struct hv_scheduler_signal {
	uint32_t overflow;         /* there were more: look at all VPs */
	uint8_t count, reserved[3];
	uint64_t partition_id[HV_SIGNAL_VPS];
	uint32_t vp_index[HV_SIGNAL_VPS];
	uint32_t padding;
};
static_assert(sizeof(struct hv_scheduler_signal) == 240 && offsetof(struct hv_scheduler_signal, vp_index) == 160, "later revisions");

#endif

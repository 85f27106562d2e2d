/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest debugging (20.3): calls of a hypervisor that a debugger is connected to. */
#ifndef HV_DEBUG_H
#define HV_DEBUG_H

#include <assert.h>
#include <stdint.h>

/* 0x0069 (20.3.1): input, before the data; output */
struct hv_in_post_debug_data {
	uint32_t count;
	uint32_t options;
};
static_assert(sizeof(struct hv_in_post_debug_data) == 8, "20.3.1");
struct hv_out_post_debug_data {
	uint32_t pending_count;
	uint32_t padding;
};
static_assert(sizeof(struct hv_out_post_debug_data) == 8, "20.3.1");

/* 0x006a (20.3.2): input; output, before the data */
struct hv_in_retrieve_debug_data {
	uint32_t count;
	uint32_t options;
	uint64_t timeout;
};
static_assert(sizeof(struct hv_in_retrieve_debug_data) == 16, "20.3.2");
struct hv_out_retrieve_debug_data {
	uint32_t retrieved_count;
	uint32_t remaining_count;
};
static_assert(sizeof(struct hv_out_retrieve_debug_data) == 8, "20.3.2");

/* 0x006b (20.3.3): input */
struct hv_in_reset_debug_session {
	uint32_t options;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_reset_debug_session) == 8, "20.3.3");

#endif

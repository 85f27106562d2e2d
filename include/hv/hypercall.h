/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hypercall interface (chapter 4): input value, result value, call codes. */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include <assert.h>
#include <stdint.h>

/*
 * Input value (4.7).  Later revisions gave 26:17 (variable header, in 8 bytes) and
 * 31 (nested) a meaning; all other bits outside the fields must be zero (T4.11.3.f).
 */
#define HV_CALL_CODE_MASK 0xffffull
#define HV_CALL_FAST (1ull << 16)
#define HV_CALL_VARIABLE_SHIFT 17
#define HV_CALL_VARIABLE_MASK 0x3ffull
#define HV_CALL_NESTED (1ull << 31)
#define HV_CALL_REPS_SHIFT 32
#define HV_CALL_REPS_MASK 0xfffull
#define HV_CALL_START_SHIFT 48
#define HV_CALL_START_MASK 0xfffull
#define HV_CALL_RESERVED 0xf000f00078000000ull

static_assert((HV_CALL_RESERVED & (HV_CALL_CODE_MASK | HV_CALL_FAST | HV_CALL_NESTED |
				   HV_CALL_VARIABLE_MASK << HV_CALL_VARIABLE_SHIFT |
				   HV_CALL_REPS_MASK << HV_CALL_REPS_SHIFT |
				   HV_CALL_START_MASK << HV_CALL_START_SHIFT)) == 0, "4.7");

static inline uint16_t hv_call_code(uint64_t input) { return (uint16_t)input; }
static inline uint32_t hv_call_variable(uint64_t input)
{
	return input >> HV_CALL_VARIABLE_SHIFT & HV_CALL_VARIABLE_MASK;
}
static inline uint32_t hv_call_reps(uint64_t input) { return input >> HV_CALL_REPS_SHIFT & HV_CALL_REPS_MASK; }
static inline uint32_t hv_call_start(uint64_t input) { return input >> HV_CALL_START_SHIFT & HV_CALL_START_MASK; }

/* Result value (4.8): status in 15:0, reps complete (an absolute index, T4.8.c) in 43:32. */
static inline uint64_t hv_call_result(uint16_t status, uint32_t reps)
{
	return status | (uint64_t)reps << HV_CALL_REPS_SHIFT;
}
static inline uint16_t hv_result_status(uint64_t result) { return (uint16_t)result; }
static inline uint32_t hv_result_reps(uint64_t result) { return result >> HV_CALL_REPS_SHIFT & HV_CALL_REPS_MASK; }

/* Extended fast form (4.7.1): input bytes 16..111 in XMM0..XMM5 (T4.1.f). */
enum { HV_CALL_FAST_BYTES = 16, HV_CALL_XMM_BYTES = 112 };

/* Call codes (appendix B; 0x000b, 0x0013 and up are of later revisions). */
enum {
	HV_CALL_SWITCH_ADDRESS_SPACE = 0x0001,
	HV_CALL_FLUSH_ADDRESS_SPACE = 0x0002,
	HV_CALL_FLUSH_ADDRESS_LIST = 0x0003,
	HV_CALL_GET_LP_RUN_TIME = 0x0004,
	HV_CALL_NOTIFY_LONG_SPIN_WAIT = 0x0008,
	HV_CALL_PARK_LPS = 0x0009,
	HV_CALL_SEND_IPI = 0x000b,
	HV_CALL_FLUSH_ADDRESS_SPACE_EX = 0x0013,
	HV_CALL_FLUSH_ADDRESS_LIST_EX = 0x0014,
	HV_CALL_SEND_IPI_EX = 0x0015,
	HV_CALL_CREATE_PARTITION = 0x0040,
	HV_CALL_INITIALIZE_PARTITION = 0x0041,
	HV_CALL_FINALIZE_PARTITION = 0x0042,
	HV_CALL_DELETE_PARTITION = 0x0043,
	HV_CALL_GET_PARTITION_PROPERTY = 0x0044,
	HV_CALL_SET_PARTITION_PROPERTY = 0x0045,
	HV_CALL_GET_PARTITION_ID = 0x0046,
	HV_CALL_GET_NEXT_CHILD_PARTITION = 0x0047,
	HV_CALL_DEPOSIT_MEMORY = 0x0048,
	HV_CALL_WITHDRAW_MEMORY = 0x0049,
	HV_CALL_GET_MEMORY_BALANCE = 0x004a,
	HV_CALL_MAP_GPA_PAGES = 0x004b,
	HV_CALL_UNMAP_GPA_PAGES = 0x004c,
	HV_CALL_INSTALL_INTERCEPT = 0x004d,
	HV_CALL_CREATE_VP = 0x004e,
	HV_CALL_DELETE_VP = 0x004f,
	HV_CALL_GET_VP_REGISTERS = 0x0050,
	HV_CALL_SET_VP_REGISTERS = 0x0051,
	HV_CALL_TRANSLATE_VIRTUAL_ADDRESS = 0x0052,
	HV_CALL_READ_GPA = 0x0053,
	HV_CALL_WRITE_GPA = 0x0054,
	HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009 = 0x0055,
	HV_CALL_CLEAR_VIRTUAL_INTERRUPT = 0x0056,
	HV_CALL_POST_MESSAGE = 0x005c,
	HV_CALL_SIGNAL_EVENT = 0x005d,
	HV_CALL_MAP_SPARSE_GPA_PAGES = 0x006e,
	HV_CALL_SET_SYSTEM_PROPERTY = 0x006f,
	HV_CALL_ADD_LOGICAL_PROCESSOR = 0x0076,
	HV_CALL_GET_SYSTEM_PROPERTY = 0x007b,
	HV_CALL_MAP_DEVICE_INTERRUPT = 0x007c,
	HV_CALL_UNMAP_DEVICE_INTERRUPT = 0x007d,
	HV_CALL_RETARGET_INTERRUPT = 0x007e,
	HV_CALL_ENTER_SLEEP_STATE = 0x0084,
	HV_CALL_NOTIFY_PARTITION_EVENT = 0x0087,
	HV_CALL_MODIFY_SPARSE_GPA_PAGES = 0x0090,
	HV_CALL_REGISTER_INTERCEPT_RESULT = 0x0091,
	HV_CALL_UNREGISTER_INTERCEPT_RESULT = 0x0092,
	HV_CALL_ASSERT_VIRTUAL_INTERRUPT = 0x0094,
	HV_CALL_TRANSLATE_VIRTUAL_ADDRESS_EX = 0x00ac,
	HV_CALL_CHECK_FOR_IO_INTERCEPT = 0x00ad,
	HV_CALL_MAP_VP_STATE_PAGE = 0x00e1,
	HV_CALL_UNMAP_VP_STATE_PAGE = 0x00e2,
	HV_CALL_GET_VP_CPUID_VALUES = 0x00f4,
	HV_CALL_GET_PARTITION_PROPERTY_EX = 0x0101,
	HV_CALL_SET_PARTITION_PROPERTY_EX = 0x010a,
	HV_CALL_GET_GPA_PAGES_ACCESS_STATES = 0x00c9,
	HV_CALL_QUERY_CAPABILITIES = 0x8001,
};

/* 0x0008 (18.5.1): input */
struct hv_in_notify_long_spin_wait {
	uint32_t count;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_notify_long_spin_wait) == 8, "18.5.1");

#endif

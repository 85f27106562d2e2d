/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dispatcher's side of hypercalls. */
#ifndef HVTLFS_CALL_H
#define HVTLFS_CALL_H

#include "accel/hvtlfs/call.h"
#include "target/i386/cpu.h"

/* The core's lists, each from its chapter's file, end with name NULL; call-table.c puts them together. */
extern const struct hv_call mmu_calls[];         /* mmu.c: chapter 12 */
extern const struct hv_call interrupt_calls[];   /* interrupt.c: chapter 13 */

extern const struct hv_call life_calls[];        /* life.c: chapter 5 */
extern const struct hv_call intercept_calls[];   /* install.c: chapter 9 */
extern const struct hv_call property_calls[];    /* property.c: chapter 5 */
extern const struct hv_call root_calls[];        /* root.c: chapter 6 */
extern const struct hv_call pool_calls[];        /* deposit.c: chapter 7 */
extern const struct hv_call gpa_calls[];         /* gpa-calls.c: chapter 8 */
extern const struct hv_call vp_calls[];          /* vp-calls.c: chapter 10 */
extern const struct hv_call assert_calls[];      /* assert.c: chapter 13 */
extern const struct hv_call translate_calls[];   /* translate.c: chapter 12 */
extern const struct hv_call dispatch_calls[];    /* dispatch.c: the same */
extern const struct hv_call vp_state_calls[];    /* vp-state.c: beside chapter 10 */
extern const struct hv_call stats_calls[];       /* stats.c: 21 */
extern const struct hv_call state_page_calls[];  /* state-page.c: beside chapter 10 */

/* The core's rows and those of @hv's components, in ascending order of code; hv->calls. */
void call_table_init(struct hv *hv);
void call_table_fini(struct hv *hv);

/* VMCALL of @vp: rules of 4.5, then the call; x86_ops.hypercall. */
enum x86_result call_instruction(struct vp *vp);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest state that stays in the host's registers between translated blocks.
 */
#include "jit.h"

void held_in(struct emit *e, unsigned held)
{
}

void held_out(struct emit *e, unsigned held, int32_t off)
{
}

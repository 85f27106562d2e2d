/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For include/hv, where the host's C library has no 32-bit headers. */
#ifndef GUEST_ASSERT_H
#define GUEST_ASSERT_H

#define static_assert _Static_assert

#endif

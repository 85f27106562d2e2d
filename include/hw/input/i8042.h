/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keyboard controller with an AT keyboard, device "i8042" (ports 0x60, 0x64, ISA IRQ 1),
 * and system control port A, device "port92".
 */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/core/machine.h"

enum { KEYBOARD_DATA = 0x60, KEYBOARD_COMMAND = 0x64, SYSTEM_CONTROL_A = 0x92 };

#endif

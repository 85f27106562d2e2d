/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system/vmm.h"

int main(int argc, char **argv)
{
	return vmm_main(argc, argv);
}

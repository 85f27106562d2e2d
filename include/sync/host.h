/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host gives this process. */
#ifndef SYNC_HOST_H
#define SYNC_HOST_H

/* Processors that its threads may run on, at least 1; found at the first call, from any thread. */
unsigned host_processors(void);

#endif

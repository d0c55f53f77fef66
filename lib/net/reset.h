// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// TCP resets that the box itself sends (RFC 9293 section 3.10.7.1).

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// Turns the TCP segment whose IPv4 header of `ihl` bytes is at `ip` inside mbuf into the reset with which a host
// without that connection answers it, addressed to its source and to the station that sent the frame. Returns
// false, with the packet as it was, if it is a reset itself or the frame was not for this station alone.
bool reset_make(struct rte_mbuf *mbuf, uint8_t *ip, unsigned ihl);

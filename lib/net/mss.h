// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The maximum segment size of TCP (RFC 9293 section 3.7.1).

#include <stdint.h>

// Lowers the MSS option of the segment at `tcp`, of which `length` bytes are here, at least 20, to at most
// `mss`, and mends its checksum. A segment without that option, or whose options are cut short, stays as
// it is.
void mss_clamp(uint8_t *tcp, uint32_t length, uint16_t mss);

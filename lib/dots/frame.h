// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where a CoAP message ends in a stream of bytes: the length header of CoAP over TCP (RFC 8323
// section 3.2). A pure function, so that a fuzzer reaches it alone.

#include <stddef.h>
#include <stdint.h>

// The longest frame taken from a peer, header and all. We announce far less (RFC 8323 section 5.3.1
// starts at 1152 bytes); this only bounds what a peer that does not care can make us hold.
#define FRAME_MAX 65536u

// The length of the frame that begins at data, of which `have` bytes have arrived: with its header,
// so it may be more than `have`. 0 if too little has arrived to tell, -EBADMSG if the token length
// is a reserved one, -EMSGSIZE if the frame is longer than FRAME_MAX.
int frame_length(const uint8_t *data, size_t have);

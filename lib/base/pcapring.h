// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The newest packets, in pcap files that together never grow beyond a size: PATH has the newest, and
// PATH.1 those before. When PATH is half the size it becomes PATH.1. What is there at the start stays until
// then. Packets are IP datagrams without a frame (LINKTYPE_RAW).

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pcap_ring;

// Opens or begins PATH, for its owner alone. Returns NULL with the reason in err.
struct pcap_ring *pcap_ring_open(const char *path, uint64_t size, struct err *err);

// NULL is allowed.
void pcap_ring_close(struct pcap_ring *ring);

// Adds `captured` bytes of a datagram that was `length` bytes long. A failure is logged, once a minute, and
// costs the packet.
void pcap_ring_add(struct pcap_ring *ring, const void *data, uint32_t captured, uint32_t length);

// Gives to the file what has been added.
void pcap_ring_flush(struct pcap_ring *ring);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Any number of attacks for benchmarks: each is of a subscriber of its own, known by an outside port of his,
// and has a target of its own.

#include "dots/codec.h"
#include "dots/message.h"
#include "resolve/resolve.h"

#include <rte_byteorder.h>

#define ATTACKS_CUID "dz6pHjaADkaFTbjr0JGBpw"
#define ATTACKS_BODY 512

// Knows who has which port.
extern struct resolver attacks_resolver;

// Inside address of the subscriber, and address of the target.
rte_be32_t attack_inside(uint32_t n);
rte_be32_t attack_target(uint32_t n);

// The PUT of a request against an attack, and its DELETE. What they point to is valid until the next call; the
// body stands in `bytes`.
struct message attack_put(uint32_t n, uint8_t bytes[ATTACKS_BODY]);
struct message attack_delete(uint32_t n);

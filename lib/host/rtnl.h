// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the kernel has to be told about a device, over rtnetlink(7) in the network namespace that the
// process is in. Control thread only; every call waits for the kernel's answer.

#include "base/ipaddr.h"

#include <stdint.h>

struct rtnl {
	int fd;
	uint32_t sequence;
};

// Return 0 or -errno, as all that follow.
int rtnl_open(struct rtnl *rtnl);

// Does nothing on one that is closed or zeroed.
void rtnl_close(struct rtnl *rtnl);

// Gives a device its MTU and starts it, without an IPv6 address of the kernel's own.
int rtnl_start_device(struct rtnl *rtnl, int device, unsigned mtu);

// Adds an address alone, without a network around it.
int rtnl_add_address(struct rtnl *rtnl, int device, const struct ipaddr *addr);

// Everything that table `table` is asked for leaves by the device.
int rtnl_add_default(struct rtnl *rtnl, int device, uint8_t family, uint32_t table);

// What is sent from the address looks for its way in `table` before any other.
int rtnl_add_rule(struct rtnl *rtnl, const struct ipaddr *from, uint32_t table);

// Removes the rules that rtnl_add_rule() made for the address, also those of a process that died.
void rtnl_drop_rules(struct rtnl *rtnl, const struct ipaddr *from);

// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// resolve/resolve.h over a small table, for tests: who holds what is said in lines of text.
//
//	pool 203.0.113.0/28                  ours, whoever holds it
//	203.0.113.7:1024-2047=100.64.0.1     a port block of a shared address, any protocol
//	203.0.113.7:1024-2047/17=100.64.0.1  for one protocol only
//	203.0.113.9=100.64.0.9               a whole address
//	icmp 203.0.113.7=100.64.0.1>198.51.100.10   an ICMP session towards a target
//	203.0.113.7:1024-2047=192.168.1.10@2001:db8:1::/56   a host of a subscriber who is a prefix
//	203.0.113.7:1024-2047=@2001:db8:1::/56      ports that a subscriber has without translation (A+P)

#include "resolve/resolve.h"

#define TABLE_ENTRIES 512

struct table_entry {
	bool is_pool;
	bool is_icmp;
	bool whole;
	struct ipprefix outside;
	uint16_t lower;
	uint16_t upper;
	uint8_t protocol;     // 0: any
	struct ipaddr inside; // family 0: not translated
	struct subkey subscriber;
	struct ipaddr target;
};

struct table_resolver {
	struct resolver resolver; // the interface
	struct table_entry entry[TABLE_ENTRIES];
	unsigned entries;
	unsigned asked;
	struct resolve_req last;
};

void table_resolver_init(struct table_resolver *table);

// Adds a line. Returns -EINVAL.
int table_resolver_add(struct table_resolver *table, const char *line);

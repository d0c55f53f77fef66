// SPDX-License-Identifier: BSD-3-Clause

#include "conf/marks.h"

#include "conf/build_nat.h"

#include <rte_fib.h>
#include <rte_rib.h>

#include <errno.h>
#include <stdlib.h>

int marks_begin(struct marks *marks, struct snapshot *snapshot, uint8_t flag,
	bool (*wanted)(const struct nexthop *nh))
{
	*marks = (struct marks){
		.snapshot = snapshot,
		.flag = flag,
		.wanted = wanted,
		.of = calloc(snapshot->nexthops, sizeof(uint16_t)),
	};
	return marks->of ? 0 : -ENOMEM;
}

void marks_end(struct marks *marks)
{
	free(marks->of);
}

// Marks the route with a next hop, at a prefix that may be narrower than its own.
static int mark(struct marks *marks, uint64_t number, uint32_t address, uint8_t len)
{
	struct snapshot *s = marks->snapshot;

	if (s->nexthop[number].realm & marks->flag || !marks->wanted(&s->nexthop[number]))
		return 0;
	if (!marks->of[number]) {
		struct nexthop nh = s->nexthop[number];

		nh.realm |= marks->flag;
		marks->of[number] = (uint16_t)build_nexthop(s, nh);
	}
	return snapshot_add_route(s, address, len, marks->of[number]);
}

// The next hop of the route that covers a prefix, of the same length or shorter; 0, which is none, without.
static uint64_t cover(struct rte_rib *rib, uint32_t address, uint8_t len)
{
	uint64_t number = 0;

	for (unsigned l = len + 1u; l-- > 0;) {
		uint32_t mask = rte_rib_depth_to_mask((uint8_t)l);
		struct rte_rib_node *node = rte_rib_lookup_exact(rib, address & mask, (uint8_t)l);

		if (!node)
			continue;
		rte_rib_get_nh(node, &number);
		break;
	}
	return number;
}

int marks_add(struct marks *marks, const struct ipprefix *prefix)
{
	struct rte_rib *rib = rte_fib_get_rib(marks->snapshot->fib);
	uint32_t address = rte_be_to_cpu_32(ipaddr_be32(&prefix->addr));
	struct rte_rib_node *node = NULL;
	int rc = 0;

	while (!rc &&
		(node = rte_rib_get_nxt(rib, address, prefix->len, node, RTE_RIB_GET_NXT_ALL))) {
		uint32_t narrow;
		uint64_t number;
		uint8_t len;

		rte_rib_get_ip(node, &narrow);
		rte_rib_get_depth(node, &len);
		rte_rib_get_nh(node, &number);
		rc = mark(marks, number, narrow, len);
	}
	return rc ? rc : mark(marks, cover(rib, address, prefix->len), address, prefix->len);
}

// SPDX-License-Identifier: BSD-3-Clause

// Prints docs/counters.md from the list of verdicts, so that the page cannot disagree with the box.

#include "net/verdict.h"

#include <stdio.h>

static void print_kind(enum verdict_kind kind, const char *title, const char *text)
{
	printf("\n## %s\n\n%s\n\n| counter | meaning |\n| --- | --- |\n", title, text);
	for (unsigned i = 0; i < V_COUNT; i++) {
		if (verdict_info[i].kind == kind)
			printf("| `%s` | %s |\n", verdict_info[i].name, verdict_info[i].help);
	}
}

int main(void)
{
	puts("# Counters\n\n"
	     "Every packet that is received leaves the box exactly once and is counted there under one of\n"
	     "these names. `homeport show counters` shows those that are not zero; with `-j` all of them.\n"
	     "Received packets are the sum of all verdicts, apart from the few that are on their way or wait\n"
	     "for a neighbour at that moment. The order is that in which a packet meets them.");
	print_kind(FORWARD, "Forwarded", "Packets sent on.");
	print_kind(LOCAL, "Taken by the box", "Packets that the box answered or learned from.");
	print_kind(DROP, "Dropped",
		"Packets discarded. For some of them an ICMP error went back to the sender; "
		"`icmp-errors-sent` counts\nthose, and `icmp-errors-withheld` those that the rate limit "
		"kept back.");
	return 0;
}

// SPDX-License-Identifier: BSD-3-Clause

#include "grammar.h"

#include "output.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{{"show", "interfaces"}, 0, 0, "", "interfaces, their addresses and packets",
		output_interfaces},
	{{"show", "instances"}, 0, 0, "", "NAT instances, and how far they are used",
		output_instances},
	{{"show", "notifications"}, 0, 0, "", "thresholds that pools and instances have crossed",
		output_notifications},
	{{"show", "mappings"}, 0, 0, "", "mappings of every NAT instance", output_mappings},
	{{"show", "bindings"}, 0, 0, "",
		"bindings or rules of border relays, and what they have carried", output_bindings},
	{{"show", "subscribers"}, 0, 0, "", "subscribers, their outside address and ports",
		output_subscribers},
	{{"show", "deterministic"}, 1, 1, "ADDRESS",
		"the outside ports that an inside host has for good", output_deterministic},
	{{"show", "acls"}, 0, 0, "", "rules in force and what they have matched", output_acls},
	{{"show", "counters"}, 0, 0, "", "what became of the packets", output_counters},
	{{"show", "workers"}, 0, 0, "",
		"how busy the workers are, and what they have and hand to each other",
		output_workers},
	{{"show", "dots"}, 0, 1, "[HOME]",
		"DOTS sessions with upstream networks, and with homes in numbers; or one home",
		output_dots},
	{{"show", "mitigations"}, 0, 0, "", "mitigations in force and whom they stop",
		output_mitigations},
	{{"show", "consent"}, 0, 0, "", "mitigations that wait for consent, and what was seen",
		output_consent},
	{{"show", "audit"}, 0, 0, "", "what became of each mitigation, the newest first",
		output_audit},
	{{"show", "config"}, 0, 0, "", "the configuration in force", output_config},
	{{"lookup"}, 3, 7, "ADDRESS PORT PROTOCOL [--at TIME] [--tolerance SECONDS]",
		"who is behind an outside address and port; exits 0 for one answer, 3 for none,\n"
		"      4 for several. PROTOCOL is icmp, icmpv6, tcp, udp or a number; with icmp PORT is the\n"
		"      query identifier. TIME is in Unix seconds or YYYY-MM-DDThh:mm:ssZ",
		output_lookup},
	{{"dots", "approve"}, 1, 30, "MID... [--upstream NAME]",
		"lets mitigations that wait for consent begin", NULL},
	{{"dots", "reject"}, 1, 30, "MID... [--upstream NAME]",
		"rejects them: the traffic is legitimate", NULL},
	{{"dots", "mitigate"}, 4, 30,
		"--source PREFIX... --target PREFIX... [--source-port LOW[-HIGH]]... "
		"[--target-port LOW[-HIGH]]...\n      [--protocol PROTOCOL]... [--lifetime "
		"SECONDS|-1] [--at TIME] [--tolerance SECONDS]\n      [--action "
		"block|rate-limit|quarantine|inspect|redirect] [--rate KBIT]",
		"stops what an abuse report is about, as if an upstream had asked; who it was is\n"
		"      looked up as of TIME",
		output_mitigations},
	{{"dots", "withdraw"}, 1, 30, "MID... [--upstream NAME]",
		"ends mitigations, whoever asked for them", NULL},
	{{"dots", "suspend"}, 1, 1, "UPSTREAM", "takes all mitigations of an upstream out of force",
		NULL},
	{{"dots", "resume"}, 1, 1, "UPSTREAM",
		"puts them back, also those that were suspended for max-packet-rate", NULL},
	{{"test", "advance"}, 1, 1, "SECONDS",
		"moves the clock of a homeportd that was started with --test-clock", NULL},
};

#define COUNT (sizeof(commands) / sizeof(commands[0]))

static int name_length(const struct command *c)
{
	return c->words[1] ? 2 : 1;
}

const struct command *grammar_find(char *const *words, int count, int *used)
{
	for (unsigned i = 0; i < COUNT; i++) {
		int length = name_length(&commands[i]);
		int same = 0;

		while (same < length && same < count &&
			!strcmp(words[same], commands[i].words[same]))
			same++;
		if (same == length) {
			*used = length;
			return &commands[i];
		}
	}
	return NULL;
}

void grammar_help(void)
{
	for (unsigned i = 0; i < COUNT; i++) {
		const struct command *c = &commands[i];

		printf("  %s%s%s%s%s\n      %s\n", c->words[0], c->words[1] ? " " : "",
			c->words[1] ? c->words[1] : "", c->arguments[0] ? " " : "", c->arguments,
			c->help);
	}
}

void grammar_complete(char *const *words, int count)
{
	const char *last = "";

	for (unsigned i = 0; i < COUNT; i++) {
		const struct command *c = &commands[i];
		const char *next = count < name_length(c) ? c->words[count] : NULL;

		if (!next || (count && strcmp(words[0], c->words[0])) || !strcmp(next, last))
			continue;
		puts(next);
		last = next;
	}
}

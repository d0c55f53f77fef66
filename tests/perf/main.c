// SPDX-License-Identifier: BSD-3-Clause

// The options of bench-pipeline, and the order of what it measures.

#include "perf.h"

#include <rte_cycles.h>

#include <getopt.h>
#include <stdlib.h>

static const char usage[] =
	"usage: pipeline [--sessions N,N,...] [--runs N] [--packets N] [--works NAME,...] [--huge-pages]\n"
	"                [--memory MB] [--json FILE]\n"
	"Prints the clocks a packet takes from received to transmit-ready burst, and how fast flows come and go.\n"
	"  --sessions   how many flows, 63 a subscriber       (1008,64512,1032192)\n"
	"  --runs       medians are taken over so many        (9; at most 64)\n"
	"  --packets    of a run, about                       (1000000)\n"
	"  --works      the rows of these alone; latency, rates, bindings and tables are names, too\n"
	"  --huge-pages use them; without, 4 KiB pages cost extra at many sessions\n"
	"  --memory     MiB to reserve without huge pages     (1024)\n"
	"  --json       write the rows to FILE as well\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"sessions", required_argument, NULL, 's'},
		{"runs", required_argument, NULL, 'r'},
		{"packets", required_argument, NULL, 'p'},
		{"works", required_argument, NULL, 'w'},
		{"huge-pages", no_argument, NULL, 'h'},
		{"memory", required_argument, NULL, 'm'},
		{"json", required_argument, NULL, 'j'},
		{0},
	};
	struct task task = {.runs = 9, .packets = 1000000};
	char list[256] = "1008,64512,1032192";
	const char *json_name = NULL;
	char *latency = NULL;
	size_t latency_size;
	unsigned memory = 1024;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			snprintf(list, sizeof(list), "%s", optarg);
			break;
		case 'r':
			task.runs = (unsigned)atoi(optarg);
			break;
		case 'p':
			task.packets = (unsigned)atoi(optarg);
			break;
		case 'w':
			task.works = optarg;
			break;
		case 'h':
			task.huge_pages = true;
			break;
		case 'm':
			memory = (unsigned)atoi(optarg);
			break;
		case 'j':
			json_name = optarg;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (task.runs < 1 || task.runs > RUNS_MAX) {
		fprintf(stderr, "pipeline: --runs: 1 to %u\n", RUNS_MAX);
		return 2;
	}
	if (json_name && !(task.json = fopen(json_name, "w"))) {
		perror(json_name);
		return 1;
	}
	task.latency = open_memstream(&latency, &latency_size);
	if (!task.latency) {
		perror("pipeline");
		return 1;
	}
	setlinebuf(stdout);
	world_eal("pipeline", task.huge_pages, memory);
	if (task.json)
		fprintf(task.json, "{\"tsc_hz\": %lu, \"huge_pages\": %s, \"rows\": [",
			(unsigned long)rte_get_tsc_hz(), task.huge_pages ? "true" : "false");
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ",")) {
		task.sessions = (unsigned)atoi(word);
		measure_pipeline(&task);
		measure_services(&task);
		if (is_wanted(&task, "bindings"))
			measure_bindings(&task);
		if (is_wanted(&task, "rates"))
			measure_rates(&task);
	}
	measure_rules(&task);
	measure_mitigations(&task);
	fclose(task.latency);
	if (task.json)
		fprintf(task.json, "\n], \"latency\": [%s\n]", latency);
	free(latency);
	// of the last and largest
	if (is_wanted(&task, "tables")) {
		if (task.json)
			fputs(", ", task.json);
		measure_tables(&task);
	}
	if (task.json) {
		fputs("}\n", task.json);
		fclose(task.json);
	}
	return 0;
}

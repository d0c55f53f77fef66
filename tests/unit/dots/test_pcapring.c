// SPDX-License-Identifier: BSD-3-Clause

// The newest packets in files that do not grow beyond a size.

#include "base/bits.h"
#include "base/clock.h"
#include "base/pcapring.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER 24 // bytes of a file's
#define PACKET 16 // and of a packet's

static char folder[] = "/tmp/test_pcapring.XXXXXX", path[64], before[64];

static int setup(void **)
{
	if (!clock_is_held())
		clock_hold();
	strcpy(folder, "/tmp/test_pcapring.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/seen", folder);
	snprintf(before, sizeof(before), "%s/seen.1", folder);
	return 0;
}

static int teardown(void **)
{
	unlink(path);
	unlink(before);
	return rmdir(folder);
}

static struct pcap_ring *open_ring(uint64_t size)
{
	struct err err;
	struct pcap_ring *ring = pcap_ring_open(path, size, &err);

	if (!ring)
		fail_msg("%s", err.text);
	return ring;
}

static long size_of(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? -1 : (long)st.st_size;
}

// The byte that the n-th packet of a file is made of, of packets of 100 bytes.
static int packet(const char *name, unsigned n)
{
	FILE *file = fopen(name, "r");
	int c;

	assert_non_null(file);
	fseek(file, HEADER + (long)n * (PACKET + 100) + PACKET, SEEK_SET);
	c = fgetc(file);
	fclose(file);
	return c;
}

static void it_is_bounded(void **)
{
	struct pcap_ring *ring = open_ring(4096);
	uint8_t data[100];

	for (unsigned i = 0; i < 250; i++) {
		memset(data, (int)i, sizeof(data));
		pcap_ring_add(ring, data, sizeof(data), 1500);
		pcap_ring_flush(ring);
		assert_in_range(size_of(path), HEADER, 2048);
		assert_in_range(size_of(before) + 1, 0, 2049);
	}
	pcap_ring_close(ring);
	// 17 fit a file: the last is begun with the 239th
	assert_int_equal(packet(path, 0), 238);
	assert_int_equal(packet(path, 11), 249);
	assert_int_equal(packet(before, 16), 237);
	assert_int_equal(packet(before, 0), 221);
}

static void it_goes_on(void **)
{
	struct pcap_ring *ring = open_ring(4096);
	uint8_t data[100] = {7};

	pcap_ring_add(ring, data, sizeof(data), sizeof(data));
	pcap_ring_close(ring);
	assert_int_equal(size_of(path), HEADER + PACKET + 100);
	ring = open_ring(4096);
	pcap_ring_add(ring, data, sizeof(data), sizeof(data));
	pcap_ring_close(ring);
	assert_int_equal(size_of(path), HEADER + 2 * (PACKET + 100));
	assert_int_equal(size_of(before), -1);
}

// A place where nothing can be written costs packets and a word in the log, once a minute
static void it_cannot_be_written(void **)
{
	struct pcap_ring *ring = open_ring(4096);
	uint8_t data[2040] = {0};
	struct err err;

	mkdir(before, 0700); // no file can take its place
	pcap_ring_add(ring, data, sizeof(data), sizeof(data));
	pcap_ring_add(ring, data, sizeof(data), sizeof(data));
	pcap_ring_flush(ring);
	rmdir(before);
	pcap_ring_add(ring, data, sizeof(data) - 100, sizeof(data));
	pcap_ring_flush(ring);
	assert_in_range(size_of(path), HEADER + 1, 2048);
	pcap_ring_close(ring);
	assert_null(pcap_ring_open("/nowhere/at/all", 4096, &err));
	assert_non_null(strstr(err.text, "/nowhere/at/all: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(it_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(it_cannot_be_written, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

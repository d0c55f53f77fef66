// SPDX-License-Identifier: BSD-3-Clause

#include "base/pcapring.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC        0xa1b2c3d4u // in host order: the reader sees which that is
#define LINKTYPE_RAW 101
#define SNAP_LENGTH  65535
#define LOG_PAUSE    (60 * CLOCK_SECOND)

struct file_header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t snap_length;
	uint32_t link_type;
};

struct packet_header {
	uint32_t seconds;
	uint32_t microseconds;
	uint32_t captured;
	uint32_t length;
};

struct pcap_ring {
	char *path;
	char *before; // PATH.1
	FILE *file;   // NULL: it could not be begun
	uint64_t half;
	uint64_t size; // of `file`
	uint64_t quiet_until;
};

static void complain(struct pcap_ring *ring, const char *path)
{
	if (clock_now() < ring->quiet_until)
		return;
	log_error("inspect", "%s: %s: packets are not kept", path, strerror(errno));
	ring->quiet_until = clock_now() + LOG_PAUSE;
}

// Opens PATH and writes the header if it is new. Returns -errno.
static int begin(struct pcap_ring *ring)
{
	static const struct file_header header = {
		.magic = MAGIC,
		.major = 2,
		.minor = 4,
		.snap_length = SNAP_LENGTH,
		.link_type = LINKTYPE_RAW,
	};
	// what subscribers send is nobody else's business
	int fd = open(ring->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	ring->file = fstat(fd, &st) < 0 ? NULL : fdopen(fd, "a");
	if (!ring->file) {
		close(fd);
		return -ENOMEM;
	}
	ring->size = (uint64_t)st.st_size;
	if (!ring->size && fwrite(&header, sizeof(header), 1, ring->file) == 1)
		ring->size = sizeof(header);
	return 0;
}

static void turn(struct pcap_ring *ring)
{
	if (ring->file)
		fclose(ring->file);
	ring->file = NULL;
	if (rename(ring->path, ring->before) < 0 && errno != ENOENT)
		complain(ring, ring->before);
	else if (begin(ring) < 0)
		complain(ring, ring->path);
}

struct pcap_ring *pcap_ring_open(const char *path, uint64_t size, struct err *err)
{
	struct pcap_ring *ring = calloc(1, sizeof(*ring));
	int rc;

	if (!ring || !(ring->path = strdup(path)) || asprintf(&ring->before, "%s.1", path) < 0) {
		if (ring)
			ring->before = NULL;
		pcap_ring_close(ring);
		err_set(err, "out of memory");
		return NULL;
	}
	ring->half = size / 2;
	rc = begin(ring);
	if (rc < 0) {
		err_set(err, "%s: %s", path, strerror(-rc));
		pcap_ring_close(ring);
		return NULL;
	}
	return ring;
}

void pcap_ring_close(struct pcap_ring *ring)
{
	if (!ring)
		return;
	if (ring->file)
		fclose(ring->file);
	free(ring->before);
	free(ring->path);
	free(ring);
}

void pcap_ring_add(struct pcap_ring *ring, const void *data, uint32_t captured, uint32_t length)
{
	int64_t now = clock_unix_ms();
	struct packet_header header = {
		.seconds = (uint32_t)(now / 1000),
		.microseconds = (uint32_t)(now % 1000 * 1000),
		.captured = captured,
		.length = length,
	};

	if (!ring->file || ring->size + sizeof(header) + captured > ring->half)
		turn(ring);
	if (!ring->file)
		return;
	if (fwrite(&header, sizeof(header), 1, ring->file) != 1 ||
		fwrite(data, captured, 1, ring->file) != 1)
		complain(ring, ring->path);
	ring->size += sizeof(header) + captured;
}

void pcap_ring_flush(struct pcap_ring *ring)
{
	if (ring->file && fflush(ring->file) != 0)
		complain(ring, ring->path);
}

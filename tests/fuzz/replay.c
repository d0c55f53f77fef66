// SPDX-License-Identifier: BSD-3-Clause

// Runs a fuzz target over the files of its corpus, where there is no libFuzzer.
//
//	replay FOLDER|FILE...

#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static unsigned replayed;

static int replay_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	replayed++;
	return 0;
}

static int replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[PATH_MAX];
	int failed = 0;

	if (!folder) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed |= replay_file(name);
	}
	closedir(folder);
	return failed;
}

int main(int argc, char **argv)
{
	struct stat st;
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			failed |= replay_folder(argv[i]);
		else
			failed |= replay_file(argv[i]);
	}
	printf("%u inputs\n", replayed);
	return failed || !replayed;
}

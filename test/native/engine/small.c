// SPDX-License-Identifier: MIT
/* Calls of the library that make one system call or compute one sum. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "cases.h"
#include "ghostkeep.h"
#include "image/chunk-header.h"
#include "image/format.h"
#include "tap.h"

static uint32_t crc_of(const char *bytes, uint64_t length, bool hardware)
{
	struct crc32c crc;

	crc32c_start(&crc, hardware);
	crc32c_add(&crc, (const unsigned char *)bytes, length / 3);
	crc32c_add(&crc, (const unsigned char *)bytes + length / 3, length - length / 3);
	return crc32c_end(&crc);
}

static void digest(const struct place *place)
{
	static char bytes[(2 << 20) + 5];
	int fd = ghost_in(place), i;
	struct gk_report report;

	begin(place->name, "crc32c: known answers, table and hardware alike");
	/* Test vectors of RFC 3720 B.4, and the usual check value. */
	expect(crc_of("123456789", 9, false) == 0xe3069283, "%x", crc_of("123456789", 9, false));
	expect(crc_of("123456789", 9, true) == 0xe3069283, "%x", crc_of("123456789", 9, true));
	expect(crc_of(bytes, 32, true) == 0x8a9136aa, "%x", crc_of(bytes, 32, true));
	srandom(1);
	for (i = 0; i < (int)sizeof(bytes); i++)
		bytes[i] = (char)random();
	for (i = 0; i < 100; i++)
		expect(crc_of(bytes + i, (uint64_t)i * 7, false) == crc_of(bytes + i, (uint64_t)i * 7, true),
		       "length %d", i * 7);
	expect(pwrite(fd, bytes, sizeof(bytes), 0) == sizeof(bytes), "write");
	expect(!gk_digest(fd, NULL, &report) && report.image_bytes == sizeof(bytes) &&
		       report.crc32c == crc_of(bytes, sizeof(bytes), false),
	       "%x", report.crc32c);
	close(fd);
}

static void padding(const struct place *place)
{
	unsigned char header[CHUNK_HEADER_ROOM];
	uint64_t position, zeroes, align;

	begin(place->name, "padding ends on the block from every position");
	for (align = 4096; align <= 65536; align *= 16)
		for (position = 0; position < align + 300; position++) {
			uint64_t length = encode_padded_chunk(header, position << 20, position, position,
							      align, &zeroes);
			uint32_t prefix;

			memcpy(&prefix, header, 4);
			expect((position + length + zeroes) % align == 0 && prefix + 4 == length + zeroes &&
				       length <= CHUNK_HEADER_ROOM && prefix <= CHUNK_ENTRY_MAX,
			       "position %lu align %lu", position, align);
		}
}

/*
 * The flags noatime and nodump. A file system without flags fails only when a flag is to be set.
 */
static void flags(int fd)
{
	const uint32_t wanted = FS_NOATIME_FL | FS_NODUMP_FL;
	struct gk_report report;
	uint32_t found = 1;
	int all;

	expect(!gk_get_flags(fd, &found, &report) && found == 0, "%u: %s", found, report.message);
	expect(gk_get_flags(-1, &found, &report) == -EBADF && report.message[0], "bad fd");
	expect(gk_set_flags(-1, 0, &report) == -EBADF && report.message[0], "bad fd");
	if (ioctl(fd, FS_IOC_GETFLAGS, &all) < 0) {
		expect(gk_set_flags(fd, wanted, &report) < 0 && report.message[0], "no flags here");
		return;
	}
	/* Flags that we do not keep are neither set nor cleared. */
	expect(!gk_set_flags(fd, wanted | FS_EXTENT_FL | FS_TOPDIR_FL, &report), "%s", report.message);
	expect(!gk_get_flags(fd, &found, &report) && found == wanted, "%x", found);
	expect(!gk_set_flags(fd, 0, &report) && !gk_get_flags(fd, &found, &report) && !found, "%x", found);
	ioctl(fd, FS_IOC_GETFLAGS, &found);
	expect(found == (uint32_t)all, "%x became %x", (unsigned int)all, found);
}

static void attributes(const struct place *place)
{
	int fd = ghost_in(place);
	struct gk_report report;
	struct stat about;
	uint64_t length = 2;
	char value[64];

	begin(place->name, "times to the nanosecond, before 1970 too");
	expect(!gk_set_times(fd, -5, 999999999, 1700000000, 123456789, &report), "%s", report.message);
	fstat(fd, &about);
	expect(about.st_atim.tv_sec == -5 && about.st_atim.tv_nsec == 999999999 &&
		       about.st_mtim.tv_nsec == 123456789,
	       "%ld.%09ld", about.st_atim.tv_sec, about.st_atim.tv_nsec);
	expect(gk_set_times(-1, 0, 0, 0, 0, &report) == -EBADF && report.message[0], "bad fd");

	begin(place->name, "inode flags are read and set");
	flags(fd);

	begin(place->name, "extended attributes are read and set");
	expect(!gk_set_xattr(fd, "user.gk", "a\0b", 3, &report), "%s", report.message);
	expect(gk_get_xattr(fd, "user.gk", value, &length, &report) == -ERANGE && length == 3, "needs %lu",
	       length);
	expect(!gk_get_xattr(fd, "user.gk", value, &length, &report) && !memcmp(value, "a\0b", 3), "%s",
	       report.message);
	length = 1;
	expect(gk_list_xattrs(fd, value, &length, &report) == -ERANGE && length >= 8, "needs %lu", length);
	expect(!gk_list_xattrs(fd, value, &length, &report) && !strcmp(value, "user.gk"), "%s",
	       report.message);
	expect(gk_get_xattr(fd, "user.no", value, &length, &report) == -ENODATA &&
		       strstr(report.message, "user.no"),
	       "%s", report.message);
	close(fd);
}

static void opening(const struct place *place)
{
	char path[256], target[8];
	int root = open(place->folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	struct gk_report report;

	begin(place->name, "a path cannot leave its root");
	snprintf(path, sizeof(path), "%s/outside", place->folder);
	expect(!symlink("/etc", path), "symlink");
	expect(gk_open_in_root(root, "outside/passwd", &fd, &report) == -ENOENT && fd == -1, "%s",
	       report.message);
	expect(!gk_open_in_root(root, "../../outside", &fd, &report), "%s", report.message);
	expect(readlinkat(fd, "", target, 8) == 4, "the link itself is opened");
	close(fd);
	unlink(path);
	close(root);
}

static void as_owner(const struct place *place)
{
	struct gk_report report;
	char path[256];
	int fd, named;

	begin(place->name, "a file is opened as its owner");
	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	snprintf(path, sizeof(path), "%s/owned", place->folder);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	expect(fd >= 0 && !fchown(fd, 12345, 23456) && write(fd, "x", 1) == 1, "%m");
	close(fd);
	named = open(path, O_PATH | O_CLOEXEC);
	expect(!gk_open_as_owner(named, &fd, &report) && fd >= 0, "%s", report.message);
	close(fd);
	/*
	 * The owner may not read the file and root could. So the failure shows that the call
	 * acted as the owner.
	 */
	expect(!chmod(path, 0000), "%m");
	expect(gk_open_as_owner(named, &fd, &report) == -EACCES && fd == -1 &&
		       strstr(report.message, "owner 12345:23456"),
	       "%s", report.message);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	expect(fd >= 0, "root may no longer do what it could: %m");
	close(fd);
	close(named);
	unlink(path);
	named = open(place->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	expect(gk_open_as_owner(named, &fd, &report) == -EINVAL, "%s", report.message);
	close(named);
	expect(gk_open_as_owner(-1, &fd, &report) == -EBADF, "%s", report.message);
}

void small_cases(const struct place *place)
{
	begin("here", "gk_abi gives the version and the size of the report");
	expect(gk_abi() == (GK_ABI << 16 | sizeof(struct gk_report)), "%x", gk_abi());
	digest(place);
	padding(place);
	attributes(place);
	opening(place);
	as_owner(place);
}

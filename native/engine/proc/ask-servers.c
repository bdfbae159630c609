// SPDX-License-Identifier: MIT
/* A child process asks the questions that only a server can answer, so that a deadline can end it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/in-child.h"
#include "base/report.h"
#include "base/stat.h"

GK_PUBLIC int gk_stat_cached(const char *path, struct gk_stat *about, struct gk_report *report)
{
	int err = stat_at(AT_FDCWD, path, AT_STATX_DONT_SYNC, about);

	memset(report, 0, sizeof(*report));
	return err ? fail(report, err, 0, "cannot look at %s", path) : 0;
}

GK_PUBLIC int gk_stat_entry(int dir_fd, const char *name, struct gk_stat *about, struct gk_report *report)
{
	const int how = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	int err = stat_at(dir_fd, name, how, about);

	memset(report, 0, sizeof(*report));
	return err ? fail(report, err, 0, "cannot look at %.100s", name) : 0;
}

struct question {
	const char *root; /* NULL: paths are absolute, and no stranger controls them */
	const char *paths;
	uint32_t count;
	uint32_t wait_ms;
	struct gk_answer *answers;
};

static void finish(struct gk_answer *answer)
{
	__atomic_store_n(&answer->done, 1, __ATOMIC_RELEASE);
}

static void ask_about_paths(const struct question *question)
{
	const char *path = question->paths;
	struct statfs fs = { 0 };

	for (uint32_t i = 0; i < question->count; i++, path += strlen(path) + 1) {
		struct gk_answer *answer = &question->answers[i];

		answer->error = stat_at(AT_FDCWD, path, 0, &answer->stat);
		if (!answer->error) {
			answer->error = statfs(path, &fs) ? -errno : 0;
			answer->magic = (uint64_t)fs.f_type;
		}
		finish(answer);
	}
}

static void ask_in_root(const struct question *question)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int root = open(question->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = (int)syscall(SYS_openat2, root, question->paths, &how, sizeof(how));
	struct gk_answer *answer = question->answers;

	answer->error = fd < 0 ? -errno : stat_at(fd, "", 0, &answer->stat);
	finish(answer);
}

/* This runs in the child. */
static void answer(void *about)
{
	const struct question *question = about;

	if (question->root)
		ask_in_root(question);
	else
		ask_about_paths(question);
}

static uint32_t count_done(const struct gk_answer *answers, uint32_t from, uint32_t count)
{
	while (from < count && __atomic_load_n(&answers[from].done, __ATOMIC_ACQUIRE))
		from++;
	return from;
}

static void wait_for_answers(struct child *child, const struct question *question)
{
	uint32_t before, done = 0;

	do {
		before = done;
		if (child_has_ended(child, (int)question->wait_ms))
			break;
		done = count_done(question->answers, before, question->count);
	} while (done > before);
}

static int ask_in_child(struct question *question)
{
	struct child child;
	int err = child_start(&child, answer, question);

	if (err)
		return err;
	wait_for_answers(&child, question);
	child_end(&child);
	return 0;
}

/* The child writes its answers into shared memory, so that this process can read them. */
static int ask_and_copy(struct question *question, struct gk_answer *answers, struct gk_report *report)
{
	size_t bytes = (size_t)question->count * sizeof(*answers);
	int err;

	memset(report, 0, sizeof(*report));
	question->answers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (question->answers == MAP_FAILED)
		return fail(report, -errno, 0, "cannot ask about %u files", question->count);
	err = ask_in_child(question);
	memcpy(answers, question->answers, bytes);
	munmap(question->answers, bytes);
	return err ? fail(report, err, 0, "cannot start a process that asks about files") : 0;
}

GK_PUBLIC int gk_ask_servers(const char *paths, uint32_t count, uint32_t wait_ms, struct gk_answer *answers,
			     struct gk_report *report)
{
	struct question question = { .paths = paths, .count = count, .wait_ms = wait_ms };

	return ask_and_copy(&question, answers, report);
}

GK_PUBLIC int gk_ask_in_root(const char *root, const char *path, uint32_t wait_ms, struct gk_answer *answer,
			     struct gk_report *report)
{
	struct question question = { .root = root, .paths = path, .count = 1, .wait_ms = wait_ms };

	return ask_and_copy(&question, answer, report);
}

// SPDX-License-Identifier: MIT
/*
 * A CRIU that only has its plugin loader, and that watches what a plugin does
 * to it. The host exports what is chosen at compile time:
 *   CTL_BYTES=n            size of the symbol cr_plugin_ctl, 0: not there
 *   WITHOUT_ADD_EXTERNAL, WITHOUT_IMAGE_DIR, WITHOUT_PRINT, WITHOUT_LOOKUP,
 *   WITHOUT_ROOT_ITEM, WITH_OPTIONS
 *
 * host [-x] [-i] [-s] [-a] [-c] [-b] [-d] [-r RET] [-t STAGE] [-p PID] [-o OPTION] [-e RET]
 *      [-n ARGC] [-g FIFO] PLUGIN IMAGES [PID…]
 *   -x  add_external fails           -i  SIGCHLD is ignored
 *   -s  be a subreaper               -a  interrupt all system calls all the time
 *   -c  descriptors 0 to 2 are closed
 *   -b  SIGCHLD is blocked           -d  be deaf to what a hook returns
 *   -r  what exit() is told when nothing failed
 *   -p  root_item leads to this pid; 0: it does not point back; -1: it leads nowhere
 *   -o  a plugin option as CRIU hands it on, any number of times
 *   -e, -n  criu_plugin_get_options returns RET, or gives ARGC; with ARGC 0 no vector either
 *   -g  between init and the first hook, write a line to FIFO and wait for one from it
 * Prints the log and the events; ends with 0 (dumped), 1 (a plugin made it
 * fail), 3 (the plugin did to its host what it must not).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "criu-plugin-abi.h"

#define EXPORTED __attribute__((visibility("default"), used))
#define HOOKS (CTL_BYTES / 16 - 1)
#define FDS_MAX 256

static int image_dir = -1;
static bool refuse_keys, deaf;
static FILE *out;
static const char *between;
static volatile sig_atomic_t sigchlds;
static bool misused;

__attribute__((format(printf, 1, 2))) static void misuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(out, "MISUSE: ");
	vfprintf(out, fmt, args);
	fprintf(out, "\n");
	va_end(args);
	misused = true;
}

#if CTL_BYTES
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
/* in assembler, because a sanitizer would add to the size of a C variable */
__asm__(".pushsection .bss\n.balign 16\n.globl cr_plugin_ctl\n"
	".type cr_plugin_ctl, @object\n"
	".size cr_plugin_ctl, " TEXT(CTL_BYTES) "\n"
						"cr_plugin_ctl: .zero " TEXT(CTL_BYTES) "\n.popsection");
#endif

#ifndef WITHOUT_ADD_EXTERNAL
EXPORTED int add_external(char *key)
{
	fprintf(out, "add_external %s\n", key);
	return refuse_keys ? -1 : 0;
}
#endif

#ifndef WITHOUT_LOOKUP
/* The value that was given for a name in mnt[…]. */
EXPORTED char *external_lookup_by_key(char *key)
{
	static char longest[4089 + 1], too_long[4090 + 1];

	fprintf(out, "looked up %.40s (%zu)\n", key, strlen(key));
	memset(longest, 'v', sizeof(longest) - 1);
	memset(too_long, 'v', sizeof(too_long) - 1);
	if (!strcmp(key, "mnt[path]"))
		return "/some where/\303\244";
	if (!strcmp(key, "mnt[bare]"))
		return NULL;
	if (!strcmp(key, "mnt[empty]"))
		return "";
	if (!strcmp(key, "mnt[longest]"))
		return longest;
	if (!strcmp(key, "mnt[too-long]"))
		return too_long;
	if (!strcmp(key, "mnt[newline]"))
		return "/a\ndone";
	return (char *)(strcmp(key, "mnt[worst]") ? -(long)ENOENT : -4095L);
}
#endif

#ifndef WITHOUT_IMAGE_DIR
EXPORTED int criu_get_image_dir(void)
{
	return image_dir;
}
#endif

#ifndef WITHOUT_PRINT
EXPORTED void print_on_level(unsigned int level, const char *fmt, ...)
{
	static const char *const names[] = { "MSG", "ERROR", "WARN", "INFO", "DEBUG" };
	char line[1024];
	va_list args;
	int length, i;

	va_start(args, fmt);
	length = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (level < CRIU_LOG_ERROR || level > CRIU_LOG_DEBUG)
		misuse("log level %u", level);
	if (length > 1000 || line[length - 1] != '\n')
		misuse("a log line of %d bytes", length);
	if (strncmp(line, "ghostkeep: ", 11))
		misuse("a log line that does not say whose it is");
	for (i = 0; i < length - 1 && i < 1000; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			misuse("control character %d in the log", line[i]);
	fprintf(out, "%s %s", names[level % 5], line);
}
#endif

static char *options[64] = { "criu-plugin" };
static int option_count = 1, options_ret, options_argc = -1;

#ifdef WITH_OPTIONS
/* A stand-in for the function of the same name in criu-dev. */
EXPORTED int criu_plugin_get_options(int *argc, char ***argv)
{
	*argc = options_argc < 0 ? option_count : options_argc;
	*argv = *argc ? options : NULL;
	return options_ret;
}
#endif

#ifndef WITHOUT_ROOT_ITEM
EXPORTED
#else
static
#endif
void *root_item;

static void set_root(int real)
{
	static struct criu_pstree_item item;
	static struct criu_pid pid;

	pid.item = real ? (void *)&item : (void *)&pid;
	pid.real = real ? real : 4711;
	item.pid = &pid;
	root_item = real < 0 ? (void *)4711 : (void *)&item;
}

static void on_sigchld(int number)
{
	(void)number;
	sigchlds++;
}

static void on_alarm(int number)
{
	(void)number;
}

/* The state of this process that a plugin must not change. */
struct look {
	char fds[FDS_MAX][64];
	sigset_t mask;
	struct sigaction chld;
	int subreaper;
	char cwd[256];
};

static void look_around(struct look *look)
{
	char path[64];
	ssize_t length;
	int fd;

	memset(look, 0, sizeof(*look));
	for (fd = 0; fd < FDS_MAX; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, look->fds[fd], sizeof(look->fds[fd]) - 1);
		if (length > 0)
			look->fds[fd][length] = '\0';
	}
	sigprocmask(SIG_SETMASK, NULL, &look->mask);
	sigaction(SIGCHLD, NULL, &look->chld);
	prctl(PR_GET_CHILD_SUBREAPER, &look->subreaper);
	if (!getcwd(look->cwd, sizeof(look->cwd)))
		abort();
}

static void compare_signals(const struct look *before, const char *when)
{
	struct look now;
	int number;

	look_around(&now);
	for (number = 1; number < 65; number++)
		if (sigismember(&before->mask, number) != sigismember(&now.mask, number))
			misuse("%s: signal %d is masked differently", when, number);
	if (before->chld.sa_handler != now.chld.sa_handler)
		misuse("%s: the SIGCHLD handler is another", when);
	if (before->subreaper != now.subreaper)
		misuse("%s: PR_CHILD_SUBREAPER has changed", when);
	if (strcmp(before->cwd, now.cwd))
		misuse("%s: the working directory has changed", when);
}

/* CRIU waits for any child, and gives up if it does not know the child. */
static void look_for_children(const char *when)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
	sigset_t pending;

	if (pid != -1 || errno != ECHILD)
		misuse("%s: a child is here: %d", when, pid);
	if (sigchlds)
		misuse("%s: SIGCHLD was delivered %d times", when, (int)sigchlds);
	sigpending(&pending);
	if (sigismember(&pending, SIGCHLD))
		misuse("%s: SIGCHLD is pending", when);
}

static void compare_fds(const struct look *before)
{
	struct look now;
	int fd;

	look_around(&now);
	for (fd = 0; fd < FDS_MAX; fd++)
		if (strcmp(before->fds[fd], now.fds[fd]))
			misuse("descriptor %d was \"%s\" and is \"%s\"", fd, before->fds[fd], now.fds[fd]);
}

/* A program that CRIU starts while it dumps must not hold the helper's socket. */
static void look_for_inheritance(const struct look *before)
{
	struct look now;
	int fd;

	look_around(&now);
	for (fd = 0; fd < FDS_MAX; fd++)
		if (now.fds[fd][0] && !before->fds[fd][0] && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			misuse("descriptor %d (%s) is not close-on-exec", fd, now.fds[fd]);
}

/* A restored task: a fork that closes CRIU's descriptors and lives on. */
static pid_t fork_task(void)
{
	pid_t task = fork();
	int fd;

	if (task)
		return task;
	for (fd = 0; fd < FDS_MAX; fd++)
		close(fd);
	pause();
	_exit(0);
}

static void end_task(pid_t task)
{
	sigset_t set;

	kill(task, SIGKILL);
	while (waitpid(task, NULL, __WALL) < 0 && errno == EINTR)
		;
	/* its own SIGCHLD is no fault of the plugin's */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &(struct timespec){ 0 });
	sigchlds = 0;
}

/* A CRIU that stays attached calls exit() only when its tasks are dead. */
static void look_that_helper_has_ended(void)
{
	char path[64], link[256];
	ssize_t length;
	int fd;

	for (fd = 0; fd < FDS_MAX; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, link, sizeof(link) - 1);
		link[length > 0 ? length : 0] = '\0';
		if (strstr(link, "pidfd"))
			misuse("after the hook: descriptor %d is still a pidfd", fd);
	}
}

static void give_turn(const char *fifo)
{
	char answer;
	int fd = open(fifo, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "\n", 1) != 1)
		abort();
	close(fd);
	fd = open(fifo, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &answer, 1) != 1)
		abort();
	close(fd);
}

static int use_plugin(struct criu_plugin_desc *desc, int stage, int ret, char **pids,
		      const struct look *before)
{
	const unsigned int hooks = CTL_BYTES ? HOOKS : 12;
	const bool restore = stage == CRIU_STAGE_RESTORE;
	const unsigned int mine = restore ? CRIU_HOOK_RESUME_DEVICES_LATE : CRIU_HOOK_CHECKPOINT_DEVICES;
	const unsigned int other = restore ? CRIU_HOOK_CHECKPOINT_DEVICES : CRIU_HOOK_RESUME_DEVICES_LATE;
	int (*hook)(int) = NULL;
	pid_t task;
	unsigned int i;

	if (desc->version > CRIU_PLUGIN_ABI_VERSION || desc->max_hooks > hooks) {
		fprintf(out, "Corrupted plugin\n");
		return 1;
	}
	for (i = 0; i < desc->max_hooks; i++) {
		if (!desc->hooks[i])
			continue;
		if (i == mine)
			hook = (int (*)(int))desc->hooks[i];
		else if (i != other)
			misuse("hook %u is set", i);
	}
	fprintf(out, "plugin %s max_hooks=%u hook=%s\n", desc->name, desc->max_hooks, hook ? "yes" : "no");
	if (desc->init(stage)) {
		fprintf(out, "init failed\n");
		ret = 1;
		goto out; /* CRIU does not call exit() then */
	}
	look_for_children("after init");
	compare_signals(before, "after init");
	look_for_inheritance(before);
	if (between)
		give_turn(between);
	task = restore ? fork_task() : 0;
	for (; hook && *pids; pids++) {
		int answer = hook(atoi(*pids));

		fprintf(out, "hook %s returned %d\n", *pids, answer);
		if (answer < 0 && answer != -ENOTSUP && !deaf)
			ret = 1;
		if (restore && atoi(*pids) > 0)
			look_that_helper_has_ended();
	}
	if (task)
		end_task(task);
	fprintf(out, "exit %d %d\n", stage, ret);
	desc->exit(stage, ret);
out:
	look_for_children("at the end");
	compare_signals(before, "at the end");
	return ret;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_sigchld };
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	struct look before;
	struct criu_plugin_desc *desc;
	int option, ret = 0, stage = CRIU_STAGE_DUMP;
	sigset_t set;
	void *plugin;

	out = fdopen(fcntl(1, F_DUPFD, 90), "w");
	setvbuf(out, NULL, _IONBF, 0);
	sigemptyset(&set);
	sigaction(SIGCHLD, &action, NULL);
	while ((option = getopt(argc, argv, "xisacbdr:t:p:o:e:n:g:")) != -1) {
		switch (option) {
		case 'x':
			refuse_keys = true;
			break;
		case 'i':
			action.sa_handler = SIG_IGN;
			sigaction(SIGCHLD, &action, NULL);
			break;
		case 's':
			prctl(PR_SET_CHILD_SUBREAPER, 1);
			break;
		case 'a':
			action.sa_handler = on_alarm;
			sigaction(SIGALRM, &action, NULL);
			setitimer(ITIMER_REAL, &often, NULL);
			break;
		case 'c':
			close(0);
			close(1);
			close(2);
			break;
		case 'd':
			deaf = true;
			break;
		case 'b':
			sigaddset(&set, SIGCHLD);
			sigprocmask(SIG_BLOCK, &set, NULL);
			break;
		case 'r':
			ret = atoi(optarg);
			break;
		case 'p':
			set_root(atoi(optarg));
			break;
		case 'o':
			options[option_count++] = optarg;
			break;
		case 'e':
			options_ret = atoi(optarg);
			break;
		case 'n':
			options_argc = atoi(optarg);
			break;
		case 'g':
			between = optarg;
			break;
		case 't':
			stage = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 2)
		return 2;
	/* high, as CRIU's own are */
	option = open(argv[optind + 1], O_RDONLY | O_DIRECTORY);
	image_dir = fcntl(option, F_DUPFD, 100);
	close(option);

	look_around(&before);
	plugin = dlopen(argv[optind], RTLD_LAZY);
	if (!plugin) {
		fprintf(out, "dlopen: %s\n", dlerror());
		return 1;
	}
	desc = dlsym(plugin, "CR_PLUGIN_DESC");
	if (!desc)
		return 1;
	ret = use_plugin(desc, stage, ret, argv + optind + 2, &before);
	dlclose(plugin);
	compare_fds(&before);
	return misused ? 3 : ret;
}

/* Makes every sync of a process take a millisecond more, as on a slower disk.
 *
 * Loaded by the dynamic linker before the C library (LD_PRELOAD), so the program that is measured is the one that
 * ships, without a switch for it. The sync itself is done first and its outcome returned unchanged.
 *
 * What must never happen here: a sync left out, or an error hidden.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>

static int slowed(const char *name, int file)
{
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int outcome = sync(file);
    int cause = errno;
    struct timespec more = { 0, 1000000 };
    nanosleep(&more, NULL);
    errno = cause;
    return outcome;
}

int fdatasync(int file) { return slowed("fdatasync", file); }
int fsync(int file) { return slowed("fsync", file); }

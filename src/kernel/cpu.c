/* Which paths this processor runs.  Compiled once, not for each path.  The build sets PATHS: for each path
 * PATH(name, HAS(feature) HAS(feature) ...). */
#include <string.h>

#include "kernel.h"

#define HAS(feature) && __builtin_cpu_supports(#feature)
#define PATH(name, features) {#name, 1 features},

/* 1 if this build has the path and this processor runs it, else 0. */
EXPORT int inlaid_can_run(const char *path) {
    const struct {
        const char *name;
        int runs;
    } paths[] = {PATHS};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (!strcmp(path, paths[i].name)) return paths[i].runs != 0;
    return 0;
}

/* Which paths this processor runs.  Compiled once, with PATHS from the build: PATH(name, HAS(feature) HAS(feature) ...) for each path. */
#include <string.h>

#include "kernel.h"

#define HAS(feature) && __builtin_cpu_supports(#feature)
#define PATH(name, features) {#name, 1 features},

EXPORT int inlaid_can_run(const char *path) {
    const struct {
        const char *name;
        int runs;
    } paths[] = {PATHS};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (!strcmp(path, paths[i].name)) return paths[i].runs != 0;
    return 0;
}

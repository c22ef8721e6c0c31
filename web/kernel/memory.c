/* Memory for the kernel in a browser: a stack of blocks, since it frees all that it allocates, and nearly in that order.
 *
 *   heap    head | block | head | block | head | block | free
 *                                                      top
 *
 * A block that is freed is given back when no block above it is in use. */
#include <stddef.h>
#include <stdint.h>

enum { UNIT = 64 /* bytes: every block begins at a cache line */, PAGE = 1 << 16 };

typedef struct block {
    struct block *below;
    int in_use;
} block;

extern unsigned char __heap_base; /* the linker's */

static block *newest; /* the head of the topmost block, which is in use */
static uintptr_t top;

static uintptr_t rounded(uintptr_t v) { return (v + UNIT - 1) & ~(uintptr_t)(UNIT - 1); }

__attribute__((export_name("malloc"))) void *malloc(size_t bytes) {
    if (!newest) top = rounded((uintptr_t)&__heap_base);
    if (bytes >= (size_t)1 << 31) return NULL;
    const uint64_t end = (uint64_t)top + UNIT + rounded(bytes), held = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end > held && __builtin_wasm_memory_grow(0, (size_t)((end - held + PAGE - 1) / PAGE)) == (size_t)-1) return NULL;
    block *const head = (block *)top;
    *head = (block){newest, 1};
    newest = head;
    top = (uintptr_t)end;
    return (char *)head + UNIT;
}

void *aligned_alloc(size_t alignment, size_t bytes) { return alignment <= UNIT ? malloc(bytes) : NULL; }

__attribute__((export_name("free"))) void free(void *p) {
    if (!p) return;
    ((block *)((char *)p - UNIT))->in_use = 0;
    for (; newest && !newest->in_use; newest = newest->below) top = (uintptr_t)newest;
}

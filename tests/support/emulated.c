/* The kernels behind a pipe, for test_neon.py: requests from standard input, answers to standard output, until the end. */
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"

typedef int restore(const network *, const int16_t *, const uint8_t *, ptrdiff_t, int, int, uint8_t *, ptrdiff_t, int, int);
restore inlaid_restore_neon, inlaid_restore_portable;
int inlaid_gradient_neon(const network *, int, const float *, const uint8_t *, const uint8_t *, ptrdiff_t, int, int, const int32_t (*)[4],
                         int, double *, double *, float *, float *);
int inlaid_normed_gradient_neon(const network *, int, const float *, const uint8_t *, const uint8_t *, ptrdiff_t, int, int,
                                const int32_t *, double *, double *, double *);
void inlaid_rgb_neon(const uint8_t *, uint8_t *, ptrdiff_t);
int inlaid_can_run(const char *);

static void check(int good) {
    if (!good) exit(1);
}

static void *room(size_t bytes) {
    void *p = malloc(bytes + 1);
    check(p != NULL);
    return p;
}

static void *request(size_t bytes) {
    void *p = room(bytes);
    check(fread(p, 1, bytes, stdin) == bytes);
    return p;
}

static void answer(void *p, size_t bytes) {
    check(fwrite(p, 1, bytes, stdout) == bytes);
    free(p);
}

int main(void) {
    struct {
        int32_t what, height, width, size, rectangles, answers; /* an initial; size: of the parameters; answers: of the float network */
        network net;
    } head;
    check(inlaid_can_run("neon"));
    while (fread(&head, sizeof head, 1, stdin) == 1) {
        const int height = head.height, width = head.width;
        const size_t pixels = (size_t)height * (size_t)width, size = (size_t)head.size;
        if (head.what == 'n' || head.what == 'p') { /* restore: neon, portable */
            int16_t *params = request(size * sizeof *params);
            uint8_t *base = request(pixels), *out = room(pixels);
            restore *run = head.what == 'n' ? inlaid_restore_neon : inlaid_restore_portable;
            check(!run(&head.net, params, base, width, height, width, out, width, 0, height));
            answer(out, pixels);
            free(params), free(base);
        } else if (head.what == 'c') { /* colour */
            uint8_t *luma = request(pixels), *planes = request(3 * pixels);
            inlaid_rgb_neon(luma, planes, (ptrdiff_t)pixels);
            answer(planes, 3 * pixels);
            free(luma);
        } else if (head.what == 's') { /* with instance norm over one rectangle: loss, gradient, statistics */
            const size_t count = 2 * (size_t)(head.net.layers + 1) * (size_t)head.net.channels;
            float *params = request(size * sizeof *params);
            int32_t *rectangle = request(4 * sizeof *rectangle);
            uint8_t *base = request(pixels), *target = request(pixels);
            double *loss = room(sizeof *loss), *gradient = room(size * sizeof *gradient), *statistics = room(count * sizeof *statistics);
            check(!inlaid_normed_gradient_neon(&head.net, head.size, params, base, target, width, height, width, rectangle, gradient, loss,
                                               statistics));
            answer(loss, sizeof *loss);
            answer(gradient, size * sizeof *gradient);
            answer(statistics, count * sizeof *statistics);
            free(params), free(rectangle), free(base), free(target);
        } else { /* gradient, gradient by the base, or forward alone */
            float *params = request(size * sizeof *params), *answers = head.answers ? room((size_t)head.answers * sizeof *answers) : NULL;
            int32_t(*rectangles)[4] = request((size_t)head.rectangles * sizeof *rectangles);
            uint8_t *base = request(pixels), *target = request(pixels);
            double *loss = room(sizeof *loss), *gradient = head.what == 'g' ? room(size * sizeof *gradient) : NULL;
            float *by_base = head.what == 'b' ? room(pixels * sizeof *by_base) : NULL;
            for (size_t i = 0; by_base && i < pixels; i++) by_base[i] = 0;
            check(!inlaid_gradient_neon(&head.net, head.size, params, base, target, width, height, width, rectangles, head.rectangles,
                                        gradient, loss, answers, by_base));
            answer(loss, sizeof *loss);
            if (gradient) answer(gradient, size * sizeof *gradient);
            if (answers) answer(answers, (size_t)head.answers * sizeof *answers);
            if (by_base) answer(by_base, pixels * sizeof *by_base);
            free(params), free(rectangles), free(base), free(target);
        }
        fflush(stdout);
    }
    return 0;
}

/* The symbols of a JPEG scan (ITU-T T.81, F.1.2), as the trellis prices them and the scan writes them. */
#ifndef INLAID_SYMBOLS_H
#define INLAID_SYMBOLS_H

#include <stdlib.h>

enum { BLOCK = 64, RUN = 16, ZEROS = 0xF0, END = 0x00 }; /* coefficients; the most zeros in a symbol, and its own symbol; end of block */

/* The bits of a level's size category. */
static inline int size_of(int level) {
    int size = 0;
    for (int v = abs(level); v; v >>= 1) size++;
    return size;
}

#endif

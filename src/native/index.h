/* The columns of an index object, as the parts of the extension share them. */

#ifndef TWOFOLD_INDEX_H
#define TWOFOLD_INDEX_H

#include "native.h"
#include <string.h>

enum { HEAD_ROW = 16, PACK_ROW = 72, FRAME_ROW = 16, ID = 32, BLOB_ROW = 12 };

/* An IndexColumns object: all four columns lie within the buffer it holds. */
typedef struct {
    PyObject_HEAD
    Py_buffer buffer;
    const uint8_t *packs, *frames, *ids, *rows;
    uint32_t pack_count, frame_count, blob_count;
} Columns;

extern PyTypeObject *columns_type;

/* Says what is wrong with an index object, as the Python twin does. */
void format_error(const char *message);

/* The pack that owns a frame by binary search, -1 if none does. */
int64_t pack_of(const Columns *columns, uint32_t frame);

/* Whether the packs divide the frames among them in their order. */
int is_regular(const Columns *columns);

static inline uint32_t
u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A new heap type under its name in the module, NULL with an exception set. */
PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, const char *name);

int add_index_table(PyObject *module);

#endif

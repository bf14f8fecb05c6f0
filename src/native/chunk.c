/* The chunker's functions for Python: where chunks end, and where zeros are.

   The twins are in twofold/chunker/cut.py and twofold/chunker/zeros.py; the rules are in
   docs/format/chunking.md. */

#include "native.h"

#include "chunk_kernels.h"
#include "chunk_zeros.h"

struct sizes {
    size_t minimum, normal, maximum; /* bytes: AES_BLOCK <= minimum < normal < maximum */
    uint32_t strict, loose;          /* thresholds below and from normal, not 0 */
};

/* Length of the chunk that begins the data; 0 if the data does not reach its end. */
static size_t
chunk_length(const struct kernel *kernel, const struct cipher *cipher, const struct sizes *sizes,
             const uint8_t *data, size_t size)
{
    size_t middle = size < sizes->normal - 1 ? size : sizes->normal - 1;
    size_t last = size < sizes->maximum - 1 ? size : sizes->maximum - 1;

    size_t found = first_below(kernel, cipher, data, sizes->minimum - 1, middle, sizes->strict);
    if (found < middle)
        return found + 1;
    found = first_below(kernel, cipher, data, middle, last, sizes->loose);
    if (found < last)
        return found + 1;
    return size < sizes->maximum ? 0 : sizes->maximum;
}

/* Writes the end offsets of the chunks of the data; how many. There is room for all of them. */
static size_t
find_ends(const struct kernel *kernel, const uint8_t *key, const struct sizes *sizes,
          const uint8_t *data, size_t size, int final, size_t *ends)
{
    struct cipher cipher;
    size_t count = 0, start = 0, length;

    if (size >= sizes->minimum)
        expand_key(&cipher, key);
    while (size - start >= sizes->minimum) {
        length = chunk_length(kernel, &cipher, sizes, data + start, size - start);
        if (length == 0)
            break;
        start += length;
        ends[count++] = start;
    }
    if (final && start < size)
        ends[count++] = size;
    return count;
}

/* The first kernel that this processor can run and, unless NULL, that has this name; or NULL. */
static const struct kernel *
find_kernel(const char *name)
{
    for (size_t i = 0; i < chunk_kernel_count; i++) {
        const struct kernel *kernel = &chunk_kernels[i];
        if ((name == NULL || strcmp(kernel->name, name) == 0) && kernel->usable())
            return kernel;
    }
    return NULL;
}

/* Found once, for in a virtual machine every question to the processor takes microseconds. */
static const struct kernel *fastest;

static PyObject *
list_of_ends(const size_t *ends, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *end = PyLong_FromSize_t(ends[i]);
        if (end == NULL || PyList_SetItem(list, (Py_ssize_t)i, end) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *
cut_buffer(const struct kernel *kernel, const Py_buffer *key, const struct sizes *sizes,
           const Py_buffer *data, int final)
{
    size_t size = (size_t)data->len, count;
    /* Every chunk but the last has at least `minimum` bytes. */
    size_t *ends = PyMem_Malloc((size / sizes->minimum + 1) * sizeof *ends);
    if (ends == NULL)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    count = find_ends(kernel, key->buf, sizes, data->buf, size, final, ends);
    Py_END_ALLOW_THREADS
    PyObject *list = list_of_ends(ends, count);
    PyMem_Free(ends);
    return list;
}

/* What is wrong with the arguments of `cut`, or NULL. */
static const char *
refusal(const struct kernel *kernel, Py_ssize_t key, const Py_ssize_t length[3],
        const unsigned long long threshold[2])
{
    if (kernel == NULL)
        return "this processor has no such kernel";
    if (key != AES_BLOCK)
        return "a chunker key has 16 bytes";
    if (length[0] < AES_BLOCK || length[0] >= length[1] || length[1] >= length[2])
        return "chunk sizes must be 16 <= minimum < normal < maximum";
    if (threshold[0] - 1 >= UINT32_MAX || threshold[1] - 1 >= UINT32_MAX)
        return "thresholds must be from 1 to 2^32 - 1";
    return NULL;
}

PyDoc_STRVAR(cut_doc,
"cut($module, key, minimum, normal, maximum, strict, loose, data, final, /, kernel=None)\n--\n\n"
"End offsets of the chunks of data, as Chunker.cut gives them. kernel is a name from\n"
"chunk_kernels(), for tests. Raises ValueError for values that make no chunker.");

static PyObject *
cut(PyObject *module, PyObject *args, PyObject *named)
{
    static char *names[] = {"", "", "", "", "", "", "", "", "kernel", NULL};
    Py_buffer key, data;
    Py_ssize_t length[3];
    unsigned long long threshold[2];
    int final;
    const char *name = NULL;
    PyObject *result = NULL;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, named, "y*nnnKKy*p|z:cut", names, &key, &length[0],
                                     &length[1], &length[2], &threshold[0], &threshold[1], &data,
                                     &final, &name))
        return NULL;
    const struct kernel *kernel = name == NULL ? fastest : find_kernel(name);
    const char *refused = refusal(kernel, key.len, length, threshold);
    if (refused != NULL) {
        PyErr_SetString(PyExc_ValueError, refused);
    } else {
        const struct sizes sizes = {(size_t)length[0], (size_t)length[1], (size_t)length[2],
                                    (uint32_t)threshold[0], (uint32_t)threshold[1]};
        result = cut_buffer(kernel, &key, &sizes, &data, final);
    }
    PyBuffer_Release(&key);
    PyBuffer_Release(&data);
    return result;
}

PyDoc_STRVAR(chunk_kernels_doc,
"chunk_kernels($module, /)\n--\n\n"
"Names of the kernels of cut that this processor can run, the fastest first.");

static PyObject *
kernel_names(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    PyObject *list = PyList_New(0), *result = NULL;
    for (size_t i = 0; list != NULL && i < chunk_kernel_count; i++) {
        if (!chunk_kernels[i].usable())
            continue;
        PyObject *name = PyUnicode_FromString(chunk_kernels[i].name);
        if (name == NULL || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    if (list != NULL)
        result = PyList_AsTuple(list);
    Py_XDECREF(list);
    return result;
}

static int
append_run(PyObject *runs, size_t start, size_t end)
{
    PyObject *run = Py_BuildValue("(nn)", (Py_ssize_t)start, (Py_ssize_t)end);
    int failed = run == NULL || PyList_Append(runs, run) < 0;
    Py_XDECREF(run);
    return failed ? -1 : 0;
}

PyDoc_STRVAR(zero_runs_doc,
"zero_runs($module, data, /)\n--\n\nAll maximal runs of 64 KiB or more zeros: (start, end) offsets.");

static PyObject *
zero_runs(PyObject *module, PyObject *object)
{
    Py_buffer data;
    size_t at = 0, length;
    (void)module;
    if (PyObject_GetBuffer(object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *runs = PyList_New(0);
    while (runs != NULL) {
        Py_BEGIN_ALLOW_THREADS
        length = next_zero_run(data.buf, (size_t)data.len, &at);
        Py_END_ALLOW_THREADS
        if (length == 0)
            break;
        if (append_run(runs, at, at + length) < 0)
            Py_CLEAR(runs);
        at += length;
    }
    PyBuffer_Release(&data);
    return runs;
}

static PyObject *
count_zeros(PyObject *object, size_t (*count)(const uint8_t *, size_t))
{
    Py_buffer data;
    size_t zeros;
    if (PyObject_GetBuffer(object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    zeros = count(data.buf, (size_t)data.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    return PyLong_FromSize_t(zeros);
}

PyDoc_STRVAR(leading_zeros_doc,
"leading_zeros($module, data, /)\n--\n\nHow many zero bytes data begins with.");

static PyObject *
leading(PyObject *module, PyObject *object)
{
    (void)module;
    return count_zeros(object, leading_zeros);
}

PyDoc_STRVAR(trailing_zeros_doc,
"trailing_zeros($module, data, /)\n--\n\nHow many zero bytes data ends with.");

static PyObject *
trailing(PyObject *module, PyObject *object)
{
    (void)module;
    return count_zeros(object, trailing_zeros);
}

static PyMethodDef functions[] = {
    {"cut", (PyCFunction)(void (*)(void))cut, METH_VARARGS | METH_KEYWORDS, cut_doc},
    {"chunk_kernels", kernel_names, METH_NOARGS, chunk_kernels_doc},
    {"zero_runs", zero_runs, METH_O, zero_runs_doc},
    {"leading_zeros", leading, METH_O, leading_zeros_doc},
    {"trailing_zeros", trailing, METH_O, trailing_zeros_doc},
    {NULL, NULL, 0, NULL},
};

int
add_chunk(PyObject *module)
{
    fastest = find_kernel(NULL);
    return PyModule_AddFunctions(module, functions);
}

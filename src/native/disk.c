/* Tables of file systems: the quick twins of what is done for every file of a disk. */

#include "disk.h"

int
take_stream_makers(PyObject *tuple, struct stream_makers *makers)
{
    return PyArg_ParseTuple(tuple, "O!O!OO", &PyType_Type, &makers->stream, &PyType_Type,
                            &makers->run, &makers->file, &makers->meta);
}

PyObject *
named_tuple(PyObject *type, PyObject *fields)
{
    newfunc make = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    PyObject *args = fields ? PyTuple_Pack(1, fields) : NULL;
    PyObject *made = args ? make((PyTypeObject *)type, args, NULL) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(fields);
    return made;
}

static PyObject *
made_runs(const struct stream_makers *makers, const struct stream *stream)
{
    PyObject *runs = PyTuple_New((Py_ssize_t)stream->run_count);
    for (size_t i = 0; runs && i < stream->run_count; i++) {
        const struct run *run = &stream->runs[i];
        PyObject *fields = Py_BuildValue("(LK)", (long long)run->first,
                                         (unsigned long long)run->units);
        PyObject *made = named_tuple(makers->run, fields);
        if (made)
            PyTuple_SetItem(runs, (Py_ssize_t)i, made);
        else
            Py_CLEAR(runs);
    }
    return runs;
}

int
append_stream(PyObject *into, const struct stream_makers *makers, const struct stream *stream,
              PyObject *stamp)
{
    PyObject *runs = stamp ? made_runs(makers, stream) : NULL;
    PyObject *role = stream->is_file ? makers->file : makers->meta;
    PyObject *fields =
        runs ? Py_BuildValue("(KyOKKOOOO)", (unsigned long long)stream->owner, stream->name, role,
                             (unsigned long long)stream->size, (unsigned long long)stream->valid,
                             runs, stamp, Py_False, Py_False)
             : NULL;
    Py_XDECREF(runs);
    Py_XDECREF(stamp);
    PyObject *made = named_tuple(makers->stream, fields);
    int failed = made == NULL || PyList_Append(into, made) < 0;
    Py_XDECREF(made);
    return failed ? -1 : 0;
}

int
set_has(PyObject *set, uint64_t number)
{
    if (PySet_Size(set) <= 0)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *made = PyLong_FromUnsignedLongLong(number);
    int found = made ? PySet_Contains(set, made) : -1;
    Py_XDECREF(made);
    return found;
}

int
append_asked(PyObject *into, enum told told, uint64_t index)
{
    if (told != ASK)
        return told == TOLD ? 0 : -1;
    PyObject *made = PyLong_FromUnsignedLongLong(index);
    int failed = made == NULL || PyList_Append(into, made) < 0;
    Py_XDECREF(made);
    return failed ? -1 : 0;
}

static PyMethodDef functions[] = {
    {"ntfs_streams", ntfs_streams, METH_VARARGS,
     "ntfs_streams(block, record, cluster, units, first, damaged, own, parents, recipe, makers): "
     "the streams of the records of a block, and in the places of others their index."},
    {"ext_streams", ext_streams, METH_VARARGS,
     "ext_streams(table, size, indexes, first, volume, own, latest, digest, makers): the streams "
     "of inodes, and in the places of others their index."},
    {"claim_streams", claim_streams, METH_VARARGS,
     "claim_streams(streams, at, unit, units, claimed, into, roles, wanted): take streams of one "
     "run each from a place on; the place of the first that is not taken."},
    {NULL, NULL, 0, NULL},
};

int
add_disk(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

/* What the wrappers of kernels share: arguments from Python to the native calling convention of Numba, and back.

   A native function takes the place of its result, the place of an exception, and its arguments; an array is passed as seven or more
   of them: owner, parent, number of items, size of an item, address, extent and stride in bytes of each axis. It returns
   0, or -2 where its result is None. Kernels do not raise, and own no memory, so the owner may be NULL. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RETURNED_NONE (-2)
#define MOST_AXES 8  // of arrays in kernels

typedef struct {
    double real, imag;
} complex_number;

typedef union {
    void *none;
    int8_t boolean;
    int64_t integer;
    double number;
} result_place;

/* In the table of a level, sorted by key: one of function, numbers, literal. */
typedef struct {
    const char *key;
    PyMethodDef *function;
    const intptr_t *numbers;
    Py_ssize_t count;
    const char *literal;
} entry;

typedef struct {
    const char *name;
    int (*suits)(void);
    const entry *entries;
    size_t count;
} level;

static inline int take_count(Py_ssize_t given, Py_ssize_t wanted)
{
    if (given != wanted)
        PyErr_Format(PyExc_TypeError, "a kernel takes %zd arguments, got %zd", wanted, given);
    return given == wanted;
}

static inline int take_array(PyObject *given, int place, int axes, int number, PyArrayObject **array)
{
    if (PyArray_Check(given)) {
        *array = (PyArrayObject *)given;
        int found = PyArray_TYPE(*array);
        if (PyArray_NDIM(*array) == axes && (found == number || PyArray_EquivTypenums(found, number)))
            return 1;
    }
    PyErr_Format(PyExc_TypeError, "argument %d of a kernel must be an array with %d axes of dtype number %d, got %R", place, axes, number, given);
    return 0;
}

static inline int take_tuple(PyObject *given, int place, Py_ssize_t size)
{
    int fits = PyTuple_Check(given) && PyTuple_Size(given) == size;
    if (!fits)
        PyErr_Format(PyExc_TypeError, "argument %d of a kernel must be a tuple of %zd, got %R", place, size, given);
    return fits;
}

static inline int take_integer(PyObject *given, int64_t *number)
{
    if (PyLong_Check(given)) {
        *number = PyLong_AsLongLong(given);
    } else {
        PyObject *index = PyNumber_Index(given);
        if (index == NULL)
            return 0;
        *number = PyLong_AsLongLong(index);
        Py_DECREF(index);
    }
    return *number != -1 || !PyErr_Occurred();
}

static inline int take_unsigned(PyObject *given, uint64_t *number)
{
    PyObject *index = PyNumber_Index(given);
    if (index == NULL)
        return 0;
    *number = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    return *number != (uint64_t)-1 || !PyErr_Occurred();
}

static inline int take_number(PyObject *given, double *number)
{
    *number = PyFloat_AsDouble(given);
    return *number != -1.0 || !PyErr_Occurred();
}

static inline int take_complex(PyObject *given, complex_number *number)
{
    number->real = PyComplex_RealAsDouble(given);
    number->imag = PyComplex_ImagAsDouble(given);
    return !PyErr_Occurred();
}

static inline int take_truth(PyObject *given, int8_t *truth)
{
    int found = PyObject_IsTrue(given);
    *truth = (int8_t)found;
    return found >= 0;
}

static inline PyObject *failed(int status)
{
    return PyErr_Format(PyExc_RuntimeError, "a kernel ended with status %d", status);
}

/* What the code of kernels calls by names of Numba's. */

#if defined(__GNUC__)
#define HIDDEN __attribute__((visibility("hidden")))
#else
#define HIDDEN
#endif

/* The memory manager, which is never reached: arrays of kernels have no owner. */
HIDDEN void NRT_MemInfo_call_dtor(void *owner)
{
    (void)owner;
    abort();
}

/* Strides of an array of other extents and the same items in C order, without a copy; 0 if there are none. */
HIDDEN int numba_attempt_nocopy_reshape(npy_intp axes, const npy_intp *extents, const npy_intp *strides, npy_intp new_axes,
                                        const npy_intp *new_extents, npy_intp *new_strides, npy_intp item, int fortran)
{
    npy_intp run_extents[MOST_AXES], run_strides[MOST_AXES], runs = 0, items = 1;
    if (fortran || axes > MOST_AXES)
        return 0;
    for (npy_intp i = 0; i < axes; i++) {
        items *= extents[i];
        if (extents[i] == 1)
            continue;
        if (runs && run_strides[runs - 1] == extents[i] * strides[i]) {  // goes on where the axis before has its next item
            run_extents[runs - 1] *= extents[i];
            run_strides[runs - 1] = strides[i];
        } else {
            run_extents[runs] = extents[i];
            run_strides[runs++] = strides[i];
        }
    }
    npy_intp run = runs - 1, used = 1;  // items of the run that later axes take
    for (npy_intp i = new_axes - 1; i >= 0; i--) {
        if (items == 0 || run < 0) {  // no items, or all are taken: this axis has extent 1
            new_strides[i] = item;
            continue;
        }
        new_strides[i] = run_strides[run] * used;
        used *= new_extents[i];
        if (run_extents[run] % used)
            return 0;
        if (used == run_extents[run]) {
            run--;
            used = 1;
        }
    }
    return 1;
}

#define ARRAY(a) NULL, NULL, PyArray_SIZE(a), PyArray_ITEMSIZE(a), PyArray_DATA(a)
#define AXIS(a, i) PyArray_DIM(a, i)
#define STEP(a, i) PyArray_STRIDE(a, i)

/* The module: which levels the processor has, and what is in the table of one. Included after the tables. */

static const size_t level_count = sizeof levels / sizeof *levels;

static const level *level_of(const char *name)
{
    for (size_t i = 0; i < level_count; i++)
        if (!strcmp(levels[i].name, name) && levels[i].suits())
            return &levels[i];
    PyErr_Format(PyExc_ValueError, "the processor has no level '%s', or the module has no code for it", name);
    return NULL;
}

static PyObject *levels_here(PyObject *self, PyObject *nothing)
{
    PyObject *found = PyList_New(0);
    for (size_t i = 0; found && i < level_count; i++) {
        if (!levels[i].suits())
            continue;
        PyObject *name = PyUnicode_FromString(levels[i].name);
        if (name == NULL || PyList_Append(found, name) < 0)
            Py_CLEAR(found);
        Py_XDECREF(name);
    }
    return found;
}

static PyObject *size(PyObject *self, PyObject *name)
{
    const char *given = PyUnicode_AsUTF8AndSize(name, NULL);
    const level *found = given ? level_of(given) : NULL;
    return found ? PyLong_FromSize_t(found->count) : NULL;
}

static int compare(const void *key, const void *item)
{
    return strcmp(key, ((const entry *)item)->key);
}

static PyObject *find(PyObject *self, PyObject *args)
{
    const char *name, *key;
    if (!PyArg_ParseTuple(args, "ss", &name, &key))
        return NULL;
    const level *where = level_of(name);
    if (where == NULL)
        return NULL;
    const entry *found = bsearch(key, where->entries, where->count, sizeof *found, compare);
    if (found == NULL)
        Py_RETURN_NONE;
    if (found->function)
        return PyCFunction_NewEx(found->function, NULL, NULL);
    if (found->numbers)
        return PyBytes_FromStringAndSize((const char *)found->numbers, found->count * (Py_ssize_t)sizeof(intptr_t));
    return PyUnicode_FromString(found->literal);
}

static PyMethodDef methods[] = {
    {"levels", levels_here, METH_NOARGS, "The levels that this processor has, the highest first."},
    {"size", size, METH_O, "How much is in the table of a level."},
    {"find", find, METH_VARARGS, "A function, the bytes of numbers, or a literal, by level and key; None if there is none."},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module)
{
    import_array1(-1);
    return PyModule_AddStringConstant(module, "digest", DIGEST);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_machine_code", "Compiled kernels.", 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__machine_code(void)
{
    return PyModuleDef_Init(&definition);
}

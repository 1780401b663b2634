"""Small tools that know nothing of filters: files, memory, errors, progress, pictures, names."""

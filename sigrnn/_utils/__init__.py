"""Small tools that are independent of filters: files, memory, errors, progress, pictures, names."""

"""Products on the CPU by kernels that are compiled when they are first needed."""

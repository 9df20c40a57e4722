"""The command line: reads and writes image files, and calls the library for everything else."""

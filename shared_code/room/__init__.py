"""Where strangers' files are read: a process for each picture, which can do nothing else."""

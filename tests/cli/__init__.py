"""The command line, in process, as a process, and on a terminal."""

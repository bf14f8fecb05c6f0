"""The command line: words in, one command run, its events and result shown, an exit code out.

Nothing here is imported before it is needed: ``twofold --help`` loads click and little else.
"""

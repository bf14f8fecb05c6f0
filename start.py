"""Two commands on a fresh machine, with nothing but Python:

    python3 start.py            installs into .venv beside this file and shows the program at work
    python3 start.py test       installs what the tests need and runs all of them
    python3 start.py WORDS...   anything else is handed to the twofold command

On Windows: ``py start.py``. Very old Pythons read this file too, to be told so: no newer syntax.
"""

import sys

NEEDED = (3, 11)

if sys.version_info < NEEDED:
    sys.exit(
        "Twofold needs Python %d.%d or newer, and this is Python %d.%d (%s)."
        % (NEEDED + tuple(sys.version_info[:2]) + (sys.executable,))
    )


def main(words):
    """Do what the words ask for and return the exit code."""
    from scripts import demo, environment, suite

    try:
        if not words:
            return demo.run(environment.ready())
        if words[0] == "test":
            return suite.run(words[1:])
        return environment.hand_over(words)
    except environment.Trouble as trouble:
        sys.stderr.write("start.py: %s\n" % trouble)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
